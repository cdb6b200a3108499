"""The rows of the comparison as a bare WSGI application, for fastpysgi."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

StartResponse = Callable[[str, list[tuple[str, str]]], object]

PLAIN = [("Content-Type", "text/plain")]
JSON = [("Content-Type", "application/json")]
TEXT = b"Hello, world"


def app(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    path: str = environ["PATH_INFO"]
    if path == "/str":
        start_response("200 OK", PLAIN)
        return [TEXT]
    if path == "/json":
        start_response("200 OK", JSON)
        return [json.dumps({"message": "Hello, world", "id": 42}).encode()]
    if path.startswith("/items/"):
        item_id = int(path.removeprefix("/items/"))
        query = parse_qs(environ["QUERY_STRING"])["q"][0]
        start_response("200 OK", JSON)
        return [json.dumps({"item_id": item_id, "q": query}).encode()]
    start_response("404 Not Found", PLAIN)
    return [b"Not Found"]
