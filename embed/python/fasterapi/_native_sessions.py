"""The calls that last as long as a WebSocket which Rust serves."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from fasterapi._api_websocket_route import APIWebSocketRoute
    from fasterapi._dependant import Dependant
    from fasterapi._native_websocket import NativeWebSocket
    from fasterapi._routes import WebSocketRoute

    Session = Callable[[NativeWebSocket], Awaitable[None]]

__all__ = ["session_of"]


def session_of(route: WebSocketRoute) -> Session:
    """What serves the WebSockets of ``route``."""
    from fasterapi._api_websocket_route import APIWebSocketRoute
    from fasterapi._routes import is_plain_function

    if isinstance(route, APIWebSocketRoute):
        return _session_of_handler(route)
    if route._middleware or not is_plain_function(route.endpoint):
        app = route.app

        async def serve_by_asgi(websocket: NativeWebSocket) -> None:
            await app(websocket.scope, websocket.receive, websocket.send)

        return serve_by_asgi
    endpoint: Session = route.endpoint
    return endpoint


def _session_of_handler(route: APIWebSocketRoute) -> Session:
    """Calls a handler with its parameters and dependencies."""
    dependant = route.dependant
    name = dependant.websocket_param_name
    if name is not None and _takes_nothing_else(dependant):
        # Kept for as long as the WebSocket lives: no frames and stacks that nobody needs.
        endpoint: Any = route.endpoint
        return lambda websocket: endpoint(**{name: websocket})
    from fasterapi._handler import get_websocket_app

    serve = get_websocket_app(
        dependant, route.dependency_overrides_provider, route._embed_body_fields
    )

    async def serve_with_stacks(websocket: NativeWebSocket) -> None:
        from contextlib import AsyncExitStack

        async with AsyncExitStack() as request_stack, AsyncExitStack() as function_stack:
            websocket.__dict__["_stacks"] = request_stack, function_stack
            await serve(websocket)

    return serve_with_stacks


def _takes_nothing_else(dependant: Dependant) -> bool:
    return not (
        dependant.dependencies
        or dependant.path_params
        or dependant.query_params
        or dependant.header_params
        or dependant.cookie_params
        or dependant.body_params
        or dependant.request_param_name
        or dependant.response_param_name
        or dependant.http_connection_param_name
        or dependant.background_tasks_param_name
        or dependant.security_scopes_param_name
    )
