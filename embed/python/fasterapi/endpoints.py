"""Handlers as classes: one method per HTTP method, or per event of a WebSocket."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any, ClassVar, Literal

    from fasterapi.requests import Request
    from fasterapi.responses import Response
    from fasterapi.websockets import WebSocket

__all__ = ["HTTPEndpoint", "WebSocketEndpoint"]

# What a class may have a method for.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")

# Close codes of RFC 6455, section 7.4.1.
_NORMAL_CLOSURE = 1000
_UNSUPPORTED_DATA = 1003
_INTERNAL_ERROR = 1011


class HTTPEndpoint:
    """A handler whose methods ``get``, ``post``, ... answer the HTTP methods.

    Each takes the request and returns a response, and may be ``def`` (run in a
    thread) or ``async def``. ``get`` answers HEAD too. The class itself is an ASGI
    application: ``await Endpoint(scope, receive, send)`` handles one request.
    """

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        """Keep one request's scope and channels."""
        if scope["type"] != "http":
            raise ValueError(f"{type(self).__name__} answers HTTP requests, not {scope['type']}")
        self.scope = scope
        self.receive = receive
        self.send = send
        self._allowed_methods = [
            method
            for method in _METHODS
            if hasattr(self, method.lower()) or (method == "HEAD" and hasattr(self, "get"))
        ]

    def __await__(self) -> Generator[Any, None, None]:
        return self.dispatch().__await__()

    async def dispatch(self) -> None:
        """Answer the request."""
        from fasterapi._signature import is_coroutine_function
        from fasterapi.concurrency import run_in_threadpool
        from fasterapi.requests import Request

        request = Request(self.scope, self.receive)
        handler = self._handler(request.method)
        if is_coroutine_function(handler):
            response = await handler(request)
        else:
            response = await run_in_threadpool(handler, request)
        await response(self.scope, self.receive, self.send)

    def _handler(self, method: str) -> Any:
        if method not in self._allowed_methods:
            return self.method_not_allowed
        if method == "HEAD" and not hasattr(self, "head"):
            return getattr(self, "get")  # noqa: B009
        return getattr(self, method.lower())

    async def method_not_allowed(self, request: Request) -> Response:
        """Answer 405; within an application by an exception, which its handlers may take."""
        from fasterapi.exceptions import HTTPException
        from fasterapi.responses import PlainTextResponse

        headers = {"Allow": ", ".join(self._allowed_methods)}
        if "app" in self.scope:
            raise HTTPException(status_code=405, headers=headers)
        return PlainTextResponse("Method Not Allowed", status_code=405, headers=headers)


class WebSocketEndpoint:
    """A handler whose methods answer the events of one WebSocket.

    ``encoding`` says what ``on_receive`` is given: ``"text"``, ``"bytes"``,
    ``"json"`` (of either), or with ``None`` whatever came. A message of the wrong
    kind closes the connection with 1003 and raises ``RuntimeError``.
    """

    encoding: ClassVar[Literal["text", "bytes", "json"] | None] = None

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        """Keep one connection's scope and channels."""
        if scope["type"] != "websocket":
            raise ValueError(f"{type(self).__name__} answers WebSockets, not {scope['type']}")
        self.scope = scope
        self.receive = receive
        self.send = send

    def __await__(self) -> Generator[Any, None, None]:
        return self.dispatch().__await__()

    async def dispatch(self) -> None:
        """Serve the connection until the client goes or a method raises."""
        from fasterapi.websockets import WebSocket

        websocket = WebSocket(self.scope, self.receive, self.send)
        await self.on_connect(websocket)
        close_code = _INTERNAL_ERROR
        try:
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    close_code = int(message.get("code") or _NORMAL_CLOSURE)
                    break
                if message["type"] == "websocket.receive":
                    await self.on_receive(websocket, await self.decode(websocket, message))
        finally:
            await self.on_disconnect(websocket, close_code)

    async def decode(self, websocket: WebSocket, message: Any) -> Any:
        """What ``on_receive`` is given for ``message``, an ASGI event."""
        text, data = message.get("text"), message.get("bytes")
        if self.encoding is None:
            return data if text is None else text
        if self.encoding == "text":
            return text if text is not None else await _refuse(websocket, "wanted text, got bytes")
        if self.encoding == "bytes":
            return data if data is not None else await _refuse(websocket, "wanted bytes, got text")
        if self.encoding != "json":
            raise ValueError(f"encoding {self.encoding!r} is not text, bytes or json")
        import json

        try:
            return json.loads(data if text is None else text)
        except ValueError:
            return await _refuse(websocket, "wanted JSON")

    async def on_connect(self, websocket: WebSocket) -> None:
        """Accept the connection; a subclass may look at it first."""
        await websocket.accept()

    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        """Take a message; does nothing here."""

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        """Take note that the connection has ended; does nothing here."""


async def _refuse(websocket: WebSocket, reason: str) -> Any:
    """Close for a message that makes no sense, and say why to the log."""
    await websocket.close(code=_UNSUPPORTED_DATA)
    raise RuntimeError(f"a WebSocket message cannot be used: {reason}")
