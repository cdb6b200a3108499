"""Answers requests for the Rust server, without ASGI messages between.

A handler's answer is a ``Response`` that Rust sends. Its ``background``, called after
that, runs the background tasks and then closes what belongs to the request.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from fasterapi._stacks import SWALLOWED
from fasterapi.exceptions import FastAPIError, StarletteHTTPException
from fasterapi.responses import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from fasterapi._plan import RoutePlan
    from fasterapi._routes import ASGIApp, Route
    from fasterapi.requests import Request

__all__ = [
    "answer_server_error",
    "handle_exception",
    "handle_websocket_exception",
    "responder",
    "serve_asgi",
    "serve_route",
]


# -- one route -------------------------------------------------------------


async def serve_route(route: Route, request: Any) -> Response:
    """The answer of ``route``, which the server has matched already.

    The stack for dependencies of the scope "function" is closed before, that of the
    scope "request" by the answer's ``background``. Exceptions pass through, after the
    dependencies have seen them.
    """
    respond = _handler_of(route)
    bound = route.max_body_size
    if bound is None:
        bound = request.app.max_body_size
    if bound is not None:
        request._body_bytes_max = bound
        _check_declared_length(request, bound)
    request_stack, function_stack = AsyncExitStack(), AsyncExitStack()
    _keep_stacks(request, request_stack, function_stack)
    response: Response | None = None
    async with AsyncExitStack() as until_answer:
        # Closed by the answer's background instead, unless there is none.
        await until_answer.enter_async_context(request_stack)
        async with function_stack:
            response = await respond(request)
        if response is not None:
            until_answer.pop_all()
    if response is None:
        raise FastAPIError(SWALLOWED)
    _close_after(response, request_stack)
    return response


def _handler_of(route: Any) -> Callable[[Any], Awaitable[Response]]:
    """The route's handler, made once."""
    known = route.__dict__
    handler: Callable[[Any], Awaitable[Response]] | None = known.get("_native_handler")
    if handler is None:
        handler = known["_native_handler"] = route.get_route_handler()
    return handler


def _keep_stacks(request: Any, request_stack: AsyncExitStack, function_stack: Any) -> None:
    known = request.__dict__
    known["_stacks"] = request_stack, function_stack
    scope = known.get("scope")
    if scope is not None:
        from fasterapi._stacks import FUNCTION_STACK, REQUEST_STACK

        scope[REQUEST_STACK] = request_stack
        scope[FUNCTION_STACK] = function_stack


def _check_declared_length(request: Any, bound: int) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > bound:
        from fasterapi.middleware.body_limit import RequestBodyTooLargeError

        raise RequestBodyTooLargeError


def _close_after(response: Response, stack: AsyncExitStack) -> None:
    """Let ``background`` close ``stack``, after the tasks; errors reach the stack."""
    if not _has_callbacks(stack):
        return
    tasks = response.background

    async def run_and_close() -> None:
        async with stack:
            if tasks is not None:
                await tasks()

    response.background = run_and_close


def _has_callbacks(stack: AsyncExitStack) -> bool:
    # Private, and only to spare the closing: unknown means that there may be some.
    return bool(getattr(stack, "_exit_callbacks", True))


# -- errors ----------------------------------------------------------------


async def handle_exception(app: Any, request: Any, error: Exception) -> Response:
    """The answer of the application's handler for ``error``; raises it without one.

    As in FastAPI, handlers for 500 and ``Exception`` are the server's last resort,
    not asked here.
    """
    from fasterapi.middleware._asgi import call_handler
    from fasterapi.middleware.exceptions import find_handler

    handler = find_handler(_handlers_of(app), error)
    if handler is None:
        raise error
    response = await call_handler(handler, request, error)
    if response is None:
        raise error
    # An exception object that is raised again and again would collect tracebacks.
    error.__traceback__ = None
    made: Response = response
    return made


async def handle_websocket_exception(app: Any, websocket: Any, error: Exception) -> None:
    """Let the application's handler for ``error`` close the WebSocket; raises it without one.

    A response that the handler gives refuses a handshake that has not been answered.
    """
    from fasterapi.exceptions import WebSocketException
    from fasterapi.middleware._asgi import call_handler
    from fasterapi.middleware.exceptions import find_handler
    from fasterapi.websockets import WebSocketState

    handlers = _handlers_of(app)
    handlers[0].setdefault(WebSocketException, _close_by_exception)
    handler = find_handler(handlers, error)
    if handler is None:
        raise error
    response = await call_handler(handler, websocket, error)
    if response is not None:
        if websocket.application_state is not WebSocketState.CONNECTING:
            raise error
        await websocket.send_denial_response(response)
    # An exception object that is raised again and again would collect tracebacks.
    error.__traceback__ = None


async def _close_by_exception(websocket: Any, error: Any) -> None:
    await websocket.close(code=error.code, reason=error.reason)


def _handlers_of(app: Any) -> tuple[dict[Any, Any], dict[int, Any]]:
    """The handlers by class and by status; one may be registered at any time."""
    by_class: dict[Any, Any] = {}
    by_status: dict[int, Any] = {}
    for key, handler in app.exception_handlers.items():
        if key in (500, Exception):
            continue
        if isinstance(key, int):
            by_status[key] = handler
        else:
            by_class[key] = handler
    by_class.setdefault(StarletteHTTPException, _default_http_handler)
    return by_class, by_status


async def _default_http_handler(request: Any, error: Any) -> Response:
    from fasterapi.exception_handlers import http_exception_handler

    return await http_exception_handler(request, error)


async def answer_server_error(handler: Any, request: Any, error: Exception) -> Response:
    """The answer of the handler for 500 or ``Exception``; ``error`` is logged.

    After the answer the error is raised by its ``background``, so that the server
    reports it as it does without a handler.
    """
    from fasterapi.middleware._asgi import call_handler

    response: Response = await call_handler(handler, request, error)
    tasks = response.background

    async def run_and_report() -> None:
        if tasks is not None:
            await tasks()
        raise error

    response.background = run_and_report
    return response


# -- results ---------------------------------------------------------------


def responder(plan: RoutePlan) -> Callable[[Any], Response]:
    """What makes the result of the plan's endpoint a response, as Rust would do."""
    from fasterapi._handler import is_response
    from fasterapi.responses import JSONResponse, json_bytes

    status_code = plan.status_code
    response_class: Any = plan.response_class
    is_json = getattr(plan, "result", "value") == "json"

    def respond(result: Any) -> Response:
        if is_response(result):
            response: Response = result
            return response
        work = None
        if is_json and type(result) is tuple:
            result, work = result
        if is_json and isinstance(result, bytes):
            answer = Response(result, status_code, media_type=JSONResponse.media_type)
            answer.background = work
            return answer
        if response_class is None:
            return Response(json_bytes(result), status_code, media_type=JSONResponse.media_type)
        made: Response = response_class(result, status_code=status_code)
        return made

    return respond


# -- ASGI ------------------------------------------------------------------


async def serve_asgi(app: ASGIApp, request: Request) -> Response:
    """The answer of an ASGI application, streamed as the application sends it."""
    from fasterapi._bridge import answer_of

    return await answer_of(app, request)
