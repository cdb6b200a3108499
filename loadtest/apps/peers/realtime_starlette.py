"""The event streams of the comparison in Starlette: the application formats events itself."""

import asyncio
import os
from collections.abc import AsyncIterator

from starlette.applications import (  # type: ignore[import-not-found, unused-ignore]
    Starlette,
)
from starlette.requests import Request  # type: ignore[import-not-found, unused-ignore]
from starlette.responses import (  # type: ignore[import-not-found, unused-ignore]
    Response,
    StreamingResponse,
)
from starlette.routing import Route  # type: ignore[import-not-found, unused-ignore]

# Of each subscriber.
queues: set[asyncio.Queue[str]] = set()


async def stream() -> AsyncIterator[str]:
    queue: asyncio.Queue[str] = asyncio.Queue(1024)
    queues.add(queue)
    try:
        yield f"data: worker {os.getpid()}\n\n"
        while True:
            yield f"data: {await queue.get()}\n\n"
    finally:
        queues.discard(queue)


async def events(request: Request) -> Response:
    return StreamingResponse(stream(), media_type="text/event-stream")


async def publish(request: Request) -> Response:
    text = (await request.body()).decode()
    for queue in queues:
        queue.put_nowait(text)
    return Response(status_code=204)


app = Starlette(
    routes=[Route("/events", events), Route("/publish", publish, methods=["POST"])],
)
