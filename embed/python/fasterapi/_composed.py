"""What composed functions are made of: reading a body, answering, cleaning up.

``_compose`` binds these to one route when the application starts; a request only
runs the functions that they return.
"""

from __future__ import annotations

from fasterapi._generators import GeneratorStack
from fasterapi._json_writer import passes_all, writer_of
from fasterapi._otherwise import Otherwise
from fasterapi.background import BackgroundTasks
from fasterapi.concurrency import run_in_threadpool
from fasterapi.datastructures import UploadFile
from fasterapi.responses import JSONResponse, Response, may_have_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from fasterapi._api_route import APIRoute
    from fasterapi._dependant import Dependant
    from fasterapi._fields import ModelField
    from fasterapi.datastructures import FormData
    from fasterapi.requests import Request

    Work = Callable[[], Any]

__all__ = [
    "BackgroundTasks",
    "GeneratorStack",
    "Otherwise",
    "answerer",
    "body_reader",
    "form_reader",
    "make_holder",
    "reader",
    "run_in_threadpool",
    "security_scopes",
    "unwind",
    "with_form",
    "with_work",
]


async def unwind(error: BaseException, *stacks: GeneratorStack) -> None:
    """Throw ``error`` into the generators of all ``stacks``, innermost first; raises."""
    for stack in stacks:
        try:
            await stack.unwind(error)
        except BaseException as left:
            error = left
    raise error


def with_work(result: Any, tasks: BackgroundTasks | None, stack: GeneratorStack | None) -> Any:
    """``result`` with what is to be done when it has been sent."""
    if type(result) is bytes:
        work = _work(tasks, stack)
        return result if work is None else (result, work)
    result.background = _work(tasks if result.background is None else result.background, stack)
    return result


def _work(tasks: Any, stack: GeneratorStack | None) -> Work | None:
    if isinstance(tasks, BackgroundTasks) and not tasks.tasks:
        tasks = None
    if stack is None:
        return tasks  # type: ignore[no-any-return]
    if tasks is None:
        return stack.close

    async def work() -> None:
        try:
            await tasks()
        except BaseException as error:
            await stack.unwind(error)
        await stack.close()

    return work


def with_form(result: Any, form: FormData) -> Any:
    """``result`` with ``form``'s files closed when all else is done."""
    if not any(isinstance(value, UploadFile) for _, value in form.multi_items()):
        return result
    if type(result) is bytes:
        return result, form.close
    if type(result) is tuple:
        content, work = result
        return content, _finally(work, form)
    result.background = _finally(result.background, form)
    return result


def _finally(work: Work | None, form: FormData) -> Work:
    if work is None:
        return form.close

    async def work_and_close() -> None:
        try:
            await work()
        finally:
            await form.close()

    return work_and_close


def make_holder() -> Response:
    """The response that handlers and dependencies may change without returning it."""
    holder = Response()
    del holder.headers["content-length"]
    holder.status_code = None  # type: ignore[assignment]
    return holder


# -- the answer ------------------------------------------------------------


def answerer(route: APIRoute) -> Callable[[Any, Response | None], Any]:
    """What makes a handler's result an answer: JSON as ``bytes``, or a ``Response``.

    ``ResponseValidationError`` when the result does not fit the response model.
    """
    types = _response_types()
    status_code = route.status_code
    if has_custom_class(route) or has_no_body(route):
        return _class_answerer(route, types)
    render = _json_renderer(route)

    def answer_json(result: Any, holder: Response | None) -> Any:
        if isinstance(result, types):
            return result
        content = render(result)
        return content if holder is None else _held(content, holder, status_code)

    return answer_json


def _held(content: bytes, holder: Response, status_code: int | None) -> Response:
    status = holder.status_code or status_code or 200
    response = Response(content, status, media_type="application/json")
    if not may_have_body(status):
        response.body = b""
    response.headers.raw.extend(holder.headers.raw)
    return response


def _class_answerer(route: APIRoute, types: Any) -> Callable[[Any, Response | None], Any]:
    """For a response class of the user's, and for statuses that have no body."""
    response_class: Any = _class_of(route) or JSONResponse
    prepare = _content_preparer(route)
    status_code = route.status_code

    def answer(result: Any, holder: Response | None) -> Any:
        if isinstance(result, types):
            return result
        status = status_code if holder is None else holder.status_code or status_code
        content = prepare(result)
        # By name, for a class of the user's may have its parameters in another order.
        options = {} if status is None else {"status_code": status}
        made = response_class(content, **options)
        if not may_have_body(made.status_code):
            made.body = b""
        if holder is not None:
            made.headers.raw.extend(holder.headers.raw)
        return made

    return answer


def _json_renderer(route: APIRoute) -> Callable[[Any], bytes]:
    field = route.response_field
    if field is None:
        return json_encoder()
    from pydantic_core import ValidationError

    validate = field.validator.validate_python
    to_json = field.type_adapter.serializer.to_json
    options = _serializer_options(route)
    write = writer_of(field, options)

    def render(result: Any) -> bytes:
        try:
            value = validate(result, from_attributes=True)
        except ValidationError as error:
            raise _invalid_response(route, error, result) from error
        content: bytes = to_json(value, **options)
        return content

    if write is None:
        return render
    if passes_all(field.type_adapter.core_schema):
        return lambda result: write(result) or render(result)

    def render_in_rust(result: Any) -> bytes:
        try:
            value = validate(result, from_attributes=True)
        except ValidationError as error:
            raise _invalid_response(route, error, result) from error
        content: bytes = write(value) or to_json(value, **options)
        return content

    return render_in_rust


def _content_preparer(route: APIRoute) -> Callable[[Any], Any]:
    field = route.response_field
    if field is None:
        from fasterapi.encoders import jsonable_encoder

        return jsonable_encoder
    from pydantic_core import ValidationError

    validate = field.validator.validate_python
    to_python = field.type_adapter.serializer.to_python
    options = _serializer_options(route)

    def prepare(result: Any) -> Any:
        try:
            value = validate(result, from_attributes=True)
        except ValidationError as error:
            raise _invalid_response(route, error, result) from error
        return to_python(value, mode="json", **options)

    return prepare


def _serializer_options(route: APIRoute) -> dict[str, Any]:
    """Keywords of pydantic-core's serializers; those that change nothing are left out."""
    options: dict[str, Any] = {"by_alias": route.response_model_by_alias}
    for name in ("include", "exclude"):
        value = getattr(route, f"response_model_{name}")
        if value is not None:
            options[name] = value
    for name in ("exclude_unset", "exclude_defaults", "exclude_none"):
        if getattr(route, f"response_model_{name}"):
            options[name] = True
    return options


def _invalid_response(route: APIRoute, error: Any, result: Any) -> Exception:
    from fasterapi._fields import errors_of
    from fasterapi._handler import endpoint_context
    from fasterapi.exceptions import ResponseValidationError

    context = endpoint_context(route.dependant)
    if len(route.methods) == 1:
        context["path"] = f"{min(route.methods)} {route.path_format}"
    return ResponseValidationError(
        errors=errors_of(error, ("response",)), body=result, endpoint_ctx=context
    )


def json_encoder() -> Callable[[Any], bytes]:
    """Writes JSON as ``jsonable_encoder`` and ``JSONResponse`` would."""
    try:
        from fasterapi._core import json_bytes
    except ImportError:
        from fasterapi.encoders import jsonable_encoder

        def json_bytes(content: Any, /) -> bytes:
            return JSONResponse(jsonable_encoder(content)).body

    return json_bytes


def _response_types() -> tuple[type, ...]:
    """Our ``Response`` and, if the program has loaded it, Starlette's."""
    import sys

    foreign = getattr(sys.modules.get("starlette.responses"), "Response", None)
    return (Response,) if foreign is None else (Response, foreign)


def _class_of(route: APIRoute) -> Any:
    """The response class that was asked for; ``None`` for the default."""
    response_class = route.response_class
    return getattr(response_class, "value", response_class)


def has_custom_class(route: APIRoute) -> bool:
    """Whether something else than plain JSON renders the result."""
    return _class_of(route) not in (None, JSONResponse)


def has_no_body(route: APIRoute) -> bool:
    """Whether the route's status allows no content (204, 304)."""
    return not may_have_body(route.status_code)


# -- the request -----------------------------------------------------------


def is_custom_handler(route: APIRoute) -> bool:
    """Whether a subclass of ``APIRoute`` answers in its own way."""
    from fasterapi.routing import APIRoute

    return type(route).get_route_handler is not APIRoute.get_route_handler


def is_json_body(route: APIRoute) -> bool:
    """Whether the body is JSON under the usual rules for content types."""
    strict = getattr(route.strict_content_type, "value", route.strict_content_type)
    fields = route._body_params
    is_form = any(field.reading.is_form for field in fields)
    # Two of one name are each the whole body, or one member read in two ways.
    has_own_names = len({field.name for field in fields}) == len(fields)
    return bool(strict) and not is_form and has_own_names


def is_form_body(route: APIRoute) -> bool:
    """Whether the body is a form, each of whose fields has a name of its own."""
    from fasterapi.params import Form

    field = route.body_field
    has_own_names = len({field.name for field in route._body_params}) == len(route._body_params)
    return field is not None and isinstance(field.param, Form) and has_own_names


def flat_dependants(dependant: Dependant) -> list[Dependant]:
    """``dependant`` and everything that it depends on."""
    from fasterapi._dependant import get_flat_dependants

    return list(get_flat_dependants(dependant))


def body_reader(
    route: APIRoute, fields: list[ModelField]
) -> Callable[[bytes], tuple[Any, ...] | None]:
    """What validates a JSON document; the values of ``fields``, ``None`` if it is wrong."""
    if len(fields) == 1 and not route._embed_body_fields:
        return _whole_reader(fields[0])
    return _embedded_reader(fields)


def _whole_reader(field: ModelField) -> Callable[[bytes], tuple[Any, ...] | None]:
    from pydantic_core import ValidationError, from_json

    from fasterapi._json_mode import reads_json_alike

    validator = field.validator
    validate_json = validator.validate_json

    def read(body: bytes) -> tuple[Any, ...] | None:
        try:
            return (validate_json(body),)
        except ValidationError:
            return None

    def read_python(body: bytes) -> tuple[Any, ...] | None:
        try:
            return (validator.validate_python(from_json(body), from_attributes=True),)
        except ValueError:
            return None

    return read if reads_json_alike(field.type_adapter.core_schema) else read_python


def form_reader(
    route: APIRoute, fields: list[ModelField], limits: Mapping[str, Any]
) -> Callable[[Request], Awaitable[tuple[FormData, tuple[Any, ...] | None]]]:
    """What reads a form; it gives the values of ``fields`` too, or ``None`` if they are wrong.

    It raises ``HTTPException`` for a form that cannot be read.
    """
    from fasterapi._body_values import request_body_to_args
    from fasterapi._handler import unreadable_body

    embed = route._embed_body_fields
    names = [field.name for field in fields]

    async def read(request: Request) -> tuple[FormData, tuple[Any, ...] | None]:
        try:
            form = await request.form(**limits)
        except Exception as error:
            unreadable = unreadable_body(error)
            if unreadable is error:
                raise
            raise unreadable from error
        values, errors = await request_body_to_args(fields, form, embed)
        return form, None if errors else tuple([values[name] for name in names])

    return read


def _embedded_reader(fields: list[ModelField]) -> Callable[[bytes], tuple[Any, ...] | None]:
    from pydantic_core import from_json

    missing = object()
    readers = [(field.reading.keys_for_body[0], field) for field in fields]

    def read(body: bytes) -> tuple[Any, ...] | None:
        try:
            document = from_json(body)
        except ValueError:
            return None
        if type(document) is not dict:
            return None
        values = []
        for alias, field in readers:
            given = document.get(alias, missing)
            if given is missing:
                return None  # a default, or an error: the general path knows
            value, errors = field.validate(given, loc=("body", alias))
            if errors:
                return None
            values.append(value)
        return tuple(values)

    return read


def reader(source: str, fields: list[ModelField]) -> Callable[[Request], dict[str, Any] | None]:
    """What reads parameters that Rust does not; ``None`` if one is missing or wrong."""
    from fasterapi._extract import request_params_to_args

    attribute = {
        "path": "path_params",
        "query": "query_params",
        "header": "headers",
        "cookie": "cookies",
    }[source]

    def read(request: Request) -> dict[str, Any] | None:
        values, errors = request_params_to_args(fields, getattr(request, attribute))
        return None if errors else values

    return read


def security_scopes(dependant: Dependant) -> Callable[[], Any]:
    """Makes the ``SecurityScopes`` of a dependency, new for each request."""
    from fasterapi.security.oauth2 import SecurityScopes

    scopes = dependant.oauth_scopes
    return lambda: SecurityScopes(scopes=scopes)
