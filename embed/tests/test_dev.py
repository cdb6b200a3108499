"""``fasterapi dev``: what is written is what is served, a moment later."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from live_server import UNDER_LOAD, own_virtual_environment, run_to_end, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Serve
    from live_server import Server

APP = """
from fasterapi import FastAPI

app = FastAPI()

@app.get("/")
async def root(): return "VERSION"

@app.get("/fails/{word}")
async def fails(word: str):
    raise ValueError(f"<b>{word}</b>")
"""


def write(folder: Path, version: str, name: str = "main.py") -> None:
    """Put an application that answers ``version`` in its place, as editors do."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_text(APP.replace("VERSION", version))
    beside.rename(path)


@pytest.fixture
def dev(serve: Serve, tmp_path: Path) -> Server:
    """The application's first version, served from ``tmp_path``."""
    write(tmp_path, "one")
    env = own_virtual_environment()
    return serve("main:app", command="dev", cwd=tmp_path, env=env)


def answers(server: Server, expected: str) -> None:
    """Wait until the server answers ``expected``."""
    try:
        wait_until(lambda: server.get("/").json() == expected)
    except AssertionError as error:
        raise AssertionError(server.log) from error


def test_a_change_is_served_without_losing_a_request(dev: Server, tmp_path: Path) -> None:
    """Under requests all the time, each version in its turn."""
    seen: list[str] = []
    problems: list[object] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            try:
                seen.append(dev.get("/").raise_for_status().json())
            except httpx.HTTPError as error:
                problems.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for version in ("one", "two", "three"):
            write(tmp_path, version)
            wait_until(lambda version=version: version in seen, what=dev.log)
    finally:
        ended.set()
        asking.join()
    assert problems == []
    in_turn = [version for at, version in enumerate(seen) if at == 0 or seen[at - 1] != version]
    assert in_turn == ["one", "two", "three"]
    assert "main.py has changed" in dev.log
    assert "reloaded after" in dev.log


def test_a_mistake_is_shown_and_the_last_version_stays(dev: Server, tmp_path: Path) -> None:
    """A syntax error, then an exception, then all is well again."""
    (tmp_path / "main.py").write_text("def\n")
    dev.wait_log("SyntaxError")
    assert dev.get("/").json() == "one"
    (tmp_path / "main.py").write_text("import json\njson.loads('{')\n")
    dev.wait_log("JSONDecodeError")
    dev.wait_log("main.py")
    assert dev.get("/").json() == "one"
    write(tmp_path, "two")
    answers(dev, "two")


def test_a_mistake_at_the_start_is_waited_out(serve: Serve, tmp_path: Path) -> None:
    """The process stays; whoever connects meanwhile is answered in the end."""
    (tmp_path / "main.py").write_text("from fasterapi import FastAPI\napp = FastAPI(\n")
    server = serve("main:app", command="dev", cwd=tmp_path, ready=False)
    server.wait_log("waits for a change")
    assert "SyntaxError" in server.log
    assert server.process.poll() is None
    write(tmp_path, "fixed")
    server.wait_ready()
    assert "ready after" in server.log
    assert server.get("/").json() == "fixed"


def test_a_start_that_hangs_does_not_hold_the_next_one_up(dev: Server, tmp_path: Path) -> None:
    """What is written while a version is still starting takes its place."""
    (tmp_path / "main.py").write_text("import time\ntime.sleep(600)\n")
    dev.wait_log("is loaded anew")
    write(tmp_path, "two")
    answers(dev, "two")


def test_what_is_not_the_applications_is_not_watched(dev: Server, tmp_path: Path) -> None:
    """Caches, virtual environments, version control, data."""
    for name in ("__pycache__/a.py", ".git/a.py", "node_modules/a.py", "notes.txt", ".hidden/a.py"):
        write(tmp_path, "x", name)
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    write(tmp_path, "x", "env/lib/a.py")
    time.sleep(0.8)
    assert "has changed" not in dev.log
    write(tmp_path, "x", "inner/new.py")
    dev.wait_log("inner/new.py has changed")


def test_more_is_watched_on_demand(serve: Serve, tmp_path: Path) -> None:
    """Other directories and other names; and a run that reloads is no dev."""
    write(tmp_path, "one")
    other = tmp_path.parent / f"{tmp_path.name}-pages"
    other.mkdir()
    options = ("--reload", "--reload-dir", str(other), "--reload-include", "*.html")
    server = serve("main:app", *options, cwd=tmp_path)
    # Not of the length of "one": Python knows a file that nobody watches by its size.
    write(tmp_path, "second")
    time.sleep(0.6)
    assert "has changed" not in server.log
    (other / "page.html").write_text("x")
    answers(server, "second")
    assert "documentation:" not in server.log
    assert server.get("/fails/x").text == "Internal Server Error"


def test_nothing_is_watched_when_that_is_not_wanted(serve: Serve, tmp_path: Path) -> None:
    """``--no-reload``."""
    write(tmp_path, "one")
    server = serve("main:app", "--no-reload", command="dev", cwd=tmp_path)
    write(tmp_path, "two")
    time.sleep(0.6)
    assert server.get("/").json() == "one"


@pytest.mark.parametrize(
    ("files", "options", "expected"),
    [
        (["main.py", "app.py"], [], "main.py"),
        (["api.py", "app/main.py"], [], "api.py"),
        (["app/__init__.py", "app/main.py"], [], "app/main.py"),
        (["other.py", "main.py"], ["--entrypoint", "other:app"], "other.py"),
        (["other.py"], ["--app", "app", "--entrypoint", "other.py"], "other.py"),
    ],
)
def test_the_application_is_found(
    serve: Serve, tmp_path: Path, files: list[str], options: list[str], expected: str
) -> None:
    """Where FastAPI's command line looks for it."""
    for name in files:
        write(tmp_path, name, name)
    server = serve("", *options, command="dev", cwd=tmp_path)
    assert server.get("/").json() == expected


def test_the_application_is_named_in_pyproject(serve: Serve, tmp_path: Path) -> None:
    """``entrypoint`` of ``[tool.fastapi]``; nothing at all is an error with advice."""
    write(tmp_path, "wrong")
    write(tmp_path, "named", "src_app.py")
    (tmp_path / "pyproject.toml").write_text('[tool.fastapi]\nentrypoint = "src_app:app"\n')
    assert serve("", command="dev", cwd=tmp_path).get("/").json() == "named"
    empty = tmp_path / "empty"
    empty.mkdir()
    done = run_to_end("dev", cwd=empty)
    assert done.returncode == 2
    assert "what shall be run?" in done.stderr
    assert "main.py" in done.stderr


def test_log_lines_are_short(dev: Server) -> None:
    """One per request, without colours where nobody sees them; and where to look."""
    dev.get("/")
    dev.get("/nothing?a=b")
    dev.wait_log("GET    /nothing?a=b 404")
    assert "info    GET    / 200 " in dev.log
    assert "\x1b" not in dev.log
    assert dev.url.startswith("http://127.0.0.1:")
    assert f"documentation: {dev.url}/docs" in dev.log


def test_colours_on_demand(serve: Serve, tmp_path: Path) -> None:
    """``--color`` colours the level and the status."""
    write(tmp_path, "one")
    server = serve("main:app", "--color", command="dev", cwd=tmp_path)
    server.get("/nothing")
    server.wait_log("\x1b[33m404\x1b[0m")
    assert "\x1b[32minfo    \x1b[0m" in server.log


def test_an_exception_is_a_page(dev: Server) -> None:
    """With the traceback, escaped; as text for who does not take HTML; in the log for sure."""
    page = dev.get("/fails/x", headers={"accept": "text/html"})
    assert page.status_code == 500
    assert page.headers["content-type"].startswith("text/html")
    assert "ValueError" in page.text
    assert "&lt;b&gt;x&lt;/b&gt;" in page.text
    assert "<b>x</b>" not in page.text
    text = dev.get("/fails/y")
    assert text.headers["content-type"].startswith("text/plain")
    assert "ValueError: <b>y</b>" in text.text
    dev.wait_log("ValueError: <b>y</b>")


def test_a_stream_does_not_hold_the_reload_up(serve: Serve, tmp_path: Path) -> None:
    """A page that streams keeps its old version, within the drain time; others get the new."""
    streaming = """
from fasterapi.responses import StreamingResponse
import asyncio

@app.get("/stream")
async def stream():
    async def chunks():
        while True:
            yield "x"
            await asyncio.sleep(0.05)
    return StreamingResponse(chunks())
"""
    (tmp_path / "main.py").write_text(APP.replace("VERSION", "two") + streaming)
    env = own_virtual_environment()
    dev = serve("main:app", command="dev", cwd=tmp_path, env=env, drain_timeout_s=30.0)
    answers(dev, "two")
    with dev.client() as client, client.stream("GET", "/stream") as response:
        chunks = response.iter_raw()
        assert next(chunks)
        began = time.monotonic()
        write(tmp_path, "three")
        answers(dev, "three")
        assert time.monotonic() - began < 2.5 * UNDER_LOAD
    assert len(os.listdir(tmp_path)) > 0
