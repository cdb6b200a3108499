"""The functions that are composed from a route's steps, called as Rust would."""

import asyncio
import contextlib
import json
import threading
import uuid
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from fasterapi import (
    BackgroundTasks,
    Body,
    Depends,
    FasterAPI,
    Form,
    Query,
    Response,
    UploadFile,
)
from fasterapi._compose import Composition, compose
from fasterapi._json_mode import reads_json_alike
from fasterapi._otherwise import Otherwise
from fasterapi.datastructures import FormData
from fasterapi.exceptions import FasterAPIError, HTTPException, ResponseValidationError

GENERAL = "the general path"


class Item(BaseModel):
    name: str
    size: int = 1


class Secret(Item):
    password: str


async def general(request: Any) -> Any:
    return GENERAL


def composed(endpoint: Any, path: str = "/", **options: Any) -> Composition:
    app = FasterAPI(openapi_url=None)
    app.add_api_route(path, endpoint, **options)
    composition = compose(app.routes[-1], general)
    assert composition is not None
    return composition


def call(composition: Composition, **values: Any) -> Any:
    """Call it with ``values`` by alias; defaults and a stand-in for the rest."""
    given = []
    for parameter in composition.parameters:
        if parameter.source in ("request", "native"):
            given.append(None)
        elif parameter.alias in values:
            given.append(values[parameter.alias])
        else:
            assert not parameter.required, parameter
            given.append(parameter.default)
    result = composition.function(*given)
    if composition.run == "async":
        return asyncio.run(with_work_done(result))
    return result


async def with_work_done(answer: Any) -> Any:
    result = await answer
    if type(result) is tuple:
        result, work = result
        await work()
    elif isinstance(result, Response) and result.background is not None:
        await result.background()
    return result


def test_body_and_response_model() -> None:
    async def handler(item: Item) -> Item:
        return item

    composition = composed(handler, methods=["POST"])
    assert composition.result == "json"
    assert [p.source for p in composition.parameters] == ["json_body"]
    assert call(composition, body=b'{"name": "a"}') == b'{"name":"a","size":1}'


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"name": 1}', b"null", b'{"size": 2}'])
def test_what_is_wrong_with_a_body_is_left_to_the_general_path(body: bytes) -> None:
    async def handler(item: Item) -> None:
        raise AssertionError("called")

    assert call_general(composed(handler, methods=["POST"]), body=body) == GENERAL


def call_general(composition: Composition, **values: Any) -> Any:
    with pytest.raises(Otherwise) as caught:
        call(composition, **values)
    return asyncio.run(caught.value.general(None))


def test_response_model_filters() -> None:
    async def handler() -> Any:
        return Secret(name="a", password="b")

    assert call(composed(handler, response_model=Item)) == b'{"name":"a","size":1}'


def test_response_model_options() -> None:
    async def handler() -> Any:
        return {"name": "a"}

    options = {"response_model": Item, "response_model_exclude_unset": True}
    assert call(composed(handler, **options)) == b'{"name":"a"}'


def test_a_wrong_result_is_an_error_that_names_the_handler() -> None:
    async def handler() -> Item:
        return {"size": "many"}  # type: ignore[return-value]

    with pytest.raises(ResponseValidationError, match="handler"):
        call(composed(handler))


def test_a_response_is_left_alone() -> None:
    async def handler() -> Any:
        return Response("x", 201)

    answer = call(composed(handler, response_model=Item))
    assert (answer.status_code, answer.body) == (201, b"x")


def test_two_bodies_are_taken_apart() -> None:
    async def handler(item: Item, count: Annotated[int, Body()]) -> list[Any]:
        return [item.name, count]

    composition = composed(handler, methods=["POST"])
    body = b'{"item": {"name": "a"}, "count": 3}'
    assert call(composition, body=body) == b'["a",3]'
    assert call_general(composition, body=b'{"item": {"name": "a"}}') == GENERAL


def test_dependencies_are_called_once_and_in_order() -> None:
    calls: list[str] = []

    async def first(q: int = 0) -> int:
        calls.append("first")
        return q

    async def second(value: Annotated[int, Depends(first)]) -> int:
        calls.append("second")
        return value + 1

    async def handler(
        a: Annotated[int, Depends(second)],
        b: Annotated[int, Depends(first)],
        c: Annotated[int, Depends(first, use_cache=False)],
    ) -> Any:
        return [a, b, c]

    assert call(composed(handler), q=5) == b"[6,5,5]"
    assert calls == ["first", "second", "first"]


def test_an_overridden_dependency_is_left_to_the_general_path() -> None:
    def dependency() -> int:
        return 1

    async def handler(value: Annotated[int, Depends(dependency)]) -> int:
        return value

    app = FasterAPI()
    app.add_api_route("/", handler)
    composition = compose(app.routes[-1], general)
    assert composition is not None
    assert call(composition) == 1 or call(composition) == b"1"
    app.dependency_overrides[dependency] = lambda: 2
    assert call_general(composition) == GENERAL


def test_plain_functions_share_a_thread() -> None:
    threads: list[int] = []

    def one() -> int:
        threads.append(threading.get_ident())
        return 1

    def two(value: Annotated[int, Depends(one)]) -> int:
        threads.append(threading.get_ident())
        return value + 1

    async def handler(value: Annotated[int, Depends(two)]) -> int:
        threads.append(threading.get_ident())
        return value

    assert call(composed(handler)) in (2, b"2")
    assert threads[0] == threads[1] != threads[2]


def test_a_plain_handler_of_plain_parameters_is_one_plain_function() -> None:
    def handler(q: int) -> dict[str, int]:
        return {"q": q}

    composition = composed(handler)
    assert composition.run == "thread"
    assert call(composition, q=1) == b'{"q":1}'
    assert composed(handler, inline=True).run == "inline"


def steps_of_generators(kind: str, fail: BaseException | None = None) -> tuple[list[str], Any]:
    steps: list[str] = []

    async def outer() -> Any:
        steps.append("outer in")
        try:
            yield "o"
        except ValueError as error:
            steps.append(f"outer caught {error}")
            raise
        finally:
            steps.append("outer out")

    def inner(value: Annotated[str, Depends(outer)]) -> Any:
        steps.append("inner in")
        try:
            yield value + "i"
        finally:
            steps.append("inner out")

    scope: Any = kind

    async def handler(value: Annotated[str, Depends(inner, scope=scope)]) -> str:
        steps.append(f"handler {value}")
        if fail is not None:
            raise fail
        return value

    return steps, handler


async def answered(composition: Composition, steps: list[str]) -> tuple[list[str], list[str]]:
    """The steps until the answer, and those of its work."""
    _, work = await composition.function(*([None] * len(composition.parameters)))
    before = list(steps)
    await work()
    return before, steps[len(before) :]


def test_generators_are_closed_in_reverse_after_the_answer() -> None:
    steps, handler = steps_of_generators("request")
    before, after = asyncio.run(answered(composed(handler), steps))
    assert before == ["outer in", "inner in", "handler oi"]
    assert after == ["inner out", "outer out"]


def test_generators_of_the_function_scope_are_closed_before_the_answer() -> None:
    steps, handler = steps_of_generators("function")
    before, after = asyncio.run(answered(composed(handler), steps))
    assert before == ["outer in", "inner in", "handler oi", "inner out"]
    assert after == ["outer out"]


@pytest.mark.parametrize("kind", ["request", "function"])
def test_errors_travel_back_into_generators(kind: str) -> None:
    steps, handler = steps_of_generators(kind, ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        call(composed(handler))
    assert steps[3:] == ["inner out", "outer caught no", "outer out"]


def test_a_generator_may_turn_an_error_into_another() -> None:
    async def dependency() -> Any:
        try:
            yield
        except KeyError:
            raise HTTPException(404) from None

    async def handler(_: Annotated[None, Depends(dependency)]) -> None:
        raise KeyError("x")

    with pytest.raises(HTTPException):
        call(composed(handler))


def test_a_generator_that_swallows_an_error_leaves_no_answer() -> None:
    async def dependency() -> Any:
        with contextlib.suppress(KeyError):
            yield

    async def handler(_: Annotated[None, Depends(dependency)]) -> None:
        raise KeyError("x")

    with pytest.raises(FasterAPIError, match="raise"):
        call(composed(handler))


def test_an_error_of_one_generator_is_thrown_into_the_next() -> None:
    seen: list[str] = []

    async def outer() -> Any:
        try:
            yield
        except ValueError as error:
            seen.append(str(error))
            raise

    async def inner(_: Annotated[None, Depends(outer)]) -> Any:
        yield
        raise ValueError("while closing")

    async def handler(_: Annotated[None, Depends(inner)]) -> str:
        return "x"

    with pytest.raises(ValueError, match="while closing"):
        call(composed(handler))
    assert seen == ["while closing"]


def test_injected_response_and_background_tasks() -> None:
    done: list[str] = []

    def dependency(response: Response) -> None:
        response.headers["x-dependency"] = "1"

    async def handler(
        response: Response,
        tasks: BackgroundTasks,
        _: Annotated[None, Depends(dependency)],
    ) -> dict[str, int]:
        response.status_code = 202
        response.set_cookie("a", "b")
        tasks.add_task(done.append, "task")
        return {"x": 1}

    answer = call(composed(handler))
    assert (answer.status_code, answer.body) == (202, b'{"x":1}')
    assert answer.headers["x-dependency"] == "1"
    assert answer.headers["set-cookie"].startswith("a=b")
    assert answer.headers["content-type"] == "application/json"
    assert done == ["task"]


def test_a_status_without_content_has_none() -> None:
    async def handler(response: Response) -> None:
        response.headers["x-y"] = "1"

    answer = call(composed(handler, status_code=204))
    assert (answer.status_code, answer.body) == (204, b"")


def test_parameters_that_pydantic_reads() -> None:
    class Page(BaseModel):
        model_config = ConfigDict(extra="forbid")
        offset: int = 0

    async def handler(page: Annotated[Page, Query()]) -> Page:
        return page

    composition = composed(handler)
    assert [p.source for p in composition.parameters] == ["request"]


def test_streams_are_left_to_the_general_path() -> None:
    async def stream() -> Any:
        yield 1

    app = FasterAPI()
    app.add_api_route("/", stream)
    assert compose(app.routes[-1], general) is None


class FormRequest:
    """What a composed function asks of a request with a form."""

    def __init__(self, *fields: tuple[str, Any], error: Exception | None = None) -> None:
        self.data = FormData(fields)
        self.error = error

    async def form(self, **limits: int) -> FormData:
        assert limits in ({}, {"max_files": 3})
        if self.error is not None:
            raise self.error
        return self.data


def composed_form(endpoint: Any, **options: Any) -> Any:
    app = FasterAPI()
    app.add_api_route("/", endpoint, methods=["POST"], **options)
    composition = compose(app.routes[-1], general)
    assert composition is not None
    assert composition.run == "async"
    assert [parameter.source for parameter in composition.parameters] == ["request"]
    return composition.function


def upload(name: str) -> UploadFile:
    return UploadFile(BytesIO(name.encode()), filename=name)


def test_forms() -> None:
    """Fields and files; those are closed with the request, whatever comes of it."""
    log = []

    async def form(
        name: Annotated[str, Form()], files: list[UploadFile], tasks: BackgroundTasks
    ) -> dict[str, Any]:
        tasks.add_task(lambda: log.append([file.file.closed for file in files]))
        return {"name": name, "files": [(await file.read()).decode() for file in files]}

    function = composed_form(form, form_limits={"max_files": 3})
    one, two = upload("one"), upload("two")
    request = FormRequest(("name", "é"), ("files", one), ("files", two))
    content, work = asyncio.run(function(request))
    assert json.loads(content) == {"name": "é", "files": ["one", "two"]}
    assert not one.file.closed
    asyncio.run(work())
    assert log == [[False, False]]
    assert one.file.closed
    assert two.file.closed


def test_form_limits_of_what_is_around() -> None:
    """The route's own count more."""

    class Limited(FormRequest):
        async def form(self, **limits: int) -> FormData:
            assert limits == {"max_files": 3, "max_fields": 9}
            return self.data

    async def form(name: Annotated[str, Form()]) -> str:
        return name

    app = FasterAPI()
    app.add_api_route("/", form, methods=["POST"], form_limits={"max_files": 3})
    composition = compose(app.routes[-1], general, {"max_files": 5, "max_fields": 9})
    assert composition is not None
    assert asyncio.run(composition.function(Limited(("name", "x")))) == b'"x"'


def test_a_form_without_files_leaves_nothing_to_do() -> None:
    async def form(name: Annotated[str, Form()]) -> str:
        return name

    assert asyncio.run(composed_form(form)(FormRequest(("name", "x")))) == b'"x"'


def test_a_response_closes_the_forms_files() -> None:
    async def form(file: UploadFile) -> Any:
        return Response(await file.read())

    def plain(file: UploadFile) -> Any:
        return Response(file.file.read())

    for endpoint in (form, plain):
        file = upload("x")
        response = asyncio.run(composed_form(endpoint)(FormRequest(("file", file))))
        assert response.body == b"x"
        assert not file.file.closed
        asyncio.run(response.background())
        assert file.file.closed


def test_a_form_that_is_not_as_wanted_is_left_to_the_general_path() -> None:
    """With its files open: it reads them again."""

    async def form(file: UploadFile, number: Annotated[int, Form()]) -> None: ...

    file = upload("x")
    with pytest.raises(Otherwise):
        asyncio.run(composed_form(form)(FormRequest(("file", file), ("number", "x"))))
    assert not file.file.closed


def test_faults_around_a_form() -> None:
    async def form(file: UploadFile) -> None:
        raise LookupError

    file = upload("x")
    with pytest.raises(LookupError):
        asyncio.run(composed_form(form)(FormRequest(("file", file))))
    assert file.file.closed
    for error, detail in (
        (HTTPException(400, "its own"), "its own"),
        (RuntimeError("x"), "There was an error parsing the body"),
    ):
        with pytest.raises(HTTPException) as caught:
            asyncio.run(composed_form(form)(FormRequest(error=error)))
        assert (caught.value.status_code, caught.value.detail) == (400, detail)


def test_a_form_and_a_generator() -> None:
    """The generator ends before the files are closed."""
    log = []
    file = upload("x")

    async def session() -> Any:
        yield 1
        log.append(file.file.closed)

    async def form(one: Annotated[int, Depends(session)], file: UploadFile) -> int:
        return one

    async def answer() -> None:
        content, work = await composed_form(form)(FormRequest(("file", file)))
        assert content == b"1"
        await work()

    asyncio.run(answer())
    assert log == [False]
    assert file.file.closed


class Plain(BaseModel):
    at: datetime
    names: list[str | int] | None
    id: uuid.UUID | None


class Mixed(BaseModel):
    at: datetime | str


class Nested(BaseModel):
    inner: list[Mixed]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    at: datetime


class Members(BaseModel):
    one: Item | Mixed


class Timed(BaseModel):
    at: datetime


class Said(BaseModel):
    at: str


class Union(BaseModel):
    what: Timed | Said


class SetOrList(BaseModel):
    numbers: set[int] | list[int]


class Price(BaseModel):
    price: Decimal


class Knowing(BaseModel):
    text: str

    @field_validator("text")
    @classmethod
    def with_mode(cls, text: str, info: ValidationInfo) -> str:
        return f"{text} {info.mode}"


@pytest.mark.parametrize(
    ("model", "alike"),
    [
        *((Item, True), (Plain, True), (Mixed, False), (Nested, False), (Strict, False)),
        *((Members, False), (Union, False), (SetOrList, False), (Price, False), (Knowing, False)),
    ],
)
def test_where_json_and_python_modes_differ(model: Any, alike: bool) -> None:
    assert reads_json_alike(model.__pydantic_core_schema__) is alike


def test_a_text_stays_a_text_where_a_date_was_also_possible() -> None:
    async def handler(item: Mixed) -> str:
        return type(item.at).__name__

    composition = composed(handler, methods=["POST"])
    assert call(composition, body=b'{"at": "2020-01-01T00:00:00"}') == b'"str"'
