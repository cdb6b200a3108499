"""Middleware that Rust runs, over sockets; and one that Python runs within them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Serve
    from live_server import Server

APP = """
from fasterapi import FasterAPI
from fasterapi.middleware.cors import CORSMiddleware
from fasterapi.middleware.gzip import CompressionMiddleware
from fasterapi.middleware.trustedhost import TrustedHostMiddleware
from fasterapi.responses import StreamingResponse

app = FasterAPI()


@app.middleware("http")
async def seen(request, call_next):
    response = await call_next(request)
    response.headers["x-seen"] = request.url.path
    return response


app.add_middleware(CompressionMiddleware, minimum_size=100)
app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "*.example.com"])
app.add_middleware(CORSMiddleware, allow_origin_regex=r"https://.*[.]example[.]com")


@app.get("/")
async def root() -> dict[str, str]:
    return {"text": "text " * 1000}


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def pieces():
        for number in range(100):
            yield f"piece {number}, "

    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/fails")
async def fails() -> None:
    raise ValueError("on purpose")
"""


@pytest.fixture(scope="module")
def server(serve_for_module: Serve) -> Server:
    """Three layers in Rust, a function in Python."""
    return serve_for_module(APP)


@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("path", ["/", "/stream"])
def test_answers_are_compressed_and_may_be_read(server: Server, path: str, coding: str) -> None:
    """By whoever the pattern names."""
    headers = {"origin": "https://a.example.com", "accept-encoding": coding}
    answer = server.get(path, headers=headers)
    assert answer.status_code == 200
    assert answer.headers.get("content-encoding", "identity") == coding
    assert answer.headers["access-control-allow-origin"] == "https://a.example.com"
    assert answer.headers["vary"] == "Accept-Encoding, Origin"
    assert answer.headers["x-seen"] == path
    assert ("text text" in answer.text) or ("piece 99" in answer.text)


def test_preflights_and_hosts_do_not_reach_python(server: Server) -> None:
    """They are answered before."""
    headers = {"origin": "https://a.example.com", "access-control-request-method": "GET"}
    with server.client() as client:
        answer = client.options("/", headers=headers)
        assert (answer.status_code, answer.text) == (200, "OK")
        assert "x-seen" not in answer.headers
        answer = client.get("/", headers={"host": "evil.com"})
        assert (answer.status_code, answer.text) == (400, "Invalid host header")
        assert "x-seen" not in answer.headers


def test_errors_may_be_read_too(server: Server) -> None:
    """Of the handler, and of no handler."""
    headers = {"origin": "https://a.example.com"}
    for path, status in (("/fails", 500), ("/none", 404)):
        answer = server.get(path, headers=headers)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "https://a.example.com"


def test_a_level_that_does_not_exist_ends_the_start(serve: Serve) -> None:
    """With one sentence that names the middleware."""
    app = (
        "from fasterapi import FasterAPI\n"
        "from fasterapi.middleware.gzip import GZipMiddleware\n"
        "app = FasterAPI()\n"
        "app.add_middleware(GZipMiddleware, compresslevel=12)\n"
    )
    server = serve(app, ready=False, exit_code=None)
    server.wait_log("GZipMiddleware: the level of gzip is 0 to 9")
