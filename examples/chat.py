"""A chat with rooms: `fasterapi run examples/chat.py`, then open http://localhost:8000 twice.

What somebody says is published once, and Rust sends it to everybody who has joined the room, on
whatever shard they are: Python is not called for each of them.
"""

import asyncio
import contextlib
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path as FilePath
from typing import Annotated

from fasterapi import FasterAPI, FileResponse, Path, Query, WebSocket

PAGE = FilePath(__file__).parent / "pages" / "chat.html"
KEPT_MESSAGES_MAX = 50
TEXT_CHARACTERS_MAX = 2000
COUNT_PERIOD_S = 0.5

members: Counter[str] = Counter()  # of this shard, by room


def talk_in(room: str) -> str:
    """The channel of what is said; the last messages of it are kept for who comes later."""
    return f"talk:{room}"


def people_in(room: str) -> str:
    """The channel of who comes and goes; nothing of it is kept."""
    return f"people:{room}"


def tell_count(room: str) -> None:
    """Tell a room how many are in it, on all shards together."""
    count = app.channels.presence(talk_in(room))
    app.channels.publish(people_in(room), {"kind": "count", "count": count})


async def keep_counts_right() -> None:
    """Tell a room its count again where people of other shards have changed it."""
    told: dict[str, int] = {}
    while True:
        await asyncio.sleep(COUNT_PERIOD_S)
        counts = {room: app.channels.presence(talk_in(room)) for room in members}
        for room, count in counts.items():
            if told.get(room) != count:
                tell_count(room)
        told = counts


@contextlib.asynccontextmanager
async def lifespan(app: FasterAPI) -> AsyncIterator[None]:
    """Each shard looks after the rooms of its own people."""
    task = asyncio.create_task(keep_counts_right())
    yield
    task.cancel()


app = FasterAPI(title="chat", lifespan=lifespan)
app.channels.keep(talk_in("*"), KEPT_MESSAGES_MAX)


@app.get("/")
async def page() -> FileResponse:
    """The chat's page."""
    return FileResponse(PAGE)


@app.websocket("/rooms/{room}")
async def chat(
    websocket: WebSocket,
    room: Annotated[str, Path(min_length=1, max_length=40)],
    name: Annotated[str, Query(min_length=1, max_length=24)],
) -> None:
    """One person in one room: every text that comes is said to all."""
    await websocket.accept()
    websocket.join(talk_in(room))
    websocket.join(people_in(room))
    members[room] += 1
    # Whoever connects again gets what was said meanwhile; the page knows by the ids what it has.
    said = [message.json() for message in app.channels.history(talk_in(room))]
    try:
        await websocket.send_json({"kind": "history", "messages": said})
        app.channels.publish(people_in(room), {"kind": "came", "name": name})
        tell_count(room)
        async for text in websocket.iter_text():
            message = {
                "kind": "said",
                "id": uuid.uuid4().hex,
                "name": name,
                "text": text[:TEXT_CHARACTERS_MAX],
                "at": time.time(),
            }
            app.channels.publish(talk_in(room), message)
    finally:
        websocket.leave(talk_in(room))
        members[room] -= 1
        if not members[room]:
            del members[room]
        app.channels.publish(people_in(room), {"kind": "went", "name": name})
        tell_count(room)
