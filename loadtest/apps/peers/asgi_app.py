"""The rows of the comparison as a bare ASGI application, for granian, uvicorn and fastpysgi."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TEXT = b"Hello, world"


async def answer(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def app(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    path: str = scope["path"]
    if path == "/str":
        await answer(send, 200, b"text/plain", TEXT)
    elif path == "/json":
        body = json.dumps({"message": "Hello, world", "id": 42}).encode()
        await answer(send, 200, b"application/json", body)
    elif path.startswith("/items/"):
        item_id = int(path.removeprefix("/items/"))
        query = parse_qs(scope["query_string"].decode())["q"][0]
        body = json.dumps({"item_id": item_id, "q": query}).encode()
        await answer(send, 200, b"application/json", body)
    elif path == "/sleep":
        await asyncio.sleep(0)
        await answer(send, 200, b"text/plain", TEXT)
    else:
        await answer(send, 404, b"text/plain", b"Not Found")
