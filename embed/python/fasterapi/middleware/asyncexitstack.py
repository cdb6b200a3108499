"""Gives each request a stack of things to close at its end."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.middleware._asgi import ASGIApp, Receive, Scope, Send

__all__ = ["AsyncExitStackMiddleware"]


class AsyncExitStackMiddleware:
    """Keeps an ``AsyncExitStack`` in the scope, under ``context_name``, while ``app`` runs."""

    def __init__(self, app: ASGIApp, context_name: str = "fastapi_middleware_astack") -> None:
        """Stand around ``app``."""
        self.app = app
        self.context_name = context_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the stack, pass the request on, close what was put there."""
        from contextlib import AsyncExitStack

        async with AsyncExitStack() as stack:
            scope[self.context_name] = stack
            await self.app(scope, receive, send)
