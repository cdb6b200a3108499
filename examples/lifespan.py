"""What begins and ends with the application: here a task that keeps a reading up to date."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from fasterapi import FasterAPI, Request

PERIOD_S = 1.0


class Readings:
    """The machine's load, read again and again."""

    def __init__(self) -> None:
        self.count = 0
        self.load = 0.0

    def read(self) -> None:
        """Read once."""
        self.load = os.getloadavg()[0]
        self.count += 1

    async def keep_reading(self) -> None:
        """Read for ever."""
        while True:
            self.read()
            await asyncio.sleep(PERIOD_S)


@contextlib.asynccontextmanager
async def lifespan(app: FasterAPI) -> AsyncIterator[dict[str, object]]:
    """Runs once in each shard: before its first request, and after its last one."""
    readings = Readings()
    readings.read()
    task = asyncio.create_task(readings.keep_reading())
    print(f"{app.title} starts")
    yield {"readings": readings}
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    print(f"{app.title} has ended after {readings.count} readings")


app = FasterAPI(title="lifespan", lifespan=lifespan)


@app.get("/load")
async def load(request: Request) -> dict[str, float]:
    """What the lifespan yielded is in the state of every request."""
    readings: Readings = request.state.readings
    return {"load": readings.load, "count": readings.count}
