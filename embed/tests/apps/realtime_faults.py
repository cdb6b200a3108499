"""WebSockets and channels whose peers and handlers misbehave."""

import asyncio
import os
from collections import Counter

from fasterapi import FasterAPI, WebSocket, WebSocketDisconnect

app = FasterAPI()
# What became of this shard's handlers, by path, and how many there are now.
ended: Counter[str] = Counter()
here: Counter[str] = Counter()
notes: dict[str, str] = {}
in_rooms: set[WebSocket] = set()


@app.get("/pid")
async def pid() -> int:
    """Which shard answers."""
    return os.getpid()


@app.get("/here")
async def count_here() -> dict[str, int]:
    """How many WebSockets this shard's handlers hold."""
    return {"now": here.total(), "ended": ended.total()}


@app.get("/notes/{name}")
async def note(name: str) -> str | None:
    """What a handler left."""
    return notes.get(name)


@app.get("/presence/{channel}")
async def presence(channel: str) -> int:
    """How many have joined."""
    return app.channels.presence(channel)


@app.get("/dropped")
async def dropped() -> int:
    """How many messages those in this shard's rooms have missed."""
    return sum(websocket.messages_dropped for websocket in in_rooms)


@app.post("/publish/{channel}")
async def publish(channel: str, first: int = 0, count: int = 1, size: int = 0) -> int:
    """So many messages of at least ``size`` characters, which begin with their numbers."""
    for number in range(first, first + count):
        app.channels.publish(channel, f"{number} ".ljust(size, "x"))
        # One turn each, as if they came from elsewhere.
        await asyncio.sleep(0)
    return first + count


@app.post("/publish_size/{channel}")
async def publish_size(channel: str, size: int) -> str:
    """One message of that size, or why not."""
    try:
        app.channels.publish(channel, "x" * size)
    except ValueError as error:
        return f"refused: {error}"
    return "published"


@app.websocket("/pid")
async def tell_pid(websocket: WebSocket) -> None:
    """Which shard, as the only message."""
    await websocket.accept()
    await websocket.send_text(str(os.getpid()))
    await websocket.close()


@app.websocket("/echo")
@app.websocket("/echo/{name}")
async def echo(websocket: WebSocket, name: str = "echo") -> None:
    """Every message, as it came; how the handler ended is a note."""
    await websocket.accept()
    here[name] += 1
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                notes[name] = f"disconnect {message['code']}"
                break
            if message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
    except BaseException as error:
        notes[name] = repr(error)
        raise
    finally:
        here[name] -= 1
        ended[name] += 1
        if name == "told":
            print("the handler has ended")


@app.websocket("/room/{channel}")
async def room(websocket: WebSocket, channel: str, drop: bool = False) -> None:
    """Joins; what it is told is published."""
    await websocket.accept()
    websocket.join(channel, on_lag="drop" if drop else "disconnect")
    here[channel] += 1
    in_rooms.add(websocket)
    await websocket.send_text(f"pid {os.getpid()}")
    try:
        async for text in websocket.iter_text():
            app.channels.publish(channel, text)
    finally:
        in_rooms.discard(websocket)
        here[channel] -= 1
        ended[channel] += 1


@app.websocket("/asleep/{name}")
async def asleep(websocket: WebSocket, name: str) -> None:
    """Neither sends nor receives."""
    await websocket.accept()
    try:
        await asyncio.sleep(60)
    except BaseException as error:
        notes[name] = type(error).__name__
        raise


@app.websocket("/flood/{name}")
async def flood(websocket: WebSocket, name: str) -> None:
    """Sends as much as the peer takes, for ever."""
    await websocket.accept()
    try:
        while True:
            await websocket.send_bytes(b"x" * 65536)
    except WebSocketDisconnect as error:
        notes[name] = f"{type(error).__name__} {error.code}"
        raise


@app.websocket("/big/{size}")
async def big(websocket: WebSocket, size: int) -> None:
    """Sends one message of that size, then another one."""
    await websocket.accept()
    await websocket.send_bytes(bytes(size))
    await websocket.send_text("after")
    await websocket.receive()


@app.websocket("/raise/{when}")
async def fail(websocket: WebSocket, when: str) -> None:
    """Raises, before or after it has accepted, or in answer to a message."""
    if when == "before":
        raise LookupError("on purpose, before")
    await websocket.accept()
    if when == "in_answer":
        await websocket.send_text("said " + await websocket.receive_text())
    raise LookupError(f"on purpose, {when}")
