"""The rows of the comparison as a bare RSGI application, for granian."""

import asyncio
import json
from typing import Protocol
from urllib.parse import parse_qs

PLAIN = [("content-type", "text/plain")]
JSON = [("content-type", "application/json")]
TEXT = "Hello, world"


class Scope(Protocol):
    path: str
    query_string: str


class Responder(Protocol):
    def response_str(self, status: int, headers: list[tuple[str, str]], body: str) -> None: ...


async def app(scope: Scope, protocol: Responder) -> None:
    path = scope.path
    if path == "/str":
        protocol.response_str(200, PLAIN, TEXT)
    elif path == "/json":
        protocol.response_str(200, JSON, json.dumps({"message": "Hello, world", "id": 42}))
    elif path.startswith("/items/"):
        item_id = int(path.removeprefix("/items/"))
        query = parse_qs(scope.query_string)["q"][0]
        protocol.response_str(200, JSON, json.dumps({"item_id": item_id, "q": query}))
    elif path == "/sleep":
        await asyncio.sleep(0)
        protocol.response_str(200, PLAIN, TEXT)
    else:
        protocol.response_str(404, PLAIN, "Not Found")
