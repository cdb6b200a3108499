"""``Starlette``: an application of plain routes, without FastAPI's parameters and documents."""

from __future__ import annotations

from fasterapi.datastructures import State
from fasterapi.middleware import Middleware
from fasterapi.routing import Router

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from fasterapi.routing import BaseRoute

__all__ = ["Starlette"]


class Starlette:
    """A router with middleware around it, as an ASGI application.

    For programs that import ``starlette.applications`` where Starlette is not
    installed. ``ServerErrorMiddleware`` stands around the user's middleware,
    ``ExceptionMiddleware`` within.
    """

    def __init__(
        self,
        debug: bool = False,
        routes: Sequence[BaseRoute] | None = None,
        middleware: Sequence[Middleware] | None = None,
        exception_handlers: Mapping[Any, Callable[..., Any]] | None = None,
        lifespan: Callable[[Any], Any] | None = None,
    ) -> None:
        """Keep the parts; the stack is built for the first request."""
        self.debug = debug
        self.state = State()
        self.router = Router(routes, lifespan=lifespan)
        self.exception_handlers = dict(exception_handlers or {})
        self.user_middleware = list(middleware or ())
        self.middleware_stack: Any = None

    @property
    def routes(self) -> list[BaseRoute]:
        """The router's routes."""
        return self.router.routes

    def build_middleware_stack(self) -> Any:
        """The router with everything around it."""
        from fasterapi.middleware.errors import ServerErrorMiddleware
        from fasterapi.middleware.exceptions import ExceptionMiddleware

        handlers = dict(self.exception_handlers)
        on_error = handlers.pop(Exception, None) or handlers.pop(500, None)
        handlers.pop(500, None)
        app: Any = ExceptionMiddleware(self.router, handlers=handlers, debug=self.debug)
        for cls, args, kwargs in reversed(self.user_middleware):
            app = cls(app, *args, **kwargs)
        return ServerErrorMiddleware(app, handler=on_error, debug=self.debug)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one connection."""
        scope["app"] = self
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        await self.middleware_stack(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """The path of the route ``name``; raises ``NoMatchFound``."""
        return self.router.url_path_for(name, **path_params)

    def mount(self, path: str, app: Any, name: str | None = None) -> None:
        """Pass everything below ``path`` on to ``app``."""
        self.router.mount(path, app=app, name=name)

    def host(self, host: str, app: Any, name: str | None = None) -> None:
        """Pass every request for ``host`` on to ``app``."""
        self.router.host(host, app=app, name=name)

    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
        """Put a middleware around all others; raises ``RuntimeError`` once requests came."""
        if self.middleware_stack is not None:
            raise RuntimeError("Cannot add middleware after an application has started")
        self.user_middleware.insert(0, Middleware(middleware_class, *args, **kwargs))

    def add_exception_handler(
        self, exc_class_or_status_code: int | type[Exception], handler: Callable[..., Any]
    ) -> None:
        """Let ``handler(request, exception)`` answer for a class or a status."""
        self.exception_handlers[exc_class_or_status_code] = handler

    def add_route(
        self,
        path: str,
        route: Callable[..., Any],
        methods: Iterable[str] | None = None,
        name: str | None = None,
        include_in_schema: bool = True,
    ) -> None:
        """Let ``route`` answer ``path``."""
        self.router.routes.append(
            _route(path, route, methods=methods, name=name, include_in_schema=include_in_schema)
        )


def _route(path: str, endpoint: Callable[..., Any], **options: Any) -> BaseRoute:
    from fasterapi.routing import Route

    return Route(path, endpoint, **options)
