"""An ASGI scope and channel for a request that Rust serves."""

from __future__ import annotations

from fasterapi._answer import EVENTS_EXTENSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi._native_connection import NativeConnection
    from fasterapi._native_websocket import NativeWebSocket
    from fasterapi.requests import Message, NativeRequest, Receive, Scope

__all__ = ["receive_of", "scope_of", "websocket_scope_of"]

# How often an ASGI application that waits for the client to go is looked after.
DISCONNECT_CHECK_S = 0.25


def scope_of(request: NativeRequest) -> Scope:
    """The scope of ``request`` (ASGI's HTTP, version 2.4)."""
    scope = _scope_of(request, "http", request.native.scheme)
    scope["method"] = request.native.method
    return scope


def websocket_scope_of(websocket: NativeWebSocket) -> Scope:
    """The scope of a handshake (ASGI's WebSocket, version 2.4)."""
    scheme = "wss" if websocket.native.scheme in ("https", "wss") else "ws"
    scope = _scope_of(websocket, "websocket", scheme)
    offered = websocket.native.header(b"sec-websocket-protocol") or b""
    names = (name.strip() for name in offered.decode("latin-1").split(","))
    scope["subprotocols"] = [name for name in names if name]
    scope["extensions"] = {"websocket.http.response": {}}
    return scope


def _scope_of(connection: NativeConnection, kind: str, scheme: str) -> Scope:
    native = connection.native
    app = native.app
    root: str = native.root_path
    main: str = native.main_root_path
    path: str = native.path
    if main and not path.startswith(f"{main}/"):
        path = main + path  # as if the proxy had left it there, which ASGI wants
    known = connection.__dict__
    state = known["state"]._state if "state" in known else dict(native.main_app._lifespan_state)
    route = native.route
    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": native.http_version,
        "scheme": scheme,
        "path": path,
        "raw_path": native.raw_path,
        "query_string": native.query_string,
        "root_path": root,
        "app_root_path": main,
        "headers": native.raw_headers,
        "client": native.client_address,
        "server": native.server_address,
        "state": state,
        "extensions": {EVENTS_EXTENSION: {}},
        "app": app,
        "router": native.main_app.router,
        "path_params": native.path_params,
    }
    if route is not None:
        scope["route"] = route
        scope["endpoint"] = getattr(route, "endpoint", None)
    stacks = known.get("_stacks")
    if stacks is not None:
        from fasterapi._stacks import FUNCTION_STACK, REQUEST_STACK

        scope[REQUEST_STACK], scope[FUNCTION_STACK] = stacks
    return scope


def receive_of(request: NativeRequest) -> Receive:
    """The messages of ``request``: its body, and at last that the client has gone."""
    native = request.native
    ended = False

    async def receive() -> Message:
        nonlocal ended
        from fasterapi.requests import ClientDisconnect, next_chunk_of

        if ended:
            await _disconnect_of(native)
            return {"type": "http.disconnect"}
        if "_body" in request.__dict__:
            ended = True
            return {"type": "http.request", "body": request._body, "more_body": False}
        now = b"" if request._stream_consumed else native._body_now()
        if now is not None:
            ended = True
            return {"type": "http.request", "body": now, "more_body": False}
        try:
            chunk = await next_chunk_of(native)
        except ClientDisconnect:
            ended = True
            return {"type": "http.disconnect"}
        ended = not chunk
        return {"type": "http.request", "body": chunk, "more_body": not ended}

    return receive


async def _disconnect_of(native: Any) -> None:
    """Wait until the client has gone."""
    from asyncio import sleep

    while not native._is_disconnected():  # noqa: ASYNC110 - Rust has no event for it
        await sleep(DISCONNECT_CHECK_S)
