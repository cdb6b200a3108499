"""Server-sent events through the binary."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from httpx_sse import connect_sse
from live_server import (
    APPS,
    HERE,
    own_virtual_environment,
    read_all,
    read_until,
    rss_bytes,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Serve
    from httpx_sse import EventSource, ServerSentEvent
    from live_server import Server

KINDS = (
    "data: text\n\n"
    'event: json\ndata: {"a":[1,null]}\n\n'
    'data: {"value":1.5}\nid: 7\nretry: 1500\n\n'
    'data: "text"\n\n'
    "data: one\ndata: two\ndata: three\ndata: four\n\n"
    "data: null\n\n"
    ": a\n: b\n\n"
    ": ping\n\n"
)

# The same routes behind a middleware function: the events go through ASGI there.
CHAINED = """
from events import app, log

@app.middleware("http")
async def stamp(request, call_next):
    response = await call_next(request)
    response.headers["x-stamp"] = "1"
    return response
"""


def environment() -> dict[str, str]:
    """Where the application, and what it imports, is found."""
    return {**own_virtual_environment(), "PYTHONPATH": str(APPS)}


@pytest.fixture(scope="module", params=["rust", "asgi"])
def server(request: pytest.FixtureRequest, serve_for_module: Serve) -> Server:
    """The events application, and the same with a middleware function around it."""
    if request.param == "rust":
        return serve_for_module("events", env=environment())
    return serve_for_module(CHAINED, env=environment())


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of the events application."""
    with server.client() as made:
        yield made


def has_logged(client: httpx.Client, entry: str) -> None:
    """Wait for an entry in the application's log."""
    wait_until(lambda: entry in client.get("/log").json(), what=entry)


def dispatched(source: EventSource) -> list[ServerSentEvent]:
    """The events, without those that httpx-sse makes of comments once it has an id."""
    return [event for event in source.iter_sse() if event.data]


def begin(server: Server, path: str) -> tuple[socket.socket, bytes]:
    """A connection whose answer has begun, and what has come after the head."""
    connection = server.connect()
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
    received = read_until(connection, b"\r\n\r\n")
    head, _, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    return connection, rest


def test_every_kind_of_event(client: httpx.Client) -> None:
    """Text, JSON and models, lines, comments; the header fields."""
    answer = client.get("/kinds", headers={"accept-encoding": "gzip"})
    assert answer.text == KINDS
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in answer.headers


def test_a_client_of_its_own(client: httpx.Client) -> None:
    """What httpx-sse makes of the events, and of an id that it sends back."""
    with connect_sse(client, "GET", "/kinds") as source:
        events = dispatched(source)
    assert [event.event for event in events] == ["message", "json", *["message"] * 4]
    assert events[1].json() == {"a": [1, None]}
    assert (events[2].id, events[2].retry) == ("7", 1500)
    assert events[4].data == "one\ntwo\nthree\nfour"
    for given, expected in [("7", "7"), ("", None), ("\u00e9\u4e2d", "\u00e9\u4e2d")]:
        headers = {"last-event-id": given.encode()}
        with connect_sse(client, "GET", "/resumed", headers=headers) as source:
            (event,) = source.iter_sse()
        assert event.json() == expected
    assert client.get("/resumed").text == "data: null\n\n"


def test_counts_and_close(client: httpx.Client) -> None:
    """The handler may end the stream before it ends itself."""
    text = "data: x\n\n: y\n\ndata: [1,14,true]\n\n"
    assert client.get("/counts").text == text
    has_logged(client, f"counts: 2 {len(text)}")
    has_logged(client, "late: the event stream is closed")


@pytest.mark.parametrize("kind", ["event", "id", "retry", "keep-alive"])
def test_what_cannot_be_sent(server: Server, client: httpx.Client, kind: str) -> None:
    """A ValueError in the handler; nothing has been sent, so it is an ordinary answer."""
    assert client.get(f"/bad/{kind}").status_code == 500
    word = {"keep-alive": "keep_alive takes"}.get(kind, f"SSE '{kind}' must")
    server.wait_log(word)


def test_parameters_and_dependencies(client: httpx.Client) -> None:
    """As in every route; those with yield end after the handler."""
    before = len(client.get("/log").json())
    answer = client.get("/rooms/7", params={"name": "ann", "size": 2})
    assert answer.text == "data: ANN 7 0 r\n\ndata: ANN 7 1 r\n\n"
    assert answer.headers["x-resource"] == "open"
    wait_until(lambda: client.get("/log").json()[-1] == "resource closed")
    assert client.get("/log").json()[before:] == [
        "resource opened",
        "handler ended",
        "function scope ended",
        "resource closed",
    ]


def test_refusals_are_ordinary_answers(client: httpx.Client) -> None:
    """Before the first event: 422, HTTPException, a response of the handler's, a failure."""
    invalid = client.get("/rooms/x", params={"name": "ann", "size": "y"})
    assert invalid.status_code == 422
    assert [each["loc"] for each in invalid.json()["detail"]] == [
        ["path", "room"],
        ["query", "size"],
    ]
    assert client.get("/rooms/1").status_code == 422
    nobody = client.get("/rooms/1", params={"name": "nobody"})
    assert (nobody.status_code, nobody.json()) == (401, {"detail": "who?"})
    missing = client.get("/rooms/404", params={"name": "ann"})
    assert (missing.status_code, missing.json()) == (404, {"detail": "no such room"})
    assert client.get("/rooms/204", params={"name": "ann"}).status_code == 204
    assert client.get("/fails-at-once").status_code == 500
    assert client.post("/kinds").status_code == 405


def test_a_stream_without_events(client: httpx.Client) -> None:
    """It is one all the same."""
    answer = client.get("/empty")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"


def test_the_head_does_not_wait_for_an_event(server: Server) -> None:
    """A client sees soon that it is connected."""
    begun = time.monotonic()
    connection, _ = begin(server, "/silent")
    assert time.monotonic() - begun < 10
    connection.close()


def test_status_and_header_fields(client: httpx.Client) -> None:
    """The route's status, and what the injected response has."""
    answer = client.get("/status")
    assert (answer.status_code, answer.cookies["c"], answer.text) == (203, "d", "data: x\n\n")


@pytest.mark.parametrize("how", ["error", "http"])
def test_a_failure_cuts_the_stream(server: Server, client: httpx.Client, how: str) -> None:
    """The client can tell that it has not ended well; the exception is in the log."""
    with client.stream("GET", "/fails", params={"how": how}) as answer:
        texts = answer.iter_text()
        assert next(texts) == "data: before\n\n"
        with pytest.raises(httpx.RemoteProtocolError):
            next(texts)
    server.wait_log("LookupError: mine" if how == "error" else "too late")


def test_keep_alive(client: httpx.Client) -> None:
    """Comments while the handler is silent, and none when they are turned off."""
    text = client.get("/kept-alive").text
    assert text.startswith("data: first\n\n: keep-alive\n\n")
    assert text.endswith(": keep-alive\n\ndata: last\n\n")
    assert 2 <= text.count(": keep-alive\n\n") <= 8
    assert client.get("/kept-alive?seconds=30").text == "data: first\n\ndata: last\n\n"


def test_events_come_at_once(client: httpx.Client) -> None:
    """Nothing holds them back until there are more."""
    with connect_sse(client, "GET", "/times") as source:
        delays = [time.time() - float(event.data) for event in source.iter_sse()]
    assert sorted(delays)[2] < 0.05, delays


def test_several_tasks_may_send(client: httpx.Client) -> None:
    """Each event is whole."""
    assert client.get("/from-a-task").text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"


def test_other_methods(client: httpx.Client) -> None:
    """Any route whose handler takes an SSE."""
    assert client.post("/posted", json={"value": 2}).text == 'data: {"value":2.0}\n\n'
    assert client.post("/posted", json={}).status_code == 422


@pytest.mark.parametrize("path", ["/forever", "/items/forever"])
def test_a_client_that_goes_ends_the_handler(
    server: Server, client: httpx.Client, path: str
) -> None:
    """Although nothing is sent to it."""
    query = f"?name=gone-{id(server)}"
    connection, rest = begin(server, path + query)
    while b"\n\n" not in rest:
        rest += connection.recv(1000)
    connection.close()
    entry = f"{path.strip('/')} over" if "items" in path else f"gone-{id(server)} over"
    has_logged(client, entry)


def test_a_handler_that_goes_on_is_told(server: Server, client: httpx.Client) -> None:
    """It may catch the cancellation; what it sends then fails, and that is no failure."""
    connection, _ = begin(server, "/stubborn")
    connection.close()
    has_logged(client, "stubborn told")
    assert client.get("/kinds").status_code == 200
    assert "stubborn failed" not in server.log


def test_a_client_that_does_not_read(server: Server, client: httpx.Client) -> None:
    """The handler waits; others do not, and memory stays."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(b"GET /flood HTTP/1.1\r\nhost: a\r\n\r\n")

    def stands() -> bool:
        first = client.get("/sent-bytes").json()
        time.sleep(0.2)
        return first > 0 and first == client.get("/sent-bytes").json()

    wait_until(stands, what="the handler waits")
    assert client.get("/sent-bytes").json() < 16 << 20
    before = rss_bytes(server.shard_pid)
    time.sleep(0.3)
    assert rss_bytes(server.shard_pid) - before < 4 << 20
    connection.close()
    has_logged(client, "flood over")


def test_nothing_is_left_of_streams(server: Server, client: httpx.Client) -> None:
    """Their objects go with them."""
    for _ in range(30):
        client.get("/kinds")
        begin(server, "/forever")[0].close()
    wait_until(lambda: client.get("/streams").json() <= 1, what="no streams")


def test_generators(client: httpx.Client) -> None:
    """FastAPI's way to send events."""
    answer = client.get("/items")
    assert answer.text == "".join(f"data: {n}\nid: {n}\n\n" for n in range(3))
    assert answer.headers["cache-control"] == "no-cache"
    has_logged(client, "items over")
    slow = client.get("/items/slow").text
    assert slow.startswith("data: 1\n\n: ping\n\n")
    assert slow.endswith(": ping\n\ndata: 2\n\n")
    assert client.get("/items/slow-def").text == "data: 1\n\ndata: 2\n\n"


def test_a_generator_that_fails(server: Server, client: httpx.Client) -> None:
    """Its stream is cut."""
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/items/fails")
    server.wait_log("LookupError: of an item")


def test_head(server: Server, client: httpx.Client) -> None:
    """The head alone; the handler is cancelled when there is nobody to send to."""
    answer = server.exchange(
        b"HEAD /forever?name=head HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    )
    if b"405 Method" in answer:
        return  # over ASGI, as in FastAPI
    assert b"text/event-stream" in answer
    assert answer.endswith(b"\r\n\r\n")
    has_logged(client, "head over")


def test_http_1_0(server: Server) -> None:
    """Without chunks, up to the close."""
    answer = server.exchange(b"GET /kinds HTTP/1.0\r\n\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == KINDS.encode()


def test_openapi(client: httpx.Client) -> None:
    """Documented as FastAPI documents event streams."""
    paths = client.get("/openapi.json").json()["paths"]
    room = paths["/rooms/{room}"]["get"]
    assert room["tags"] == ["rooms"]
    assert {each["name"] for each in room["parameters"]} == {"room", "name", "size"}
    expected = paths["/items"]["get"]["responses"]["200"]["content"]
    assert json.dumps(room["responses"]["200"]["content"]) == json.dumps(expected)
    assert "422" in room["responses"]


@pytest.mark.parametrize("path", ["/forever", "/items/forever", "/silent"])
@pytest.mark.parametrize("app", ["events", CHAINED], ids=["rust", "asgi"])
def test_a_server_that_stops_ends_streams_in_order(serve: Serve, app: str, path: str) -> None:
    """The last chunk, then the close, long before the deadline; the handler is cancelled."""
    server = serve(app, env=environment(), drain_timeout_s=20.0)
    connections = [begin(server, path) for _ in range(5)]
    time.sleep(0.3)
    server.signal(signal.SIGTERM)
    for connection, rest in connections:
        assert (rest + read_all(connection)).endswith(b"0\r\n\r\n")
        connection.close()
    assert server.wait_end(15.0) == 0
    assert "Traceback" not in server.log


def test_a_reload_moves_clients_on(serve: Serve) -> None:
    """Those of the old shards are ended in order, and connect to the new ones."""
    server = serve("events", env=environment(), drain_timeout_s=20.0)
    connection, rest = begin(server, "/forever")
    old = server.shard_pid
    server.signal(signal.SIGHUP)
    assert (rest + read_all(connection)).endswith(b"0\r\n\r\n")
    connection.close()
    with server.client() as client, connect_sse(client, "GET", "/kinds") as source:
        assert len(dispatched(source)) == 6
    wait_until(lambda: server.shard_pids and old not in server.shard_pids)


@pytest.mark.skipif(os.geteuid() != 0, reason="a network of the test's own needs root")
def test_a_client_that_vanishes(tmp_path: Path) -> None:
    """Without a FIN: what is sent to it is not acknowledged within --send-timeout-s."""
    ran = subprocess.run(
        ["unshare", "--net", sys.executable, str(HERE / "vanishing_client.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
