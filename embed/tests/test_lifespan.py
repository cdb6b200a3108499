"""Startup, shutdown and the state between them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from live_server import APPS, run_to_end, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Serve


def marks(folder: Path) -> dict[str, list[str]]:
    """What was done, and by which processes; each of them once."""
    found: dict[str, list[str]] = {}
    for path in folder.iterdir():
        # Empty for a moment: the file is made before the mark is written.
        assert path.read_text() in ("x", ""), f"{path.name} was done more than once"
        what, _, pid = path.name.partition("-")
        found.setdefault(what, []).append(pid)
    return {what: sorted(pids) for what, pids in found.items()}


def test_state_is_seen_in_requests(serve: Serve, tmp_path: Path) -> None:
    """What the lifespan yielded, as attributes of ``request.state``."""
    server = serve("lifespan", env={"MARKS": str(tmp_path)})
    with server.client() as client:
        for seen in (1, 2):
            got = client.get("/").json()
            assert got == {
                "answer": 42,
                "seen": seen,
                "mine": False,
                "ready": True,
                "pid": server.shard_pid,
            }
        assert client.get("/def").json() == 42


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_lifespan_runs_once_in_each_shard(
    serve: Serve, tmp_path: Path, number: signal.Signals
) -> None:
    """Up before the first request, down on the signal."""
    server = serve("lifespan", shards=2, env={"MARKS": str(tmp_path)})
    pids = sorted(map(str, server.shard_pids))
    assert len(pids) == 2
    assert marks(tmp_path) == {"startup": pids}
    server.signal(number)
    assert server.wait_end(5.0) == 0
    assert marks(tmp_path) == {"startup": pids, "shutdown": pids}


def test_event_functions_run_once_in_each_shard(serve: Serve, tmp_path: Path) -> None:
    """All of them, async or not."""
    server = serve("lifespan:events", shards=2, env={"MARKS": str(tmp_path)}, cwd=APPS)
    pids = sorted(map(str, server.shard_pids))
    assert server.get("/").json() == "events"
    assert marks(tmp_path) == {"startup": pids, "startup2": pids}
    assert server.stop() == 0
    names = ("startup", "startup2", "shutdown", "shutdown2")
    assert marks(tmp_path) == dict.fromkeys(names, pids)


def test_a_reload_shuts_the_old_shards_down(serve: Serve, tmp_path: Path) -> None:
    """The new generation starts up, the old one shuts down."""
    server = serve("lifespan", env={"MARKS": str(tmp_path)})
    old = str(server.shard_pid)
    server.signal(signal.SIGHUP)
    wait_until(lambda: marks(tmp_path).get("shutdown") == [old], 10.0)
    new = server.get("/").json()["pid"]
    assert str(new) != old
    assert marks(tmp_path) == {"startup": sorted([old, str(new)]), "shutdown": [old]}


FAILING = {
    "lifespan": """
from contextlib import asynccontextmanager
from fasterapi import FasterAPI

@asynccontextmanager
async def lifespan(app):
    raise RuntimeError("no database today")
    yield

app = FasterAPI(lifespan=lifespan)
""",
    "event": """
from fasterapi import FasterAPI
app = FasterAPI()

@app.on_event("startup")
def start():
    raise RuntimeError("no database today")
""",
}


@pytest.mark.parametrize("kind", FAILING)
@pytest.mark.parametrize("shards", ["1", "2"])
def test_a_failing_startup_is_said_once(tmp_path: Path, kind: str, shards: str) -> None:
    """One clear text, exit code 1, no second try."""
    (tmp_path / "main.py").write_text(FAILING[kind])
    ended = run_to_end("run", "main:app", "--port", "0", "--shards", shards, cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.count("RuntimeError: no database today") == 1
    assert "main.py" in ended.stderr
    assert "starts again" not in ended.stderr


def test_a_lifespan_that_yields_nonsense(tmp_path: Path) -> None:
    """Named in the message."""
    (tmp_path / "main.py").write_text(
        FAILING["lifespan"].replace('raise RuntimeError("no database today")\n    yield', "yield 1")
    )
    ended = run_to_end("run", "main:app", "--port", "0", cwd=tmp_path)
    assert ended.returncode == 1
    assert "lifespan must yield a mapping or nothing, not int" in ended.stderr


def test_a_failing_shutdown_is_logged(serve: Serve) -> None:
    """With its traceback, and the exit code tells."""
    server = serve(
        """
from fasterapi import FasterAPI
app = FasterAPI()

@app.on_event("shutdown")
async def stop():
    raise RuntimeError("cannot say goodbye")

@app.get("/")
async def root(): return 1
""",
        exit_code=None,
    )
    assert server.get("/").json() == 1
    assert server.stop() == 1
    assert server.log.count("RuntimeError: cannot say goodbye") == 1


def test_a_reload_that_fails_leaves_the_old_shards(serve: Serve, tmp_path: Path) -> None:
    """The server goes on, and says why."""
    (tmp_path / "value.py").write_text("VALUE = 1\n")
    server = serve(
        """
from fasterapi import FasterAPI
from value import VALUE
app = FasterAPI()

@app.get("/")
async def root(): return VALUE
""",
        cwd=tmp_path,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    before = server.shard_pid
    (tmp_path / "value.py").write_text("VALUE = \n")
    server.signal(signal.SIGHUP)
    server.wait_log("the reload failed")
    assert "SyntaxError" in server.log
    assert server.get("/").json() == 1
    wait_until(lambda: server.shard_pids == [before], 5.0)
    (tmp_path / "value.py").write_text("VALUE = 2\n")
    server.signal(signal.SIGHUP)
    wait_until(lambda: server.get("/").json() == 2, 10.0)


ADDING = """
from contextlib import asynccontextmanager

from fasterapi import APIRouter, FastAPI, Request
from fasterapi.middleware.cors import CORSMiddleware
from fasterapi.responses import JSONResponse, PlainTextResponse

class Late(Exception):
    pass

async def answer_late(request: Request, error: Late):
    return JSONResponse({"late": True}, status_code=418)

@asynccontextmanager
async def lifespan(app):
    @app.get("/added/{number}")
    async def added(number: int, request: Request):
        return [number, request.state.word]

    @app.get("/def")
    def plain():
        return "a thread's"

    router = APIRouter(prefix="/router")

    @router.get("/raises")
    async def raises():
        raise Late

    app.include_router(router)
    app.add_exception_handler(Late, answer_late)
    app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"])

    @app.middleware("http")
    async def stamp(request, call_next):
        response = await call_next(request)
        response.headers["x-stamp"] = "late"
        return response

    mounted.add_api_route("/more", lambda: "mounted")
    mounted.add_exception_handler(Late, answer_late)
    yield {"word": "hello"}
    app.add_api_route("/too-late", added)

app = FastAPI(lifespan=lifespan)
mounted = FastAPI()
app.mount("/mounted", mounted)

@app.get("/")
async def root():
    return "there from the beginning"

@mounted.get("/raises")
async def raises_there():
    raise Late
"""


def test_what_a_lifespan_adds_is_served(serve: Serve) -> None:
    """Routes, routers, middleware and exception handlers, the application's and a mounted one's."""
    server = serve(ADDING)
    with server.client() as client:
        assert client.get("/").json() == "there from the beginning"
        added = client.get("/added/3", headers={"origin": "https://a.example"})
        assert added.json() == [3, "hello"]
        assert added.headers["x-stamp"] == "late"
        assert added.headers["access-control-allow-origin"] == "https://a.example"
        assert client.get("/added/three").status_code == 422
        assert client.get("/def").json() == "a thread's"
        for path in ("/router/raises", "/mounted/raises"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()) == (418, {"late": True})
        assert client.get("/mounted/more").json() == "mounted"
        assert client.get("/too-late").status_code == 404
        assert "/added/{number}" in client.get("/openapi.json").json()["paths"]
    assert server.stop() == 0


def test_startup_functions_may_add_routes(serve: Serve) -> None:
    """Below the root path as the others."""
    server = serve(
        """
from fasterapi import FastAPI
app = FastAPI()

@app.on_event("startup")
def start():
    app.add_api_route("/added", lambda: "added")
""",
        "--root-path",
        "/api",
    )
    assert server.get("/added").json() == "added"
    assert server.get("/api/added").json() == "added"


def test_a_route_that_cannot_be_served_fails_the_start(tmp_path: Path) -> None:
    """Also when a lifespan adds it; the mistake is named."""
    (tmp_path / "main.py").write_text(
        """
from contextlib import asynccontextmanager
from fasterapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    app.add_api_route("/{id:nonsense}", lambda: 1)
    yield

app = FastAPI(lifespan=lifespan)
"""
    )
    ended = run_to_end("run", "main:app", "--port", "0", cwd=tmp_path)
    assert ended.returncode == 1
    assert "nonsense" in ended.stderr
