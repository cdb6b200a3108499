"""What a trusted proxy says of the client, and what anybody else says."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

from live_server import read_all, run_to_end

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Serve
    from live_server import Server

APP = """
from fasterapi import FastAPI, Request

app = FastAPI()

@app.get("/")
async def seen(request: Request):
    client = request.client
    scope = request.scope["client"]
    return {
        "client": [client.host, client.port] if client else None,
        "scope": list(scope) if scope else None,
        "scheme": request.url.scheme,
        "url": str(request.url_for("seen")),
    }
"""

SECURE_APP = """
from fasterapi import FastAPI
from fasterapi.middleware.httpsredirect import HTTPSRedirectMiddleware

app = FastAPI()
app.add_middleware(HTTPSRedirectMiddleware)

@app.get("/")
async def root():
    return "safe"
"""

HEADERS = {"x-forwarded-for": "6.6.6.6, 203.0.113.7", "x-forwarded-proto": "https"}


def seen(server: Server, headers: dict[str, str]) -> tuple[str, int, str]:
    """The client's host and port, and the scheme."""
    got = server.get("/", headers=headers).json()
    assert got["client"] == got["scope"]
    assert got["url"].startswith(f"{got['scheme']}://127.0.0.1")
    host, port = got["client"]
    return host, port, got["scheme"]


def assert_not_believed(server: Server, headers: dict[str, str]) -> None:
    """The peer itself is the client, without TLS."""
    host, port, scheme = seen(server, headers)
    assert (host, scheme) == ("127.0.0.1", "http")
    assert port > 0


def test_a_proxy_on_this_machine_is_trusted(serve: Serve) -> None:
    """Without any option; each field for itself."""
    server = serve(APP)
    assert seen(server, HEADERS) == ("203.0.113.7", 0, "https")
    assert seen(server, {"x-forwarded-proto": "wss"})[2] == "https"
    assert seen(server, {"x-forwarded-for": "2001:DB8::1"})[0] == "2001:db8::1"
    assert seen(server, {"x-forwarded-for": "203.0.113.7, ::1, 127.0.0.1"})[0] == "203.0.113.7"
    assert_not_believed(server, {})


MALFORMED = [
    {"x-forwarded-for": "unknown", "x-forwarded-proto": "ftp"},
    {"x-forwarded-for": "", "x-forwarded-proto": ""},
    {"x-forwarded-for": "203.0.113.7, nonsense, 127.0.0.1"},
    {"x-forwarded-proto": "https, http"},
    {"forwarded": "for=203.0.113.7;proto=https"},
    {"x-forwarded-host": "evil.example"},
]


def test_malformed_values_are_ignored(serve: Serve) -> None:
    """As if they had not been sent."""
    server = serve(APP)
    for headers in MALFORMED:
        assert_not_believed(server, headers)


def test_nobody_is_believed_when_told_so(serve: Serve) -> None:
    """Neither with the headers switched off nor from other peers."""
    assert_not_believed(serve(APP, "--no-proxy-headers"), HEADERS)
    assert_not_believed(serve(APP, env={"FASTERAPI_PROXY_HEADERS": "0"}), HEADERS)
    assert_not_believed(serve(APP, "--forwarded-allow-ips", "10.0.0.0/8"), HEADERS)
    assert_not_believed(serve(APP, env={"FORWARDED_ALLOW_IPS": "10.0.0.1"}), HEADERS)


def test_networks_and_all(serve: Serve) -> None:
    """A network takes its addresses out of the trail; ``*`` takes all of them."""
    networks = serve(APP, "--forwarded-allow-ips", "127.0.0.0/8, 203.0.113.0/24")
    assert seen(networks, HEADERS) == ("6.6.6.6", 0, "https")
    for server in (
        serve(APP, "--proxy-headers", "--forwarded-allow-ips", "*"),
        serve(APP, env={"FASTERAPI_FORWARDED_ALLOW_IPS": "*", "FORWARDED_ALLOW_IPS": "1.1.1.1"}),
        serve(APP, env={"FORWARDED_ALLOW_IPS": "*"}),
    ):
        assert seen(server, HEADERS) == ("6.6.6.6", 0, "https")


def test_a_list_of_something_else_is_refused() -> None:
    """With a sentence, before anything is served."""
    ended = run_to_end("run", "main:app", "--forwarded-allow-ips", "localhost")
    assert ended.returncode == 2
    assert "'localhost' must be *, an address" in ended.stderr


def test_the_command_line_of_fastapi(serve: Serve, tmp_path: Path) -> None:
    """A flag before the file."""
    (tmp_path / "main.py").write_text(APP)
    server = serve("", "--proxy-headers", "main.py", cwd=tmp_path)
    assert seen(server, HEADERS) == ("203.0.113.7", 0, "https")


def test_peers_on_a_unix_socket_are_trusted(serve: Serve, tmp_path: Path) -> None:
    """Whatever the list says: they have no address."""
    path = tmp_path / "socket"
    serve(APP, "--forwarded-allow-ips", "10.0.0.1", listen=("--uds", str(path)))

    def ask(fields: str) -> tuple[object, object]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(path))
            request = f"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n{fields}\r\n"
            connection.sendall(request.encode())
            got = json.loads(read_all(connection).partition(b"\r\n\r\n")[2])
        return got["client"], got["scheme"]

    assert ask("") == (None, "http")
    fields = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
    assert ask(fields) == (["203.0.113.7", 0], "https")


def test_the_redirect_to_https_believes_the_proxy(serve: Serve) -> None:
    """What came over TLS to the proxy is served, the rest is sent there."""
    server = serve(SECURE_APP)
    secure = server.get("/", headers={"x-forwarded-proto": "https"})
    assert (secure.status_code, secure.json()) == (200, "safe")
    for headers in ({}, {"x-forwarded-proto": "http"}, {"x-forwarded-proto": "nonsense"}):
        answer = server.get("/", headers=headers)
        assert answer.status_code == 307
        assert answer.headers["location"].startswith("https://127.0.0.1")
    doubting = serve(SECURE_APP, "--no-proxy-headers")
    assert doubting.get("/", headers={"x-forwarded-proto": "https"}).status_code == 307


def test_the_access_log_names_the_client(serve: Serve) -> None:
    """And the proxy as the peer."""
    server = serve(APP, "--access-log", "--log-format", "json")
    server.get("/?one", headers=HEADERS)
    server.get("/?two")
    server.wait_log("/?two")
    entries = {
        entry["target"]: entry
        for entry in map(json.loads, server.log.splitlines())
        if "target" in entry
    }
    assert entries["/?one"]["client"] == "203.0.113.7"
    assert entries["/?one"]["message"].startswith('203.0.113.7 "GET /?one')
    assert entries["/?one"]["peer"].startswith("127.0.0.1:")
    assert "client" not in entries["/?two"]
