"""A WebSocket that Rust serves."""

from __future__ import annotations

from fasterapi import _core
from fasterapi._lazy import lazy
from fasterapi._native_connection import NativeConnection
from fasterapi.websockets import (
    WebSocket,
    WebSocketDisconnect,
    WebSocketDisconnected,
    WebSocketState,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from fasterapi.requests import Message, Scope
    from fasterapi.responses import Response

__all__ = ["NativeWebSocket"]

_STATES = tuple(WebSocketState)
# The most that a refusal may say, in bytes.
DENIAL_BYTES_MAX = 1024 * 1024


class NativeWebSocket(NativeConnection, _core.WebSocket, WebSocket):
    """As ``WebSocket``; messages go from and to Rust without a coroutine of Python."""

    # What an ASGI application refuses the handshake with, as far as it has said so.
    _denial: tuple[int, list[tuple[bytes, bytes]], bytes] | None = None

    def __init__(self, native: Any) -> None:
        """Made by Rust for the handshake ``native``."""

    @lazy
    def scope(self) -> Scope:  # type: ignore[override]
        """An ASGI scope; the state in it is this WebSocket's."""
        from fasterapi._native_scope import websocket_scope_of

        return websocket_scope_of(self)

    @property
    def application_state(self) -> WebSocketState:  # type: ignore[override]
        """How far this side is."""
        return _STATES[self._application_state]

    @property
    def client_state(self) -> WebSocketState:  # type: ignore[override]
        """How far the client is, as the handler knows."""
        return _STATES[self._client_state]

    async def accept(
        self,
        subprotocol: str | None = None,
        headers: Iterable[tuple[bytes, bytes]] | None = None,
    ) -> None:
        """Open the WebSocket, with one of the client's subprotocols if it is given."""
        self._accept(subprotocol, [(bytes(k), bytes(v)) for k, v in headers or ()])

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the WebSocket (RFC 6455, section 7.4); unaccepted, it is refused.

        Raises ``ValueError`` for a code that may not be sent.
        """
        state = self.application_state
        if state is WebSocketState.CONNECTING:
            self._deny(403, [], b"")
        elif state is WebSocketState.CONNECTED:
            self._close(code, "" if reason is None else str(reason))
        else:
            raise WebSocketDisconnected('Cannot call "send" once a close message has been sent.')

    async def receive(self) -> Message:
        """The next ASGI message; raises ``RuntimeError`` after the client has closed."""
        if self.client_state is WebSocketState.CONNECTING:
            self._client_state = WebSocketState.CONNECTED.value
            return {"type": "websocket.connect"}
        try:
            data = await self._receive_any()
        except WebSocketDisconnect as end:
            return {"type": "websocket.disconnect", "code": end.code, "reason": end.reason}
        kind = "text" if isinstance(data, str) else "bytes"
        return {"type": "websocket.receive", kind: data}

    async def send(self, message: Message) -> None:
        """Send an ASGI message; raises ``RuntimeError`` for one that cannot be sent now."""
        kind = message["type"]
        if kind == "websocket.send":
            text = message.get("text")
            await (self.send_bytes(message["bytes"]) if text is None else self.send_text(text))
        elif kind == "websocket.accept":
            await self.accept(message.get("subprotocol"), message.get("headers"))
        elif kind == "websocket.close":
            await self.close(message.get("code") or 1000, message.get("reason"))
        elif kind == "websocket.http.response.start":
            fields = [(bytes(k), bytes(v)) for k, v in message.get("headers") or ()]
            self._denial = (message["status"], fields, b"")
        elif kind == "websocket.http.response.body" and self._denial is not None:
            self._go_on_denying(message)
        else:
            raise RuntimeError(f"{kind!r} cannot be sent to a WebSocket now")

    def _go_on_denying(self, message: Message) -> None:
        assert self._denial is not None
        status, fields, body = self._denial
        body += message.get("body", b"")
        if len(body) > DENIAL_BYTES_MAX:
            raise RuntimeError(f"a refusal has at most {DENIAL_BYTES_MAX} bytes")
        self._denial = (status, fields, body)
        if not message.get("more_body", False):
            named = [field for field in fields if field[0].lower() != b"content-length"]
            self._deny(status, named, body)
            self._denial = None

    async def send_denial_response(self, response: Response) -> None:
        """Refuse the handshake with ``response``; raises ``RuntimeError`` if it cannot."""
        await response(self.scope, self.receive, self.send)
