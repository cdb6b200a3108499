"""Responses of every kind, from coroutines and from threads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest
from live_server import read_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Serve
    from live_server import Server

KINDS = pytest.mark.parametrize("kind", ["async", "def"])
CONTENT = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to send."""
    path = tmp_path_factory.mktemp("files") / "data.bin"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(scope="module")
def server(serve_for_module: Serve, file: Path) -> Server:
    """The responses application."""
    return serve_for_module("responses", env={"TEST_FILE": str(file)})


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of the responses application."""
    with server.client() as made:
        yield made


@KINDS
@pytest.mark.parametrize(
    ("name", "status", "body", "headers"),
    [
        ("empty", 200, b"", {"content-length": "0", "content-type": None}),
        ("bytes", 200, b"\x00\xff", {"content-type": "application/octet-stream"}),
        ("custom", 200, b"<a/>", {"content-type": "application/xml", "x-a": "1"}),
        ("csv", 200, b"a,b", {"content-type": "text/csv; charset=utf-8"}),
        ("json", 201, b'{"a":[1,null]}', {"content-type": "application/json"}),
        ("text", 200, "t\u00e9xt".encode(), {"content-type": "text/plain; charset=utf-8"}),
        ("html", 200, b"<p>", {"content-type": "text/html; charset=utf-8"}),
        ("redirect", 307, b"", {"location": "/other%20path?q=1#f", "content-length": "0"}),
        ("redirect_303", 303, b"", {"location": "https://example.org/x"}),
        (
            "stream",
            200,
            "one,two,thr\u00e9e".encode(),
            {"content-type": "text/plain; charset=utf-8", "transfer-encoding": "chunked"},
        ),
        ("stream_sync", 200, b"one,two", {"content-type": "text/event-stream; charset=utf-8"}),
        ("stream_list", 200, b"ab", {"content-type": None}),
        ("stream_empty", 200, b"", {}),
        ("stream_length", 200, b"abc", {"content-length": "3", "transfer-encoding": None}),
        ("no_content", 204, b"", {"content-length": None, "transfer-encoding": None}),
        ("not_modified", 304, b"", {"etag": '"x"', "transfer-encoding": None}),
        ("status_599", 599, b"x", {}),
        ("not_found", 404, b'{"detail":{"why":"gone"}}', {"x-why": "gone"}),
        ("teapot", 418, b'{"detail":"I\'m a Teapot"}', {"content-type": "application/json"}),
        ("unauthorized", 401, b'{"detail":"who are you?"}', {"www-authenticate": "Basic"}),
        ("close", 200, b"bye", {"connection": "close"}),
    ],
)
def test_a_response(
    client: httpx.Client,
    kind: str,
    name: str,
    status: int,
    body: bytes,
    headers: dict[str, str | None],
) -> None:
    """Status, body and fields are as Starlette sends them."""
    response = client.get(f"/{kind}/{name}")
    assert response.status_code == status, response.text
    assert response.content == body
    for field, value in headers.items():
        assert response.headers.get(field) == value, field
    assert len(response.headers.get_list("content-type")) <= 1
    assert "date" in response.headers


@KINDS
@pytest.mark.parametrize("name", ["json_nan", "status_100", "status_999", "file_missing"])
def test_what_cannot_be_sent_is_the_servers_error(
    client: httpx.Client, kind: str, name: str
) -> None:
    """500 and nothing else."""
    response = client.get(f"/{kind}/{name}")
    assert (response.status_code, response.text) == (500, "Internal Server Error")


@KINDS
@pytest.mark.parametrize(
    "name",
    ["inject_value", "inject_newline", "inject_null", "inject_name", "inject_split", "inject_type"],
)
def test_a_header_cannot_be_injected(server: Server, kind: str, name: str) -> None:
    """The bytes on the wire are one 500 without the field."""
    got = server.exchange(
        f"GET /{kind}/{name} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
    )
    assert got.startswith(b"HTTP/1.1 500 ")
    assert got.count(b"HTTP/1.1") == 1
    assert b"evil" not in got
    assert b"x-b" not in got.lower()
    assert got.endswith(b"\r\n\r\nInternal Server Error")


def test_an_exceptions_header_cannot_be_injected(server: Server) -> None:
    """Not through ``HTTPException`` either."""
    got = server.exchange(b"GET /inject_exception HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 500 ")
    assert b"x-b" not in got.lower()


def test_a_cookies_value_is_quoted(client: httpx.Client) -> None:
    """Line ends in it are escaped, as ``http.cookies`` does."""
    response = client.get("/inject_cookie")
    assert response.headers["set-cookie"] == 'a="1\\015\\012X-B: 2"; Path=/; SameSite=lax'
    assert "x-b" not in response.headers


@KINDS
def test_a_redirects_target_is_quoted(client: httpx.Client, kind: str) -> None:
    """Line ends in it are percent-encoded."""
    response = client.get(f"/{kind}/inject_redirect")
    assert (response.status_code, response.headers["location"]) == (307, "/x%0D%0AX-B:%202")


@KINDS
def test_framing_belongs_to_the_server(server: Server, kind: str) -> None:
    """A ``Transfer-Encoding`` field of the application's changes nothing."""
    got = server.exchange(
        f"GET /{kind}/inject_framing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
    )
    head, _, body = got.partition(b"\r\n\r\n")
    if b"200" in head.split(b"\r\n")[0]:
        assert b"transfer-encoding" not in head.lower()
        assert (b"content-length: 1" in head.lower(), body) == (True, b"x")
    else:
        assert head.startswith(b"HTTP/1.1 500 ")


@KINDS
@pytest.mark.parametrize("name", ["stream_fails", "stream_nonsense", "stream_short"])
def test_a_broken_stream_is_seen_as_broken(server: Server, kind: str, name: str) -> None:
    """The body is not ended as if it were whole, and the log says why."""
    with server.client() as client, pytest.raises(httpx.HTTPError):
        client.get(f"/{kind}/{name}")
    server.wait_log(f"/{kind}/{name}")


@KINDS
def test_a_stream_longer_than_announced(server: Server, kind: str) -> None:
    """What is too much is never read as the next answer, and the log says so."""
    with server.connect() as connection:
        for path, reuse in (("stream_long", "keep-alive"), ("text", "close")):
            head = f"GET /{kind}/{path} HTTP/1.1\r\nhost: x\r\nconnection: {reuse}\r\n\r\n"
            connection.sendall(head.encode())
        got = read_all(connection)
    first, _, rest = got.partition(b"\r\n\r\n")[2].partition(b"HTTP/1.1")
    assert first in {b"abc", b""}
    assert not rest or rest.startswith(b" 200 ")
    assert b"def" not in got
    server.wait_log(f"/{kind}/stream_long")


@KINDS
def test_cookies(client: httpx.Client, kind: str) -> None:
    """Each in a field of its own."""
    fields = client.get(f"/{kind}/cookies").headers.get_list("set-cookie")
    assert fields[:2] == [
        "a=1; HttpOnly; Max-Age=60; Path=/; SameSite=strict; Secure",
        'b="two words"; Domain=example.org; Path=/x; SameSite=lax',
    ]
    assert re.fullmatch(
        r'c=""; expires=\w{3}, [^;]* GMT; Max-Age=0; Path=/; SameSite=lax', fields[2]
    )


def test_a_cookie_with_a_date(client: httpx.Client) -> None:
    """In the format of RFC 9110."""
    field = client.get("/expires").headers["set-cookie"]
    assert field == "a=1; expires=Wed, 02 Jan 2030 03:04:05 GMT; Path=/; SameSite=lax"


def test_what_the_route_says(client: httpx.Client) -> None:
    """``status_code`` and ``response_class`` of a decorator."""
    created = client.get("/created")
    assert (created.status_code, created.json()) == (201, {"made": True})
    nothing = client.get("/nothing")
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert "content-length" not in nothing.headers
    page = client.get("/page")
    assert (page.text, page.headers["content-type"]) == ("<h1>", "text/html; charset=utf-8")
    plain = client.get("/plain")
    assert (plain.text, plain.headers["content-type"]) == ("plain", "text/plain; charset=utf-8")


@KINDS
class TestFiles:
    """``FileResponse``."""

    def test_whole(self, client: httpx.Client, kind: str) -> None:
        """Length, type, validators and the bytes."""
        response = client.get(f"/{kind}/file")
        assert (response.status_code, response.content) == (200, CONTENT)
        assert response.headers["content-length"] == str(len(CONTENT))
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["accept-ranges"] == "bytes"
        assert response.headers["etag"]
        assert response.headers["last-modified"]

    def test_head(self, client: httpx.Client, kind: str) -> None:
        """The same head and no body."""
        response = client.head(f"/{kind}/file")
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["content-length"] == str(len(CONTENT))

    def test_named(self, client: httpx.Client, kind: str) -> None:
        """The client is asked to save it."""
        response = client.get(f"/{kind}/file_named")
        assert response.headers["content-type"] == "a/b"
        disposition = "attachment; filename*=utf-8''n%C3%A4me.txt"
        assert response.headers["content-disposition"] == disposition

    @pytest.mark.parametrize(
        ("asked", "start", "end"),
        [
            ("bytes=0-9", 0, 10),
            ("bytes=255990-", 255990, 256000),
            ("bytes=-5", 255995, 256000),
            ("bytes=255999-999999", 255999, 256000),
            ("bytes=100-100", 100, 101),
        ],
    )
    def test_range(self, client: httpx.Client, kind: str, asked: str, start: int, end: int) -> None:
        """206 with the part."""
        response = client.get(f"/{kind}/file", headers={"range": asked})
        assert (response.status_code, response.content) == (206, CONTENT[start:end])
        assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
        assert response.headers["content-length"] == str(end - start)

    def test_range_past_the_end(self, client: httpx.Client, kind: str) -> None:
        """416 with the length."""
        response = client.get(f"/{kind}/file", headers={"range": "bytes=256000-"})
        assert response.status_code == 416
        assert response.headers["content-range"] == f"bytes */{len(CONTENT)}"

    @pytest.mark.parametrize("asked", ["bytes=x-y", "lines=1-2", "bytes=9-0"])
    def test_range_that_makes_no_sense(self, client: httpx.Client, kind: str, asked: str) -> None:
        """Is ignored (RFC 9110, section 14.2), or refused; never a wrong part."""
        response = client.get(f"/{kind}/file", headers={"range": asked})
        if response.status_code == 200:
            assert response.content == CONTENT
        else:
            assert response.status_code in {400, 416}

    def test_if_range(self, client: httpx.Client, kind: str) -> None:
        """A part only of the file that the client knows."""
        etag = client.get(f"/{kind}/file").headers["etag"]
        headers = {"range": "bytes=0-1", "if-range": etag}
        assert client.get(f"/{kind}/file", headers=headers).status_code == 206
        headers["if-range"] = '"other"'
        assert client.get(f"/{kind}/file", headers=headers).content == CONTENT

    def test_not_modified(self, client: httpx.Client, kind: str) -> None:
        """304 for what the client has already."""
        first = client.get(f"/{kind}/file")
        for headers in (
            {"if-none-match": first.headers["etag"]},
            {"if-none-match": f'"x", {first.headers["etag"]}'},
            {"if-modified-since": first.headers["last-modified"]},
        ):
            response = client.get(f"/{kind}/file", headers=headers)
            assert (response.status_code, response.content) == (304, b""), headers
            assert response.headers["etag"] == first.headers["etag"]
        response = client.get(f"/{kind}/file", headers={"if-none-match": '"other"'})
        assert response.status_code == 200


def test_static_files(serve: Serve, tmp_path: Path) -> None:
    """A mounted folder, and nothing outside of it."""
    folder = tmp_path / "public"
    (folder / "sub").mkdir(parents=True)
    (folder / "a b.txt").write_text("text")
    (folder / "style.css").write_text("p {}")
    (folder / "index.html").write_text("<p>start")
    (folder / "404.html").write_text("<p>missing")
    (folder / "sub" / "index.html").write_text("<p>sub")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    server = serve(
        """
from fasterapi import FasterAPI, Request, StaticFiles

app = FasterAPI()
app.mount("/plain", StaticFiles("public"), name="plain")
app.mount("/html", StaticFiles("public", html=True))

@app.get("/url")
async def url(request: Request):
    return str(request.url_for("plain", path="style.css"))
""",
        cwd=tmp_path,
    )
    with server.client() as client:
        text = client.get("/plain/a%20b.txt")
        assert (text.status_code, text.text) == (200, "text")
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
        style = client.get("/plain/style.css")
        assert style.headers["content-type"] == "text/css; charset=utf-8"
        etag = {"if-none-match": style.headers["etag"]}
        assert client.get("/plain/style.css", headers=etag).status_code == 304
        part = client.get("/plain/style.css", headers={"range": "bytes=1-2"})
        assert (part.status_code, part.content) == (206, b" {")
        assert client.head("/plain/style.css").headers["content-length"] == "4"
        assert client.post("/plain/style.css").status_code == 405
        for path in ("/plain/nothing", "/plain/", "/plain/sub", "/plain/link.txt"):
            assert client.get(path).status_code == 404, path
        assert client.get("/html/").text == "<p>start"
        assert client.get("/html/sub/").text == "<p>sub"
        missing = client.get("/html/nothing")
        assert (missing.status_code, missing.text) == (404, "<p>missing")
        assert client.get("/url").json() == f"{server.url}/plain/style.css"
    for path in ("/plain/../secret.txt", "/plain/%2e%2e/secret.txt", "/plain/..%2fsecret.txt"):
        got = server.exchange(
            f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
        )
        assert b"secret" not in got
        assert got.startswith(b"HTTP/1.1 4"), path
