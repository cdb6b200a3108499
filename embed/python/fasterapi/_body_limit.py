"""The application's own answer to a body that is too large."""

from __future__ import annotations

from fasterapi.middleware._asgi import WatchedSend
from fasterapi.middleware.body_limit import (
    MAX_BODY_SIZE_SCOPE_KEY,
    RequestBodyLimitMiddleware,
    RequestBodyTooLargeError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi._routes import ASGIApp
    from fasterapi.requests import Receive, Scope, Send

__all__ = ["AppBodyLimit"]


class AppBodyLimit:
    """Stands around an application's middleware: what they do not answer is a 413.

    A mounted application stands within the bound of the one around it. Without this
    its last resort for errors would take the bound's exception for a fault: a 500.
    """

    def __init__(self, app: ASGIApp, max_body_size: int | None) -> None:
        """``max_body_size`` is the application's own bound in bytes, or ``None``."""
        if max_body_size is not None:
            app = RequestBodyLimitMiddleware(app, max_body_size)
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if MAX_BODY_SIZE_SCOPE_KEY not in scope:
            await self.app(scope, receive, send)
            return
        watched_send = WatchedSend(send)
        try:
            await self.app(scope, receive, watched_send)
        except RequestBodyTooLargeError as error:
            if watched_send.has_begun:
                raise
            from fasterapi.exception_handlers import http_exception_handler
            from fasterapi.requests import Request

            response = await http_exception_handler(Request(scope, receive), error)
            await response(scope, receive, send)
