"""What a request answers from Rust's parts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fasterapi import FasterAPI, requests
from fasterapi._cookies import parse_cookies
from fasterapi.requests import ClientDisconnect


class Fake:
    """What Rust's class gives."""

    def __init__(self, *chunks: bytes, now: bool = False, **parts: Any) -> None:
        self.raw_headers: list[tuple[bytes, bytes]] = [(b"host", b"example.org:81")]
        self.raw_path = b"/a%20b"
        self.query_string = b""
        self.scheme = "http"
        self.server_address: tuple[str, int] | None = ("127.0.0.1", 8000)
        self.client_address: tuple[str, int] | None = ("10.0.0.1", 5)
        self.root_path = ""
        self.app = FasterAPI()
        self.chunks = list(chunks)
        self.now = now
        self.gone = False
        self.__dict__.update(parts)

    def _body_now(self) -> bytes | None:
        return b"".join(self.chunks) if self.now else None

    async def _next_chunk(self) -> bytes:
        if self.gone:
            raise ClientDisconnect
        return self.chunks.pop(0) if self.chunks else b""

    def _is_disconnected(self) -> bool:
        return self.gone


def fake(*chunks: bytes, **parts: Any) -> Any:
    return Fake(*chunks, **parts)


def test_simple_parts() -> None:
    request = fake(query_string=b"a=1&a=2")
    assert requests.headers_of(request)["Host"] == "example.org:81"
    assert requests.query_params_of(request).getlist("a") == ["1", "2"]
    client = requests.client_of(request)
    assert client is not None
    assert (client.host, client.port) == ("10.0.0.1", 5)
    assert requests.client_of(fake(client_address=None)) is None


def test_urls() -> None:
    assert requests.url_of(fake(query_string=b"c=d")) == "http://example.org:81/a%20b?c=d"
    assert requests.url_of(fake(root_path="/api")) == "http://example.org:81/api/a%20b"
    assert requests.url_of(fake(root_path="/api", raw_path=b"/api/x")).path == "/api/x"
    assert requests.base_url_of(fake(root_path="/api")) == "http://example.org:81/api/"
    assert requests.base_url_of(fake(scheme="https")) == "https://example.org:81/"


@pytest.mark.parametrize("host", [b"evil/path?", b"a@b", b"a\\b", b"a b", b"", b"a\x7fb"])
def test_an_unsound_host_is_not_believed(host: bytes) -> None:
    request = fake(raw_headers=[(b"host", host)])
    assert requests.base_url_of(request) == "http://127.0.0.1:8000/"


def test_hosts_without_a_field() -> None:
    assert requests.base_url_of(fake(raw_headers=[], server_address=None)) == "http://localhost/"
    v6 = fake(raw_headers=[], server_address=("::1", 80))
    assert requests.base_url_of(v6) == "http://[::1]/"


def test_url_for() -> None:
    request = fake(root_path="/api")
    request.app.add_api_route("/items/{name}", lambda: None, name="item")
    url = requests.url_for_of(request, "item", name="é?x")
    assert url == "http://example.org:81/api/items/%C3%A9%3Fx"


@pytest.mark.parametrize(
    ("field", "cookies"),
    [
        ("a=b; c=d", {"a": "b", "c": "d"}),
        ("a=b;c=d=e;a=f", {"a": "f", "c": "d=e"}),
        (r'a="x\054\"y\\"; b="open', {"a": 'x,"y\\', "b": '"open'}),
        ("valueless; =b", {"": "b"}),
        (r'a="1\"', {"a": "1\\"}),
        (r'a="\9\0018\377"', {"a": "9\x018ÿ"}),
        ("", {}),
        (";;; ", {}),
    ],
)
def test_cookies(field: str, cookies: dict[str, str]) -> None:
    assert parse_cookies(field) == cookies


def test_cookies_of_several_fields() -> None:
    request = fake(raw_headers=[(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")])
    assert requests.cookies_of(request) == {"a": "1", "b": "2"}
    assert requests.cookies_of(fake()) == {}


def test_state_is_a_copy_of_the_lifespans() -> None:
    request = fake()
    request.app._lifespan_state = {"pool": 1}
    state = requests.state_of(request)
    state.pool = 2
    assert requests.state_of(request).pool == 1


@pytest.mark.parametrize("now", [True, False])
def test_bodies(now: bool) -> None:
    async def read() -> None:
        request = fake(b'{"a":', b"1}", now=now)
        assert await requests.read_body(request) == b'{"a":1}'
        assert await requests.read_body(request) == b'{"a":1}'
        assert await requests.read_json(request) == {"a": 1}
        assert [chunk async for chunk in requests.stream_of(request)] == [b'{"a":1}']
        request = fake(b"a", b"b", now=now)
        assert b"".join([chunk async for chunk in requests.stream_of(request)]) == b"ab"
        with pytest.raises(RuntimeError, match="consumed"):
            await requests.read_body(request)
        assert [chunk async for chunk in requests.stream_of(fake(now=now))] == []
        with pytest.raises(ValueError, match=r"JSON|Expecting|EOF"):
            await requests.read_json(fake(b"{", now=now))

    asyncio.run(read())


def test_disconnects() -> None:
    async def read() -> None:
        request = fake(gone=True)
        assert await requests.is_disconnected(request)
        with pytest.raises(ClientDisconnect):
            await requests.read_body(request)

    asyncio.run(read())


def test_forms() -> None:
    async def read() -> None:
        headers = [(b"content-type", b"application/x-www-form-urlencoded")]
        request = fake(b"a=", b"1", raw_headers=headers)
        form = await requests.read_form(request)
        assert form["a"] == "1"
        assert await requests.read_form(request) is form
        headers = [(b"content-type", b"multipart/form-data; boundary=b")]
        body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="n"\r\n\r\nx\r\n--b--'
        async with requests.read_form(fake(body, raw_headers=headers)) as form:
            upload = form["f"]
            assert await upload.read() == b"x"
        assert upload.file.closed

    asyncio.run(read())
