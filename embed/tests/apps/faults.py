"""Handlers that misbehave, and some that only take long."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator

from fasterapi import FasterAPI, Request, Response, StreamingResponse

app = FasterAPI()
NOTES: dict[str, str] = {}
CHUNK = b"x" * 65536


@app.get("/")
async def root() -> str:
    """The least there is to do."""
    return "here"


@app.get("/pid")
async def pid() -> int:
    """Which shard answers."""
    return os.getpid()


@app.get("/def")
def on_a_thread() -> str:
    """Answered by a thread."""
    return "thread"


@app.get("/notes/{name}")
async def note(name: str) -> str | None:
    """What a handler left."""
    return NOTES.get(name)


@app.get("/wait/{seconds}")
async def wait(seconds: float) -> int:
    """Takes its time."""
    await asyncio.sleep(seconds)
    return os.getpid()


@app.get("/block/{seconds}")
async def block(seconds: float) -> int:
    """Blocks its shard."""
    time.sleep(seconds)  # noqa: ASYNC251 - that is the fault
    return os.getpid()


@app.get("/block_thread/{seconds}")
def block_thread(seconds: float) -> int:
    """Blocks a thread."""
    time.sleep(seconds)
    return os.getpid()


@app.get("/raise")
async def fail() -> None:
    """Raises."""
    raise LookupError("on purpose")


@app.get("/nonsense")
async def nonsense() -> object:
    """Returns what has no JSON form."""
    return object()


@app.get("/exit")
async def leave() -> None:
    """Tries to end the process."""
    sys.exit(3)


@app.get("/exit_def")
def leave_thread() -> None:
    """Tries to end the process from a thread."""
    sys.exit(3)


@app.get("/exit_task")
async def leave_task() -> None:
    """Tries to end the process from a task, after a wait."""

    async def work() -> None:
        await asyncio.sleep(0.001)
        sys.exit(3)

    await asyncio.create_task(work())


@app.get("/exit_late")
async def leave_late() -> None:
    """Tries to end the process after a wait."""
    await asyncio.sleep(0.001)
    sys.exit(3)


@app.get("/interrupt")
async def interrupt() -> None:
    """As Ctrl-C would."""
    await asyncio.sleep(0)
    raise KeyboardInterrupt


@app.get("/die")
async def die() -> None:
    """Ends the process."""
    os._exit(7)


@app.get("/spin/{kind}")
async def spin(kind: str) -> None:
    """Never ends, and gives way in one way or another, or not at all."""
    NOTES["spin"] = str(os.getpid())

    async def nothing() -> None:
        pass

    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    while True:
        if kind == "sleep":
            await asyncio.sleep(0)
        elif kind == "task":
            await asyncio.create_task(nothing())
        else:
            await done


@app.get("/stream/{name}")
async def stream(name: str, pause: float = 0.05, chunks: int = 1000) -> StreamingResponse:
    """Sends now and then, and notes its end."""

    async def produce() -> AsyncIterator[bytes]:
        try:
            for _ in range(chunks):
                yield b"tick\n"
                await asyncio.sleep(pause)
        except BaseException as error:
            NOTES[name] = type(error).__name__
            raise
        finally:
            NOTES.setdefault(name, "finally")

    return StreamingResponse(produce())


@app.get("/stream_sync/{name}")
async def stream_sync(name: str, pause: float = 0.05) -> StreamingResponse:
    """The same from a thread."""

    def produce() -> Iterator[bytes]:
        try:
            for _ in range(1000):
                yield b"tick\n"
                time.sleep(pause)
        finally:
            NOTES[name] = "finally"

    return StreamingResponse(produce())


@app.get("/stream_def/{name}")
def stream_def(name: str) -> StreamingResponse:
    """The same from a ``def`` handler."""

    async def produce() -> AsyncIterator[bytes]:
        try:
            yield b"tick\n"
            await asyncio.sleep(60)
        finally:
            NOTES[name] = "finally"

    return StreamingResponse(produce())


@app.get("/large/{megabytes}")
async def large(megabytes: int) -> StreamingResponse:
    """As much as the client wants, as fast as it can."""

    async def produce() -> AsyncIterator[bytes]:
        for _ in range(megabytes * 16):
            yield CHUNK

    return StreamingResponse(produce())


@app.get("/awaits/{name}")
async def awaits(name: str) -> None:
    """Notes that it was ended."""
    try:
        await asyncio.sleep(60)
    finally:
        NOTES[name] = "finally"


@app.get("/awaits_in_cleanup/{name}")
async def awaits_in_cleanup(name: str) -> None:
    """Waits in its ``finally``, too."""
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.01)
        await asyncio.to_thread(time.sleep, 0.01)
        NOTES[name] = "finally"


@app.post("/reads/{name}")
async def reads(request: Request, name: str) -> int:
    """Reads a body that may never come."""
    try:
        return len(await request.body())
    finally:
        NOTES[name] = "finally"


@app.post("/reads_stream/{name}")
async def reads_stream(request: Request, name: str) -> int:
    """Reads it piece by piece."""
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
    finally:
        NOTES[name] = "finally"
    return size


@app.get("/background/{how}")
async def background(how: str) -> Response:
    """A response with something to do after it."""

    async def after() -> None:
        await asyncio.sleep(0.01)
        NOTES[f"background_{how}"] = "ran"
        if how == "fails":
            raise ValueError("failed after the answer")

    return Response("sent", background=after)


@app.get("/stubborn/{name}")
async def stubborn(name: str) -> str:
    """Takes no notice of the first cancellation."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        NOTES[name] = "ignored"
    await asyncio.sleep(0.1)
    NOTES[name] = "finished"
    return "nobody reads this"
