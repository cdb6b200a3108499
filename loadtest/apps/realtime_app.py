"""The realtime rows of the comparison as FasterAPI handlers."""

import asyncio
import os
from collections.abc import AsyncIterator

from fasterapi import SSE, FasterAPI, Request, WebSocket
from fasterapi.sse import EventSourceResponse

app = FasterAPI()


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@app.websocket("/room")
async def room(websocket: WebSocket) -> None:
    await websocket.accept()
    websocket.join("room")
    await websocket.send_text(f"worker {os.getpid()}")
    async for _ in websocket.iter_text():
        pass


@app.sse("/joined")
async def joined(sse: SSE) -> None:
    sse.join("room")
    await sse.send(f"worker {os.getpid()}")
    # Ends with the client.
    await asyncio.Event().wait()


@app.sse("/events")
async def events(sse: SSE) -> None:
    async with app.channels.subscribe("room") as messages:
        await sse.send(f"worker {os.getpid()}")
        async for message in messages:
            await sse.send(message.data)


@app.get("/yielded", response_class=EventSourceResponse)
async def yielded() -> AsyncIterator[str]:
    async with app.channels.subscribe("room") as messages:
        yield f"worker {os.getpid()}"
        async for message in messages:
            yield str(message.data)


@app.post("/publish", status_code=204)
async def publish(request: Request) -> None:
    app.channels.publish("room", (await request.body()).decode())
