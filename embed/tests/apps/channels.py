"""Publishes and subscribes in plain handlers, on every kind of thread."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator

from hub_backplane import HubBackplane

from fasterapi import FasterAPI
from fasterapi.channels import Message, Subscription
from fasterapi.responses import StreamingResponse

app = FasterAPI()
app.channels.keep("kept:*", 20)
if "HUB" in os.environ:
    app.channels.backplane = HubBackplane(os.environ["HUB"])
lagging: dict[str, Subscription] = {}


def told(message: Message) -> dict[str, object]:
    """A message as the tests see it."""
    data = message.data
    return {"data": data if isinstance(data, str) else list(data), "id": message.id}


@app.get("/pid")
async def pid() -> int:
    """Which shard answers."""
    return os.getpid()


@app.post("/publish/{channel}")
async def publish(channel: str, first: int = 0, count: int = 1) -> list[str]:
    """As many messages as are wanted, numbered."""
    return [app.channels.publish(channel, str(first + n)) for n in range(count)]


@app.post("/publish-for/{channel}")
async def publish_for(channel: str, seconds: float) -> int:
    """Long numbers for so long, giving way after each."""
    until, n = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        app.channels.publish(channel, str(n).zfill(500))
        await asyncio.sleep(0)
        n += 1
    return n


@app.post("/publish-in-thread/{channel}")
def publish_in_thread(channel: str, first: int = 0, count: int = 1) -> list[str]:
    """The same, from a thread of the pool."""
    return [app.channels.publish(channel, str(first + n)) for n in range(count)]


@app.post("/publish-in-own-thread/{channel}")
async def publish_in_own_thread(channel: str, text: str) -> str:
    """One, from a thread that is nobody's."""
    ids: list[str] = []
    thread = threading.Thread(target=lambda: ids.append(app.channels.publish(channel, text)))
    thread.start()
    await asyncio.to_thread(thread.join)
    return ids[0]


@app.post("/publish-kinds/{channel}")
async def publish_kinds(channel: str) -> list[str]:
    """One of each kind."""
    messages = ["t\u00e9xt", b"\xff\x00", bytearray(b"ab"), {"a": [1, None]}, 7]
    return [app.channels.publish(channel, message) for message in messages]


@app.post("/refused")
async def refused() -> list[str]:
    """What is said of what cannot be published."""
    said = []
    largest = "x" * (128 * 1024)
    for channel, message in (("", "x"), ("x" * 201, "x"), ("x", largest + "x"), ("x", object())):
        try:
            app.channels.publish(channel, message)
        except ValueError as error:
            said.append(str(error))
    app.channels.publish("x" * 200, largest)
    return said


@app.get("/stream/{channel}")
async def stream(channel: str, after: str | None = None) -> StreamingResponse:
    """Every message as a line, after one that names the shard."""
    # Joined before the answer begins: whoever has its first line misses nothing.
    subscription = app.channels.subscribe(channel, after=after, queue_messages_max=50_000)

    async def lines() -> AsyncIterator[str]:
        yield json.dumps({"pid": os.getpid()}) + "\n"
        async with subscription:
            async for message in subscription:
                yield json.dumps(told(message)) + "\n"

    return StreamingResponse(lines())


@app.get("/poll/{channel}")
async def poll(channel: str, after: str | None = None, wait_s: float = 5.0) -> dict[str, object]:
    """The next message."""
    async with app.channels.subscribe(channel, after=after) as subscription:
        try:
            async with asyncio.timeout(wait_s):
                return told(await anext(subscription))
        except TimeoutError:
            return {"data": None}


@app.post("/lag/{channel}")
async def lag(channel: str, queue: int) -> None:
    """Subscribe, and do not read."""
    lagging[channel] = app.channels.subscribe(channel, queue_messages_max=queue)


@app.get("/lag/{channel}")
async def look(channel: str) -> dict[str, object]:
    """What was left of that, and how much was lost."""
    subscription = lagging.pop(channel)
    dropped = subscription.dropped
    subscription.close()
    return {"data": [message.data async for message in subscription], "dropped": dropped}


@app.post("/wake-two/{channel}")
async def wake_two(channel: str) -> list[object]:
    """Two readers, one of which is cancelled."""
    async with app.channels.subscribe(channel) as subscription:
        first, second = (asyncio.create_task(anext(subscription)) for _ in range(2))
        await asyncio.sleep(0.01)
        first.cancel()
        app.channels.publish(channel, "for the second")
        answers = await asyncio.gather(first, second, return_exceptions=True)
        return [
            answer.data if isinstance(answer, Message) else type(answer).__name__
            for answer in answers
        ]


@app.get("/history/{channel}")
async def history(channel: str, after: str | None = None) -> list[dict[str, object]]:
    """What is kept."""
    return [told(message) for message in app.channels.history(channel, after)]


@app.get("/history-in-thread/{channel}")
def history_in_thread(channel: str) -> list[dict[str, object]]:
    """The same, from a thread of the pool."""
    return [told(message) for message in app.channels.history(channel)]


@app.get("/presence/{channel}")
async def presence(channel: str) -> int:
    """How many have joined."""
    return app.channels.presence(channel)


@app.get("/stats")
async def stats() -> dict[str, int]:
    """What the shard has counted."""
    return app.channels.stats()


@app.get("/block")
async def block(seconds: float) -> None:
    """Stop the shard for a while."""
    time.sleep(seconds)  # noqa: ASYNC251 -- that is the point
