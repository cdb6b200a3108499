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
        assert path.read_text() == "x", f"{path.name} was done more than once"
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
