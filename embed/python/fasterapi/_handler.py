"""The general path of a route: request in, response out, in FastAPI's order.

Body, dependencies, handler, response model, response. The exit stacks for
dependencies with ``yield`` come from around (see ``_stacks``).
"""

from __future__ import annotations

from fasterapi._body import json_error, read_body
from fasterapi._form_limits import FORM_LIMITS_KEY
from fasterapi._serialize import Serializer
from fasterapi._signature import EMPTY, innermost
from fasterapi._solve import solve_dependencies
from fasterapi._stacks import stacks_of
from fasterapi.datastructures import DefaultPlaceholder
from fasterapi.exceptions import (
    HTTPException,
    RequestValidationError,
    WebSocketRequestValidationError,
    is_http_exception,
)
from fasterapi.responses import Response, may_have_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AsyncExitStack
    from typing import Any

    from fasterapi._dependant import Dependant
    from fasterapi._fields import ModelField
    from fasterapi._solve import SolvedDependency
    from fasterapi.exceptions import EndpointContext
    from fasterapi.requests import HTTPConnection, Request
    from fasterapi.websockets import WebSocket

__all__ = ["endpoint_context", "get_request_handler", "get_websocket_app"]


def endpoint_context(
    dependant: Dependant, connection: HTTPConnection | None = None
) -> EndpointContext:
    """Where the handler is, for validation errors; its path with the request's method."""
    function = innermost(dependant.call)
    code = getattr(function, "__code__", None)
    context: EndpointContext = {}
    if code is not None:
        context["file"] = code.co_filename
        context["line"] = code.co_firstlineno
        context["function"] = function.__name__
    if dependant.path and connection is not None:
        method = connection.method if hasattr(connection, "method") else "WS"
        root = connection.scope.get("root_path", "").rstrip("/")
        context["path"] = f"{method} {root}{dependant.path}"
    return context


def get_request_handler(
    dependant: Dependant,
    body_field: ModelField | None = None,
    status_code: int | None = None,
    response_class: Any = None,
    response_field: ModelField | None = None,
    response_model_include: Any = None,
    response_model_exclude: Any = None,
    response_model_by_alias: bool = True,
    response_model_exclude_unset: bool = False,
    response_model_exclude_defaults: bool = False,
    response_model_exclude_none: bool = False,
    dependency_overrides_provider: Any = None,
    embed_body_fields: bool = False,
    strict_content_type: Any = True,
    stream_item_field: ModelField | None = None,
    is_json_stream: bool = False,
    form_limits: Mapping[str, Any] | None = None,
) -> Callable[[Request], Awaitable[Response]]:
    """The handler of a route; the parameters are those of ``APIRoute``."""
    return RequestHandler(
        dependant,
        body_field,
        status_code,
        response_class,
        Serializer(
            stream_item_field if response_field is None else response_field,
            include=response_model_include,
            exclude=response_model_exclude,
            by_alias=response_model_by_alias,
            exclude_unset=response_model_exclude_unset,
            exclude_defaults=response_model_exclude_defaults,
            exclude_none=response_model_exclude_none,
        ),
        dependency_overrides_provider,
        embed_body_fields,
        getattr(strict_content_type, "value", strict_content_type),
        is_json_stream,
        form_limits,
    ).handle


class RequestHandler:
    """One route's settings, and the steps of a request."""

    __slots__ = (
        *("body_field", "dependant", "embed_body_fields", "form_limits", "is_default_class"),
        *("is_json_stream", "is_stream", "overrides", "response_class", "serializer"),
        *("status_code", "strict_content_type", "takes_events"),
    )

    def __init__(
        self,
        dependant: Dependant,
        body_field: ModelField | None,
        status_code: int | None,
        response_class: Any,
        serializer: Serializer,
        overrides: Any,
        embed_body_fields: bool,
        strict_content_type: bool,
        is_json_stream: bool,
        form_limits: Mapping[str, Any] | None,
    ) -> None:
        self.dependant = dependant
        self.body_field = body_field
        self.status_code = status_code
        self.is_default_class = response_class is None or isinstance(
            response_class, DefaultPlaceholder
        )
        # An application's default class is chosen by nobody's route, yet is no default.
        self.response_class = _class_of(response_class)
        self.serializer = serializer
        self.overrides = overrides
        self.embed_body_fields = embed_body_fields
        self.strict_content_type = strict_content_type
        self.is_json_stream = is_json_stream
        self.form_limits = form_limits
        self.takes_events = dependant.takes_events
        self.is_stream = dependant.is_gen_callable or dependant.is_async_gen_callable

    async def handle(self, request: Request) -> Response:
        """Answer ``request``.

        Raises ``RequestValidationError``, ``ResponseValidationError``,
        ``HTTPException(400)`` for a body that cannot be read, and whatever
        dependencies and the handler raise.
        """
        request_stack, function_stack = stacks_of(request)
        body = await self._body(request)
        if body is not EMPTY and hasattr(body, "close"):
            _close_after_answer(request, request_stack, body)
        solved = await solve_dependencies(
            request=request,
            dependant=self.dependant,
            body=body,
            dependency_overrides_provider=self.overrides,
            embed_body_fields=self.embed_body_fields,
            request_stack=request_stack,
            function_stack=function_stack,
        )
        if solved.errors:
            raise RequestValidationError(
                solved.errors,
                body=None if body is EMPTY else body,
                endpoint_ctx=endpoint_context(self.dependant, request),
            )
        if self.takes_events:
            from fasterapi._event_stream import answer_events

            return await answer_events(self.dependant, self._options(solved), request, solved)
        if self.is_stream:
            return self._stream(request, solved)
        return await self._answer(request, solved)

    async def _body(self, request: Request) -> Any:
        try:
            return await read_body(
                request,
                self.body_field,
                strict_content_type=self.strict_content_type,
                form_limits=_form_limits(request, self.form_limits),
            )
        except Exception as error:
            if hasattr(error, "pos") and hasattr(error, "doc"):  # json.JSONDecodeError
                raise RequestValidationError(
                    [json_error(error)],
                    body=error.doc,
                    endpoint_ctx=endpoint_context(self.dependant, request),
                ) from error
            unreadable = unreadable_body(error)
            if unreadable is error:
                raise
            raise unreadable from error

    async def _answer(self, request: Request, solved: SolvedDependency) -> Response:
        call: Any = self.dependant.call
        is_async = self.dependant.is_coroutine_callable
        if is_async:
            result = await call(**solved.values)
        else:
            from fasterapi.concurrency import run_in_threadpool

            result = await run_in_threadpool(call, **solved.values)
        if is_response(result):
            if result.background is None:
                result.background = solved.background_tasks
            response: Response = result
            return response
        context = (
            None if self.serializer.field is None else endpoint_context(self.dependant, request)
        )
        content = await self.serializer.content(
            result, context, in_thread=not is_async, as_json=self.is_default_class
        )
        response = self._made(content, solved)
        if not may_have_body(response.status_code):
            response.body = b""
        return self._finished(response, solved)

    def _made(self, content: Any, solved: SolvedDependency) -> Response:
        options = self._options(solved)
        if self.is_default_class and self.serializer.field is not None:
            return Response(content, media_type="application/json", **options)
        made: Response = self.response_class(content, **options)
        return made

    def _options(self, solved: SolvedDependency) -> dict[str, Any]:
        options: dict[str, Any] = {"background": solved.background_tasks}
        status_code = self.status_code
        if solved.has_response:
            status_code = solved.response.status_code or status_code
        if status_code is not None:
            options["status_code"] = status_code
        return options

    def _finished(self, response: Response, solved: SolvedDependency) -> Response:
        """With the header fields of the injected response added."""
        if solved.has_response:
            response.raw_headers.extend(solved.response.raw_headers)
        return response

    def _stream(self, request: Request, solved: SolvedDependency) -> Response:
        """What a handler with ``yield`` answers: events, JSON lines, or its raw chunks."""
        from fasterapi._streams import EventItems, json_lines
        from fasterapi.responses import StreamingResponse

        call: Any = self.dependant.call
        generator = call(**solved.values)
        context = endpoint_context(self.dependant, request)
        options = self._options(solved)
        if _is_event_stream(self.response_class):
            content = EventItems(generator, self.serializer, context)
            response: Response = StreamingResponse(
                content, media_type="text/event-stream", **options
            )
            response.headers["cache-control"] = "no-cache"
            # Proxies (nginx) must not hold events back.
            response.headers["x-accel-buffering"] = "no"
        elif self.is_json_stream:
            lines = json_lines(generator, self.serializer, context)
            response = StreamingResponse(lines, media_type="application/jsonl", **options)
        else:
            response = self.response_class(content=generator, **options)
        return self._finished(response, solved)


def unreadable_body(error: Exception) -> Exception:
    """What answers when reading a body has raised ``error``."""
    if is_http_exception(error):
        return error
    return HTTPException(400, "There was an error parsing the body")


def _form_limits(request: Request, own: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The route's own limits over those of the routers around it."""
    scope = request.__dict__.get("scope")
    inherited = None if scope is None else scope.get(FORM_LIMITS_KEY)
    return {**inherited, **(own or {})} if inherited else own


def _class_of(response_class: Any) -> Any:
    if isinstance(response_class, DefaultPlaceholder):
        response_class = response_class.value
    if response_class is None:
        from fasterapi.responses import JSONResponse

        return JSONResponse
    return response_class


def _is_event_stream(response_class: Any) -> bool:
    if response_class.__module__ == "fasterapi.responses":
        return False
    from fasterapi.sse import EventSourceResponse

    return issubclass(response_class, EventSourceResponse)


def is_response(value: Any) -> bool:
    """Whether it is a response, ours or Starlette's, and no value to be rendered."""
    if isinstance(value, Response):
        return True
    return hasattr(value, "raw_headers") and hasattr(value, "background") and callable(value)


def _close_after_answer(request: Request, stack: AsyncExitStack, form: Any) -> None:
    """Close the form's files with the request; background tasks may still read them."""
    if request.__dict__.get("_stacks") is None:
        stack = request.scope.get("fastapi_middleware_astack", stack)
    stack.push_async_callback(form.close)


def get_websocket_app(
    dependant: Dependant,
    dependency_overrides_provider: Any = None,
    embed_body_fields: bool = False,
) -> Callable[[WebSocket], Awaitable[None]]:
    """The handler of a WebSocket route."""

    async def serve(websocket: WebSocket) -> None:
        request_stack, function_stack = stacks_of(websocket)
        solved = await solve_dependencies(
            request=websocket,
            dependant=dependant,
            dependency_overrides_provider=dependency_overrides_provider,
            embed_body_fields=embed_body_fields,
            request_stack=request_stack,
            function_stack=function_stack,
        )
        if solved.errors:
            context = endpoint_context(dependant, websocket)
            raise WebSocketRequestValidationError(solved.errors, endpoint_ctx=context)
        call: Any = dependant.call
        await call(**solved.values)

    return serve
