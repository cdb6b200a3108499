"""The test client's ASGI path: any ASGI application, without Rust."""

import asyncio
import contextvars
import gc
import os
import threading

import pytest

pytest.importorskip("httpx")

from fasterapi.testclient import TestClient, WebSocketDenialResponse
from fasterapi.websockets import WebSocketDisconnect

variable = contextvars.ContextVar("variable", default="unset")


async def answer(send, status=200, body=b"ok", headers=()):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


def http(function):
    """An ASGI application that only answers HTTP."""

    async def app(scope, receive, send):
        assert scope["type"] == "http"
        await function(scope, receive, send)

    return app


async def read_body(receive):
    pieces = []
    more = True
    while more:
        message = await receive()
        pieces.append(message["body"])
        more = message["more_body"]
    return pieces


def test_a_request_and_what_the_application_sees():
    seen = {}

    @http
    async def app(scope, receive, send):
        seen.update(scope, asked=variable.get())
        await answer(send, 201, b"made", [(b"x-a", b"1")])

    variable.set("by the test")
    client = TestClient(app, base_url="https://example.org:444", root_path="/base")
    response = client.get("/a%20b?q=1", headers={"X-Own": "v"})
    assert (response.status_code, response.text, response.headers["x-a"]) == (201, "made", "1")
    assert seen["path"] == "/a b"
    assert seen["raw_path"] == b"/a%20b"
    assert seen["query_string"] == b"q=1"
    assert seen["scheme"] == "https"
    assert seen["server"] == ["example.org", 444]
    assert seen["client"] == ("testclient", 50000)
    assert seen["root_path"] == "/base"
    assert (b"x-own", b"v") in seen["headers"]
    assert (b"user-agent", b"testclient") in seen["headers"]
    assert seen["asked"] == "by the test"


def test_bodies_arrive_in_pieces():
    @http
    async def app(scope, receive, send):
        pieces = [piece for piece in await read_body(receive) if piece]
        await answer(send, body=repr(pieces).encode())

    client = TestClient(app)
    assert client.post("/", content=b"abc").text == "[b'abc']"
    assert client.post("/", content=iter([b"a", b"b"])).text == "[b'a', b'b']"


def test_an_answer_streams_as_it_is_read():
    sent = []

    @http
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
            sent.append(number)
        await send({"type": "http.response.body"})

    with TestClient(app).stream("GET", "/") as response:
        pieces = response.iter_raw()
        assert next(pieces) == b"0"
        assert 2 not in sent
        assert list(pieces) == [b"1", b"2"]


def test_closing_an_answer_early_cancels_the_application():
    cancelled = threading.Event()

    @http
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with TestClient(app).stream("GET", "/") as response:
        next(response.iter_raw())
    assert cancelled.is_set()


@pytest.mark.parametrize("when", ["before", "within", "after"])
def test_exceptions_are_raised_in_the_test_or_answered(when):
    @http
    async def app(scope, receive, send):
        if when != "before":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"a", "more_body": when == "within"})
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        TestClient(app).get("/")
    response = TestClient(app, raise_server_exceptions=False).get("/")
    assert response.status_code == (500 if when == "before" else 200)
    assert response.text == ("" if when == "before" else "a")


def test_an_application_without_an_answer_is_an_error():
    @http
    async def app(scope, receive, send):
        return

    with pytest.raises(AssertionError, match="did not receive any response"):
        TestClient(app).get("/")


def test_the_debug_extension():
    @http
    async def app(scope, receive, send):
        assert "http.response.debug" in scope["extensions"]
        info = {"template": "page.html", "context": {"a": 1}}
        await send({"type": "http.response.debug", "info": info})
        await answer(send)

    response = TestClient(app).get("/")
    assert (response.template, response.context) == ("page.html", {"a": 1})


async def lifespan_app(scope, receive, send):
    if scope["type"] == "http":
        await answer(send, body=repr(scope["state"]).encode())
        return
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["began"] = True
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    scope["state"]["ended"] = True
    await send({"type": "lifespan.shutdown.complete"})


def test_the_lifespan_runs_in_a_with_block():
    client = TestClient(lifespan_app)
    assert client.get("/").text == "{}"
    with client as entered:
        assert entered is client
        assert client.app_state == {"began": True}
        assert client.get("/").text == "{'began': True}"
    assert client.app_state == {"began": True, "ended": True}


@pytest.mark.parametrize("step", ["startup", "shutdown"])
@pytest.mark.parametrize("told", [True, False])
def test_a_failing_lifespan_raises(step, told):
    async def app(scope, receive, send):
        await receive()
        if step == "shutdown":
            await send({"type": "lifespan.startup.complete"})
            await receive()
        if told:
            await send({"type": f"lifespan.{step}.failed", "message": "no"})
        raise RuntimeError("cannot")

    with pytest.raises(RuntimeError, match="cannot"), TestClient(app):
        assert step == "shutdown"


async def websocket_app(scope, receive, send):
    assert (await receive())["type"] == "websocket.connect"
    if scope["path"] == "/refuse":
        await send({"type": "websocket.close", "code": 4000, "reason": "no"})
        return
    if scope["path"] == "/deny":
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"denied"})
        return
    subprotocol = next(iter(scope["subprotocols"]), None)
    headers = [(b"x-a", b"1")]
    await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "fail":
            raise LookupError("lost")
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 1001, "reason": "bye"})
            return
        await send({**message, "type": "websocket.send"})


def test_a_websocket_session():
    client = TestClient(websocket_app)
    with client.websocket_connect("/", subprotocols=["a", "b"]) as session:
        assert session.accepted_subprotocol == "a"
        assert session.extra_headers == [(b"x-a", b"1")]
        session.send_text("x")
        assert session.receive_text() == "x"
        session.send_bytes(b"y")
        assert session.receive_bytes() == b"y"
        for mode in ("text", "binary"):
            session.send_json({"a": [1]}, mode=mode)
            assert session.receive_json(mode=mode) == {"a": [1]}
        session.send_text("close")
        with pytest.raises(WebSocketDisconnect) as closed:
            session.receive_text()
    assert (closed.value.code, closed.value.reason) == (1001, "bye")


def test_a_refused_websocket():
    client = TestClient(websocket_app)
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/refuse"):
        pass
    assert (closed.value.code, closed.value.reason) == (4000, "no")
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/deny"):
        pass
    assert (denied.value.status_code, denied.value.content) == (403, b"denied")


def test_a_failing_websocket_raises_in_the_test():
    client = TestClient(websocket_app)

    def fail():
        with client.websocket_connect("/") as session:
            session.send_text("fail")
            session.receive_text()

    with pytest.raises(LookupError, match="lost"):
        fail()


@pytest.mark.parametrize("in_block", [True, False])
def test_a_handler_may_use_a_test_client(in_block):
    @http
    async def inner(scope, receive, send):
        await answer(send, body=b"inner")

    async def outer(scope, receive, send):
        if scope["type"] == "lifespan":
            await lifespan_app(scope, receive, send)
        elif scope["path"] == "/leaf":
            await answer(send, body=b"leaf")
        else:
            own = client.get("/leaf").content  # the very client that waits for this answer
            await answer(send, body=own + TestClient(inner).get("/").content)

    client = TestClient(outer)
    if in_block:
        with client:
            assert client.get("/").text == "leafinner"
    else:
        assert client.get("/").text == "leafinner"


def test_clients_leave_nothing_behind():
    @http
    async def app(scope, receive, send):
        asyncio.get_running_loop().create_task(asyncio.sleep(60))  # left running
        await answer(send)

    def counts():
        gc.collect()
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    TestClient(app).get("/")
    before = counts()
    for _ in range(50):
        client = TestClient(app)
        assert client.get("/").status_code == 200
        with TestClient(lifespan_app):
            pass
    after = counts()
    assert after[0] <= before[0] + 4  # the idle portals that a process keeps
    assert after[1] <= before[1] + 4 * 3


def test_an_asgi2_application():
    def app(scope):
        async def instance(receive, send):
            await answer(send, body=b"two")

        return instance

    assert TestClient(app).get("/").text == "two"
