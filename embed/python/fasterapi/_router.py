"""Finds the route of a request, over ASGI."""

from __future__ import annotations

from fasterapi._match import BaseRoute, Match, NoMatchFound, answer_not_found, get_route_path
from fasterapi._mount import Host, Mount
from fasterapi._routes import Route, WebSocketRoute, with_body_limit, wrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from fasterapi._lifespan import Lifespan
    from fasterapi._routes import ASGIApp
    from fasterapi._url import URLPath
    from fasterapi.middleware import Middleware
    from fasterapi.requests import Receive, Scope, Send

__all__ = ["Router"]

_PARTIAL, _FULL = Match.PARTIAL.value, Match.FULL.value


class Router:
    """Routes in their order; the first that fits answers.

    With ``redirect_slashes`` a path that only fits with (or without) a slash at its
    end is redirected there. ``default`` answers what no route does.
    """

    # Routes that are asked when no other fits, see `frontend()`.
    _low_priority_routes: list[BaseRoute]

    def __init__(
        self,
        routes: Sequence[BaseRoute] | None = None,
        redirect_slashes: bool = True,
        default: ASGIApp | None = None,
        lifespan: Lifespan | None = None,
        *,
        middleware: Sequence[Middleware] | None = None,
        max_body_size: int | None = None,
    ) -> None:
        """Start with ``routes``, or with none."""
        from fasterapi._lifespan import lifespan_context_of

        self.routes: list[BaseRoute] = list(routes or ())
        self.redirect_slashes = redirect_slashes
        self.default: ASGIApp = self.not_found if default is None else default
        self.lifespan_context: Lifespan = lifespan_context_of(lifespan, self)
        self.max_body_size = max_body_size
        self._low_priority_routes = []
        self._middleware = middleware
        self._stack: ASGIApp | None = None

    async def not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        """404, or a refused WebSocket."""
        await answer_not_found(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer over ASGI."""
        if self._stack is None:
            self._stack = with_body_limit(wrapped(self.app, self._middleware), self.max_body_size)
        await self._stack(scope, receive, send)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer over ASGI, without the router's own middleware."""
        scope.setdefault("router", self)
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
            return
        route = self._route_for(scope)
        if route is None and await self._redirects(scope, receive, send):
            return
        if route is None:
            route = self._low_priority_route_for(scope)
        await (self.default if route is None else route.handle)(scope, receive, send)

    async def lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the lifespan as ASGI's messages say."""
        from fasterapi._lifespan import serve_lifespan

        await serve_lifespan(self.lifespan_context, scope, receive, send)

    def _route_for(self, scope: Scope) -> BaseRoute | None:
        """The route that answers; the scope is told what it has matched."""
        partial = None
        for route in self.routes:
            match, child_scope = route.matches(scope)
            if match is Match.NONE:
                continue
            # By value: a route of the user's may be one of Starlette's, with its Match.
            if match.value == _FULL:
                scope.update(child_scope)
                return route
            if match.value == _PARTIAL and partial is None:
                partial = route, child_scope
        if partial is None:
            return None
        scope.update(partial[1])
        return partial[0]

    async def _redirects(self, scope: Scope, receive: Receive, send: Send) -> bool:
        path = get_route_path(scope)
        if scope["type"] != "http" or not self.redirect_slashes or path == "/":
            return False
        other = dict(scope)
        other.pop("raw_path", None)
        asked = scope["path"]
        other["path"] = asked.rstrip("/") if path.endswith("/") else f"{asked}/"
        if not any(route.matches(other)[0].value for route in self.routes):
            return False
        from fasterapi._url import URL
        from fasterapi.responses import RedirectResponse

        await RedirectResponse(URL(scope=other))(scope, receive, send)
        return True

    def _low_priority_route_for(self, scope: Scope) -> BaseRoute | None:
        """Of those that match fully, or else by their path, the most specific."""
        best: tuple[tuple[bool, int], BaseRoute, Scope] | None = None
        for route in self._low_priority_routes:
            match, child_scope = route.matches(scope)
            if not match.value:
                continue
            rank = match.value == _FULL, len(getattr(route, "path", "").rstrip("/"))
            if best is None or rank > best[0]:
                best = rank, route, child_scope
        if best is None:
            return None
        scope.update(best[2])
        return best[1]

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """The path of the route ``name`` with ``path_params``.

        Raises ``NoMatchFound`` when no route has that name and those parameters.
        """
        for route in self.routes:
            try:
                return route.url_path_for(name, **path_params)
            except NoMatchFound:
                continue
        raise NoMatchFound(name, path_params)

    def _add(self, route: BaseRoute) -> None:
        """Append a route; a router that is included somewhere adds it there too."""
        self.routes.append(route)

    def mount(self, path: str, app: Any, name: str | None = None) -> None:
        """Let the ASGI application ``app`` answer all below ``path``."""
        self._add(Mount(path, app, name=name))

    def host(self, host: str, app: Any, name: str | None = None) -> None:
        """Let the ASGI application ``app`` answer requests to ``host``."""
        self._add(Host(host, app, name))

    def add_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        methods: Collection[str] | None = None,
        name: str | None = None,
        include_in_schema: bool = True,
    ) -> None:
        """Register a function that takes the request and gives a response."""
        self._add(
            Route(path, endpoint, methods=methods, name=name, include_in_schema=include_in_schema)
        )

    def add_websocket_route(
        self, path: str, endpoint: Callable[..., Any], name: str | None = None
    ) -> None:
        """Register a function that takes the WebSocket."""
        self._add(WebSocketRoute(path, endpoint, name=name))

    def __eq__(self, other: object) -> bool:
        """Equal by routes."""
        return isinstance(other, Router) and self.routes == other.routes

    __hash__ = object.__hash__
