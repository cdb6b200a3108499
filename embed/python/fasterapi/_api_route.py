"""A path operation: a path, methods, and a handler whose parameters say what it takes."""

from __future__ import annotations

from fasterapi._lazy import lazy
from fasterapi._routes import Route, endpoint_name, request_response, with_body_limit
from fasterapi._signature import Where
from fasterapi.datastructures import Default, DefaultPlaceholder, chosen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any, Self, Unpack

    from fasterapi._dependant import Dependant
    from fasterapi._fields import ModelField
    from fasterapi._inclusion import Inclusion
    from fasterapi._options import RouteOptions
    from fasterapi._routes import ASGIApp
    from fasterapi.requests import Request
    from fasterapi.responses import Response

__all__ = ["APIRoute", "generate_unique_id"]


def generate_unique_id(route: APIRoute) -> str:
    """The name, the path and a method as one identifier: ``read_item_items__id__get``."""
    import re

    assert route.methods
    name = re.sub(r"\W", "_", f"{route.name}{route.path_format}")
    return f"{name}_{min(route.methods).lower() if len(route.methods) > 1 else _only(route)}"


def _only(route: APIRoute) -> str:
    return next(iter(route.methods or ())).lower()


# What each option is when it is not given.
_DEFAULTS: dict[str, Any] = {
    "response_model": Default(None),
    "status_code": None,
    "tags": None,
    "dependencies": None,
    "summary": None,
    "description": None,
    "response_description": "Successful Response",
    "responses": None,
    "deprecated": None,
    "name": None,
    "methods": None,
    "operation_id": None,
    "response_model_include": None,
    "response_model_exclude": None,
    "response_model_by_alias": True,
    "response_model_exclude_unset": False,
    "response_model_exclude_defaults": False,
    "response_model_exclude_none": False,
    "include_in_schema": True,
    # None stands for JSON; the class itself is not loaded for a default.
    "response_class": None,
    "dependency_overrides_provider": None,
    "callbacks": None,
    "openapi_extra": None,
    "generate_unique_id_function": Default(generate_unique_id),
    "strict_content_type": Default(True),
    "max_body_size": None,
    "form_limits": None,
    "inline": False,
}

# Computed from what an inclusion changes; the copy computes them again.
_COMPUTED = (
    *("app", "body_field", "path_format", "unique_id", "response_field", "response_fields"),
    *("stream_item_field", "_body_params", "_embed_body_fields"),
)


class APIRoute(Route):
    """One path operation; the attributes are FastAPI's.

    ``inline=True`` is our own: a ``def`` handler that never blocks then runs on the
    shard itself, not in the thread pool.
    """

    path: str
    endpoint: Callable[..., Any]
    name: str
    methods: set[str]
    dependant: Dependant
    response_class: Any
    response_model: Any
    responses: dict[int | str, dict[str, Any]]

    def __init__(
        self, path: str, endpoint: Callable[..., Any], **options: Unpack[RouteOptions]
    ) -> None:
        """Read the handler's signature.

        Raises ``TypeError`` for an unknown option and ``RouteError`` for a handler or
        a path that cannot be served.
        """
        unknown = options.keys() - _DEFAULTS.keys()
        if unknown:
            names = ", ".join(sorted(unknown))
            raise TypeError(f"{type(self).__name__}({path!r}) has no option {names}")
        given: dict[str, Any] = {**_DEFAULTS, **options}
        _check(given, endpoint)
        self._set_path(path, endpoint)
        self.endpoint = endpoint
        self.name = endpoint_name(endpoint) if given["name"] is None else given["name"]
        self.methods = {method.upper() for method in given["methods"] or ("GET",)}
        self._set_options(given)
        self._set_dependant()
        self._set_response()

    def _set_options(self, given: dict[str, Any]) -> None:
        from fasterapi._form_limits import checked_form_limits

        for name in ("tags", "dependencies"):
            setattr(self, name, list(given.pop(name) or ()))
        self.responses = dict(given.pop("responses") or {})
        self.form_limits = checked_form_limits(given.pop("form_limits"))
        status_code = given.pop("status_code")
        # An IntEnum (http.HTTPStatus) is welcome; Rust is given a plain int.
        self.status_code = None if status_code is None else int(status_code)
        response_class = given.pop("response_class")
        self.response_class = _DEFAULT_CLASS if response_class is None else response_class
        self._description = given.pop("description")
        del given["name"], given["methods"]
        self.__dict__.update(given)

    def _set_dependant(self) -> None:
        from fasterapi._dependant import get_dependant, get_parameterless_sub_dependant

        dependant = get_dependant(path=self.path_format, call=self.endpoint, scope="function")
        for depends in reversed(self.dependencies):
            sub = get_parameterless_sub_dependant(depends=depends, path=self.path_format)
            dependant.dependencies.insert(0, sub)
        self.dependant = dependant
        if dependant.takes_events and not dependant.is_coroutine_callable:
            raise Where(self.endpoint).error(
                "only an `async def` handler that does not yield can send events with SSE",
                "Write `async def`; what yields its events takes no SSE:"
                " response_class=EventSourceResponse",
            )

    def _set_response(self) -> None:
        """Find the response model, and what the items of a stream are."""
        from fasterapi._response_model import response_model_of

        is_generator = self.dependant.is_gen_callable or self.dependant.is_async_gen_callable
        is_default = isinstance(self.response_class, DefaultPlaceholder)
        takes_events = self.dependant.takes_events
        self.is_sse_stream = takes_events or (
            is_generator and _is_event_stream(self.response_class)
        )
        self.is_json_stream = is_generator and is_default
        self.stream_item_type: Any = None
        if takes_events and isinstance(self.response_model, DefaultPlaceholder):
            self.response_model = None  # what the handler returns is no event
        if isinstance(self.response_model, DefaultPlaceholder):
            self.response_model, self.stream_item_type = response_model_of(
                self.endpoint, is_generator, is_default or self.is_sse_stream
            )
        if takes_events:
            # It is of no answer: it documents the data of the events.
            self.stream_item_type, self.response_model = self.response_model, None
        if self.response_model:
            _check_may_have_body(self.status_code)
        for status_code, response in self.responses.items():
            if not isinstance(response, dict):
                raise AssertionError("An additional response must be a dict")
            if response.get("model"):
                _check_may_have_body(status_code)
        self._check_models()

    def _check_models(self) -> None:
        """Build those fields now that may fail; the others when they are needed."""
        from fasterapi._response_model import is_surely_valid

        models = (response.get("model") for response in self.responses.values())
        if not is_surely_valid(self.response_model):
            _ = self.response_field
        if not is_surely_valid(self.stream_item_type):
            _ = self.stream_item_field
        if not all(map(is_surely_valid, models)):
            _ = self.response_fields

    # -- computed when they are needed -------------------------------------

    @lazy
    def unique_id(self) -> str:
        """What names this operation in OpenAPI and among the models."""
        given: str | None = self.__dict__["operation_id"]
        generate = self.generate_unique_id_function
        if isinstance(generate, DefaultPlaceholder):
            generate = generate.value
        made: str = given or generate(self)
        return made

    @property
    def description(self) -> str:
        """As given, or the handler's docstring up to a form feed."""
        if self._description:
            text: str = self._description
        else:
            from inspect import cleandoc

            text = cleandoc(self.endpoint.__doc__ or "")
        return text.split("\f")[0].strip()

    @description.setter
    def description(self, text: str) -> None:
        self._description = text

    @lazy
    def _body_params(self) -> list[ModelField]:
        from fasterapi._dependant import get_flat_body_params

        return get_flat_body_params(self.dependant)

    @lazy
    def _embed_body_fields(self) -> bool:
        from fasterapi._body_values import should_embed_body_fields

        return should_embed_body_fields(self._body_params)

    @lazy
    def body_field(self) -> ModelField | None:
        """The whole body as one field; ``None`` if the handler takes none."""
        if not self._body_params:
            return None
        from fasterapi._body_field import get_body_field

        return get_body_field(
            body_params=self._body_params,
            name=self.unique_id,
            embed_body_fields=self._embed_body_fields,
        )

    @lazy
    def response_field(self) -> ModelField | None:
        """The field that validates and serialises what the handler returns."""
        from fasterapi._response_model import response_field

        return response_field(f"Response_{self.unique_id}", self.response_model)

    @lazy
    def stream_item_field(self) -> ModelField | None:
        """The field of each item of a streaming handler."""
        from fasterapi._response_model import response_field

        return response_field(f"StreamItem_{self.unique_id}", self.stream_item_type)

    @lazy
    def response_fields(self) -> dict[int | str, ModelField]:
        """The fields of the additional responses that have a model."""
        from fasterapi._response_model import response_field

        fields = {
            status_code: response_field(
                f"Response_{status_code}_{self.unique_id}", response.get("model")
            )
            for status_code, response in self.responses.items()
        }
        return {status_code: field for status_code, field in fields.items() if field is not None}

    @lazy
    def app(self) -> ASGIApp:
        """The ASGI application that answers."""
        return with_body_limit(request_response(self.get_route_handler()), self.max_body_size)

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:
        """The function that turns a request into a response; subclasses wrap it."""
        # From there, because monitoring libraries wrap it there.
        from fasterapi import routing

        return routing.get_request_handler(
            dependant=self.dependant,
            body_field=self.body_field,
            status_code=self.status_code,
            response_class=self.response_class,
            response_field=self.response_field,
            response_model_include=self.response_model_include,
            response_model_exclude=self.response_model_exclude,
            response_model_by_alias=self.response_model_by_alias,
            response_model_exclude_unset=self.response_model_exclude_unset,
            response_model_exclude_defaults=self.response_model_exclude_defaults,
            response_model_exclude_none=self.response_model_exclude_none,
            dependency_overrides_provider=self.dependency_overrides_provider,
            embed_body_fields=self._embed_body_fields,
            strict_content_type=self.strict_content_type,
            stream_item_field=self.stream_item_field,
            is_json_stream=self.is_json_stream,
            form_limits=self.form_limits,
        )

    # -- inclusion ---------------------------------------------------------

    def included(self, inclusion: Inclusion) -> Self:
        """A copy as the including router has it; attributes of subclasses are kept."""
        copy = object.__new__(type(self))
        kept = {key: value for key, value in self.__dict__.items() if key not in _COMPUTED}
        copy.__dict__.update(kept)
        copy._set_path(inclusion.prefix + self.path, self.endpoint)
        copy.tags = [*inclusion.tags, *self.tags]
        copy.dependencies = [*inclusion.dependencies, *self.dependencies]
        copy.responses = {**inclusion.responses, **self.responses}
        copy.callbacks = [*inclusion.callbacks, *(self.callbacks or ())]
        copy.deprecated = self.deprecated or inclusion.deprecated
        copy.include_in_schema = self.include_in_schema and inclusion.include_in_schema
        copy.form_limits = {**inclusion.form_limits, **self.form_limits}
        if copy.max_body_size is None:
            copy.max_body_size = inclusion.max_body_size
        for name in ("response_class", "generate_unique_id_function", "strict_content_type"):
            setattr(copy, name, chosen(getattr(self, name), *inclusion.defaults[name]))
        copy.dependency_overrides_provider = inclusion.dependency_overrides_provider
        copy._set_dependant()
        was_stream = self.stream_item_type
        copy._set_response()
        copy.stream_item_type = was_stream
        return copy

    if TYPE_CHECKING:
        tags: list[Any]
        dependencies: list[Any]
        summary: str | None
        response_description: str
        deprecated: bool | None
        operation_id: str | None
        response_model_include: Any
        response_model_exclude: Any
        response_model_by_alias: bool
        response_model_exclude_unset: bool
        response_model_exclude_defaults: bool
        response_model_exclude_none: bool
        dependency_overrides_provider: Any
        callbacks: Sequence[Any] | None
        openapi_extra: dict[str, Any] | None
        generate_unique_id_function: Any
        strict_content_type: Any
        max_body_size: int | None


def _check(given: dict[str, Any], endpoint: Any) -> None:
    from fasterapi._form_limits import check_body_size

    if not callable(endpoint):
        raise Where(endpoint).error("An endpoint must be a callable", "Register a function")
    if isinstance(given["methods"], str):
        name = given["methods"]
        raise TypeError(f"methods must be a list such as [{name!r}], not a string")
    check_body_size(given["max_body_size"])


def _check_may_have_body(status_code: int | str | None) -> None:
    from fasterapi.responses import may_have_body

    if not may_have_body(status_code):
        raise AssertionError(f"Status code {status_code} must not have a response body")


class _JSONResponseByDefault(DefaultPlaceholder):
    """``Default(JSONResponse)``, which loads the class only when it is asked for."""

    __slots__ = ()

    def __init__(self) -> None:
        """Load nothing."""

    @property
    def value(self) -> Any:
        """``JSONResponse``."""
        from fasterapi.responses import JSONResponse

        return JSONResponse


_DEFAULT_CLASS: Any = _JSONResponseByDefault()


def _is_event_stream(response_class: Any) -> bool:
    """Whether it is ``EventSourceResponse``, which only its own module can have made."""
    import sys

    sse = sys.modules.get("fasterapi.sse")
    if sse is None:
        return False
    response_class = getattr(response_class, "value", response_class)
    return isinstance(response_class, type) and issubclass(response_class, sse.EventSourceResponse)
