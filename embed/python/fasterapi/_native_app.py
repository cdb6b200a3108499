"""One application as the Rust server calls it: handlers of errors, middleware, mounts.

Everything here works on a request and a response, without ASGI messages; what only
ASGI can say goes through ``serve_asgi``.
"""

from __future__ import annotations

from fasterapi import _native
from fasterapi._api_route import APIRoute
from fasterapi._form_limits import FORM_LIMITS_KEY
from fasterapi._otherwise import Otherwise
from fasterapi._seen_response import seen
from fasterapi.exceptions import RequestValidationError, StarletteHTTPException
from fasterapi.middleware._links import link_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from fasterapi._form_limits import FormLimits
    from fasterapi._mount import Mount
    from fasterapi._native_websocket import NativeWebSocket
    from fasterapi._plan import General, RoutePlan
    from fasterapi._routes import WebSocketRoute
    from fasterapi.applications import FasterAPI
    from fasterapi.middleware import Middleware
    from fasterapi.middleware._links import Core, Link
    from fasterapi.requests import Request
    from fasterapi.responses import Response

    CallNext = Callable[[Request], Awaitable[Response]]
    Dispatch = Callable[[Request, CallNext], Awaitable[Response]]

__all__ = ["NativeApp"]


class NativeApp:
    """How the requests of ``app`` are answered outside of Rust.

    ``inner`` is the middleware that Rust does not run. ``chain`` puts them
    around a call, outermost first, if all of them work on a request and a response;
    ``None`` if there is none, or if one must see ASGI messages.
    """

    def __init__(self, app: FasterAPI, inner: list[Middleware], form_limits: FormLimits) -> None:
        """Look at what ``app`` has; nothing of it is called yet.

        ``form_limits`` are those of the applications around it, too.
        """
        self.app = app
        self._form_limits = form_limits
        self._inner = inner
        self._stack: Any = None
        self.chain = self._links() if inner else None
        custom = [
            key
            for key, handler in app.exception_handlers.items()
            if getattr(handler, "__module__", "") != "fasterapi.exception_handlers"
        ]
        self.has_default_http_handler = not any(map(_is_about_http, custom))
        self.has_default_validation_handler = not any(
            isinstance(key, type)
            and key is not Exception
            and issubclass(RequestValidationError, key)
            for key in custom
        )
        self._server_error = app.exception_handlers.get(500) or app.exception_handlers.get(
            Exception
        )
        self.on_error = self._on_error
        # Middleware that is no function of a request may have its say on WebSockets.
        self.wraps_websockets = not all(_is_function_of_request(each.cls) for each in inner)

    # -- one route ---------------------------------------------------------

    def general(self, route: Any, chained: bool = True) -> General:
        """The general path of ``route``, by default with Python's middleware around it."""

        async def answer(request: Request) -> Response:
            if self._form_limits:
                request.scope[FORM_LIMITS_KEY] = self._form_limits
            return await _native.serve_route(route, request)

        if self.chain is None or not chained:
            return answer

        async def core(request: Request, _: tuple[Any, ...]) -> Response:
            return await self._handled(request, answer(request))

        linked = self._linked(core)

        async def answer_through_chain(request: Request) -> Response:
            return await linked(request, ())

        return answer_through_chain

    def events(self, route: APIRoute) -> General:
        """The call of a ``route`` whose handler sends events.

        Rust sends them as the handler makes them. Where something of Python's wants to
        see the answer, a middleware or a route class, they go through ASGI.
        """
        if self.chain is None and type(route).get_route_handler is APIRoute.get_route_handler:

            async def answer(request: Request) -> Response:
                request.__dict__["_sends_through_rust"] = True
                return await _native.serve_route(route, request)

            return answer

        async def core(request: Request, _: tuple[Any, ...]) -> Response:
            return await _native.serve_asgi(self._innermost_asgi(), request)

        linked = core if self.chain is None else self._linked(core)

        async def answer_over_asgi(request: Request) -> Response:
            return await linked(request, ())

        return answer_over_asgi

    def through_chain(self, plan: RoutePlan) -> Callable[..., Awaitable[Response]]:
        """The call of ``plan`` with the chain around it; takes the request first."""
        call = _caller(plan)
        respond = _native.responder(plan)

        async def core(request: Request, values: tuple[Any, ...]) -> Response:
            try:
                return respond(await call(values))
            except Exception as error:
                return await self._recovered(request, error)

        linked = self._linked(core)

        async def answer(request: Request, *values: Any) -> Response:
            return await linked(request, values)

        return answer

    def _linked(self, core: Core) -> Core:
        async def innermost(request: Request, values: tuple[Any, ...]) -> Response:
            if request.is_changed():
                # A middleware has given it another path or other headers.
                return await _native.serve_asgi(self._innermost_asgi(), request)
            return await core(request, values)

        linked: Core = innermost
        for link in reversed(self.chain or []):
            linked = link(linked)
        return linked

    async def _handled(self, request: Request, answer: Awaitable[Response]) -> Response:
        try:
            return await answer
        except Exception as error:
            return await _native.handle_exception(self.app, request, error)

    async def _recovered(self, request: Request, error: Exception) -> Response:
        """The answer for what a call raised; raises it if the application has none."""
        if isinstance(error, Otherwise):
            return await self._handled(request, error.general(request))
        return await _native.handle_exception(self.app, request, error)

    def _links(self) -> list[Link] | None:
        """How all of ``inner`` is put around a call; ``None`` if one needs ASGI messages."""
        links = []
        for middleware in self._inner:
            if _is_function_of_request(middleware.cls):
                made: Any = middleware.cls(
                    self._innermost_asgi(), *middleware.args, **middleware.kwargs
                )
                links.append(_link_of_function(made.dispatch_func))
                continue
            link = link_of(middleware)
            if link is None:
                return None
            links.append(link)
        return links

    # -- WebSockets --------------------------------------------------------

    def websocket(self, route: WebSocketRoute) -> Callable[[NativeWebSocket], Awaitable[None]]:
        """Serves a WebSocket that has been matched; the socket is closed by its server."""
        from fasterapi._native_sessions import session_of

        session = session_of(route)

        async def serve(websocket: NativeWebSocket) -> None:
            try:
                await session(websocket)
            except Exception as error:
                await _native.handle_websocket_exception(self.app, websocket, error)

        return serve

    async def serve_websocket_asgi(self, websocket: NativeWebSocket) -> None:
        """Let Python's own router answer, with all Python middleware around it."""
        await self._asgi_stack()(websocket.scope, websocket.receive, websocket.send)

    def mounted_websocket(self, mount: Mount) -> Callable[[NativeWebSocket], Awaitable[None]]:
        """Hands a WebSocket to what is mounted, its path cut as ASGI wants it."""

        async def serve(websocket: NativeWebSocket) -> None:
            _, child_scope = mount.matches(websocket.scope)
            websocket.scope.update(child_scope)
            await mount.app(websocket.scope, websocket.receive, websocket.send)

        return serve

    # -- errors ------------------------------------------------------------

    async def _on_error(self, request: Request, error: Exception) -> Response:
        """Answer for an exception that a handler raised; raises it if nobody can."""
        if self.chain is None:
            try:
                return await self._recovered(request, error)
            except Exception as raised:
                error = raised
        if self._server_error is None:
            raise error
        return await _native.answer_server_error(self._server_error, request, error)

    # -- ASGI --------------------------------------------------------------

    def _innermost_asgi(self) -> Any:
        from fasterapi.middleware.exceptions import ExceptionMiddleware

        return ExceptionMiddleware(
            self.app.router, handlers=self.app.exception_handlers, debug=self.app.debug
        )

    async def serve_asgi(self, request: Request) -> Response:
        """Let Python's own router answer, with all Python middleware around it."""
        return await _native.serve_asgi(self._asgi_stack(), request)

    def _asgi_stack(self) -> Any:
        if self._stack is None:
            stack = self._innermost_asgi()
            for middleware in reversed(self._inner):
                stack = middleware.cls(stack, *middleware.args, **middleware.kwargs)
            self._stack = stack
        return self._stack

    def mounted(self, mount: Mount) -> Callable[[Request], Awaitable[Response]]:
        """Hands a request to what is mounted, its path cut as ASGI wants it."""

        async def answer(request: Request) -> Response:
            _, child_scope = mount.matches(request.scope)
            request.scope.update(child_scope)
            return await _native.serve_asgi(mount.app, request)

        return answer


def _link_of_function(dispatch: Dispatch) -> Link:
    """Puts a function of a request and ``call_next`` around a call."""

    def link(inner: Core) -> Core:
        async def answer(request: Request, values: tuple[Any, ...]) -> Response:
            async def call_next(given: Request) -> Response:
                response: Response = seen(await inner(given, values))
                return response

            return await dispatch(request, call_next)

        return answer

    return link


def _caller(plan: RoutePlan) -> Callable[[tuple[Any, ...]], Awaitable[Any]]:
    """Calls the endpoint of ``plan`` with its values, wherever it has to run."""
    endpoint: Any = plan.endpoint
    by_name = [parameter.name for parameter in plan.parameters if parameter.keyword_only]
    by_position = len(plan.parameters) - len(by_name)

    def call(values: tuple[Any, ...]) -> Any:
        named = dict(zip(by_name, values[by_position:], strict=True))
        return endpoint(*values[:by_position], **named)

    async def call_async(values: tuple[Any, ...]) -> Any:
        return await (call(values) if by_name else endpoint(*values))

    async def call_inline(values: tuple[Any, ...]) -> Any:
        return call(values)

    async def call_in_thread(values: tuple[Any, ...]) -> Any:
        from fasterapi.concurrency import run_in_threadpool

        return await run_in_threadpool(call, values)

    return {"async": call_async, "inline": call_inline, "thread": call_in_thread}[plan.run]


def _is_about_http(key: Any) -> bool:
    """Whether a handler for ``key`` may be asked about an ``HTTPException``."""
    if isinstance(key, int):
        return key != 500
    return issubclass(key, StarletteHTTPException) or (
        key is not Exception and issubclass(StarletteHTTPException, key)
    )


def _is_function_of_request(middleware: Any) -> bool:
    """Whether ``middleware`` is a ``BaseHTTPMiddleware`` that only gives ``dispatch``."""
    for base in getattr(middleware, "__mro__", ()):
        if "__call__" in vars(base):
            module = base.__module__
            return base.__name__ == "BaseHTTPMiddleware" and module in (
                "fasterapi.middleware.base",
                "starlette.middleware.base",
            )
    return False
