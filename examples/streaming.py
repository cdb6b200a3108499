"""An answer that is sent while it is made: `curl -N localhost:8000/countdown`."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from fasterapi import FasterAPI, StreamingResponse

app = FasterAPI()


async def count_down(start: int, pause_s: float) -> AsyncIterator[str]:
    """One line after the other; ends early when the client goes away."""
    for number in range(start, 0, -1):
        yield f"{number}\n"
        await asyncio.sleep(pause_s)
    yield "lift-off\n"


@app.get("/countdown")
async def countdown(start: int = 10, pause_s: float = 1.0) -> StreamingResponse:
    """The pauses cost nothing: other requests are answered meanwhile."""
    return StreamingResponse(count_down(start, pause_s), media_type="text/plain")


@app.get("/numbers.csv")
def numbers(rows: int = 100_000) -> StreamingResponse:
    """A large answer that never is in memory as a whole, from an ordinary generator."""

    def lines() -> Iterator[str]:
        yield "number,square\n"
        for number in range(rows):
            yield f"{number},{number * number}\n"

    return StreamingResponse(lines(), media_type="text/csv")
