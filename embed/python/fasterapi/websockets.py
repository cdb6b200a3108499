"""A WebSocket over ASGI (RFC 6455)."""

from __future__ import annotations

from enum import Enum
from itertools import count

from fasterapi._lazy import lazy
from fasterapi.requests import HTTPConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from typing import Any

    from fasterapi._channels_forward import Forwarding
    from fasterapi.requests import Message, Receive, Scope, Send
    from fasterapi.responses import Response

__all__ = [
    "WebSocket",
    "WebSocketClose",
    "WebSocketDisconnect",
    "WebSocketMessageKindError",
    "WebSocketSlow",
    "WebSocketState",
]


class WebSocketState(Enum):
    """How far one side of a WebSocket is."""

    CONNECTING = 0
    CONNECTED = 1
    DISCONNECTED = 2
    RESPONSE = 3


class WebSocketDisconnect(Exception):
    """The client has closed the WebSocket, with ``code`` and ``reason``."""

    def __init__(self, code: int = 1000, reason: str | None = None) -> None:
        """Keep the parts of the close frame (RFC 6455, section 7.4)."""
        super().__init__(code, reason)
        self.code = code
        self.reason = reason or ""


class WebSocketSlow(WebSocketDisconnect):
    """The client did not take what was sent within the server's ``--send-timeout-s``."""


class WebSocketMessageKindError(KeyError):
    """The client sent text where ``bytes`` were wanted, or the other way round.

    Unhandled, it closes the WebSocket with 1003.
    """


class WebSocketDisconnected(RuntimeError):
    """The WebSocket is not open, so nothing can be sent or received."""


# The messages that may be sent in each state, and the state after them.
_AFTER_SENDING = {
    WebSocketState.CONNECTING: {
        "websocket.accept": WebSocketState.CONNECTED,
        "websocket.close": WebSocketState.DISCONNECTED,
        "websocket.http.response.start": WebSocketState.RESPONSE,
    },
    WebSocketState.CONNECTED: {
        "websocket.send": WebSocketState.CONNECTED,
        "websocket.close": WebSocketState.DISCONNECTED,
    },
    WebSocketState.RESPONSE: {"websocket.http.response.body": WebSocketState.RESPONSE},
}
_AFTER_RECEIVING = {
    WebSocketState.CONNECTING: {"websocket.connect": WebSocketState.CONNECTED},
    WebSocketState.CONNECTED: {
        "websocket.receive": WebSocketState.CONNECTED,
        "websocket.disconnect": WebSocketState.DISCONNECTED,
    },
}


_ids = count(1)


class WebSocket(HTTPConnection):
    """One WebSocket: accept it, then send and receive until either side closes.

    ``messages_sent``, ``messages_received``, ``bytes_sent`` and ``bytes_received`` count
    what the handler has sent and received; text counts as UTF-8.
    """

    messages_sent = 0
    messages_received = 0
    bytes_sent = 0
    messages_dropped = 0
    bytes_received = 0

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """View ``scope``; messages come from ``receive`` and go to ``send``."""
        super().__init__(scope)
        assert scope["type"] == "websocket"
        self._receive = receive
        self._send = send
        self.client_state = WebSocketState.CONNECTING
        self.application_state = WebSocketState.CONNECTING

    async def receive(self) -> Message:
        """The next ASGI message.

        Raises ``RuntimeError`` for one that cannot come now, and after the client
        has closed.
        """
        expected = _AFTER_RECEIVING.get(self.client_state)
        if expected is None:
            raise WebSocketDisconnected(
                'Cannot call "receive" once a disconnect message has been received.'
            )
        message = await self._receive()
        self.client_state = _next_state(expected, message)
        if message["type"] == "websocket.receive":
            self.messages_received += 1
            self.bytes_received += _size_of(message)
        elif message["type"] == "websocket.disconnect":
            self._leave_all()
        return message

    async def send(self, message: Message) -> None:
        """Send an ASGI message.

        Raises ``RuntimeError`` for one that cannot be sent now, and
        ``WebSocketDisconnect`` when the client has gone.
        """
        expected = _AFTER_SENDING.get(self.application_state)
        if expected is None:
            raise WebSocketDisconnected('Cannot call "send" once a close message has been sent.')
        before = self.application_state
        self.application_state = _next_state(expected, message)
        if before is WebSocketState.RESPONSE and not message.get("more_body", False):
            self.application_state = WebSocketState.DISCONNECTED
        try:
            await self._send(message)
        except OSError:
            self.application_state = WebSocketState.DISCONNECTED
            raise WebSocketDisconnect(code=1006) from None
        if message["type"] == "websocket.send":
            self.messages_sent += 1
            self.bytes_sent += _size_of(message)
        elif message["type"] == "websocket.close":
            self._leave_all()

    async def accept(
        self,
        subprotocol: str | None = None,
        headers: Iterable[tuple[bytes, bytes]] | None = None,
    ) -> None:
        """Open the WebSocket, with one of the client's subprotocols if it is given."""
        if self.client_state is WebSocketState.CONNECTING:
            await self.receive()
        await self.send(
            {
                "type": "websocket.accept",
                "subprotocol": subprotocol,
                "headers": list(headers or ()),
            }
        )

    async def _data(self, kind: str) -> Any:
        if self.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnected('WebSocket is not connected. Need to call "accept" first.')
        message = await self.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005, message.get("reason"))
        return message[kind]

    async def receive_text(self) -> str:
        """The next message, which must be text; raises ``WebSocketDisconnect``."""
        text: str = await self._data("text")
        return text

    async def receive_bytes(self) -> bytes:
        """The next message, which must be binary; raises ``WebSocketDisconnect``."""
        data: bytes = await self._data("bytes")
        return data

    async def receive_json(self, mode: str = "text") -> Any:
        """The next message, parsed as JSON; raises ``WebSocketDisconnect``.

        ``mode`` is ``"text"`` or ``"binary"``; anything else is a ``RuntimeError``.
        """
        from json import loads

        return loads(await self._data(_kind_of(mode)))

    async def iter_text(self) -> AsyncIterator[str]:
        """The text messages until the client closes."""
        try:
            while True:
                yield await self.receive_text()
        except WebSocketDisconnect:
            pass

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """The binary messages until the client closes."""
        try:
            while True:
                yield await self.receive_bytes()
        except WebSocketDisconnect:
            pass

    async def iter_json(self) -> AsyncIterator[Any]:
        """The messages, parsed as JSON, until the client closes."""
        try:
            while True:
                yield await self.receive_json()
        except WebSocketDisconnect:
            pass

    async def send_text(self, data: str) -> None:
        """Send text."""
        await self.send({"type": "websocket.send", "text": data})

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes."""
        await self.send({"type": "websocket.send", "bytes": data})

    async def send_json(self, data: Any, mode: str = "text") -> None:
        """Send ``data`` as JSON; ``mode`` as in ``receive_json``."""
        kind = _kind_of(mode)
        from json import dumps

        text = dumps(data, separators=(",", ":"), ensure_ascii=False)
        await (self.send_text(text) if kind == "text" else self.send_bytes(text.encode()))

    async def send_binary(self, data: bytes) -> None:
        """As ``send_bytes``."""
        await self.send_bytes(data)

    async def ping(self, data: bytes | None = None) -> None:
        """Send a ping; raises ``RuntimeError`` where an ASGI server does that by itself."""
        raise RuntimeError("ASGI has no message for pings; the server sends them by itself")

    async def pong(self, data: bytes | None = None) -> None:
        """Send a pong; raises ``RuntimeError`` as ``ping`` does."""
        raise RuntimeError("ASGI has no message for pongs; the server sends them by itself")

    @property
    def is_open(self) -> bool:
        """True between ``accept`` and the close of either side, as far as is known."""
        connected = WebSocketState.CONNECTED
        return self.client_state is connected and self.application_state is connected

    @lazy
    def connection_id(self) -> int:
        """Names the WebSocket among those of its process."""
        return next(_ids)

    @lazy
    def _forwarding(self) -> Forwarding:
        from fasterapi._channels_forward import Forwarding

        return Forwarding(self)

    def join(self, channel: str, *, on_lag: str = "disconnect") -> None:
        """Have the client sent what is published in ``channel`` of ``app.channels``.

        A client that does not keep up is disconnected with 1013, or loses the oldest of
        these messages with ``on_lag="drop"``. Joining twice is joining once; closing
        leaves. Raises ``ValueError`` for a name that has not 1 to 200 characters, and
        ``RuntimeError`` unless the WebSocket is open.
        """
        if not self.is_open:
            raise WebSocketDisconnected('WebSocket is not connected. Need to call "accept" first.')
        self._forwarding.join(channel, on_lag)

    def leave(self, channel: str) -> bool:
        """End what ``join`` began; false when it had not."""
        return self._forwarding.leave(channel)

    def _leave_all(self) -> None:
        if "_forwarding" in self.__dict__:
            self._forwarding.leave_all()

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the WebSocket (RFC 6455, section 7.4); unaccepted, it is refused."""
        await self.send({"type": "websocket.close", "code": code, "reason": reason or ""})

    async def send_denial_response(self, response: Response) -> None:
        """Refuse the handshake with ``response``; raises ``RuntimeError`` if it cannot."""
        if "websocket.http.response" not in self.scope.get("extensions", {}):
            raise RuntimeError("the server has no extension for refusing with a response")
        await response(self.scope, self.receive, self.send)


def _size_of(message: Message) -> int:
    text = message.get("text")
    return len(message.get("bytes") or b"") if text is None else len(text.encode())


def _next_state(expected: dict[str, WebSocketState], message: Message) -> WebSocketState:
    kind = message["type"]
    if kind not in expected:
        names = " or ".join(f'"{name}"' for name in expected)
        raise RuntimeError(f"Expected ASGI message {names}, but got {kind!r}")
    return expected[kind]


def _kind_of(mode: str) -> str:
    if mode not in ("text", "binary"):
        raise RuntimeError('The "mode" argument should be "text" or "binary".')
    return "text" if mode == "text" else "bytes"


class WebSocketClose:
    """An ASGI application that refuses or closes a WebSocket."""

    def __init__(self, code: int = 1000, reason: str | None = None) -> None:
        """Keep the parts of the close frame."""
        self.code = code
        self.reason = reason or ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close it."""
        await send({"type": "websocket.close", "code": self.code, "reason": self.reason})
