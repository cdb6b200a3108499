"""Responses and exceptions of the real Starlette, where it is installed, are answered as ours."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from live_server import own_virtual_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from conftest import Serve

pytest.importorskip("starlette")

APP = """
from fasterapi import FasterAPI
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, StreamingResponse

app = FasterAPI()
done = []


@app.get("/json", response_model=None)
async def json():
    response = JSONResponse({"a": 1}, 202, {"X-A": "b"}, background=BackgroundTask(done.append, 1))
    response.set_cookie("c", "d")
    return response


@app.get("/def", response_model=None)
def on_a_thread():
    return RedirectResponse("/json")


@app.get("/stream", response_model=None)
async def stream():
    return StreamingResponse(iter(["a", b"b"]), media_type="text/x")


@app.get("/file", response_model=None)
async def file():
    return FileResponse(__file__, media_type="text/x", filename="app.py")


@app.get("/error")
async def error():
    raise HTTPException(409, "no", {"X-A": "b"})


@app.get("/done")
async def what_is_done():
    return done
"""


@pytest.fixture(scope="module")
def client(serve_for_module: Serve) -> Iterator[httpx.Client]:
    """A client of an application that answers with Starlette's classes."""
    with serve_for_module(APP, env=own_virtual_environment()).client() as made:
        yield made


def test_a_whole_response(client: httpx.Client) -> None:
    """Status, header fields, body and background work."""
    response = client.get("/json")
    assert (response.status_code, response.json()) == (202, {"a": 1})
    assert (response.headers["x-a"], response.cookies["c"]) == ("b", "d")
    assert response.headers.get_list("content-length") == ["7"]
    deadline = time.monotonic() + 5
    while client.get("/done").json() != [1]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert client.get("/def").headers["location"] == "/json"


def test_a_stream(client: httpx.Client) -> None:
    """Text and bytes."""
    response = client.get("/stream")
    assert (response.content, response.headers["content-type"]) == (b"ab", "text/x; charset=utf-8")


def test_a_file(client: httpx.Client) -> None:
    """With one entity tag and one length, and in ranges."""
    response = client.get("/file")
    assert response.content.endswith(b"return done\n")
    assert response.headers["content-disposition"] == 'attachment; filename="app.py"'
    for name in ("etag", "last-modified", "content-length", "content-type"):
        assert len(response.headers.get_list(name)) == 1, name
    part = client.get("/file", headers={"range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, response.content[:4])


def test_an_exception(client: httpx.Client) -> None:
    """Its status, detail and header fields."""
    response = client.get("/error")
    assert (response.status_code, response.json()) == (409, {"detail": "no"})
    assert response.headers["x-a"] == "b"
