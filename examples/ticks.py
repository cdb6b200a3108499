"""A dashboard that is fed by server-sent events: `fasterapi run examples/ticks.py`.

One shard makes the ticks, all shards send them, and a browser that has lost its connection goes on
after the last tick that it has got (`Last-Event-ID`).
"""

import asyncio
import contextlib
import os
import random
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

from fasterapi import SSE, FasterAPI, FileResponse

PAGE = Path(__file__).parent / "pages" / "ticks.html"
PERIOD_S = 0.25
KEPT_TICKS_MAX = 480
RECONNECT_MS = 500
FIRST_PRICES = {"Alder": 96.0, "Birch": 104.0, "Cedar": 112.0}


async def become_the_maker() -> socket.socket:
    """Wait until no other process of this server makes ticks.

    Only one can hold a name, and the kernel frees it when that process ends, however it ends.
    """
    name = f"\0ticks of {os.getppid()}"
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    while True:
        try:
            held.bind(name)
        except OSError:
            await asyncio.sleep(PERIOD_S)
        else:
            return held


async def make_ticks() -> None:
    """Publish a tick every now and then, going on where another shard has stopped."""
    with await become_the_maker():
        kept = app.channels.history("ticks")
        number, prices = 0, dict(FIRST_PRICES)
        if kept:
            last = kept[-1].json()
            number, prices = last["number"], last["prices"]
        while True:
            number += 1
            for name, price in prices.items():
                prices[name] = round(max(1.0, price * random.gauss(1.0, 0.004)), 2)
            app.channels.publish("ticks", {"number": number, "at": time.time(), "prices": prices})
            await asyncio.sleep(PERIOD_S)


@contextlib.asynccontextmanager
async def lifespan(app: FasterAPI) -> AsyncIterator[None]:
    """Every shard is ready to make the ticks."""
    task = asyncio.create_task(make_ticks())
    yield
    task.cancel()


app = FasterAPI(title="ticks", lifespan=lifespan)
app.channels.keep("ticks", KEPT_TICKS_MAX)


@app.get("/")
async def page() -> FileResponse:
    """The dashboard."""
    return FileResponse(PAGE)


@app.sse("/ticks")
async def ticks(sse: SSE, after: str = "") -> None:
    """The ticks that the client has not got, then every new one."""
    async with app.channels.subscribe("ticks", after=sse.last_event_id or after) as messages:
        async for message in messages:
            await sse.send(message.data, event="tick", id=message.id, retry=RECONNECT_MS)
