"""Routes and routers, under the names that FastAPI and Starlette give them."""

from __future__ import annotations

from fasterapi._api_route import APIRoute
from fasterapi._api_router import APIRouter
from fasterapi._match import BaseRoute, Match, NoMatchFound, get_route_path
from fasterapi._mount import Host, Mount
from fasterapi._router import Router
from fasterapi._routes import (
    Route,
    WebSocketRoute,
    endpoint_name,
    request_response,
    websocket_session,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi._api_websocket_route import APIWebSocketRoute as APIWebSocketRoute
    from fasterapi._handler import get_request_handler as get_request_handler
    from fasterapi._handler import get_websocket_app as get_websocket_app
    from fasterapi._serialize import serialize_response as serialize_response
    from fasterapi._url import URLPath as URLPath

__all__ = [
    "APIRoute",
    "APIRouter",
    "APIWebSocketRoute",
    "BaseRoute",
    "Host",
    "Match",
    "Mount",
    "NoMatchFound",
    "Route",
    "Router",
    "URLPath",
    "WebSocketRoute",
    "endpoint_name",
    "get_request_handler",
    "get_route_path",
    "get_websocket_app",
    "request_response",
    "serialize_response",
    "websocket_session",
]

# Seconds without an event after which a comment is sent.
_PING_INTERVAL: float = 15.0

_HOMES = {
    "APIWebSocketRoute": "_api_websocket_route",
    "URLPath": "_url",
    "get_request_handler": "_handler",
    "get_websocket_app": "_handler",
    "serialize_response": "_serialize",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load a name that a small application does not need on its first use."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(__import__(f"fasterapi.{home}", fromlist=(name,)), name)
