"""The realtime rows of the comparison as FastAPI handlers."""

import asyncio
import os
from collections.abc import AsyncIterator

from fastapi import (  # type: ignore[import-not-found, unused-ignore]
    FastAPI,
    Request,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.sse import (  # type: ignore[import-not-found, unused-ignore]
    EventSourceResponse,
)

app = FastAPI()
# Of each subscriber.
queues: set[asyncio.Queue[str]] = set()


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        pass


@app.get("/events", response_class=EventSourceResponse)
async def events() -> AsyncIterator[str]:
    queue: asyncio.Queue[str] = asyncio.Queue(1024)
    queues.add(queue)
    try:
        yield f"worker {os.getpid()}"
        while True:
            yield await queue.get()
    finally:
        queues.discard(queue)


@app.post("/publish", status_code=204)
async def publish(request: Request) -> None:
    text = (await request.body()).decode()
    for queue in queues:
        queue.put_nowait(text)
