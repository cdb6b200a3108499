"""Handlers as classes, called as the ASGI applications they are."""

from __future__ import annotations

import asyncio

import pytest

from fasterapi.endpoints import HTTPEndpoint, WebSocketEndpoint
from fasterapi.exceptions import HTTPException
from fasterapi.responses import PlainTextResponse


class Endpoint(HTTPEndpoint):
    def get(self, request):
        return PlainTextResponse(f"sync {request.method}")

    async def post(self, request):
        return PlainTextResponse("async", 201)


def ask(endpoint, method, **scope):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": method, "path": "/", "headers": [], **scope}

    async def call():
        await endpoint(scope, receive, send)

    asyncio.run(call())
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], dict(sent[0]["headers"]), body


def test_each_method_has_its_function():
    assert ask(Endpoint, "GET")[::2] == (200, b"sync GET")
    assert ask(Endpoint, "POST")[::2] == (201, b"async")
    assert ask(Endpoint, "HEAD")[0] == 200


def test_another_method_is_405_with_the_allowed_ones():
    status, headers, _ = ask(Endpoint, "DELETE")
    assert (status, headers[b"allow"]) == (405, b"GET, HEAD, POST")
    with pytest.raises(HTTPException) as caught:
        ask(Endpoint, "DELETE", app=object())
    assert caught.value.status_code == 405
    assert caught.value.headers == {"Allow": "GET, HEAD, POST"}


def test_only_http_is_answered():
    with pytest.raises(ValueError, match="not websocket"):
        Endpoint({"type": "websocket"}, None, None)
    with pytest.raises(ValueError, match="not http"):
        WebSocketEndpoint({"type": "http"}, None, None)


def talk(endpoint, *messages):
    incoming = [{"type": "websocket.connect"}, *messages]
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return incoming.pop(0)

    async def call():
        await endpoint({"type": "websocket", "path": "/", "headers": []}, receive, send)

    try:
        asyncio.run(call())
    except RuntimeError as error:
        return sent, error
    return sent, None


def text(value):
    return {"type": "websocket.receive", "text": value}


def data(value):
    return {"type": "websocket.receive", "bytes": value}


GONE = {"type": "websocket.disconnect", "code": 1001}


def endpoint(kind):
    class Talker(WebSocketEndpoint):
        encoding = kind

        async def on_receive(self, websocket, data):
            self.got.append(data)
            await websocket.send_text("thanks")

        async def on_disconnect(self, websocket, close_code):
            self.closed.append(close_code)

    Talker.got = []
    Talker.closed = []
    return Talker


@pytest.mark.parametrize(
    ("kind", "messages", "got"),
    [
        (None, [text("a"), data(b"b")], ["a", b"b"]),
        ("text", [text("a")], ["a"]),
        ("bytes", [data(b"b")], [b"b"]),
        ("json", [text('{"a": 1}'), data(b"[2]")], [{"a": 1}, [2]]),
    ],
)
def test_a_websocket_gets_what_its_encoding_says(kind, messages, got):
    talker = endpoint(kind)
    sent, error = talk(talker, *messages, GONE)
    assert (talker.got, talker.closed, error) == (got, [1001], None)
    assert [message["type"] for message in sent] == ["websocket.accept"] + ["websocket.send"] * len(
        messages
    )


@pytest.mark.parametrize(
    ("kind", "message"), [("text", data(b"b")), ("bytes", text("a")), ("json", text("{"))]
)
def test_another_kind_of_message_closes(kind, message):
    talker = endpoint(kind)
    sent, error = talk(talker, message, GONE)
    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 1003)
    assert "cannot be used" in str(error)
    assert (talker.got, talker.closed) == ([], [1011])


def test_the_methods_are_optional():
    sent, error = talk(WebSocketEndpoint, text("a"), {"type": "websocket.disconnect"})
    assert (len(sent), error) == (1, None)
