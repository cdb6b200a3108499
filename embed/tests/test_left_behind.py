"""What a request had goes with it, although errors, frames and tasks lead to each other."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import httpx
import pytest
from live_server import wait_until
from ws_client import WebSocket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Serve
    from live_server import Server

APP = """
import asyncio
import contextvars
import gc
import weakref

from fasterapi import BackgroundTasks, Depends, FastAPI, HTTPException, SSE, WebSocket
from fasterapi.concurrency import run_in_threadpool

app = FastAPI()
marks = weakref.WeakSet()
variable = contextvars.ContextVar("variable")


class Mark:
    def __init__(self):
        marks.add(self)


@app.get("/left")
async def left():
    gc.collect()
    return len(marks)


@app.get("/own_task")
async def own_task():
    mark, task = Mark(), asyncio.current_task()
    raise LookupError


@app.get("/task_group")
async def task_group():
    mark = Mark()
    async with asyncio.TaskGroup():
        raise LookupError


@app.get("/timeout")
async def timeout():
    mark = Mark()
    async with asyncio.timeout(0.001):
        await asyncio.sleep(60)


@app.get("/context")
async def context():
    mark = Mark()
    mark.task = asyncio.current_task()
    variable.set(mark)


@app.get("/callback")
async def callback():
    mark = Mark()
    mark.task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    waiting = loop.create_future()
    waiting.add_done_callback(lambda _: mark)
    mark.waiting = waiting


def refuse():
    mark = Mark()
    raise HTTPException(401)


@app.get("/dependency")
async def dependency(_=Depends(refuse)):
    pass


@app.get("/thread")
async def thread():
    await run_in_threadpool(refuse)


@app.get("/background")
async def background(tasks: BackgroundTasks):
    tasks.add_task(own_task)


@app.sse("/events")
async def events(sse: SSE):
    mark, task = Mark(), asyncio.current_task()
    await sse.send("one")
    raise LookupError


@app.websocket("/socket")
async def socket(websocket: WebSocket):
    mark = Mark()
    await websocket.accept()
    async with asyncio.timeout(60):
        await websocket.receive_text()
"""
PATHS = [
    *("own_task", "task_group", "timeout", "context", "callback", "dependency", "thread"),
    *("background", "events"),
]


@pytest.fixture(scope="module")
def server(serve_for_module: Serve) -> Iterator[Server]:
    """The application on one shard."""
    return serve_for_module(APP)


def nothing_is_left(server: Server) -> bool:
    """Whether no mark is alive."""
    return server.get("/left").json() == 0


@pytest.mark.parametrize("path", PATHS)
def test_a_request_goes(server: Server, path: str) -> None:
    """The garbage collector finds it as it does under asyncio's own tasks."""
    for _ in range(3):
        # A stream whose handler fails is cut off.
        with contextlib.suppress(httpx.RemoteProtocolError):
            server.get(f"/{path}")
    wait_until(lambda: nothing_is_left(server))


def test_a_websocket_goes(server: Server) -> None:
    """Its handler fails as its client hangs up."""
    with WebSocket(server.port, "/socket"):
        assert server.get("/left").json() == 1
    wait_until(lambda: nothing_is_left(server))
