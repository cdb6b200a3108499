"""The last resort: an answer to whatever nobody else has caught."""

from __future__ import annotations

from fasterapi.middleware._asgi import WatchedSend, call_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fasterapi.middleware._asgi import ASGIApp, Receive, Scope, Send
    from fasterapi.requests import Request
    from fasterapi.responses import Response

__all__ = ["ServerErrorMiddleware"]


class ServerErrorMiddleware:
    """Answers 500 to an exception, then raises it again for the server to log.

    ``handler(request, exception)`` makes the answer, if there is one; with ``debug``
    the answer is the traceback instead, as a page where the client takes HTML. When
    the answer has begun already, the exception is only raised.
    """

    def __init__(
        self,
        app: ASGIApp,
        handler: Callable[[Request, Exception], Any] | None = None,
        debug: bool = False,
    ) -> None:
        """Stand around ``app``."""
        self.app = app
        self.handler = handler
        self.debug = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer what is raised."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        watched_send = WatchedSend(send)
        try:
            await self.app(scope, receive, watched_send)
        except Exception as exc:
            response = await self._response(scope, exc)
            if not watched_send.has_begun:
                await response(scope, receive, send)
            raise

    async def _response(self, scope: Scope, exc: Exception) -> Response:
        from fasterapi.requests import Request

        request = Request(scope)
        if self.debug:
            from fasterapi.concurrency import run_in_threadpool

            # It reads source files.
            return await run_in_threadpool(self.debug_response, request, exc)
        if self.handler is None:
            return self.error_response(request, exc)
        response: Response = await call_handler(self.handler, request, exc)
        return response

    def debug_response(self, request: Request, exc: Exception) -> Response:
        """The traceback, as a page or as text."""
        from fasterapi.middleware._debug_page import debug_page
        from fasterapi.responses import HTMLResponse, PlainTextResponse

        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(debug_page(exc), 500)
        from traceback import format_exception

        return PlainTextResponse("".join(format_exception(exc)), 500)

    def error_response(self, request: Request, exc: Exception) -> Response:
        """The answer where there is no handler: it says nothing of what went wrong."""
        from fasterapi.responses import PlainTextResponse

        return PlainTextResponse("Internal Server Error", 500)
