"""Responses that say themselves how they answer over ASGI, as those of other packages do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from conftest import Serve
    from live_server import Server

APP = """
import asyncio
import gc
import sys
import threading

from fasterapi import FastAPI, Request
from fasterapi.responses import FileResponse, Response, StreamingResponse

app = FastAPI()
log = []

class Events(Response):
    # As server-sent events of other packages: two tasks, one of which waits for the client to go.
    def __init__(self, events, status_code=200):
        self.body_iterator = events
        self.status_code = status_code
        self.background = None
        self.raw_headers = [(b"content-type", b"text/event-stream"), (b"X-Kind", b"events")]

    async def __call__(self, scope, receive, send):
        async def until_gone():
            while (await receive())["type"] != "http.disconnect":
                pass
            log.append("gone")

        watching = asyncio.ensure_future(until_gone())
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": [*self.raw_headers, (b"x-path", scope["path"].encode())],
                }
            )
            async for event in self.body_iterator:
                body = f"data: {event}\\n\\n".encode()
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            watching.cancel()
            log.append("over")
        if self.background is not None:
            await self.background()

class Foreign:
    # No response of ours, nor of Starlette's.
    status_code = 201
    raw_headers = []
    background = None
    body = b"never sent"

    async def __call__(self, scope, receive, send):
        headers = [(b"content-length", b"7")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b"foreign"})

class Shouting(StreamingResponse):
    async def __call__(self, scope, receive, send):
        async def shout(message):
            if "body" in message:
                message["body"] = message["body"].upper()
            await send(message)
        await super().__call__(scope, receive, shout)

class Logged(FileResponse):
    async def __call__(self, scope, receive, send):
        await super().__call__(scope, receive, send)
        log.append("sent")

class Broken(Response):
    async def __call__(self, scope, receive, send):
        raise LookupError("before the head")

class Plain(Response):
    # Nothing of its own in __call__: sent as it is.
    media_type = "text/plain"

@app.exception_handler(LookupError)
async def answer_lookup(request, error):
    return Events(numbers(1), 404)

async def numbers(count):
    for number in range(count):
        yield number

@app.get("/async")
async def at_once():
    return Events(numbers(3))

@app.get("/later")
async def later(request: Request):
    await asyncio.sleep(0.01)
    return Events(numbers(3))

@app.get("/thread")
def on_a_thread():
    return Events(numbers(3))

@app.get("/inline", inline=True)
def on_the_shard():
    return Events(numbers(3))

@app.get("/class/{word}", response_class=Response)
async def with_parameters(word: str, count: int = 3):
    return Events(numbers(count))

@app.get("/foreign")
async def foreign():
    return Foreign()

@app.get("/shouting")
async def shouting():
    return Shouting(iter(["a", "b"]))

@app.get("/file")
def file():
    return Logged(__file__)

@app.get("/broken")
async def broken():
    return Broken()

@app.get("/plain")
async def plain():
    return Plain("plain")

@app.get("/forever")
async def forever():
    async def endless():
        while True:
            yield "tick"
            await asyncio.sleep(0.01)
    return Events(endless())

@app.get("/log")
async def entries():
    return log

unraisable = []
sys.unraisablehook = lambda problem: unraisable.append(str(problem.exc_value))
kept = []

@app.get("/kept-traceback")
async def failing_stream():
    async def chunks():
        yield b"x"
        try:
            raise ValueError
        except ValueError as error:
            frame = sys._getframe()
            while frame is not None:
                kept.append(frame.f_locals.get("send"))
                frame = frame.f_back
    return StreamingResponse(chunks())

@app.get("/drop")
def drop():
    found = sum(each is not None for each in kept)
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    gc.collect()
    return [found, unraisable]
"""

EVENTS = "data: 0\n\ndata: 1\n\ndata: 2\n\n"


@pytest.fixture(scope="module")
def server(serve_for_module: Serve) -> Server:
    """One server for all."""
    return serve_for_module(APP)


@pytest.mark.parametrize("path", ["/async", "/later", "/thread", "/inline", "/class/a"])
def test_a_response_answers_in_its_own_way(server: Server, path: str) -> None:
    """Wherever the handler runs; with the scope of its request."""
    with server.client() as client:
        for _ in range(2):
            answer = client.get(path)
            assert (answer.status_code, answer.text) == (200, EVENTS)
            assert answer.headers["content-type"] == "text/event-stream"
            assert (answer.headers["x-kind"], answer.headers["x-path"]) == ("events", path)


def test_other_classes(server: Server) -> None:
    """One of no framework, a stream's, a file's, and one that has nothing of its own."""
    foreign = server.get("/foreign")
    assert (foreign.status_code, foreign.text) == (201, "foreign")
    assert server.get("/shouting").text == "AB"
    file = server.get("/file", headers={"range": "bytes=1-6"})
    assert (file.status_code, file.text) == (206, "import")
    assert "sent" in server.get("/log").json()
    assert server.get("/plain").text == "plain"


def test_its_failure_is_the_applications(server: Server) -> None:
    """An exception before the head goes to the handlers, which may answer in their own way too."""
    answer = server.get("/broken")
    assert (answer.status_code, answer.text) == (404, "data: 0\n\n")


def test_it_ends_when_the_client_goes(server: Server) -> None:
    """Its cleaning up runs."""
    before = server.get("/log").json().count("over")
    with server.client() as client, client.stream("GET", "/forever") as answer:
        assert next(answer.iter_text()).startswith("data: tick")
    deadline = time.monotonic() + 5
    while server.get("/log").json().count("over") == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_sender_may_be_dropped_on_any_thread(server: Server) -> None:
    """As it is when a traceback that names it is."""
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.get("/kept-traceback").text == "x"
        found, unraisable = client.get("/drop").json()
    assert found > 0
    assert unraisable == []
