"""Asks an authentication backend who is behind each request."""

from __future__ import annotations

from fasterapi.authentication import AuthCredentials, AuthenticationError, UnauthenticatedUser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fasterapi.authentication import AuthenticationBackend
    from fasterapi.middleware._asgi import ASGIApp, Receive, Scope, Send
    from fasterapi.requests import HTTPConnection
    from fasterapi.responses import Response

__all__ = ["AuthenticationMiddleware"]


class AuthenticationMiddleware:
    """Sets ``request.user`` and ``request.auth`` to what ``backend`` finds out.

    ``on_error(connection, error)`` makes the answer when the backend raises
    ``AuthenticationError``; without it that is a 400 with the error's text. A
    WebSocket is closed.
    """

    def __init__(
        self,
        app: ASGIApp,
        backend: AuthenticationBackend,
        on_error: Callable[[HTTPConnection, AuthenticationError], Response] | None = None,
    ) -> None:
        """Stand around ``app``."""
        self.app = app
        self.backend = backend
        self.on_error = self.default_on_error if on_error is None else on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate, then pass the request on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        from fasterapi.requests import HTTPConnection

        connection = HTTPConnection(scope)
        try:
            found = await self.backend.authenticate(connection)
        except AuthenticationError as error:
            response = self.on_error(connection, error)
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            else:
                await response(scope, receive, send)
            return
        if found is None:
            found = AuthCredentials(), UnauthenticatedUser()
        scope["auth"], scope["user"] = found
        await self.app(scope, receive, send)

    @staticmethod
    def default_on_error(conn: HTTPConnection, exc: AuthenticationError) -> Response:
        """A 400 with the error's text."""
        from fasterapi.responses import PlainTextResponse

        return PlainTextResponse(str(exc), 400)
