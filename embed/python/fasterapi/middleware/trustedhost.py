"""Answers only requests whose ``Host`` is one of the application's own names."""

from __future__ import annotations

from fasterapi.middleware._asgi import request_header
from fasterapi.middleware._hosts import host_of, netloc_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fasterapi.middleware._asgi import ASGIApp, Receive, Scope, Send
    from fasterapi.responses import Response

__all__ = ["TrustedHostMiddleware"]


class TrustedHostMiddleware:
    """Answers 400 unless ``Host`` (without its port) matches one of ``allowed_hosts``.

    A pattern is a name, ``*.example.com`` (every name below it) or ``*``. With
    ``www_redirect`` a request for ``example.com`` is sent to ``www.example.com`` if
    only that one is allowed. Raises ``AssertionError`` for another kind of pattern.
    """

    def __init__(
        self,
        app: ASGIApp,
        allowed_hosts: Sequence[str] | None = None,
        www_redirect: bool = True,
    ) -> None:
        """Check the patterns."""
        patterns = ["*"] if allowed_hosts is None else list(allowed_hosts)
        for pattern in patterns:
            sound = pattern == "*" or "*" not in pattern.removeprefix("*.")
            if not sound:
                raise AssertionError(
                    f"TrustedHostMiddleware: {pattern!r} is no host pattern; "
                    "a wildcard stands for whole labels in front, as in '*.example.com'"
                )
        self.app = app
        self.allowed_hosts = [pattern.lower() for pattern in patterns]
        self.allow_any = "*" in patterns
        self.www_redirect = www_redirect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, redirect it, or refuse it."""
        is_connection = scope["type"] in ("http", "websocket")
        refusal = self.refusal_of(scope) if is_connection else None
        await (self.app if refusal is None else refusal)(scope, receive, send)

    def refusal_of(self, scope: Scope) -> Response | None:
        """The answer to a request for another host; ``None`` for one of the allowed."""
        if self.allow_any:
            return None
        host = host_of(request_header(scope, b"host"))
        if host is not None and self._is_allowed(host):
            return None
        return self._refusal(scope, host)

    def _is_allowed(self, host: str) -> bool:
        return any(
            host == pattern or (pattern[0:1] == "*" and host.endswith(pattern[1:]))
            for pattern in self.allowed_hosts
        )

    def _refusal(self, scope: Scope, host: str | None) -> Response:
        from fasterapi.middleware._hosts import url_of
        from fasterapi.responses import PlainTextResponse, RedirectResponse

        netloc = netloc_of(scope)
        if self.www_redirect and host is not None and f"www.{host}" in self.allowed_hosts:
            return RedirectResponse(url_of(scope, scope["scheme"], f"www.{netloc}"))
        return PlainTextResponse("Invalid host header", 400)
