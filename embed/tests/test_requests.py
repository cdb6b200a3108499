"""What a handler can learn from its request."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from live_server import read_all, read_until, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from conftest import Serve
    from live_server import Server


@pytest.fixture(scope="module")
def server(serve_for_module: Serve) -> Server:
    """The requests application."""
    return serve_for_module("requests")


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of the requests application."""
    with server.client() as made:
        yield made


def test_every_attribute(server: Server) -> None:
    """As Starlette's ``Request`` has them."""
    with server.connect() as connection:
        local_port = connection.getsockname()[1]
        request = (
            "POST /all/7/a%20b/c?a=1&b=%C3%A9+x&a=2&empty= HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{server.port}\r\nX-A: one\r\nx-b: 1\r\nX-B: 2\r\n"
            'Cookie: c=1; d="two words"\r\nCookie: e=3\r\n'
            "Content-Length: 4\r\nConnection: close\r\n\r\ntext"
        )
        connection.sendall(request.encode())
        got = json.loads(read_all(connection).partition(b"\r\n\r\n")[2])
    assert got == {
        "method": "POST",
        "url": f"{server.url}/all/7/a b/c?a=1&b=%C3%A9+x&a=2&empty=",
        "url_path": "/all/7/a b/c",
        "url_query": "a=1&b=%C3%A9+x&a=2&empty=",
        "url_hostname": "127.0.0.1",
        "url_port": server.port,
        "url_scheme": "http",
        "base_url": f"{server.url}/",
        "query_params": {"a": "2", "b": "é x", "empty": ""},
        "query_list": ["1", "2"],
        "headers": {"x-a": "one", "x-b": ["1", "2"], "missing": None, "present": True},
        "cookies": {"c": "1", "d": "two words", "e": "3"},
        "path_params": {"number": 7, "rest": "a b/c"},
        "client": ["127.0.0.1", local_port],
        "app": "requests",
        "app_state": "yes",
        "same_app": True,
        "body": "text",
    }


def test_state_is_each_requests_own(client: httpx.Client) -> None:
    """Nothing of an earlier request is left in it."""
    for _ in range(3):
        assert client.get("/state").json() == {"empty": True, "kept": 1}


def test_a_request_without_annotation(client: httpx.Client) -> None:
    """It is a query parameter, as in FastAPI."""
    assert client.get("/unannotated?request=x").json() == "x"
    assert client.get("/unannotated").status_code == 422


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1.5,
        2**80,
        "é\u2028\U0001f600",
        [],
        {"a": [{"b": None}]},
        1e300,
        {"": ""},
    ],
)
def test_json(client: httpx.Client, value: Any) -> None:
    """Round trip."""
    response = client.post("/json", content=json.dumps(value))
    assert repr(response.json()) == repr({"got": value})


@pytest.mark.parametrize("body", [b"", b"{", b"{'a': 1}", b"[1,]", b"\xff", b"1 2", b"nul"])
def test_no_json(client: httpx.Client, body: bytes) -> None:
    """``ValueError``, which the handler may catch."""
    assert client.post("/json", content=body).status_code == 400


def test_the_body_is_kept(client: httpx.Client) -> None:
    """``body``, ``stream`` and ``json`` of the same request."""
    assert client.post("/twice", content=b"[1]").json() == [True, [1]]


def test_a_def_handler_sees_the_request(client: httpx.Client) -> None:
    """On its thread."""
    response = client.post("/threaded", content=b"x", headers={"x-a": "1"})
    assert response.json() == {"method": "POST", "x": "1"}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_long_body_streams(client: httpx.Client, chunked: bool) -> None:
    """In several pieces, complete and in order."""
    data = bytes(range(256)) * 16384
    content = iter([data[:1], data[1:100_000], data[100_000:]]) if chunked else data
    response = client.post("/stream", content=content)
    assert response.json() == {
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "several": True,
    }


def test_a_body_is_echoed_while_it_arrives(server: Server) -> None:
    """Each piece is answered before the next is sent, in an answer that has begun."""
    with server.connect() as connection:
        connection.sendall(
            b"POST /echo_stream HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            b"5\r\nfirst\r\n"
        )
        assert read_until(connection, b"first\r\n").startswith(b"HTTP/1.1 200 ")
        for piece in (b"second", b"third"):
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            assert read_until(connection, piece + b"\r\n").endswith(piece + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert read_until(connection, b"0\r\n\r\n").endswith(b"0\r\n\r\n")


def test_a_long_body_is_echoed(client: httpx.Client) -> None:
    """A megabyte, far past every buffer."""
    body = bytes(range(256)) * 4096
    assert client.post("/echo_stream", content=body).content == body


def test_a_stream_is_read_once(client: httpx.Client) -> None:
    """``RuntimeError``, as in Starlette."""
    got = client.post("/stream_twice", content=iter([b"a", b"b"])).json()
    assert got.startswith("Stream consumed")


def test_a_body_that_comes_in_pieces(server: Server) -> None:
    """The handler waits for it, and its context variables stay."""
    with server.connect() as connection:
        connection.sendall(
            b"POST /context/ann HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n"
            b"connection: close\r\n\r\na"
        )
        time.sleep(0.05)
        connection.sendall(b"b")
        time.sleep(0.05)
        connection.sendall(b"c")
        assert read_until(connection, b"]").endswith(b'["nobody","ann"]')


def test_expect_continue(server: Server) -> None:
    """100 before the body, when somebody reads it."""
    with server.connect() as connection:
        connection.sendall(
            b"POST /stream HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"
        )
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert b'"size":3' in read_until(connection, b"}")


def test_an_ignored_body_does_no_harm(client: httpx.Client) -> None:
    """The connection goes on behind it."""
    for content in (b"x" * 200_000, iter([b"a" * 70_000] * 3)):
        assert client.post("/ignored", content=content).json() == "ignored"
        assert client.get("/unannotated?request=x").json() == "x"


def test_a_body_past_the_limit(serve: Serve) -> None:
    """413, by length and by count."""
    server = serve("requests", "--body-bytes-max", "1000")
    with server.client() as client:
        assert client.post("/stream", content=b"x" * 1000).json()["size"] == 1000
        assert client.post("/stream", content=b"x" * 1001).status_code == 413
        assert client.post("/stream", content=iter([b"x" * 600] * 2)).status_code == 413
        assert client.post("/threaded", content=b"x" * 1001).status_code == 413


def test_an_urlencoded_form(client: httpx.Client) -> None:
    """Several values, blanks, an empty one."""
    response = client.post(
        "/form",
        content="a=1&b=two+words&a=%C3%A9&empty=",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert response.json() == [["a", "1"], ["b", "two words"], ["a", "é"], ["empty", ""]]


def test_a_multipart_form(client: httpx.Client) -> None:
    """Fields and files, small and large."""
    large = bytes(range(64, 96)) * 65536
    response = client.post(
        "/form",
        data={"field": "välue"},
        files=[
            ("file", ("smäll.txt", b"small", "text/plain")),
            ("file", ("large.bin", large, "application/octet-stream")),
        ],
    )
    assert response.json() == [
        ["field", "välue"],
        [
            "file",
            {
                "filename": "smäll.txt",
                "type": "text/plain",
                "size": 5,
                "head": "smal",
                "sha256": hashlib.sha256(b"small").hexdigest(),
            },
        ],
        [
            "file",
            {
                "filename": "large.bin",
                "type": "application/octet-stream",
                "size": len(large),
                "head": "@ABC",
                "sha256": hashlib.sha256(large).hexdigest(),
            },
        ],
    ]


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x"])
def test_a_broken_multipart_form(client: httpx.Client, content_type: str) -> None:
    """400."""
    response = client.post("/form", content=b"junk", headers={"content-type": content_type})
    assert response.status_code == 400


def test_url_for(client: httpx.Client, server: Server) -> None:
    """Absolute, not quoted, as Starlette's; unknown names raise."""
    assert client.get("/url_for").json() == {
        "state": f"{server.url}/state",
        "everything": f"{server.url}/all/5/a b/c",
        "path": "/state",
        "missing": "NoMatchFound",
    }


def test_root_path(serve: Serve) -> None:
    """Goes before every URL that is made, and is not part of the routes."""
    server = serve("requests", "--root-path", "/api/")
    with server.client() as client:
        got = client.get("/all/1/x?q=1").json()
        assert got["url"] == f"{server.url}/api/all/1/x?q=1"
        assert got["base_url"] == f"{server.url}/api/"
        assert client.get("/url_for").json()["state"] == f"{server.url}/api/state"


def test_is_disconnected(server: Server, client: httpx.Client) -> None:
    """False while the client waits, true once it has gone."""
    with server.connect() as connection:
        connection.sendall(b"POST /disconnected/a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        wait_until(lambda: client.get("/seen/a").json() is not None)
        assert client.get("/seen/a").json() is False
    wait_until(lambda: client.get("/seen/a").json() == "gone", 2.0)


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_leaves_in_its_body(
    server: Server, client: httpx.Client, reset: bool
) -> None:
    """``ClientDisconnect`` or a cancellation within a second."""
    name = f"leaves_{reset}"
    connection = server.connect()
    connection.sendall(
        f"POST /leaves/{name} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc".encode()
    )
    time.sleep(0.1)
    if reset:
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()
    seen = wait_until(lambda: client.get(f"/seen/{name}").json(), 1.0)
    assert seen in {"ClientDisconnect", "CancelledError"}


def test_many_bodies_at_once(server: Server) -> None:
    """Each handler gets its own."""

    def send(number: int) -> bool:
        data = bytes([number]) * (number * 5000 + 1)
        with server.client() as client:
            got = client.post("/stream", content=data).json()
        return bool(got["sha256"] == hashlib.sha256(data).hexdigest())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(send, range(40)))
