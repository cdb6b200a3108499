"""Turns exceptions into answers by the handlers that the application has registered."""

from __future__ import annotations

from fasterapi import exceptions as _exceptions
from fasterapi.middleware._asgi import WatchedSend, call_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from fasterapi.middleware._asgi import ASGIApp, Receive, Scope, Send
    from fasterapi.requests import Request
    from fasterapi.responses import Response
    from fasterapi.websockets import WebSocket

    Handler = Callable[[Any, Any], Any]
    Handlers = tuple[dict[type[BaseException], Handler], dict[int, Handler]]

__all__ = ["ExceptionMiddleware", "wrap_app_handling_exceptions"]

HANDLERS_SCOPE_KEY = "starlette.exception_handlers"
"""Where a scope holds the handlers; the name is an agreement among ASGI frameworks."""


class ExceptionMiddleware:
    """Calls the handler of an exception's status or of the nearest of its classes.

    ``handlers`` maps statuses and exception classes to ``handler(request, exception)``,
    asynchronous or not (then it runs in the thread pool), which gives a ``Response``,
    or ``None`` where it has answered by itself. What has no handler passes through.
    """

    def __init__(
        self, app: ASGIApp, handlers: Mapping[Any, Handler] | None = None, debug: bool = False
    ) -> None:
        """Register ``handlers`` over those for ``HTTPException`` and ``WebSocketException``."""
        self.app = app
        self.debug = debug
        self._status_handlers: dict[int, Handler] = {}
        self._exception_handlers: dict[type[BaseException], Handler] = {
            _http_exception_class(): self.http_exception
        }
        websocket_exception = getattr(_exceptions, "WebSocketException", None)
        if websocket_exception is not None:
            self._exception_handlers[websocket_exception] = self.websocket_exception
        # A handler for another framework's class, which ours stands for, is the user's choice:
        # it comes last so that it wins over a default.
        for key, handler in sorted((handlers or {}).items(), key=lambda item: _is_foreign(item[0])):
            self.add_exception_handler(key, handler)

    def add_exception_handler(self, key: int | type[Exception], handler: Handler) -> None:
        """Register a handler for a status or an exception class."""
        if isinstance(key, int):
            self._status_handlers[key] = handler
            return
        if not issubclass(key, Exception):
            raise AssertionError(f"{key!r} is neither a status nor a class of exceptions")
        self._exception_handlers[_own_class(key)] = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer what is raised."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        scope[HANDLERS_SCOPE_KEY] = (self._exception_handlers, self._status_handlers)
        connection: Any
        if scope["type"] == "http":
            from fasterapi.requests import Request

            connection = Request(scope, receive, send)
        else:
            from fasterapi.websockets import WebSocket

            connection = WebSocket(scope, receive, send)
        await wrap_app_handling_exceptions(self.app, connection)(scope, receive, send)

    async def http_exception(self, request: Request, exc: Any) -> Response:
        """The answer to an ``HTTPException`` without a handler: its detail as text."""
        from fasterapi.responses import PlainTextResponse, Response

        if exc.status_code in (204, 304):
            return Response(status_code=exc.status_code, headers=exc.headers)
        return PlainTextResponse(str(exc.detail), exc.status_code, exc.headers)

    async def websocket_exception(self, websocket: WebSocket, exc: Any) -> None:
        """Close with the exception's code and reason."""
        await websocket.close(code=exc.code, reason=exc.reason)


def wrap_app_handling_exceptions(app: ASGIApp, connection: Request | WebSocket) -> ASGIApp:
    """``app`` with the handlers of ``connection.scope`` around it.

    Raises ``RuntimeError`` when an exception that has a handler comes after the answer
    has begun, because then nothing else can be sent.
    """
    handlers: Handlers = connection.scope.get(HANDLERS_SCOPE_KEY, ({}, {}))

    async def handling(scope: Scope, receive: Receive, send: Send) -> None:
        watched_send = WatchedSend(send)
        try:
            await app(scope, receive, watched_send)
        except Exception as exc:
            handler = find_handler(handlers, exc)
            if handler is None:
                raise
            if watched_send.has_begun:
                raise RuntimeError(
                    "An exception that has a handler was raised after the answer had begun; "
                    "it cannot be answered any more."
                ) from exc
            response = await call_handler(handler, connection, exc)
            if response is not None:
                await response(scope, receive, watched_send)
            # An exception object that is raised again and again would collect tracebacks.
            exc.__traceback__ = None

    return handling


def find_handler(handlers: Handlers, exc: BaseException) -> Handler | None:
    """The handler of the status of an HTTP exception, else that of the nearest class."""
    by_class, by_status = handlers
    classes = [_own_class(cls) for cls in type(exc).__mro__]
    if by_status and _http_exception_class() in classes:
        handler = by_status.get(exc.status_code)  # type: ignore[attr-defined]
        if handler is not None:
            return handler
    return next((by_class[cls] for cls in classes if cls in by_class), None)


def _http_exception_class() -> type[Exception]:
    """The class that every HTTP exception has among its bases."""
    found: type[Exception] = getattr(
        _exceptions, "StarletteHTTPException", _exceptions.HTTPException
    )
    return found


def _is_foreign(key: Any) -> bool:
    return getattr(key, "__module__", None) == "starlette.exceptions"


def _own_class(cls: type[BaseException]) -> type[BaseException]:
    """Our class in place of Starlette's of the same name, which users' code may still name."""
    if not _is_foreign(cls):
        return cls
    if cls.__name__ == "HTTPException":
        return _http_exception_class()
    own: type[BaseException] = getattr(_exceptions, cls.__name__, cls)
    return own
