"""What Rust is told about each route."""

from __future__ import annotations

import functools
import uuid
from typing import Annotated, Any, NewType, Optional, Union

import pytest

from fasterapi import FasterAPI, HTMLResponse, JSONResponse, Request, Response, StaticFiles
from fasterapi._plan import ParameterPlan, RoutePlan, compile_app
from fasterapi.exceptions import RouteError

UserId = NewType("UserId", int)


def plan_of(endpoint: Any, path: str = "/", **keywords: Any) -> RoutePlan:
    app = FasterAPI()
    app.add_api_route(path, endpoint, **keywords)
    return compile_app(app)[0]


def parameter_of(endpoint: Any, path: str = "/") -> ParameterPlan:
    (parameter,) = plan_of(endpoint, path).parameters
    return parameter


def error_of(endpoint: Any, path: str = "/") -> RouteError:
    with pytest.raises(RouteError) as caught:
        plan_of(endpoint, path)
    return caught.value


def nothing() -> None: ...


@pytest.mark.parametrize(
    ("path", "pattern", "empty", "parameters"),
    [
        ("/", "/", None, ()),
        ("", "/", None, ()),
        ("/items", "/items", None, ()),
        ("/items/", "/items/", None, ()),
        ("/{a}/x/{b:int}", "/{p0}/x/{p1}", None, (("a", "str"), ("b", "int"))),
        ("/{a:str}/{b:float}", "/{p0}/{p1}", None, (("a", "str"), ("b", "float"))),
        ("/u/{id:uuid}", "/u/{p0}", None, (("id", "uuid"),)),
        ("/f/{rest:path}", "/f/{*p0}", "/f/", (("rest", "path"),)),
        ("/{rest:path}", "/{*p0}", "/", (("rest", "path"),)),
        ("/{name}.json", "/{p0}.json", None, (("name", "str"),)),
        ("/a{b/{}/{1}", "/a{{b/{{}}/{{1}}", None, ()),
        ("/é/{x}", "/é/{p0}", None, (("x", "str"),)),
    ],
)
def test_paths(path: str, pattern: str, empty: str | None, parameters: Any) -> None:
    plan = plan_of(nothing, path)
    assert plan.path == pattern
    assert plan.empty_path == empty
    assert plan.path_parameters == parameters
    assert plan.original_path == path


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("items", "does not start with '/'"),
        ("/{a}/{a}", "names 'a' twice"),
        ("/{a:hex}", "unknown converter 'hex'"),
        ("/{a}-{b}", "two parameters between two slashes"),
        ("/{a:path}/b", "':path'"),
        ("/x{a:path}", "':path'"),
    ],
)
def test_paths_that_cannot_work(path: str, words: str) -> None:
    error = error_of(nothing, path)
    assert words in str(error)
    assert error.function == "nothing"
    assert str(error).startswith(f"{__file__}:{nothing.__code__.co_firstlineno}: nothing(): ")


def test_run_mode() -> None:
    async def coroutine() -> None: ...

    class Callable:
        async def __call__(self) -> None: ...

        async def method(self) -> None: ...

        def plain(self) -> None: ...

    @functools.wraps(coroutine)
    def wrapped() -> Any:
        return coroutine()

    assert plan_of(coroutine).run == "async"
    assert plan_of(functools.partial(coroutine)).run == "async"
    assert plan_of(functools.partial(functools.partial(coroutine))).run == "async"
    assert plan_of(Callable()).run == "async"
    assert plan_of(Callable().method).run == "async"
    assert plan_of(functools.partial(Callable())).run == "async"
    assert plan_of(wrapped).run == "async"
    assert plan_of(nothing).run == "thread"
    assert plan_of(Callable().plain).run == "thread"
    assert plan_of(nothing, inline=True).run == "inline"
    assert plan_of(coroutine, inline=True).run == "async"


@pytest.mark.parametrize(
    ("annotation", "convert", "allow_none"),
    [
        (str, "str", False),
        (int, "int", False),
        (float, "float", False),
        (bool, "bool", False),
        (uuid.UUID, "uuid", False),
        (Optional[int], "int", True),  # noqa: UP045
        (Union[None, int], "int", True),  # noqa: UP007
        (int | None, "int", True),
        (Annotated[int, "a note"], "int", False),
        (Annotated[int | None, "a note"], "int", True),
        (Optional["int"], "int", True),
        (UserId, "int", False),
        (Any, "str", True),
        ("int", "int", False),
        ("Annotated[uuid.UUID | None, 'note']", "uuid", True),
        ("Optional['UserId']", "int", True),
    ],
)
@pytest.mark.parametrize("path", ["/", "/{value}"])
def test_converters(annotation: Any, convert: str, allow_none: bool, path: str) -> None:
    def handler(value): ...  # type: ignore[no-untyped-def]

    handler.__annotations__["value"] = annotation
    parameter = parameter_of(handler, path)
    assert parameter.convert == convert
    assert parameter.allow_none == allow_none
    assert parameter.source == ("path" if path == "/{value}" else "query")
    assert parameter.required


def test_a_path_parameter_without_annotation_is_what_the_path_says() -> None:
    def handler(value): ...  # type: ignore[no-untyped-def]

    assert parameter_of(handler, "/{value}").convert == "str"
    assert parameter_of(handler, "/{value:int}").convert == "int"
    assert parameter_of(handler, "/{value:path}").convert == "path"


def test_a_path_parameter_with_annotation() -> None:
    def handler(value: str = "unused") -> None: ...

    parameter = parameter_of(handler, "/{value:path}")
    assert parameter.convert == "path"
    assert parameter.required


def test_path_parameters_may_be_left_out() -> None:
    assert plan_of(nothing, "/{value}").parameters == ()


def test_query_defaults() -> None:
    def handler(a, b: int = 3, *, c: str | None = None, d: float, e: str = ...): ...  # type: ignore

    a, b, c, d, e = plan_of(handler).parameters
    assert [p.source for p in (a, b, c, d, e)] == ["query"] * 5
    assert [p.required for p in (a, b, c, d, e)] == [True, False, False, True, True]
    assert [p.default for p in (a, b, c, d, e)] == [None, 3, None, None, None]
    assert [p.keyword_only for p in (a, b, c, d, e)] == [False, False, True, True, True]
    assert [p.allow_none for p in (a, b, c, d, e)] == [False, False, True, False, False]
    assert [p.alias for p in (a, b, c, d, e)] == ["a", "b", "c", "d", "e"]


def test_request_and_response() -> None:
    class Own(Request):
        pass

    def by_annotation(anything: Request) -> None: ...

    def by_subclass(anything: Own) -> None: ...

    def by_name(request): ...  # type: ignore[no-untyped-def]

    def response(out: Response) -> None: ...

    def optional(anything: Request | None = None) -> None: ...

    by_subclass.__annotations__["anything"] = Own
    for handler in (by_annotation, by_subclass, by_name, optional):
        assert parameter_of(handler).source == "request"
    with pytest.raises(RouteError, match="injected Response"):
        parameter_of(response)


def test_a_parameter_called_request_with_another_annotation_is_a_query_parameter() -> None:
    def handler(request: int) -> None: ...

    assert parameter_of(handler).source == "query"


def test_methods_and_callable_objects_lose_self() -> None:
    class Handlers:
        def method(self, x: int) -> None: ...

        def __call__(self, y: int) -> None: ...

        @classmethod
        def klass(cls, z: int) -> None: ...

        @staticmethod
        def static(w: int) -> None: ...

    assert parameter_of(Handlers().method).name == "x"
    assert parameter_of(Handlers()).name == "y"
    assert parameter_of(Handlers.klass).name == "z"
    assert parameter_of(Handlers.static).name == "w"


def test_what_a_partial_gives_is_not_asked_for() -> None:
    def handler(a: int, b: object, c: int = 1) -> None: ...

    plan = plan_of(functools.partial(handler, b=object()))
    assert [(p.name, p.keyword_only) for p in plan.parameters] == [("a", False), ("c", True)]
    plan = plan_of(functools.partial(handler, 1, object()))
    assert [p.name for p in plan.parameters] == ["c"]


def test_wraps_shows_the_inner_signature() -> None:
    def inner(x: int, request: Request) -> None: ...

    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> None: ...

    assert [p.name for p in plan_of(outer).parameters] == ["x", "request"]


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (list[int], "not a type that a query parameter can have"),
        (dict, "not a type that a query parameter can have"),
        (int | str, "not a type"),
        (int | str | None, "not a type"),
        (bytes, "not a type"),
        ("Missing", "cannot be resolved (NameError: name 'Missing' is not defined)"),
        ("1 +", "cannot be resolved"),
    ],
)
def test_annotations_that_cannot_work(annotation: Any, words: str) -> None:
    def handler(value): ...  # type: ignore[no-untyped-def]

    handler.__annotations__["value"] = annotation
    error = error_of(handler)
    assert words in str(error)
    assert error.parameter == "value"
    assert error.file == __file__
    assert error.line == handler.__code__.co_firstlineno
    assert "handler(): parameter 'value'" in str(error)


def test_starlettes_request_is_named() -> None:
    other = type("Request", (), {"__module__": "starlette.requests"})

    def handler(r): ...  # type: ignore[no-untyped-def]

    handler.__annotations__["r"] = other
    assert "Import Request from fasterapi instead of starlette.requests" in str(error_of(handler))


def test_constraints_are_refused_not_ignored() -> None:
    gt = type("Gt", (), {"__module__": "annotated_types"})()

    def handler(value): ...  # type: ignore[no-untyped-def]

    handler.__annotations__["value"] = Annotated[int, gt]
    assert "is not supported" in str(error_of(handler))


def test_objects_as_defaults_are_refused() -> None:
    def handler(value=object()): ...  # type: ignore[no-untyped-def]  # noqa: B008

    assert "is not a plain value" in str(error_of(handler))


def test_variadic_parameters_are_refused() -> None:
    def args(*args: int) -> None: ...

    def kwargs(**kwargs: int) -> None: ...

    def both(a: int, *rest: int, b: int, **more: int) -> None: ...

    assert error_of(args).parameter == "args"
    assert error_of(kwargs).parameter == "kwargs"
    assert error_of(both).parameter == "rest"


def test_generators_are_refused() -> None:
    def generator() -> Any:
        yield 1

    async def asynchronous() -> Any:
        yield 1

    assert "StreamingResponse" in str(error_of(generator))
    assert "StreamingResponse" in str(error_of(asynchronous))


def test_what_cannot_be_called_is_refused() -> None:
    assert "cannot be called" in str(error_of(3))


def test_methods_status_and_response_class() -> None:
    app = FasterAPI(default_response_class=HTMLResponse)
    app.add_api_route("/a", nothing, methods=["get", "Post", "GET"], status_code=201, name="n")
    app.add_api_route("/b", nothing, response_class=JSONResponse)
    a, b = compile_app(app)
    assert (a.methods, a.status_code, a.name) == (("GET", "POST"), 201, "n")
    assert a.response_class is HTMLResponse
    assert b.response_class is None
    assert (b.status_code, b.methods, b.name) == (200, ("GET",), "nothing")
    assert (a.order, b.order) == (0, 1)
    assert a.endpoint is nothing
    assert plan_of(nothing).response_class is None


def test_routes_of_one_shape_share_a_pattern() -> None:
    app = FasterAPI()
    app.add_api_route("/items/{id}", nothing)
    app.add_api_route("/items/{item_id}", nothing, methods=["PUT"])
    a, b = compile_app(app)
    assert a.path == b.path == "/items/{p0}"
    assert a.path_parameters != b.path_parameters


def test_mounts(tmp_path: Any) -> None:
    app = FasterAPI()
    files = StaticFiles(tmp_path)
    app.mount("/static/", files, name="static")
    app.mount("/", files)
    below, site = compile_app(app)
    assert (below.path, below.empty_path, below.original_path) == (
        "/static/{*p0}",
        "/static/",
        "/static",
    )
    assert (site.path, site.empty_path, site.original_path) == ("/{*p0}", "/", "")
    assert below.static is files
    assert below.endpoint is None
    assert below.methods == ("GET", "HEAD")
