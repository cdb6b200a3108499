"""Compiles an application into what Rust needs to answer its requests.

Built once, when a shard starts: Rust reads the plans, makes one extractor per
parameter and never asks Python about a route again.
"""

from __future__ import annotations

from fasterapi._signature import (
    EMPTY,
    Argument,
    Where,
    arguments_of,
    is_coroutine_function,
    is_generator_function,
)
from fasterapi.exceptions import RouteError
from fasterapi.routing import Mount, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fasterapi.applications import FasterAPI
    from fasterapi.responses import Response
    from fasterapi.staticfiles import StaticFiles

__all__ = ["ParameterPlan", "RoutePlan", "compile_app"]


class ParameterPlan:
    """How one parameter of a handler gets its value.

    - ``name``: the parameter; ``alias``: the name in the path or the query.
    - ``source``: ``"path"``, ``"query"`` or ``"request"``.
    - ``convert``: ``"str"``, ``"int"``, ``"float"``, ``"bool"``, ``"uuid"`` or
      ``"path"``; ``"str"`` where nothing is converted.
    - ``required``: an absent value is the client's error (422); otherwise the
      handler gets ``default``.
    - ``allow_none``: the annotation accepts ``None``.
    - ``keyword_only``: pass by name; all others are passed by position, in order.
    """

    __slots__ = (
        "alias",
        "allow_none",
        "convert",
        "default",
        "keyword_only",
        "name",
        "required",
        "source",
    )

    def __init__(
        self,
        name: str,
        source: str,
        *,
        convert: str = "str",
        required: bool = True,
        default: Any = None,
        allow_none: bool = False,
        alias: str | None = None,
        keyword_only: bool = False,
    ) -> None:
        """Keep the parts."""
        self.name = name
        self.source = source
        self.convert = convert
        self.required = required
        self.default = default
        self.allow_none = allow_none
        self.alias: str = name if alias is None else alias
        self.keyword_only = keyword_only

    def __repr__(self) -> str:
        """All parts, for tests and logs."""
        parts = ", ".join(f"{slot}={getattr(self, slot)!r}" for slot in self.__slots__)
        return f"ParameterPlan({parts})"


class RoutePlan:
    """One route, ready for Rust.

    - ``path``: matchit 0.9's pattern. Its parameters have canonical names
      (``p0``, ``p1``, ...), so routes of one shape share one pattern; take values
      by position.
    - ``empty_path``: a second pattern, for an empty catch-all (the last value is
      then ``""``), or ``None``.
    - ``original_path``: as the user wrote it.
    - ``path_parameters``: ``(name, convert)`` for each value of ``path``. A value
      that does not convert means that this route does not match (404), unlike the
      handler's own annotations (422).
    - ``methods``: upper case. ``endpoint``: the handler (``None`` for a mount).
    - ``run``: ``"async"`` (await what the call returns), ``"thread"``, ``"inline"``.
    - ``parameters``: one ``ParameterPlan`` for each parameter of the handler.
    - ``status_code``: of an answer that the handler does not build itself.
    - ``response_class``: renders such an answer; ``None`` means JSON.
    - ``name``: for ``url_path_for``. ``order``: of registration; the first wins.
    - ``static``: the files of a mount, which has no ``endpoint``.
    - ``route``: the ``Route`` or ``Mount`` that this was compiled from.
    """

    __slots__ = (
        "empty_path",
        "endpoint",
        "methods",
        "name",
        "order",
        "original_path",
        "parameters",
        "path",
        "path_parameters",
        "response_class",
        "route",
        "run",
        "static",
        "status_code",
    )

    path: str
    empty_path: str | None
    original_path: str
    path_parameters: tuple[tuple[str, str], ...]
    methods: tuple[str, ...]
    endpoint: Callable[..., Any] | None
    run: str
    parameters: tuple[ParameterPlan, ...]
    status_code: int
    response_class: type[Response] | None
    name: str
    order: int
    static: StaticFiles | None
    route: Route | Mount

    def __repr__(self) -> str:
        """Methods, path and handler."""
        methods = ",".join(self.methods)
        return f"RoutePlan({methods} {self.path} -> {self.name or self.static!r})"


def compile_app(app: FasterAPI) -> list[RoutePlan]:
    """Compile all of ``app``'s routes, in the order of their registration.

    Raises ``RouteError`` for the first route that cannot be served.
    """
    plans = []
    for order, route in enumerate(app.routes):
        if isinstance(route, Mount):
            plans.append(_compile_mount(route, order))
        else:
            plans.append(_compile_route(app, route, order))
    return plans


def _compile_mount(mount: Mount, order: int) -> RoutePlan:
    plan = RoutePlan()
    plan.path = mount.path.replace("{", "{{").replace("}", "}}") + "/{*p0}"
    plan.empty_path = plan.path[: -len("{*p0}")]
    plan.original_path = mount.path
    plan.path_parameters = (("path", "path"),)
    plan.methods = ("GET", "HEAD")
    plan.endpoint = None
    plan.run = "inline"
    plan.parameters = ()
    plan.status_code = 200
    plan.response_class = None
    plan.name = mount.name
    plan.order = order
    plan.static = mount.app
    plan.route = mount
    return plan


def _compile_route(app: FasterAPI, route: Route, order: int) -> RoutePlan:
    where = Where(route.endpoint)
    if not callable(route.endpoint):
        raise where.error(f"{route.endpoint!r} cannot be called", "Register a function")
    if is_generator_function(route.endpoint):
        raise where.error(
            "the handler is a generator",
            "Return StreamingResponse(generator()) from an ordinary handler",
        )
    try:
        pattern = route.pattern
    except RouteError as error:
        raise where.error(error.problem, error.mend) from None
    plan = RoutePlan()
    # An empty path is FastAPI's "nothing after the prefix"; on the wire it is "/".
    plan.path = pattern.matchit() or "/"
    plan.empty_path = pattern.matchit_empty()
    plan.original_path = route.path
    plan.path_parameters = pattern.parameters
    plan.methods = route.methods
    plan.endpoint = route.endpoint
    plan.run = _run_mode(route)
    plan.parameters = _parameters(route.endpoint, dict(pattern.parameters), where)
    plan.status_code = 200 if route.status_code is None else route.status_code
    plan.response_class = _response_class(route.response_class or app.default_response_class)
    plan.name = route.name
    plan.order = order
    plan.static = None
    plan.route = route
    return plan


def _run_mode(route: Route) -> str:
    if is_coroutine_function(route.endpoint):
        return "async"
    return "inline" if route.inline else "thread"


def _response_class(response_class: type[Response] | None) -> type[Response] | None:
    """``None`` for plain JSON, which Rust renders without making a response."""
    if response_class is None:
        return None
    from fasterapi.responses import JSONResponse

    return None if response_class is JSONResponse else response_class


def _parameters(
    endpoint: Callable[..., Any], in_path: dict[str, str], where: Where
) -> tuple[ParameterPlan, ...]:
    return tuple(_parameter(argument, in_path, where) for argument in arguments_of(endpoint, where))


def _parameter(argument: Argument, in_path: dict[str, str], where: Where) -> ParameterPlan:
    name = argument.name
    annotation, allow_none = _core_type(argument, where)
    if name in in_path:
        convert = in_path[name] if annotation is EMPTY else _converter(annotation)
        if convert is None:
            raise _unsupported(argument, annotation, where, "path")
        return ParameterPlan(
            name,
            "path",
            convert="path" if (convert, in_path[name]) == ("str", "path") else convert,
            allow_none=allow_none,
            keyword_only=argument.keyword_only,
        )
    source = _object_source(name, annotation)
    if source == "response":
        raise where.error(
            "an injected Response is not supported by this version",
            "Build the response in the handler and return it",
            name,
        )
    if source is not None:
        return ParameterPlan(name, source, keyword_only=argument.keyword_only)
    convert = "str" if annotation is EMPTY else _converter(annotation)
    if convert is None:
        raise _unsupported(argument, annotation, where, "query")
    # FastAPI reads `= ...` as "no default".
    required = argument.default is EMPTY or argument.default is ...
    if not required and not _is_plain(argument.default):
        raise where.error(
            f"the default {argument.default!r} is not a plain value",
            "Use str, int, float, bool, UUID or None as the default",
            name,
        )
    return ParameterPlan(
        name,
        "query",
        convert=convert,
        required=required,
        default=None if required else argument.default,
        allow_none=allow_none,
        keyword_only=argument.keyword_only,
    )


def _core_type(argument: Argument, where: Where) -> tuple[Any, bool]:
    """Strip ``Annotated``, aliases and ``None`` from an annotation.

    Returns the type beneath (or ``EMPTY``) and whether ``None`` is accepted.
    """
    annotation = argument.annotation
    allow_none = False
    while True:
        if hasattr(annotation, "__metadata__"):  # Annotated[X, ...]
            _check_metadata(annotation.__metadata__, argument, where)
            annotation = annotation.__origin__
        elif hasattr(annotation, "__supertype__"):  # NewType
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":  # `type X = ...`
            annotation = annotation.__value__
        elif _is_union(annotation) and type(None) in annotation.__args__:
            allow_none = True
            rest = [kind for kind in annotation.__args__ if kind is not type(None)]
            if len(rest) != 1:
                return annotation, True
            annotation = rest[0]
        elif annotation is not EMPTY and _is_any(annotation):
            return EMPTY, True
        else:
            return annotation, allow_none


def _is_union(annotation: Any) -> bool:
    """``X | Y`` and ``typing.Union[X, Y]``, which are two types before 3.14."""
    if type(annotation).__name__ == "UnionType":
        return True
    origin = getattr(annotation, "__origin__", None)
    return getattr(origin, "_name", None) == "Union" or origin is type(int | str)


def _is_any(annotation: Any) -> bool:
    name = getattr(annotation, "__name__", None)
    return name == "Any" and getattr(annotation, "__module__", None) == "typing"


def _check_metadata(metadata: tuple[Any, ...], argument: Argument, where: Where) -> None:
    """Refuse constraints that would be silently ignored; others' notes are fine."""
    for note in metadata:
        module = type(note).__module__.partition(".")[0]
        if module in ("annotated_types", "fastapi", "pydantic"):
            raise where.error(
                f"{note!r} in Annotated is not supported by this version",
                "Check the value in the handler",
                argument.name,
            )


def _converter(annotation: Any) -> str | None:
    """The converter of a scalar type; ``None`` for every other annotation."""
    if annotation in (str, int, float, bool):
        return str(annotation.__name__)
    module = getattr(annotation, "__module__", None)
    if module == "uuid" and getattr(annotation, "__name__", None) == "UUID":
        return "uuid"
    return None


def _object_source(name: str, annotation: Any) -> str | None:
    """``"request"`` or ``"response"`` when the parameter asks for one of them."""
    if annotation is EMPTY:
        return "request" if name == "request" else None
    if not isinstance(annotation, type):
        return None
    names = {(base.__module__.partition(".")[0], base.__name__) for base in annotation.__mro__}
    if ("fasterapi", "Request") in names:
        return "request"
    return "response" if ("fasterapi", "Response") in names else None


def _is_plain(default: Any) -> bool:
    if default is None or isinstance(default, str | int | float):  # bool is an int
        return True
    return _converter(type(default)) is not None


def _unsupported(argument: Argument, annotation: Any, where: Where, source: str) -> RouteError:
    module = getattr(annotation, "__module__", "")
    kind = getattr(annotation, "__name__", None) or repr(annotation)
    if module.partition(".")[0] in ("starlette", "fastapi"):
        mend = f"Import {kind} from fasterapi instead of {module}"
    else:
        mend = "Use str, int, float, bool, uuid.UUID (or `| None`), or `request: Request`"
    problem = f"{annotation!r} is not a type that a {source} parameter can have"
    return where.error(problem, mend, argument.name)
