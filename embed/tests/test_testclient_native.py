"""The test client through Rust, in the test's own process.

In a Python that has the package with its Rust module these tests run as they are. Elsewhere one
test runs this file with the Python that the pip form was installed into.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import importlib.util
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

try:
    from fasterapi import _core
except ImportError:
    HERE = False
else:
    HERE = hasattr(_core, "LocalShard")

here = pytest.mark.skipif(not HERE, reason="this Python has no fasterapi with a Rust module")
DIST = Path(os.environ.get("FASTERAPI_DIST", "not given"))

variable = contextvars.ContextVar("variable", default="unset")


@pytest.mark.skipif(HERE, reason="the tests run in this Python")
@pytest.mark.skipif(not DIST.is_dir(), reason="FASTERAPI_DIST is not given")
def test_in_the_pip_form() -> None:
    """With this Python's httpx and pytest, which are pure Python."""
    from live_server import binary, clean_environment

    found = importlib.util.find_spec("httpx2") or importlib.util.find_spec("httpx")
    if found is None or found.origin is None:
        pytest.skip("httpx is not installed")
    environment = clean_environment() | {"PYTHONPATH": str(Path(found.origin).parents[1])}
    # Not this repository's settings, which put the package's source first.
    command = [str(binary().parent / "python"), "-m", "pytest", "-q", "--noconftest"]
    command += ["-c", os.devnull]
    ran = subprocess.run(
        [*command, "-p", "no:cacheprovider", __file__],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd="/",
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "passed" in ran.stdout


def make_app() -> Any:
    """An application with what the tests ask for."""
    from fasterapi import FastAPI, Request
    from fasterapi.responses import Response, StreamingResponse

    app = FastAPI()

    @app.get("/variable")
    async def read_variable() -> str:
        return variable.get()

    @app.get("/request")
    async def read_request(request: Request) -> dict[str, Any]:
        return {"client": request.client, "url": str(request.url)}

    @app.post("/body")
    async def read_body(request: Request) -> int:
        return len(await request.body())

    @app.get("/raise")
    async def raise_lookup_error() -> None:
        raise LookupError("lost")

    @app.get("/raise-in-thread")
    def raise_in_thread() -> None:
        raise LookupError("lost")

    @app.get("/raise-in-stream")
    async def raise_in_stream() -> Response:
        async def pieces() -> Any:
            yield "a"
            raise LookupError("lost")

        return StreamingResponse(pieces())

    @app.get("/raise-after")
    async def raise_after() -> Response:
        async def after() -> None:
            await asyncio.sleep(0.01)
            raise LookupError("lost")

        return Response("a", background=after)  # type: ignore[arg-type]

    @app.get("/after")
    def work_after() -> Response:
        async def after() -> None:
            await asyncio.sleep(0.05)
            app.state.worked = True

        return Response("a", background=after)  # type: ignore[arg-type]

    return app


@here
def test_requests_go_through_rust() -> None:
    """Rust writes the fields in its own order, and a date, which ASGI has not."""
    from fasterapi.testclient import TestClient

    client = TestClient(make_app(), base_url="https://example.org:444")
    response = client.get("/request")
    assert response.json() == {
        "client": ["testclient", 50000],
        "url": "https://example.org:444/request",
    }
    assert "date" in response.headers
    assert client.get("/nowhere").status_code == 404


@here
def test_handlers_run_in_the_context_of_the_test() -> None:
    """A context variable that the test sets is the handler's too."""
    from fasterapi.testclient import TestClient

    variable.set("by the test")
    assert TestClient(make_app()).get("/variable").json() == "by the test"


@here
@pytest.mark.parametrize("size", [0, 1_000, 5_000_000])
def test_bodies(size: int) -> None:
    """At once, and in chunks that are made while they are sent."""
    from fasterapi.testclient import TestClient

    client = TestClient(make_app())
    assert client.post("/body", content=b"x" * size).json() == size
    pieces = iter([b"x" * (size // 10)] * 10)
    assert client.post("/body", content=pieces).json() == size
    assert client.post("/body", content=b"x" * 30_000_000).status_code == 413


@here
@pytest.mark.parametrize("path", ["/raise", "/raise-in-thread", "/raise-in-stream", "/raise-after"])
def test_exceptions_are_raised_in_the_test_or_answered(path: str) -> None:
    """Wherever in the request's work they are raised."""
    from fasterapi.testclient import TestClient

    app = make_app()
    with pytest.raises(LookupError, match="lost"):
        TestClient(app).get(path)
    response = TestClient(app, raise_server_exceptions=False).get(path)
    assert response.status_code == (200 if path in ("/raise-in-stream", "/raise-after") else 500)


@here
def test_an_answer_waits_for_the_work_after_it() -> None:
    """As with FastAPI's client: what a background task does can be asserted on."""
    from fasterapi.testclient import TestClient

    app = make_app()
    assert TestClient(app).get("/after").text == "a"
    assert app.state.worked is True


@here
def test_the_application_may_change_between_requests() -> None:
    """Routes and overrides that come later are seen."""
    from fasterapi import Depends
    from fasterapi.testclient import TestClient

    app = make_app()
    client = TestClient(app)
    assert client.get("/later").status_code == 404

    def dependency() -> str:
        return "own"

    @app.get("/later")
    async def later(value: str = Depends(dependency)) -> str:
        return value

    assert client.get("/later").json() == "own"
    app.dependency_overrides[dependency] = lambda: "override"
    assert client.get("/later").json() == "override"
    app.dependency_overrides = {}
    assert client.get("/later").json() == "own"


@here
def test_a_handler_may_use_the_client_that_called_it() -> None:
    """It blocks its own loop, so another one answers."""
    from fasterapi.testclient import TestClient

    app = make_app()

    @app.get("/nested")
    async def nested() -> Any:
        return client.get("/variable").json()

    client = TestClient(app)
    assert client.get("/nested").json() == variable.get()
    with client:
        assert client.get("/nested").json() == variable.get()


@here
def test_an_asynchronous_client() -> None:
    """Many requests at once, from a running loop."""
    from fasterapi._testclient_httpx import httpx
    from fasterapi.testclient import AsyncTransport

    async def ask() -> None:
        transport = AsyncTransport(make_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answers = await asyncio.gather(*(client.get("/variable") for _ in range(30)))
            assert {answer.status_code for answer in answers} == {200}
            assert (await client.post("/body", content=b"x" * 1_000_000)).json() == 1_000_000
            with pytest.raises(LookupError, match="lost"):
                await client.get("/raise")

    asyncio.run(ask())


@here
def test_clients_leave_nothing_behind() -> None:
    """200 clients, made and dropped."""
    from fasterapi.testclient import TestClient

    def counts() -> tuple[int, int]:
        gc.collect()
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    app = make_app()
    TestClient(app).get("/variable")
    before = counts()
    for _ in range(200):
        assert TestClient(app).get("/variable").status_code == 200
    after = counts()
    assert after[0] <= before[0] + 1
    assert after[1] <= before[1] + 4


@here
def test_a_task_that_is_left_running_keeps_no_application() -> None:
    """The reactor ends with the client then, and what it has not done is let go."""
    from fasterapi import FasterAPI
    from fasterapi.testclient import TestClient

    def leave_a_task() -> weakref.ref[FasterAPI]:
        app = FasterAPI()

        @app.get("/")
        async def leave() -> None:
            app.state.task = asyncio.create_task(asyncio.sleep(100))

        with TestClient(app) as client:
            assert client.get("/").status_code == 200
        return weakref.ref(app)

    left = [leave_a_task() for _ in range(5)]
    gc.collect()
    # The last one may still be known to what serves the next client.
    assert [app() for app in left[:-1]] == [None] * 4


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
