"""What Rust is told about each route."""

# Annotations are not postponed here: handlers name local classes.
import functools
import uuid
from typing import Annotated, Any, NewType, Optional, Union

import pytest

from fasterapi import (
    APIRouter,
    Depends,
    FasterAPI,
    Header,
    HTMLResponse,
    JSONResponse,
    Query,
    Request,
    Response,
    StaticFiles,
    WebSocket,
)
from fasterapi._plan import AppPlan, ParameterPlan, RoutePlan, compile_app
from fasterapi.exceptions import HTTPException, RequestValidationError, RouteError
from fasterapi.routing import APIRoute

UserId = NewType("UserId", int)


def app_with(endpoint: Any = None, path: str = "/", **keywords: Any) -> FasterAPI:
    app = FasterAPI(openapi_url=None)
    if endpoint is not None:
        app.add_api_route(path, endpoint, **keywords)
    return app


def plan_of(endpoint: Any, path: str = "/", **keywords: Any) -> RoutePlan:
    (plan,) = compile_app(app_with(endpoint, path, **keywords)).routes
    return plan


def parameter_of(endpoint: Any, path: str = "/") -> ParameterPlan:
    (parameter,) = plan_of(endpoint, path).parameters
    return parameter


def error_of(endpoint: Any, path: str = "/") -> RouteError:
    with pytest.raises(RouteError) as caught:
        plan_of(endpoint, path)
    return caught.value


def nothing():  # type: ignore[no-untyped-def]
    pass


@pytest.mark.parametrize(
    ("path", "pattern", "parameters"),
    [
        ("/", "/", ()),
        ("/items", "/items", ()),
        ("/items/", "/items/", ()),
        ("/{a}/x/{b:int}", "/{p0}/x/{p1}", (("a", "str"), ("b", "int"))),
        ("/{a:str}/{b:float}", "/{p0}/{p1}", (("a", "str"), ("b", "float"))),
        ("/u/{id:uuid}", "/u/{p0}", (("id", "uuid"),)),
        ("/f/{rest:path}", "/f/{*p0}", (("rest", "path"),)),
        ("/{rest:path}", "/{*p0}", (("rest", "path"),)),
        ("/{name}.json", "/{p0}.json", (("name", "str"),)),
        ("/a{b/{}/{1}", "/a{{b/{{}}/{{1}}", ()),
        ("/é/{x}", "/é/{p0}", (("x", "str"),)),
    ],
)
def test_paths(path: str, pattern: str, parameters: Any) -> None:
    plan = plan_of(nothing, path)
    assert plan.path == pattern
    assert plan.path_parameters == parameters
    assert plan.original_path == path


@pytest.mark.parametrize("path", ["/{a}-{b}", "/{a:path}/b", "/x{a:path}"])
def test_paths_that_only_python_can_match(path: str) -> None:
    app = app_with(nothing, path)
    app.add_api_route(path + "/same/beginning", nothing)
    app.add_api_route("/other", nothing)
    plan = compile_app(app)
    # What might be meant by the odd path must not be answered before it.
    assert [route.original_path for route in plan.routes if path != "/x{a:path}"] in (
        [],
        ["/other"],
    )
    assert plan.fallback is not None
    assert plan.fallback.methods == ("*",)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/{a}/{a}", "'a' twice|Duplicated param"),
        ("/{a:hex}", "converter 'hex'|convertor 'hex'"),
    ],
)
def test_paths_that_cannot_work(path: str, words: str) -> None:
    with pytest.raises(Exception, match=words):
        plan_of(nothing, path)


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
    ("annotation", "convert"),
    [
        (str, "str"),
        (int, "int"),
        (float, "float"),
        (bool, "bool"),
        (uuid.UUID, "uuid"),
        (Optional[int], "int"),  # noqa: UP045
        (Union[None, int], "int"),  # noqa: UP007
        (int | None, "int"),
        (Annotated[int, "a note"], "int"),
        (Annotated[int | None, "a note"], "int"),
        (Optional["int"], "int"),
        (UserId, "int"),
        (Any, "str"),
        ("int", "int"),
        ("Annotated[uuid.UUID | None, 'note']", "uuid"),
        ("Optional['UserId']", "int"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/{value}"])
def test_converters(annotation: Any, convert: str, path: str) -> None:
    def handler(value): ...  # type: ignore[no-untyped-def]

    handler.__annotations__["value"] = annotation
    parameter = parameter_of(handler, path)
    assert parameter.convert == convert
    assert parameter.source == ("path" if path == "/{value}" else "query")
    assert parameter.required


def test_a_path_may_have_parameters_that_the_handler_does_not_take() -> None:
    assert plan_of(nothing, "/{value}").parameters == ()


def test_query_defaults() -> None:
    def handler(a, b: int = 3, *, c: str | None = None, d: float, e: str = ...): ...  # type: ignore

    a, b, c, d, e = plan_of(handler).parameters
    assert [p.source for p in (a, b, c, d, e)] == ["query"] * 5
    assert [p.required for p in (a, b, c, d, e)] == [True, False, False, True, True]
    assert [p.default for p in (a, b, c, d, e)] == [None, 3, None, None, None]
    assert [p.keyword_only for p in (a, b, c, d, e)] == [False, False, True, True, True]
    assert [p.alias for p in (a, b, c, d, e)] == ["a", "b", "c", "d", "e"]


def test_constraints_and_aliases() -> None:
    def handler(
        number: Annotated[int, Query(ge=1, lt=9, alias="n")],
        text: Annotated[str, Query(min_length=2, max_length=5)] = "abc",
        user_agent: Annotated[str | None, Header()] = None,
    ):  # type: ignore[no-untyped-def]
        pass

    number, text, agent = plan_of(handler).parameters
    assert (number.alias, number.ge, number.gt, number.le, number.lt) == ("n", 1, None, None, 9)
    assert (text.min_length, text.max_length, text.default) == (2, 5, "abc")
    assert (agent.source, agent.alias) == ("header", "user-agent")


def test_request() -> None:
    class Own(Request):
        pass

    def by_annotation(anything: Request): ...  # type: ignore[no-untyped-def]

    def by_subclass(anything: Own): ...  # type: ignore[no-untyped-def]

    for handler in (by_annotation, by_subclass):
        assert parameter_of(handler).source == "request"


def test_a_parameter_called_request_with_another_annotation_is_a_query_parameter() -> None:
    def handler(request: int): ...  # type: ignore[no-untyped-def]

    assert parameter_of(handler).source == "query"


def test_methods_and_callable_objects_lose_self() -> None:
    class Handlers:
        def method(self, x: int): ...  # type: ignore[no-untyped-def]

        def __call__(self, y: int): ...  # type: ignore[no-untyped-def]

        @classmethod
        def klass(cls, z: int): ...  # type: ignore[no-untyped-def]

        @staticmethod
        def static(w: int): ...  # type: ignore[no-untyped-def]

    assert parameter_of(Handlers().method).name == "x"
    assert parameter_of(Handlers()).name == "y"
    assert parameter_of(Handlers.klass).name == "z"
    assert parameter_of(Handlers.static).name == "w"


def test_what_cannot_be_resolved_names_the_place() -> None:
    def handler(value): ...  # type: ignore[no-untyped-def]

    handler.__annotations__["value"] = "Missing"
    error = error_of(handler)
    assert error.parameter == "value"
    assert error.file == __file__
    assert error.line == handler.__code__.co_firstlineno
    assert "handler(): parameter 'value'" in str(error)


def test_how_routes_are_called() -> None:
    def dependency() -> int:
        return 1

    async def direct(q: int):  # type: ignore[no-untyped-def]
        return q

    async def modelled(q: int) -> dict[str, int]:
        return {"q": q}

    async def dependent(value: Annotated[int, Depends(dependency)]):  # type: ignore[no-untyped-def]
        return value

    async def stream() -> Any:
        yield 1

    class Own(APIRoute):
        def get_route_handler(self) -> Any:
            return super().get_route_handler()

    assert plan_of(direct).endpoint is direct
    assert plan_of(direct).general is None
    for endpoint, result in ((modelled, "json"), (dependent, "value")):
        plan = plan_of(endpoint)
        assert plan.endpoint is not None
        assert plan.endpoint.__name__ == "composed"
        assert plan.result == result
        # Only a dependency may refuse before Rust finds a parameter wrong.
        assert (plan.general is not None) == (endpoint is dependent)
    general = [plan_of(stream)]
    router = APIRouter(route_class=Own)
    router.add_api_route("/", direct)
    app = app_with()
    app.include_router(router)
    general += compile_app(app).routes
    for plan in general:
        assert [parameter.source for parameter in plan.parameters] == ["request"]


def test_handlers_of_errors_are_asked() -> None:
    def own(request: Request, error: Exception) -> Response:
        return Response("x")

    def plan_with(key: Any) -> AppPlan:
        app = app_with(nothing)
        app.add_exception_handler(key, own)
        return compile_app(app)

    plain = compile_app(app_with(nothing))
    assert plain.routes[0].http_exceptions
    assert plain.fallback is None
    for key in (404, HTTPException):
        assert not plan_with(key).routes[0].http_exceptions
    assert plan_with(404).fallback is not None
    assert plan_with(RequestValidationError).routes[0].general is not None
    assert plan_with(KeyError).routes[0].http_exceptions


def test_middleware() -> None:
    app = app_with(nothing)

    @app.middleware("http")
    async def add_header(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    plan = compile_app(app)
    assert [parameter.source for parameter in plan.routes[0].parameters] == ["request"]
    assert plan.fallback is not None

    class Plain:
        def __init__(self, app: Any) -> None:
            self.app = app

    app.add_middleware(Plain)
    plan = compile_app(app)
    assert plan.routes == []
    assert plan.fallback is not None


def test_methods_status_and_response_class() -> None:
    app = FasterAPI(default_response_class=HTMLResponse, openapi_url=None)
    app.add_api_route("/a", nothing, methods=["get", "Post", "GET"], status_code=201, name="n")
    app.add_api_route("/b", nothing, response_class=JSONResponse)
    a, b = compile_app(app).routes
    assert (a.methods, a.status_code, a.name) == (("GET", "POST"), 201, "n")
    assert a.response_class is HTMLResponse
    assert b.response_class is None
    assert (b.status_code, b.methods, b.name) == (200, ("GET",), "nothing")
    assert a.endpoint is nothing
    assert plan_of(nothing).response_class is None


def test_routes_of_one_shape_share_a_pattern() -> None:
    app = app_with()
    app.add_api_route("/items/{id}", nothing)
    app.add_api_route("/items/{item_id}", nothing, methods=["PUT"])
    a, b = compile_app(app).routes
    assert a.path == b.path == "/items/{p0}"
    assert a.path_parameters != b.path_parameters


def test_mounts_of_files(tmp_path: Any) -> None:
    app = app_with()
    files = StaticFiles(directory=tmp_path)
    app.mount("/static/", files, name="static")
    app.mount("/", files)
    below, site = compile_app(app).routes
    assert (below.path, below.original_path, below.static) == ("/static/{*p0}", "/static", files)
    assert (site.path, site.original_path) == ("/{*p0}", "")


def test_mounts_of_applications() -> None:
    inner = app_with(nothing, "/x")
    app = app_with(nothing, "/y")
    app.mount("/inner", inner)

    async def asgi(scope: Any, receive: Any, send: Any) -> None: ...

    app.mount("/asgi", asgi)
    y, x, rest, rest_sockets, other, other_sockets = compile_app(app).routes
    assert (x.path, x.root_path, x.app) == ("/inner/x", "/inner", inner)
    assert (rest.path, rest.methods) == ("/inner/{*p0}", ("*",))
    assert (other.path, other.methods) == ("/asgi/{*p0}", ("*",))
    assert [plan.methods for plan in (rest_sockets, other_sockets)] == [("websocket",)] * 2
    assert (rest_sockets.path, other_sockets.path) == (rest.path, other.path)
    assert (y.app, y.root_path) == (None, "")


def test_websockets_beside_requests() -> None:
    app = FasterAPI()

    @app.get("/live/{room}")
    async def page(room: str) -> str:
        return room

    @app.websocket("/live/{room}")
    async def live(websocket: WebSocket, room: int) -> None: ...

    plan = compile_app(app)
    *_, page_plan, socket = plan.routes
    assert (socket.path, socket.methods) == (page_plan.path, ("websocket",))
    assert [parameter.source for parameter in socket.parameters] == ["websocket"]
    assert plan.websocket_fallback is None


def test_middleware_that_must_see_websockets() -> None:
    class Seeing:
        def __init__(self, app: Any) -> None: ...

    app = FasterAPI()

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None: ...

    app.add_middleware(Seeing)
    plan = compile_app(app)
    assert all(route.methods != ("websocket",) for route in plan.routes)
    assert plan.websocket_fallback is not None
    assert plan.websocket_fallback.methods == ("websocket",)
