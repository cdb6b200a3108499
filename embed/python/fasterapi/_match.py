"""What a router asks of a route: whether it matches, its answer, its URL."""

from __future__ import annotations

from enum import Enum

from fasterapi.exceptions import NoMatchFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi._url import URLPath
    from fasterapi.requests import Receive, Scope, Send

__all__ = ["BaseRoute", "Match", "NoMatchFound", "get_route_path"]


class Match(Enum):
    """How well a route matches: not, by its path alone, or fully."""

    NONE = 0
    PARTIAL = 1
    FULL = 2


def get_route_path(scope: Scope) -> str:
    """The path below the scope's ``root_path``."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root):
        rest = path[len(root) :]
        if not rest or rest.startswith("/"):
            return rest
    return path


class BaseRoute:
    """The interface of everything in a router's ``routes``."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this route answers ``scope``, and what to add to the scope then."""
        raise NotImplementedError

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """The path of the route ``name``; raises ``NoMatchFound`` if it is another."""
        raise NotImplementedError

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer over ASGI."""
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer over ASGI if this route matches, otherwise say that nothing is here."""
        match, child_scope = self.matches(scope)
        if match is Match.NONE:
            await answer_not_found(scope, receive, send)
            return
        scope.update(child_scope)
        await self.handle(scope, receive, send)


async def answer_not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """404, or a refused WebSocket; inside an application ``HTTPException(404)``."""
    if scope["type"] == "websocket":
        from fasterapi.websockets import WebSocketClose

        await WebSocketClose()(scope, receive, send)
        return
    if "app" in scope:
        from fasterapi.exceptions import HTTPException

        raise HTTPException(404)
    from fasterapi.responses import PlainTextResponse

    await PlainTextResponse("Not Found", 404)(scope, receive, send)
