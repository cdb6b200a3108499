"""Routes whose handler takes the request and gives a response."""

from __future__ import annotations

from fasterapi._lazy import lazy
from fasterapi._match import BaseRoute, Match, NoMatchFound, get_route_path
from fasterapi._path import PathPattern
from fasterapi._signature import Where, is_coroutine_function
from fasterapi._url import URLPath
from fasterapi.exceptions import FastAPIError, RouteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from re import Pattern
    from typing import Any, Literal

    from fasterapi._path import Convertor
    from fasterapi.middleware import Middleware
    from fasterapi.requests import Receive, Request, Scope, Send
    from fasterapi.responses import Response
    from fasterapi.websockets import WebSocket

    ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["Route", "WebSocketRoute", "endpoint_name", "request_response", "websocket_session"]


def endpoint_name(endpoint: Any) -> str:
    """The function's name, or the class's for a callable object."""
    while not hasattr(endpoint, "__name__") and hasattr(endpoint, "func"):
        endpoint = endpoint.func  # functools.partial
    name = getattr(endpoint, "__name__", None)
    return name if isinstance(name, str) else type(endpoint).__name__


def is_plain_function(endpoint: Any) -> bool:
    """Whether it is a function or method, perhaps in a partial; else an ASGI app."""
    while hasattr(endpoint, "func") and hasattr(endpoint, "keywords"):
        endpoint = endpoint.func  # functools.partial
    return type(endpoint).__name__ in (
        "function",
        "method",
        "builtin_function_or_method",
        "cython_function_or_method",
    )


def request_response(func: Callable[[Request], Any]) -> ASGIApp:
    """An ASGI application of a function that takes a request and gives a response.

    The exception handlers of the application and the exit stacks for dependencies
    with ``yield`` are around the call.
    """
    respond = in_threadpool_unless_async(func)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        from fasterapi.middleware.exceptions import wrap_app_handling_exceptions
        from fasterapi.requests import Request

        request = Request(scope, receive, send)

        async def within(scope: Scope, receive: Receive, send: Send) -> None:
            from fasterapi._stacks import SWALLOWED, exit_stacks

            # What begins an answer by itself is seen by the handlers of exceptions, too.
            request._send = send
            async with exit_stacks(scope) as function_stack:
                response = None
                async with function_stack:
                    response = await respond(request)
                if response is None:
                    raise FastAPIError(SWALLOWED)
                await response(scope, receive, send)

        await wrap_app_handling_exceptions(within, request)(scope, receive, send)

    return answer


def in_threadpool_unless_async(func: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """``func`` itself if it is asynchronous, otherwise its call in a thread."""
    if is_coroutine_function(func):
        return func

    async def call_in_thread(request: Request) -> Any:
        from fasterapi.concurrency import run_in_threadpool

        return await run_in_threadpool(func, request)

    return call_in_thread


def websocket_session(func: Callable[[WebSocket], Awaitable[None]]) -> ASGIApp:
    """An ASGI application of a function that takes a WebSocket; see ``request_response``."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        from fasterapi.middleware.exceptions import wrap_app_handling_exceptions
        from fasterapi.websockets import WebSocket

        session = WebSocket(scope, receive, send)

        async def within(scope: Scope, receive: Receive, send: Send) -> None:
            from fasterapi._stacks import exit_stacks

            async with exit_stacks(scope, False) as stack, stack:
                await func(session)

        await wrap_app_handling_exceptions(within, session)(scope, receive, send)

    return serve


class _Pathed(BaseRoute):
    """What routes with a path of their own have in common."""

    path: str
    endpoint: Any
    name: str
    _protocol: Literal["http", "websocket"]

    def _set_path(self, path: str, endpoint: Any) -> None:
        try:
            self.pattern = PathPattern(path)
        except RouteError as error:
            raise Where(endpoint).error(error.problem, error.mend) from None
        self.path = path

    @lazy
    def path_format(self) -> str:
        """The path without converters."""
        return self.pattern.format

    @property
    def path_regex(self) -> Pattern[str]:
        """What matches the path."""
        return self.pattern.regex

    @property
    def param_convertors(self) -> dict[str, Convertor]:
        """The convertor of each path parameter."""
        return self.pattern.convertors

    def _match_path(self, scope: Scope) -> Scope | None:
        if scope["type"] != self._protocol:
            return None
        found = self.pattern.match(get_route_path(scope))
        if found is None:
            return None
        outer = scope.get("path_params")
        return {"endpoint": self.endpoint, "path_params": {**outer, **found} if outer else found}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether path and method fit, and the path's parameters."""
        child_scope = self._match_path(scope)
        if child_scope is None:
            return Match.NONE, {}
        child_scope["route"] = self
        methods = getattr(self, "methods", None)
        if methods and scope["method"] not in methods:
            return Match.PARTIAL, child_scope
        return Match.FULL, child_scope

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """The path with ``path_params``; raises ``NoMatchFound`` if this is another."""
        path = self.pattern.fill(path_params) if name == self.name else None
        if path is None:
            raise NoMatchFound(name, path_params)
        return URLPath(path, self._protocol)


def wrapped(app: ASGIApp, middleware: Sequence[Middleware] | None) -> ASGIApp:
    """``app`` with ``middleware`` around it, the first one outermost."""
    for one in reversed(middleware or ()):
        app = one.cls(app, *one.args, **one.kwargs)
    return app


def with_body_limit(app: ASGIApp, max_body_size: int | None) -> ASGIApp:
    """``app``, whose requests may have ``max_body_size`` bytes of body at most."""
    if max_body_size is None:
        return app
    from fasterapi.middleware.body_limit import RequestBodyLimitMiddleware

    return RequestBodyLimitMiddleware(app, max_body_size)


class Route(_Pathed):
    """A path and methods, and a function of the request, or an ASGI application."""

    _protocol = "http"
    # A `def` handler that never blocks may run on the shard itself.
    inline = False

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        methods: Collection[str] | None = None,
        name: str | None = None,
        include_in_schema: bool = True,
        middleware: Sequence[Middleware] | None = None,
        max_body_size: int | None = None,
    ) -> None:
        """Without ``methods`` a function answers ``GET``, an ASGI application all."""
        if not path.startswith("/"):
            raise AssertionError("Routed paths must start with '/'")
        self._set_path(path, endpoint)
        self.endpoint = endpoint
        self.name = endpoint_name(endpoint) if name is None else name
        self.include_in_schema = include_in_schema
        self.max_body_size = max_body_size
        self.methods: set[str] | None = None
        self.is_function = is_plain_function(endpoint)
        self._middleware = middleware
        if methods is None and self.is_function:
            methods = ("GET",)
        if methods is not None:
            self.methods = {method.upper() for method in methods}
            if "GET" in self.methods:
                self.methods.add("HEAD")

    @lazy
    def app(self) -> ASGIApp:
        """The ASGI application that answers."""
        app: Any = request_response(self.endpoint) if self.is_function else self.endpoint
        return with_body_limit(wrapped(app, self._middleware), self.max_body_size)

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:
        """An asynchronous function of the request that gives the response."""
        return in_threadpool_unless_async(self.endpoint)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; 405 when only the path has matched."""
        if self.methods and scope["method"] not in self.methods:
            await answer_wrong_method(self.methods, scope, receive, send)
            return
        await self.app(scope, receive, send)

    def __eq__(self, other: object) -> bool:
        """Equal by path, endpoint and methods."""
        return (
            isinstance(other, Route)
            and self.path == other.path
            and self.endpoint == other.endpoint
            and self.methods == other.methods
        )

    __hash__ = BaseRoute.__hash__

    def __repr__(self) -> str:
        """Path, name and methods."""
        methods = sorted(self.methods or ())
        return f"{type(self).__name__}(path={self.path!r}, name={self.name!r}, methods={methods!r})"


async def answer_wrong_method(
    methods: Collection[str], scope: Scope, receive: Receive, send: Send
) -> None:
    """405 with ``Allow``; inside an application as an ``HTTPException``."""
    headers = {"Allow": ", ".join(methods)}
    if "app" in scope:
        from fasterapi.exceptions import HTTPException

        raise HTTPException(405, headers=headers)
    from fasterapi.responses import PlainTextResponse

    await PlainTextResponse("Method Not Allowed", 405, headers)(scope, receive, send)


class WebSocketRoute(_Pathed):
    """A path, and a function of the WebSocket, or an ASGI application."""

    _protocol = "websocket"

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        name: str | None = None,
        middleware: Sequence[Middleware] | None = None,
    ) -> None:
        """Keep the parts."""
        if not path.startswith("/"):
            raise AssertionError("Routed paths must start with '/'")
        self._set_path(path, endpoint)
        self.endpoint = endpoint
        self.name = endpoint_name(endpoint) if name is None else name
        self._middleware = middleware

    @lazy
    def app(self) -> ASGIApp:
        """The ASGI application that answers."""
        function = is_plain_function(self.endpoint)
        app: Any = websocket_session(self.endpoint) if function else self.endpoint
        return wrapped(app, self._middleware)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the WebSocket."""
        await self.app(scope, receive, send)

    def __eq__(self, other: object) -> bool:
        """Equal by path and endpoint."""
        return (
            isinstance(other, WebSocketRoute)
            and self.path == other.path
            and self.endpoint == other.endpoint
        )

    __hash__ = BaseRoute.__hash__

    def __repr__(self) -> str:
        """Path and name."""
        return f"{type(self).__name__}(path={self.path!r}, name={self.name!r})"
