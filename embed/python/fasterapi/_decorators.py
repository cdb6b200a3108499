"""The decorators that applications and routers share."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any, TypeVar, Unpack

    from fasterapi._options import MethodsOptions, OperationOptions
    from fasterapi.params import Depends

    Function = TypeVar("Function", bound=Callable[..., Any])

__all__ = ["RouteDecorators"]


class RouteDecorators:
    """Registers handlers: ``@app.get("/items")``.

    The options are those of ``APIRoute``; ``OperationOptions`` lists them.
    """

    def add_api_route(
        self, path: str, endpoint: Callable[..., Any], **options: Unpack[MethodsOptions]
    ) -> None:
        """Register ``endpoint`` for ``path``; ``methods`` are ``GET`` if not given."""
        raise NotImplementedError

    def api_route(
        self, path: str, **options: Unpack[MethodsOptions]
    ) -> Callable[[Function], Function]:
        """Register the decorated handler for ``path`` and ``methods``."""

        def register(function: Function) -> Function:
            self.add_api_route(path, function, **options)
            return function

        return register

    def get(self, path: str, **options: Unpack[OperationOptions]) -> Callable[[Function], Function]:
        """Register the decorated handler for ``GET``."""
        return self.api_route(path, methods=("GET",), **options)

    def sse(self, path: str, **options: Unpack[OperationOptions]) -> Callable[[Function], Function]:
        """Register the decorated handler for ``GET``; it answers with server-sent events.

        It is an ``async def`` with a parameter that is annotated with ``SSE``. A
        ``response_model`` documents the data of the events, as JSON. Raises
        ``RouteError`` for a handler without such a parameter.
        """

        def register(function: Function) -> Function:
            from fasterapi._event_stream import check_takes_events

            check_takes_events(function)
            self.add_api_route(path, function, methods=("GET",), **options)
            return function

        return register

    def put(self, path: str, **options: Unpack[OperationOptions]) -> Callable[[Function], Function]:
        """Register the decorated handler for ``PUT``."""
        return self.api_route(path, methods=("PUT",), **options)

    def post(
        self, path: str, **options: Unpack[OperationOptions]
    ) -> Callable[[Function], Function]:
        """Register the decorated handler for ``POST``."""
        return self.api_route(path, methods=("POST",), **options)

    def delete(
        self, path: str, **options: Unpack[OperationOptions]
    ) -> Callable[[Function], Function]:
        """Register the decorated handler for ``DELETE``."""
        return self.api_route(path, methods=("DELETE",), **options)

    def options(
        self, path: str, **options: Unpack[OperationOptions]
    ) -> Callable[[Function], Function]:
        """Register the decorated handler for ``OPTIONS``."""
        return self.api_route(path, methods=("OPTIONS",), **options)

    def head(
        self, path: str, **options: Unpack[OperationOptions]
    ) -> Callable[[Function], Function]:
        """Register the decorated handler for ``HEAD``."""
        return self.api_route(path, methods=("HEAD",), **options)

    def patch(
        self, path: str, **options: Unpack[OperationOptions]
    ) -> Callable[[Function], Function]:
        """Register the decorated handler for ``PATCH``."""
        return self.api_route(path, methods=("PATCH",), **options)

    def trace(
        self, path: str, **options: Unpack[OperationOptions]
    ) -> Callable[[Function], Function]:
        """Register the decorated handler for ``TRACE``."""
        return self.api_route(path, methods=("TRACE",), **options)

    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        *,
        dependencies: Sequence[Depends] | None = None,
    ) -> None:
        """Register ``endpoint`` for WebSockets at ``path``."""
        raise NotImplementedError

    def websocket(
        self, path: str, name: str | None = None, *, dependencies: Sequence[Depends] | None = None
    ) -> Callable[[Function], Function]:
        """Register the decorated handler for WebSockets at ``path``."""

        def register(function: Function) -> Function:
            self.add_api_websocket_route(path, function, name, dependencies=dependencies)
            return function

        return register

    def add_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        methods: Collection[str] | None = None,
        name: str | None = None,
        include_in_schema: bool = True,
    ) -> None:
        """Register a function that takes the request and gives a response."""
        raise NotImplementedError

    def route(
        self,
        path: str,
        methods: Collection[str] | None = None,
        name: str | None = None,
        include_in_schema: bool = True,
    ) -> Callable[[Function], Function]:
        """As ``add_route``, for the decorated function."""

        def register(function: Function) -> Function:
            self.add_route(path, function, methods, name, include_in_schema)
            return function

        return register

    def add_websocket_route(
        self, path: str, endpoint: Callable[..., Any], name: str | None = None
    ) -> None:
        """Register a function that takes the WebSocket."""
        raise NotImplementedError

    def websocket_route(self, path: str, name: str | None = None) -> Callable[[Function], Function]:
        """As ``add_websocket_route``, for the decorated function."""

        def register(function: Function) -> Function:
            self.add_websocket_route(path, function, name)
            return function

        return register

    def add_event_handler(self, event_type: str, func: Callable[[], Any]) -> None:
        """Run ``func`` (asynchronous or not) at ``"startup"`` or ``"shutdown"``."""
        raise NotImplementedError

    def on_event(self, event_type: str) -> Callable[[Function], Function]:
        """As ``add_event_handler``, for the decorated function. Better: a lifespan."""
        import warnings

        warnings.warn(
            "on_event is deprecated, use lifespan event handlers instead",
            DeprecationWarning,
            stacklevel=2,
        )

        def register(function: Function) -> Function:
            self.add_event_handler(event_type, function)
            return function

        return register
