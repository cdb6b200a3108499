"""What a request answers from Rust's parts."""

from __future__ import annotations

import asyncio
from json import JSONDecodeError
from typing import Any

import pytest

from fasterapi import FasterAPI, HTTPException
from fasterapi._cookies import parse_cookies
from fasterapi._multipart import PartHeaders, PythonMultipartParser
from fasterapi.requests import ClientDisconnect, NativeRequest, Request


class Fake:
    """What Rust's class gives."""

    def __init__(self, *chunks: bytes, now: bool = False, **parts: Any) -> None:
        self.raw_headers: list[tuple[bytes, bytes]] = [(b"host", b"example.org:81")]
        self.method = "POST"
        self.path = "/a b"
        self.raw_path = b"/a%20b"
        self.query_string = b""
        self.http_version = "1.1"
        self.scheme = "http"
        self.server_address: tuple[str, int] | None = ("127.0.0.1", 8000)
        self.client_address: tuple[str, int] | None = ("10.0.0.1", 5)
        self.root_path = ""
        self.path_params: dict[str, Any] = {}
        self.app = FasterAPI()
        self.route = None
        self.chunks = list(chunks)
        self.now = now
        self.gone = False
        self.__dict__.update(parts)
        self.main_root_path = parts.get("main_root_path", self.root_path)
        self.main_app = parts.get("main_app", self.app)

    def _body_now(self) -> bytes | None:
        return b"".join(self.chunks) if self.now else None

    def _take_chunk(self) -> bytes | None:
        if self.gone:
            raise ClientDisconnect
        return self.chunks.pop(0) if self.chunks else b""

    def _is_disconnected(self) -> bool:
        return self.gone

    def _form_reader(self, boundary: bytes, bytes_max: int | None) -> FakeFormReader:
        return FakeFormReader(self, boundary)


class FakeFormReader:
    """Splits in Python what is split in Rust."""

    def __init__(self, native: Fake, boundary: bytes) -> None:
        self.native = native
        self.parser = PythonMultipartParser(boundary)

    def pull(self) -> bool:
        return True

    def take(self) -> list[tuple[int, Any]] | None:
        if chunk := self.native._take_chunk():
            return [(kind, as_sent(value)) for kind, value in self.parser.feed(chunk)]
        self.parser.finish()
        return None


def as_sent(value: Any) -> Any:
    if isinstance(value, PartHeaders):
        return b"\r\n".join(b"%s: %s" % field for field in value.raw)
    return value


def fake(*chunks: bytes, **parts: Any) -> NativeRequest:
    return NativeRequest(Fake(*chunks, **parts))


def over_asgi(*chunks: bytes, **parts: Any) -> Request:
    """The same request, as another server gives it."""
    scope = dict(fake(**parts).scope)
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    end = "http.disconnect" if parts.get("gone") else "http.request"
    messages.append({"type": end, "body": b""})

    async def receive() -> Any:
        if not messages:
            await asyncio.sleep(3600)
        return messages.pop(0)

    return Request(scope, receive)


KINDS = pytest.mark.parametrize("make", [fake, over_asgi])


@KINDS
def test_simple_parts(make: Any) -> None:
    request = make(query_string=b"a=1&a=2")
    assert request.headers["Host"] == "example.org:81"
    assert request.query_params.getlist("a") == ["1", "2"]
    assert (request.client.host, request.client.port) == ("10.0.0.1", 5)
    assert make(client_address=None).client is None
    assert (request.method, request["type"]) == ("POST", "http")
    assert request == request
    assert request != make()
    with pytest.raises(AssertionError, match="SessionMiddleware"):
        _ = request.session


@KINDS
def test_urls(make: Any) -> None:
    assert make(query_string=b"c=d").url == "http://example.org:81/a b?c=d"
    assert make(root_path="/api").url == "http://example.org:81/api/a b"
    assert make(root_path="/api").base_url == "http://example.org:81/api/"
    assert make(scheme="https").base_url == "https://example.org:81/"


def test_a_mounts_part_of_the_root_path_is_still_in_the_path() -> None:
    scope = fake(root_path="/api/sub", main_root_path="/api", path="/sub/items").scope
    assert (scope["path"], scope["root_path"]) == ("/api/sub/items", "/api/sub")
    assert scope["app_root_path"] == "/api"


@KINDS
@pytest.mark.parametrize("host", [b"evil/path?", b"a@b", b"a\\b", b"a b", b"", b"a\x7fb"])
def test_an_unsound_host_is_not_believed(make: Any, host: bytes) -> None:
    assert make(raw_headers=[(b"host", host)]).base_url == "http://127.0.0.1:8000/"


def test_hosts_without_a_field() -> None:
    assert fake(raw_headers=[], server_address=None).base_url == "/"
    v6 = fake(raw_headers=[], server_address=("::1", 80))
    assert v6.base_url == "http://[::1]/"


@KINDS
def test_url_for(make: Any) -> None:
    app = FasterAPI()
    app.add_api_route("/items/{name}", lambda: None, name="item")
    request = make(root_path="/api", app=app)
    assert request.url_for("item", name="é?x") == "http://example.org:81/api/items/é%3Fx"


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


@KINDS
def test_cookies_of_several_fields(make: Any) -> None:
    request = make(raw_headers=[(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")])
    assert request.cookies == {"a": "1", "b": "2"}
    assert make().cookies == {}


def test_state_is_a_copy_of_the_lifespans() -> None:
    app = FasterAPI()
    app._lifespan_state = {"pool": 1}
    request = fake(app=app)
    request.state.pool = 2
    assert request.scope["state"] == {"pool": 2}
    assert fake(app=app).state.pool == 1


@pytest.mark.parametrize(
    "make", [over_asgi, fake, lambda *chunks: NativeRequest(Fake(*chunks, now=True))]
)
def test_bodies(make: Any) -> None:
    async def read() -> None:
        request = make(b'{"a":', b"1}")
        assert await request.body() == b'{"a":1}'
        assert await request.body() == b'{"a":1}'
        assert await request.json() == {"a": 1}
        assert [chunk async for chunk in request.stream()] == [b'{"a":1}', b""]
        request = make(b"a", b"b")
        assert b"".join([chunk async for chunk in request.stream()]) == b"ab"
        with pytest.raises(RuntimeError, match="consumed"):
            await request.body()
        assert [chunk async for chunk in make().stream()] == [b""]
        with pytest.raises(JSONDecodeError):
            await make(b"{").json()

    asyncio.run(read())


def test_the_native_channel_gives_asgi_messages() -> None:
    async def read() -> None:
        request = fake(b"a", b"b")
        bodies = [await request.receive() for _ in range(3)]
        assert [(one["body"], one["more_body"]) for one in bodies] == [
            (b"a", True),
            (b"b", True),
            (b"", False),
        ]
        request.native.gone = True
        assert await request.receive() == {"type": "http.disconnect"}
        request = fake(b"a", b"b")
        assert await Request(request.scope, request.receive).body() == b"ab"

    asyncio.run(read())


def test_a_routes_own_bound_of_the_body() -> None:
    async def read() -> None:
        for now in (True, False):
            request = fake(b"abc", b"d", now=now)
            request._body_bytes_max = 3
            with pytest.raises(HTTPException, match="413"):
                await request.body()

    asyncio.run(read())


@KINDS
def test_disconnects(make: Any) -> None:
    async def read() -> None:
        request = make(gone=True)
        with pytest.raises(ClientDisconnect):
            await request.body()
        assert await request.is_disconnected()
        assert not await make().is_disconnected()

    asyncio.run(read())


@KINDS
def test_forms(make: Any) -> None:
    async def read() -> None:
        headers = [(b"content-type", b"application/x-www-form-urlencoded")]
        request = make(b"a=", b"1", raw_headers=headers)
        form = await request.form()
        assert form["a"] == "1"
        assert await request.form() is form
        headers = [(b"content-type", b"multipart/form-data; boundary=b")]
        body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="n"\r\n\r\nx\r\n--b--'
        async with make(body, raw_headers=headers).form() as form:
            upload = form["f"]
            assert await upload.read() == b"x"
        assert upload.file.closed

    asyncio.run(read())


def test_what_a_middleware_has_changed() -> None:
    request = fake()
    assert not request.is_changed()
    assert request.scope["path"] == "/a b"
    assert not request.is_changed()
    request.scope["path"] = "/other"
    assert request.is_changed()
