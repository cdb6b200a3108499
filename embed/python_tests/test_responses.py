"""Responses. Expected header values are those that Starlette 1.x sends."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta, timezone
from http.cookies import CookieError
from typing import Any

import pytest

from fasterapi import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from fasterapi.datastructures import URL


def test_an_empty_response() -> None:
    response = Response()
    assert (response.status_code, response.body) == (200, b"")
    assert response.raw_headers == [(b"content-length", b"0")]
    assert response.background is None


def test_text_gets_a_charset() -> None:
    assert PlainTextResponse("é").raw_headers == [
        (b"content-length", b"2"),
        (b"content-type", b"text/plain; charset=utf-8"),
    ]
    assert HTMLResponse("x").headers["content-type"] == "text/html; charset=utf-8"
    assert Response("x", media_type="text/csv").headers["content-type"] == "text/csv; charset=utf-8"
    given = Response("x", media_type="text/csv; Charset=latin-1")
    assert given.headers["content-type"] == "text/csv; Charset=latin-1"
    assert Response(b"x", media_type="image/png").headers["content-type"] == "image/png"


def test_given_headers_win() -> None:
    response = Response(
        "abc", 206, {"Content-Length": "7", "Content-Type": "a/b", "X-Y": "é"}, "text/plain"
    )
    assert response.raw_headers == [
        (b"content-length", b"7"),
        (b"content-type", b"a/b"),
        (b"x-y", b"\xe9"),
    ]


@pytest.mark.parametrize("status", [100, 101, 204, 304])
def test_statuses_without_a_body_have_no_length(status: int) -> None:
    assert Response(status_code=status).raw_headers == []


def test_render() -> None:
    assert Response(bytearray(b"a")).body == b"a"
    assert Response(memoryview(b"a")).body == b"a"
    with pytest.raises(TypeError, match="takes str or bytes, not dict"):
        Response({})

    class Latin(PlainTextResponse):
        charset = "latin-1"

    assert Latin("é").body == b"\xe9"
    assert Latin("é").headers["content-type"] == "text/plain; charset=latin-1"


def test_headers_are_a_view() -> None:
    response = Response()
    response.headers["X-A"] = "1"
    assert (b"x-a", b"1") in response.raw_headers
    del response.headers["x-a"]
    assert response.raw_headers == [(b"content-length", b"0")]


def test_json() -> None:
    response = JSONResponse({"a": "é", "b": [1, None, 1.5]})
    assert response.body == '{"a":"é","b":[1,null,1.5]}'.encode()
    assert response.headers["content-type"] == "application/json"
    with pytest.raises(ValueError, match="JSON"):
        JSONResponse(float("nan"))
    with pytest.raises(TypeError):
        JSONResponse(object())


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("/a?b=c#d", "/a?b=c#d"),
        ("https://x.org/é x", "https://x.org/%C3%A9%20x"),
        ("/%41\r\nx: y", "/%41%0D%0Ax:%20y"),
        (URL("http://h/"), "http://h/"),
    ],
)
def test_redirects(url: Any, location: str) -> None:
    response = RedirectResponse(url)
    assert response.status_code == 307
    assert response.headers["location"] == location
    assert response.headers["content-length"] == "0"
    assert RedirectResponse(url, 303, {"x": "y"}).headers["x"] == "y"


def cookies_of(response: Response) -> list[str]:
    return response.headers.getlist("set-cookie")


def test_cookies() -> None:
    response = Response()
    response.set_cookie("a", "b")
    response.set_cookie(
        "mycookie",
        "my value",
        max_age=10,
        expires=datetime(2030, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        path="/p",
        domain="localhost",
        secure=True,
        httponly=True,
        samesite="none",
    )
    response.set_cookie("p", "1", path=None, samesite=None, expires="whenever", secure=True)
    response.set_cookie("q", "1", secure=True, partitioned=True)
    assert cookies_of(response) == [
        "a=b; Path=/; SameSite=lax",
        'mycookie="my value"; Domain=localhost; expires=Wed, 02 Jan 2030 03:04:05 GMT; HttpOnly; '
        "Max-Age=10; Path=/p; SameSite=none; Secure",
        "p=1; expires=whenever; Secure",
        "q=1; Path=/; SameSite=lax; Secure; Partitioned",
    ]


def test_a_cookies_expiry_in_seconds() -> None:
    response = Response()
    before = datetime.now(UTC).replace(microsecond=0)
    response.set_cookie("a", expires=60)
    text = cookies_of(response)[0].split("expires=")[1].split(";")[0]
    then = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert timedelta(seconds=58) < then - before < timedelta(seconds=63)


def test_deleting_a_cookie() -> None:
    response = Response()
    response.delete_cookie("a", path="/p", domain="d")
    (cookie,) = cookies_of(response)
    assert cookie.startswith('a=""; Domain=d; expires=')
    assert cookie.endswith("; Max-Age=0; Path=/p; SameSite=lax")


def test_bad_cookies() -> None:
    with pytest.raises(CookieError):
        Response().set_cookie("a b")
    with pytest.raises(ValueError, match="samesite"):
        Response().set_cookie("a", samesite="maybe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="time zone"):
        Response().set_cookie("a", expires=datetime(2030, 1, 1))
    # Header injection: the value is quoted, so that it holds no line break.
    response = Response()
    response.set_cookie("a", "b\r\nx: y")
    assert b"\r" not in response.raw_headers[-1][1]


def test_files() -> None:
    response = FileResponse("/tmp/a.html")
    assert response.path == "/tmp/a.html"
    assert response.raw_headers == [(b"content-type", b"text/html; charset=utf-8")]
    assert FileResponse("/x/unknown").media_type == "application/octet-stream"
    assert FileResponse("/x/a.png", media_type="a/b").headers["content-type"] == "a/b"
    named = FileResponse("/x/a", filename="ré.png", content_disposition_type="inline")
    assert named.headers["content-disposition"] == "inline; filename*=utf-8''r%C3%A9.png"
    assert named.media_type == "image/png"
    plain = FileResponse("/x/a", filename="a.txt")
    assert plain.headers["content-disposition"] == 'attachment; filename="a.txt"'


async def collect(response: StreamingResponse) -> list[Any]:
    return [chunk async for chunk in response.body_iterator]


def test_streaming() -> None:
    async def chunks() -> Any:
        yield "a"
        yield b"b"

    response = StreamingResponse(chunks(), media_type="text/plain", headers={"x": "y"})
    assert response.raw_headers == [
        (b"x", b"y"),
        (b"content-type", b"text/plain; charset=utf-8"),
    ]
    assert asyncio.run(collect(response)) == ["a", b"b"]
    assert asyncio.run(collect(StreamingResponse(["a", "b"]))) == ["a", "b"]


def test_a_synchronous_iterator_runs_in_threads() -> None:
    threads = []

    def chunks() -> Any:
        threads.append(threading.current_thread())
        yield "a"
        threads.append(threading.current_thread())

    assert asyncio.run(collect(StreamingResponse(chunks()))) == ["a"]
    assert len(threads) == 2
    assert threading.main_thread() not in threads


def test_an_error_in_a_synchronous_iterator_passes_through() -> None:
    def chunks() -> Any:
        yield "a"
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        asyncio.run(collect(StreamingResponse(chunks())))


@pytest.mark.parametrize("content", ["text", b"bytes", 3])
def test_what_cannot_be_streamed(content: Any) -> None:
    with pytest.raises(TypeError):
        StreamingResponse(content)


def test_a_plain_iterator_gives_all_its_items_however_fast() -> None:
    from fasterapi._iterate import ThreadedIterator

    async def count(items: Any) -> int:
        return len([item async for item in ThreadedIterator(items)])

    async def many() -> list[int]:
        return [await count(iter(range(size))) for size in (0, 1, 31, 32, 33, 5000)]

    # A waiter that is forgotten would wait for ever.
    found = asyncio.run(asyncio.wait_for(many(), 20))
    assert found == [0, 1, 31, 32, 33, 5000]


def test_a_plain_iterator_gives_an_item_before_it_has_the_next() -> None:
    from fasterapi._iterate import ThreadedIterator

    taken = threading.Event()

    def items() -> Any:
        yield "first"
        assert taken.wait(10)
        yield "second"

    async def take() -> list[str]:
        iterator = ThreadedIterator(items())
        first = await anext(iterator)
        taken.set()
        return [first, *[item async for item in iterator]]

    assert asyncio.run(take()) == ["first", "second"]
