"""One WebSocket to an ASGI application on a portal's loop, from a synchronous test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue

from fasterapi._testclient_httpx import httpx
from fasterapi._testclient_portal import WAIT_MAX_S
from fasterapi.websockets import WebSocketDisconnect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Any, Literal, Self

    from fasterapi._testclient_portal import Portal, Running

    Message = dict[str, Any]

__all__ = ["Upgrade", "WebSocketDenialResponse", "WebSocketTestSession"]

GOODBYE_MAX_S = 0.1
"""How long an application may go on after its peer went, before it is cancelled."""


class Upgrade(Exception):
    """The request asked for a WebSocket."""

    def __init__(self, session: WebSocketTestSession) -> None:
        """Carry ``session``."""
        super().__init__("the request asked for a WebSocket")
        self.session = session


class WebSocketDenialResponse(httpx.Response, WebSocketDisconnect):  # type: ignore[misc]
    """The HTTP answer of an application that refused a WebSocket; raised in the test."""


class WebSocketTestSession:
    """The client's end of one WebSocket; used as a context manager.

    Entering it opens the connection. It raises ``WebSocketDisconnect`` when the
    application closes instead of accepting, ``WebSocketDenialResponse`` when it
    answers with HTTP, and what the application raises.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        scope: dict[str, Any],
        lend: Callable[[], AbstractContextManager[Portal]],
    ) -> None:
        """``lend`` gives the portal that the application runs on."""
        self.app = app
        self.scope = scope
        self.accepted_subprotocol: str | None = None
        self.extra_headers: list[tuple[bytes, bytes]] | None = None
        self._lend = lend
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._raised: BaseException | None = None
        self._exit_stack = contextlib.ExitStack()
        self._portal: Portal
        self._running: Running

    def __enter__(self) -> Self:
        """Connect and wait until the application has accepted."""
        with contextlib.ExitStack() as stack:
            self._portal = stack.enter_context(self._lend())
            self._running = self._portal.start(self._run)
            stack.push(self._end)
            self.send({"type": "websocket.connect"})
            message = self.receive()
            self._raise_on_close(message)
            self.accepted_subprotocol = message.get("subprotocol")
            self.extra_headers = message.get("headers")
            stack.callback(self.close, 1000)
            self._exit_stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Disconnect; raises what the application raised."""
        return self._exit_stack.__exit__(kind, error, traceback)

    async def _run(self) -> None:
        try:
            await self.app(self.scope, self._to_app.get, self._take)
        finally:
            self._from_app.put(None)

    async def _take(self, message: Message) -> None:
        self._from_app.put(message)

    def _end(self, _: Any, error: BaseException | None, __: Any) -> None:
        """Let the application end, then make it; raise what it raised, once."""
        if not self._running.wait(GOODBYE_MAX_S):
            self._running.cancel()
        try:
            self._running.result()
        except BaseException as raised:
            if raised is not error:
                raise

    def send(self, message: Message) -> None:
        """Hand an ASGI message to the application."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it the application
            self._portal.loop.call_soon_threadsafe(self._to_app.put_nowait, message)

    def send_text(self, data: str) -> None:
        """Send a text message."""
        self.send({"type": "websocket.receive", "text": data})

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        self.send({"type": "websocket.receive", "bytes": data})

    def send_json(self, data: Any, mode: Literal["text", "binary"] = "text") -> None:
        """Send ``data`` as JSON, in a text or a binary message."""
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        if mode == "text":
            self.send_text(text)
        else:
            self.send_bytes(text.encode())

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Disconnect."""
        self.send({"type": "websocket.disconnect", "code": code, "reason": reason})

    def receive(self) -> Message:
        """Wait for the application's next ASGI message.

        Raises what the application raised when it ended by that, and
        ``WebSocketDisconnect`` (1006) when it ended without a close.
        """
        try:
            message = self._from_app.get(timeout=WAIT_MAX_S)
        except queue.Empty:
            raise TimeoutError(f"the application sent nothing for {WAIT_MAX_S:.0f} s") from None
        if message is None:
            self._from_app.put(None)
            self._running.result()
            raise WebSocketDisconnect(code=1006, reason="the application ended without a close")
        return message

    def receive_text(self) -> str:
        """Wait for a text message; raises ``WebSocketDisconnect`` for a close."""
        message = self.receive()
        self._raise_on_close(message)
        text: str = message["text"]
        return text

    def receive_bytes(self) -> bytes:
        """Wait for a binary message; raises ``WebSocketDisconnect`` for a close."""
        message = self.receive()
        self._raise_on_close(message)
        data: bytes = message["bytes"]
        return data

    def receive_json(self, mode: Literal["text", "binary"] = "text") -> Any:
        """Wait for JSON in a text or a binary message."""
        if mode == "text":
            return json.loads(self.receive_text())
        return json.loads(self.receive_bytes())

    def _raise_on_close(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            raise WebSocketDisconnect(
                code=message.get("code", 1000), reason=message.get("reason", "")
            )
        if message["type"] == "websocket.http.response.start":
            raise WebSocketDenialResponse(
                status_code=message["status"],
                headers=message["headers"],
                content=b"".join(self._denial_pieces()),
            )

    def _denial_pieces(self) -> list[bytes]:
        pieces = []
        more = True
        while more:
            message = self.receive()
            if message["type"] != "websocket.http.response.body":
                raise AssertionError(f"{message['type']!r} came within an HTTP answer")
            pieces.append(message["body"])
            more = message.get("more_body", False)
        return pieces
