"""Responses of every kind."""

import asyncio
import datetime
import os
from collections.abc import AsyncIterator, Callable, Iterator

from fasterapi import (
    FasterAPI,
    FileResponse,
    HTMLResponse,
    HTTPException,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

app = FasterAPI()
FILE = os.environ.get("TEST_FILE", "")


async def async_chunks() -> AsyncIterator[str | bytes]:
    """Pieces, with a pause and an empty one that must not end the body."""
    yield "one,"
    await asyncio.sleep(0.01)
    yield b""
    yield b"two,"
    yield "thr\u00e9e"


def sync_chunks() -> Iterator[str]:
    """Pieces from a thread."""
    yield "one,"
    yield "two"


async def failing_chunks() -> AsyncIterator[bytes]:
    """Fails after the head is on its way."""
    yield b"some"
    await asyncio.sleep(0.05)
    raise ValueError("no more chunks")


async def no_chunks() -> AsyncIterator[bytes]:
    """Nothing at all."""
    for chunk in ():
        yield chunk


def cookies() -> Response:
    """Three cookies, one of them deleted."""
    response = PlainTextResponse("cookies")
    response.set_cookie("a", "1", max_age=60, httponly=True, secure=True, samesite="strict")
    response.set_cookie("b", "two words", path="/x", domain="example.org")
    response.delete_cookie("c")
    return response


def not_found() -> None:
    """An error with headers."""
    raise HTTPException(404, detail={"why": "gone"}, headers={"X-Why": "gone"})


def teapot() -> None:
    """An error without a detail."""
    raise HTTPException(status_code=418)


def unauthorized() -> None:
    """An error that is raised with a text."""
    raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Basic"})


def with_header(name: str, value: str) -> Response:
    """A response whose header comes from the client."""
    return Response("x", headers={name: value})


MAKERS: dict[str, Callable[[], Response | None]] = {
    "empty": Response,
    "bytes": lambda: Response(b"\x00\xff", media_type="application/octet-stream"),
    "custom": lambda: Response("<a/>", media_type="application/xml", headers={"X-A": "1"}),
    "csv": lambda: Response("a,b", media_type="text/csv"),
    "json": lambda: JSONResponse({"a": [1, None]}, status_code=201),
    "json_nan": lambda: JSONResponse(float("nan")),
    "text": lambda: PlainTextResponse("t\u00e9xt"),
    "html": lambda: HTMLResponse("<p>"),
    "redirect": lambda: RedirectResponse("/other path?q=1#f"),
    "redirect_303": lambda: RedirectResponse("https://example.org/x", status_code=303),
    "stream": lambda: StreamingResponse(async_chunks(), media_type="text/plain"),
    "stream_sync": lambda: StreamingResponse(sync_chunks(), media_type="text/event-stream"),
    "stream_list": lambda: StreamingResponse(["a", b"b"]),
    "stream_empty": lambda: StreamingResponse(no_chunks()),
    "stream_length": lambda: StreamingResponse(iter(["abc"]), headers={"content-length": "3"}),
    "stream_long": lambda: StreamingResponse(iter(["abcdef"]), headers={"content-length": "3"}),
    "stream_short": lambda: StreamingResponse(iter(["a"]), headers={"content-length": "3"}),
    "stream_fails": lambda: StreamingResponse(failing_chunks()),
    "stream_nonsense": lambda: StreamingResponse(iter([1])),
    "file": lambda: FileResponse(FILE),
    "file_named": lambda: FileResponse(FILE, filename="n\u00e4me.txt", media_type="a/b"),
    "file_missing": lambda: FileResponse("/nowhere/at/all"),
    "cookies": cookies,
    "no_content": lambda: Response(status_code=204),
    "not_modified": lambda: Response(status_code=304, headers={"ETag": '"x"'}),
    "status_599": lambda: Response("x", status_code=599),
    "status_100": lambda: Response("x", status_code=100),
    "status_999": lambda: Response("x", status_code=999),
    "not_found": not_found,
    "teapot": teapot,
    "unauthorized": unauthorized,
    "close": lambda: Response("bye", headers={"Connection": "close"}),
    "inject_value": lambda: with_header("X-A", "1\r\nSet-Cookie: evil=1"),
    "inject_newline": lambda: with_header("X-A", "1\nX-B: 2"),
    "inject_null": lambda: with_header("X-A", "1\x00"),
    "inject_name": lambda: with_header("X-A: 1\r\nX-B", "2"),
    "inject_split": lambda: with_header("X-A", "1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    "inject_framing": lambda: with_header("Transfer-Encoding", "chunked"),
    "inject_type": lambda: Response("x", media_type="a/b\r\nX-B: 2"),
    "inject_redirect": lambda: RedirectResponse("/x\r\nX-B: 2"),
}


def add(name: str, make: Callable[[], Response | None]) -> None:
    """Register the handlers of one response."""

    async def handler():  # noqa: ANN202
        return make()

    app.add_api_route(f"/async/{name}", handler)
    app.add_api_route(f"/def/{name}", lambda: make())  # noqa: PLW0108 - a function, not a class


for maker_name, maker in MAKERS.items():
    add(maker_name, maker)


@app.get("/inject_exception")
async def inject_exception() -> None:
    """The header of an error comes from the client."""
    raise HTTPException(400, headers={"X-A": "1\r\nX-B: 2"})


@app.get("/inject_cookie")
async def inject_cookie() -> Response:
    """The value of a cookie comes from the client."""
    response = Response("x")
    response.set_cookie("a", "1\r\nX-B: 2")
    return response


@app.get("/created", status_code=201)
async def created():  # noqa: ANN201
    """The status is the route's."""
    return {"made": True}


@app.get("/nothing", status_code=204)
async def nothing() -> None:
    """No content."""


@app.get("/page", response_class=HTMLResponse)
async def page():  # noqa: ANN201
    """The class is the route's."""
    return "<h1>"


@app.get("/plain", response_class=PlainTextResponse)
def plain():  # noqa: ANN201
    """The class is the route's, on a thread."""
    return "plain"


@app.get("/expires")
async def expires() -> Response:
    """A cookie with a date."""
    response = Response("x")
    moment = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    response.set_cookie("a", "1", expires=moment)
    return response
