"""The realtime rows of the comparison as a bare RSGI application, for granian."""

from collections.abc import Awaitable
from typing import Any, Protocol

from realtime_room import Room
from rsgi_app import PLAIN, Responder

room = Room()
# granian's `WebsocketMessageType.close`.
CLOSE = 0


class Scope(Protocol):
    proto: str
    path: str


class Incoming(Protocol):
    kind: int
    data: str


class Transport(Protocol):
    async def receive(self) -> Incoming: ...
    def send_str(self, data: str) -> Awaitable[None]: ...


class WebSocket(Protocol):
    async def accept(self) -> Transport: ...
    def close(self, status: int | None = None) -> object: ...


class Http(Responder, Protocol):
    async def __call__(self) -> bytes: ...


async def echo(transport: Transport) -> None:
    while True:
        message = await transport.receive()
        if message.kind == CLOSE:
            return
        await transport.send_str(message.data)


async def sit(transport: Transport) -> None:
    tell = transport.send_str
    await room.join(tell)
    try:
        while (await transport.receive()).kind != CLOSE:
            pass
    finally:
        room.leave(tell)


async def serve_websocket(scope: Scope, protocol: WebSocket) -> None:
    transport = await protocol.accept()
    await (echo if scope.path == "/echo" else sit)(transport)
    protocol.close()


async def serve_http(scope: Scope, protocol: Http) -> None:
    if scope.path == "/publish":
        await room.publish((await protocol()).decode())
        protocol.response_str(200, PLAIN, "published")
    else:
        protocol.response_str(404, PLAIN, "Not Found")


async def app(scope: Scope, protocol: Any) -> None:
    await (serve_websocket if scope.proto == "ws" else serve_http)(scope, protocol)
