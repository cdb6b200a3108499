"""Event streams of every kind."""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel

from fasterapi import (
    SSE,
    APIRouter,
    Depends,
    FasterAPI,
    HTTPException,
    Request,
    Response,
    routing,
)
from fasterapi.middleware.gzip import GZipMiddleware
from fasterapi.requests import ClientDisconnect
from fasterapi.sse import EventSourceResponse, ServerSentEvent

app = FasterAPI()
app.add_middleware(GZipMiddleware, minimum_size=0)
log: list[str] = []
streams: dict[str, SSE] = {}


class Tick(BaseModel):
    """A model."""

    value: float


@app.get("/log")
async def entries() -> list[str]:
    """What has happened."""
    return log


@app.sse("/kinds")
async def kinds(sse: SSE) -> None:
    """Every kind of event."""
    await sse.send("text")
    await sse.send({"a": [1, None]}, event="json")
    await sse.send(Tick(value=1.5), id="7", retry=1500)
    await sse.send_json("text")
    await sse.send_text("one\ntwo\r\nthree\rfour")
    await sse.send(None)
    await sse.comment("a\nb")
    await sse.ping()


@app.sse("/counts")
async def counts(sse: SSE) -> None:
    """Ends the stream before itself."""
    assert sse.is_open
    await sse.send("x")
    await sse.comment("y")
    await sse.send([sse.events_sent, sse.bytes_sent, isinstance(sse, SSE)])
    await sse.close()
    assert not sse.is_open
    try:
        await sse.send("late")
    except RuntimeError as error:
        log.append(f"late: {error}")
    await sse.close()
    log.append(f"counts: {sse.events_sent} {sse.bytes_sent}")


@app.sse("/resumed")
async def resumed(sse: SSE) -> None:
    """What the client has got before."""
    await sse.send_json(sse.last_event_id)


@app.sse("/bad/{kind}")
async def bad(sse: SSE, kind: str) -> None:
    """What cannot be sent."""
    arguments = {
        "event": {"event": "a\nb"},
        "id": {"id": "a\0b"},
        "retry": {"retry": -1},
        "keep-alive": {},
    }[kind]
    if kind == "keep-alive":
        sse.keep_alive(-1)
    await sse.send("x", **arguments)


def user(name: str) -> str:
    """A dependency that may refuse."""
    if name == "nobody":
        raise HTTPException(401, "who?")
    return name.upper()


async def resource(response: Response) -> AsyncIterator[str]:
    """A dependency with yield that adds a header field."""
    response.headers["x-resource"] = "open"
    log.append("resource opened")
    try:
        yield "r"
    finally:
        log.append("resource closed")


async def until_handler_ends() -> AsyncIterator[None]:
    """A dependency that ends with the handler."""
    yield
    log.append("function scope ended")


Held = Annotated[None, Depends(until_handler_ends, scope="function")]
router = APIRouter(prefix="/rooms")


@router.sse("/{room}", tags=["rooms"])
async def room(
    room: int,
    sse: SSE,
    name: Annotated[str, Depends(user)],
    held: Held,
    res: Annotated[str, Depends(resource)],
    size: int = 1,
) -> Response | None:
    """Parameters and dependencies of every kind."""
    if room == 404:
        await asyncio.sleep(0.05)
        raise HTTPException(404, "no such room")
    if room == 204:
        return Response(status_code=204)
    for number in range(size):
        await sse.send(f"{name} {room} {number} {res}")
    log.append("handler ended")
    return None


app.include_router(router)


@app.sse("/empty")
async def empty(sse: SSE) -> None:
    """No event."""


@app.sse("/silent")
async def silent(sse: SSE) -> None:
    """No event for long."""
    await asyncio.sleep(3600)


@app.sse("/status", status_code=203)
async def status(sse: SSE, response: Response) -> None:
    """A status and a header field."""
    response.set_cookie("c", "d")
    await sse.send("x")


@app.sse("/fails")
async def fails(sse: SSE, how: str = "error") -> None:
    """An exception behind an event."""
    await sse.send("before")
    await asyncio.sleep(0.01)
    if how == "http":
        raise HTTPException(404, "too late")
    raise LookupError("mine")


@app.sse("/fails-at-once")
async def fails_at_once(sse: SSE) -> None:
    """An exception before any event."""
    raise LookupError("at once")


@app.sse("/kept-alive")
async def kept_alive(sse: SSE, seconds: float = 0.05) -> None:
    """Silent twice: with comments and without."""
    sse.keep_alive(seconds)
    await sse.send("first")
    await asyncio.sleep(0.4)
    sse.keep_alive(None)
    await asyncio.sleep(0.3)
    await sse.send("last")


@app.sse("/forever")
async def forever(sse: SSE, name: str = "forever") -> None:
    """Until the client goes."""
    try:
        await sse.send("begun")
        await asyncio.sleep(3600)
    finally:
        log.append(f"{name} over")


@app.sse("/vanishes")
async def vanishes(sse: SSE) -> None:
    """Kept alive, until the client is found to be gone."""
    sse.keep_alive(0.2)
    try:
        await sse.send("begun")
        await asyncio.sleep(3600)
    finally:
        Path(os.environ["TEST_OVER"]).touch()  # noqa: ASYNC240 - in a test


@app.sse("/stubborn")
async def stubborn(sse: SSE) -> None:
    """Goes on when it is cancelled."""
    await sse.send("begun")
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    try:
        await sse.send("nobody")
    except ClientDisconnect:
        log.append("stubborn told")
        raise


flooded = {"bytes": 0}


@app.sse("/flood")
async def flood(sse: SSE) -> None:
    """More than anybody reads."""
    try:
        while True:
            await sse.send("x" * 10_000)
            flooded["bytes"] = sse.bytes_sent
    finally:
        log.append("flood over")


@app.get("/sent-bytes")
async def sent() -> int:
    """How much of the flood has been taken."""
    return flooded["bytes"]


@app.sse("/times")
async def times(sse: SSE) -> None:
    """When each event was sent."""
    for _ in range(5):
        await sse.send(time.time())
        await asyncio.sleep(0.1)


@app.sse("/from-a-task")
async def from_a_task(sse: SSE) -> None:
    """Events of several tasks."""
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(one(sse, number))


async def one(sse: SSE, number: int) -> None:
    """One of them."""
    await sse.send(number)


@app.api_route("/posted", methods=["POST"])
async def posted(sse: SSE, tick: Tick) -> None:
    """With a body."""
    await sse.send(tick)


@app.get("/items", response_class=EventSourceResponse)
async def items() -> AsyncIterator[ServerSentEvent]:
    """A generator."""
    try:
        for number in range(3):
            yield ServerSentEvent(data=number, id=str(number))
            await asyncio.sleep(0.01)
    finally:
        log.append("items over")


@app.get("/items/forever", response_class=EventSourceResponse)
async def items_forever() -> AsyncIterator[dict[str, int]]:
    """A generator that waits."""
    try:
        yield {"n": 0}
        await asyncio.sleep(3600)
    finally:
        log.append("items/forever over")


def short_interval() -> None:
    """Comments soon."""
    routing._PING_INTERVAL = 0.05


@app.get("/items/slow", response_class=EventSourceResponse, dependencies=[Depends(short_interval)])
async def slow_items() -> AsyncIterator[int]:
    """A generator that is silent."""
    yield 1
    await asyncio.sleep(0.3)
    routing._PING_INTERVAL = 15.0
    yield 2


@app.get("/items/slow-def", response_class=EventSourceResponse)
def slow_def() -> Iterator[int]:
    """A plain generator."""
    yield 1
    time.sleep(0.05)
    yield 2


@app.get("/items/fails", response_class=EventSourceResponse)
async def failing_items() -> AsyncIterator[int]:
    """A generator that fails."""
    yield 1
    raise LookupError("of an item")


@app.get("/streams")
async def open_streams() -> int:
    """How many streams there are still."""
    gc.collect()
    return sum(isinstance(each, SSE) for each in gc.get_objects())


@app.get("/request-too")
async def plain(request: Request) -> str:
    """No stream at all."""
    return request.url.path
