"""Sends every request that came without TLS to ``https`` (or ``wss``)."""

from __future__ import annotations

from fasterapi.middleware._hosts import netloc_of, url_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.middleware._asgi import ASGIApp, Receive, Scope, Send
    from fasterapi.responses import Response

__all__ = ["HTTPSRedirectMiddleware"]

_SECURE = {"http": "https", "ws": "wss"}


class HTTPSRedirectMiddleware:
    """Answers 307 to the same URL with TLS; a default port is left out of it."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand around ``app``."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Redirect, or pass on what is secure already."""
        is_connection = scope["type"] in ("http", "websocket")
        redirect = self.redirect_of(scope) if is_connection else None
        await (self.app if redirect is None else redirect)(scope, receive, send)

    @staticmethod
    def redirect_of(scope: Scope) -> Response | None:
        """The redirect of a request that came without TLS; ``None`` with TLS."""
        secure = _SECURE.get(scope.get("scheme", "http"))
        if secure is None:
            return None
        from fasterapi.responses import PlainTextResponse, RedirectResponse

        netloc = netloc_of(scope)
        if not netloc:
            return PlainTextResponse("Invalid host header", 400)
        for default in (":80", ":443"):
            netloc = netloc.removesuffix(default)
        return RedirectResponse(url_of(scope, secure, netloc), 307)
