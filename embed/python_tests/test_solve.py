# ruff: noqa: B008 - defaults as users write them

"""Calling dependencies, and finding values and errors in requests."""

import asyncio
from contextlib import AsyncExitStack
from io import BytesIO
from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, Json

from fasterapi._body_values import request_body_to_args, should_embed_body_fields
from fasterapi._dependant import get_dependant, get_flat_body_params
from fasterapi._fields import Undefined
from fasterapi._solve import SolvedDependency, request_params_to_args, solve_dependencies
from fasterapi.background import BackgroundTasks
from fasterapi.datastructures import FormData, Headers, QueryParams, UploadFile
from fasterapi.param_functions import (
    Body,
    Cookie,
    Depends,
    File,
    Form,
    Header,
    Query,
    Security,
)
from fasterapi.requests import Request
from fasterapi.responses import Response
from fasterapi.security import SecurityScopes


class Provider:
    def __init__(self, **overrides: Any) -> None:
        self.dependency_overrides: dict[Any, Any] = {}


def request_of(query: str = "", headers: Any = (), **path_params: Any) -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": raw,
            "query_string": query.encode(),
            "path_params": path_params,
        }
    )


async def solved(call: Any, request: Request | None = None, **options: Any) -> SolvedDependency:
    path = options.pop("path", "/")
    dependant = get_dependant(path=path, call=call)
    options.setdefault(
        "embed_body_fields", should_embed_body_fields(get_flat_body_params(dependant))
    )
    async with AsyncExitStack() as outer, AsyncExitStack() as inner:
        return await solve_dependencies(
            request=request or request_of(),
            dependant=dependant,
            request_stack=outer,
            function_stack=inner,
            **options,
        )


def solve(call: Any, request: Request | None = None, **options: Any) -> SolvedDependency:
    return asyncio.run(solved(call, request, **options))


def kinds(found: SolvedDependency) -> list[tuple[Any, ...]]:
    return [(error["type"], *error["loc"]) for error in found.errors]


# -- parameters -------------------------------------------------------------


def test_values_of_all_places() -> None:
    def handler(
        item_id: int,
        q: list[int] = Query(),
        x_token: list[str] = Header(),
        sid: int = Cookie(),
        absent: str = "default",
    ): ...

    headers = [("X-Token", "a"), ("x-token", "b"), ("Cookie", "sid=3")]
    found = solve(handler, request_of("q=1&q=2", headers, item_id="7"), path="/{item_id}")
    assert found.errors == []
    assert found.values == {
        "item_id": 7,
        "q": [1, 2],
        "absent": "default",
        "x_token": ["a", "b"],
        "sid": 3,
    }


def test_errors_come_in_order() -> None:
    def sub(a: int): ...

    def handler(
        item_id: int,
        b: int,
        n: Annotated[int, Body()],
        s=Depends(sub),
        h: str = Header(),
        c: str = Cookie(),
    ): ...

    found = solve(handler, request_of("b=x", item_id="y"), path="/{item_id}")
    assert kinds(found) == [
        ("missing", "query", "a"),
        ("int_parsing", "path", "item_id"),
        ("int_parsing", "query", "b"),
        ("missing", "header", "h"),
        ("missing", "cookie", "c"),
        ("missing", "body"),
    ]
    assert found.errors[0] == {
        "type": "missing",
        "loc": ("query", "a"),
        "msg": "Field required",
        "input": None,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [("x=1", 1), ("y=2", 2), ("y=2&x=1", 1), ("x=&y=2", ("int_parsing", "query", "x"))],
)
def test_alias_choices(query: str, expected: Any) -> None:
    def handler(a: Annotated[int, Query(validation_alias=AliasChoices("x", "y"))]): ...

    found = solve(handler, request_of(query))
    assert (kinds(found)[0] if found.errors else found.values["a"]) == expected


def test_an_alias_path_is_no_key() -> None:
    def handler(a: Annotated[int, Query(validation_alias=AliasPath("x", 0))] = 5): ...

    assert solve(handler, request_of("a=3")).values == {"a": 3}


def test_json_in_a_query() -> None:
    def handler(a: Annotated[Json[list[int]], Query()]): ...

    assert solve(handler, request_of("a=[1,2]")).values == {"a": [1, 2]}
    assert kinds(solve(handler, request_of("a=["))) == [("json_invalid", "query", "a")]
    assert kinds(solve(handler, request_of("a="))) == [("missing", "query", "a")]


class Filters(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: int = Field(10, le=100)
    order: Literal["a", "b"] = Field("a", alias="orderBy")
    tags: list[str] = []


def test_a_group_of_query_parameters() -> None:
    def handler(f: Annotated[Filters, Query()]): ...

    found = solve(handler, request_of("limit=5&orderBy=b&tags=x&tags=y"))
    assert found.values["f"] == Filters(limit=5, orderBy="b", tags=["x", "y"])
    found = solve(handler, request_of("limit=500&more=1&more=2"))
    assert kinds(found) == [
        ("less_than_equal", "query", "limit"),
        ("extra_forbidden", "query", "more"),
    ]
    assert found.errors[1]["input"] == ["1", "2"]


def test_an_optional_group() -> None:
    def handler(f: Annotated[Filters | None, Query()] = None): ...

    assert solve(handler).values == {"f": None}
    assert solve(handler, request_of("limit=3")).values["f"].limit == 3
    assert kinds(solve(handler, request_of("more=3"))) == [("extra_forbidden", "query", "more")]


def test_a_group_of_headers() -> None:
    class Common(BaseModel):
        save_data: bool
        x_tag: list[str] = []

    def handler(h: Annotated[Common, Header()]): ...

    found = solve(handler, request_of(headers=[("Save-Data", "on"), ("X-Tag", "a")]))
    assert found.values["h"] == Common(save_data=True, x_tag=["a"])
    assert kinds(solve(handler)) == [("missing", "header", "save-data")]
    found = solve(handler, request_of(headers=[("save_data", "on")]))
    assert kinds(found) == [("missing", "header", "save-data")]


def test_plain_mappings_have_one_value() -> None:
    dependant = get_dependant(path="/", call=lambda a=Query(): a)
    fields = dependant.query_params
    assert request_params_to_args(fields, {"a": "1"}) == ({"a": "1"}, [])
    assert request_params_to_args(fields, QueryParams("a=1&a=2")) == ({"a": "2"}, [])
    assert request_params_to_args(fields, Headers({"A": "1"})) == ({"a": "1"}, [])


# -- bodies -----------------------------------------------------------------


class Item(BaseModel):
    name: str
    price: float = Field(gt=0)


def test_one_body() -> None:
    def handler(item: Item): ...

    assert solve(handler, body={"name": "n", "price": 1}).values == {
        "item": Item(name="n", price=1)
    }
    assert kinds(solve(handler, body={"price": 0})) == [
        ("missing", "body", "name"),
        ("greater_than", "body", "price"),
    ]
    assert kinds(solve(handler)) == [("missing", "body")]
    assert kinds(solve(handler, body=b"raw")) == [("model_attributes_type", "body")]
    assert kinds(solve(handler, body=None)) == [("model_attributes_type", "body")]


@pytest.mark.parametrize("body", [[], None, 3, "text", b"raw", Undefined])
def test_members_of_what_is_no_object_are_missing(body: Any) -> None:
    def handler(item: Item, count: Annotated[int, Body()]): ...

    assert kinds(solve(handler, body=body)) == [
        ("missing", "body", "item"),
        ("missing", "body", "count"),
    ]


def test_dependencies_share_one_body() -> None:
    def sub(item: Item): ...

    def handler(item: Item, s=Depends(sub)): ...

    assert solve(handler, body={"name": "n", "price": 1}).errors == []


def form(call: Any, *pairs: tuple[str, Any]) -> SolvedDependency:
    return solve(call, body=FormData([*pairs]))


def upload(name: str, content: bytes) -> UploadFile:
    return UploadFile(BytesIO(content), filename=name, size=len(content))


def test_form_fields() -> None:
    def handler(a: Annotated[int, Form()], b: Annotated[list[str], Form()], c: str = Form("c")): ...

    found = form(handler, ("a", "1"), ("b", "x"), ("b", "y"), ("c", ""))
    assert found.values == {"a": 1, "b": ["x", "y"], "c": "c"}
    assert kinds(form(handler, ("a", ""))) == [("missing", "body", "a"), ("missing", "body", "b")]
    assert kinds(form(handler, ("a", upload("f", b"x")), ("b", "x"))) == [("int_type", "body", "a")]


def test_files() -> None:
    def handler(
        one: Annotated[bytes, File()],
        many: Annotated[list[bytes], File()],
        file: UploadFile,
        none: UploadFile | None = None,
    ): ...

    file = upload("c", b"3")
    found = form(
        handler,
        ("one", upload("a", b"1")),
        ("many", upload("b", b"2")),
        ("many", upload("", b"")),
        ("file", file),
        ("none", upload("", b"")),
    )
    assert found.values == {"one": b"1", "many": [b"2"], "file": file, "none": None}
    assert kinds(form(handler, ("file", "text"))) == [
        ("missing", "body", "one"),
        ("missing", "body", "many"),
        ("value_error", "body", "file"),
    ]


def test_reading_a_file_leaves_it_where_it_was() -> None:
    def sub(file: Annotated[bytes, File()]): ...

    def handler(file: UploadFile, s=Depends(sub)): ...

    file = upload("a", b"abc")
    file.file.seek(1)
    assert form(handler, ("file", file)).errors == []
    assert file.file.tell() == 1


class Login(BaseModel):
    model_config = ConfigDict(extra="forbid")
    username: str
    codes: list[int] = []


def test_a_group_of_form_fields() -> None:
    def handler(login: Annotated[Login, Form()]): ...

    found = form(handler, ("username", "u"), ("codes", "1"), ("codes", "2"))
    assert found.values["login"] == Login(username="u", codes=[1, 2])
    assert kinds(form(handler, ("other", "u"))) == [
        ("missing", "body", "username"),
        ("extra_forbidden", "body", "other"),
    ]


def test_a_union_of_groups_reads_the_form_for_each() -> None:
    class One(BaseModel):
        kind: Literal["one"]
        x: int

    class Many(BaseModel):
        kind: Literal["many"]
        x: list[int]

    def handler(data: Annotated[One | Many, Form(discriminator="kind")]): ...

    assert form(handler, ("kind", "one"), ("x", "1")).values["data"] == One(kind="one", x=1)
    many = form(handler, ("kind", "many"), ("x", "1"))
    assert many.values["data"] == Many(kind="many", x=[1])
    assert kinds(form(handler, ("kind", "none"))) == [("union_tag_invalid", "body")]


def test_body_values_alone() -> None:
    fields = get_dependant(path="/", call=lambda a=Body(embed=True): a).body_params
    assert asyncio.run(request_body_to_args(fields, {"a": 1}, True)) == ({"a": 1}, [])


# -- dependencies -----------------------------------------------------------


def test_all_kinds_of_dependencies() -> None:
    events: list[str] = []

    def plain() -> int:
        return 1

    async def coroutine(p=Depends(plain)) -> int:
        return p + 1

    def generator():
        events.append("enter")
        yield 3
        events.append("leave")

    async def async_generator():
        yield 4

    class Made:
        def __init__(self, q: str = "q") -> None:
            self.q = q

    class Callable_:
        async def __call__(self) -> int:
            return 6

    def handler(
        made: Annotated[Made, Depends()],
        a=Depends(plain),
        b=Depends(coroutine),
        c=Depends(generator),
        d=Depends(async_generator),
        e=Depends(Callable_()),
    ): ...

    values = solve(handler, request_of("q=z")).values
    assert values.pop("made").q == "z"
    assert values == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 6}
    assert events == ["enter", "leave"]


def test_a_dependency_is_called_once() -> None:
    calls: list[str] = []

    def sub(a: int = 0) -> int:
        calls.append("sub")
        return len(calls)

    def other(s=Depends(sub)) -> int:
        return s

    def handler(a=Depends(sub), b=Depends(other), c=Depends(sub, use_cache=False)): ...

    assert solve(handler).values == {"a": 1, "b": 1, "c": 2}


def test_scopes_distinguish_calls() -> None:
    def sub(scopes: SecurityScopes) -> list[str]:
        return scopes.scopes

    def middle(s=Security(sub, scopes=["inner"])) -> list[str]:
        return s

    def handler(a=Security(sub, scopes=["x"]), b=Security(middle, scopes=["y", "x"])): ...

    assert solve(handler).values == {"a": ["x"], "b": ["y", "x", "inner"]}


def test_overrides() -> None:
    def original(a: int) -> int:
        return a

    async def replacement(b: str = "b") -> str:
        return b

    provider = Provider()

    def configure() -> None:
        provider.dependency_overrides[original] = replacement

    def handler(c=Depends(configure), s=Depends(original)): ...

    # An override counts as soon as it is there.
    found = solve(handler, request_of("b=3"), dependency_overrides_provider=provider)
    assert found.values["s"] == "3"
    provider.dependency_overrides[original] = lambda: "again"
    provider.dependency_overrides[configure] = lambda: None
    found = solve(handler, dependency_overrides_provider=provider)
    assert found.values["s"] == "again"


def test_what_a_request_provides() -> None:
    def sub(response: Response, tasks: BackgroundTasks) -> tuple[Any, Any]:
        response.headers["x-sub"] = "1"
        return response, tasks

    def handler(request: Request, response: Response, tasks: BackgroundTasks, s=Depends(sub)): ...

    request = request_of()
    found = solve(handler, request)
    assert found.values["request"] is request
    assert found.values["s"] == (found.values["response"], found.values["tasks"])
    assert found.has_response
    assert found.response.status_code is None
    assert found.response.headers["x-sub"] == "1"
    assert "content-length" not in found.response.headers
    assert found.background_tasks is found.values["tasks"]
    assert not solve(lambda: None).has_response


def test_errors_travel_into_generators() -> None:
    caught: list[BaseException] = []

    def sync():
        try:
            yield
        except ValueError as error:
            caught.append(error)
            raise

    async def asynchronous():
        try:
            yield
        except ValueError as error:
            caught.append(error)
            raise

    def fails() -> None:
        raise ValueError("mine")

    def handler(a=Depends(sync), b=Depends(asynchronous, scope="function"), c=Depends(fails)): ...

    with pytest.raises(ValueError, match="mine"):
        solve(handler)
    assert len(caught) == 2


def test_generators_need_a_stack() -> None:
    def sub():
        yield

    dependant = get_dependant(path="/", call=lambda s=Depends(sub): s)
    with pytest.raises(AssertionError, match="fastapi_inner_astack not found"):
        asyncio.run(solve_dependencies(request=request_of(), dependant=dependant))


def test_concurrency_is_limited() -> None:
    active = peak = 0

    async def sub() -> None:
        nonlocal active, peak
        active += 1
        peak = max(peak, active)
        await asyncio.sleep(0)
        active -= 1

    declaration = Depends(sub, max_concurrency=2)

    async def run() -> None:
        await asyncio.gather(*(solved(lambda s=declaration: s) for _ in range(6)))
        limit = declaration._concurrency.get_semaphore()
        assert (limit.value, limit.statistics().tasks_waiting) == (2, 0)

    asyncio.run(run())
    asyncio.run(run())  # another loop counts for itself
    assert peak == 2
