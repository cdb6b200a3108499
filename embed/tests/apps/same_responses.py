"""Response models, classes, statuses, streams, errors. Held by test_same_answers.py."""

# ruff: noqa: D103 - what a route does is said by its path

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, computed_field

from fasterapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fasterapi.encoders import jsonable_encoder
from fasterapi.exceptions import RequestValidationError
from fasterapi.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from fasterapi.security import HTTPBasicCredentials
from fasterapi.sse import EventSourceResponse, ServerSentEvent

app = FastAPI()
NOTES: list[str] = []


async def nothing() -> None:
    """Makes a route that Rust would call itself a composed one."""


class Colour(Enum):
    """An enumeration."""

    RED = "red"


class Item(BaseModel):
    """What is answered."""

    name: str
    price: float = 1.5
    tax: float | None = None
    made_at: datetime | None = Field(None, alias="madeAt")
    tags: set[str] = set()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> float:
        """Both."""
        return self.price + (self.tax or 0)


class Secret(Item):
    """More than is to be seen."""

    password: str = "secret"


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """A generic model."""

    items: list[T]


@dataclass
class Point:
    """A dataclass."""

    x: int
    y: int | None = None


class Row:
    """An object with attributes."""

    name = "row"
    price = "3"


class ByName(BaseModel):
    """Takes and gives its alias."""

    model_config = ConfigDict(populate_by_name=True)

    long_name: int = Field(alias="longName")


AWARE = datetime(2020, 1, 2, 3, 4, 5, 6, UTC)
VALUES: dict[str, Any] = {
    "none": None,
    "dict": {"b": 1, "a": [1, 2.5, "é", None, True]},
    "str": "text \U0001f600 \u2028 <&>\x7f\x01",
    "int": 10**25,
    "float": 1e22,
    "small": 5e-324,
    "whole": 100000000000000000.0,
    "minus-zero": -0.0,
    "nan": float("nan"),
    "inf": [float("inf")],
    "bytes": b"bytes",
    "bad-bytes": b"\xff",
    "set": {1},
    "tuple": (1, "a"),
    "frozenset": frozenset(("a",)),
    "generator": range(3),
    "datetime": AWARE,
    "naive": datetime(2020, 1, 1),
    "date": date(2020, 1, 1),
    "time": AWARE.time(),
    "delta": timedelta(days=1, microseconds=1),
    "uuid": uuid.UUID(int=1),
    "decimal": [Decimal("1.10"), Decimal("3.0"), Decimal("1e3")],
    "enum": Colour.RED,
    "model": Secret(name="a", made_at=None),
    "models": [Item(name="a"), Secret(name="b", tax=1)],
    "page": Page[Item](items=[Item(name="a")]),
    "dataclass": Point(1),
    "object": Row(),
    "keys": {1: "a", None: "b", 2.5: "c", False: "d"},
    "enum-key": {Colour.RED: 1},
    "tuple-key": {(1, 2): 1},
    "uuid-key": {uuid.UUID(int=2): date(2020, 1, 1)},
    "surrogate": "\ud800",
    "exception": ValueError("x"),
    "class": Item,
    "complex": 1j,
    "nested": {"a": {"b": [Item(name="x"), {"c": AWARE}]}},
    "credentials": HTTPBasicCredentials(username="a", password="b"),
    "sa": {"_sa_instance": 1, "x": 2},
}


def register_value(name: str) -> None:
    """Routes that answer with the value, in all ways."""
    value = VALUES[name]

    @app.get(f"/value/{name}")
    async def direct() -> Any:
        return value

    @app.get(f"/value/{name}/thread")
    def thread() -> Any:
        return value

    @app.get(f"/value/{name}/composed", dependencies=[Depends(nothing)])
    async def composed() -> Any:
        return value

    @app.get(f"/value/{name}/class", status_code=201, response_class=Indented)
    async def with_class() -> Any:
        return value

    @app.get(f"/value/{name}/composed-class", response_class=Indented)
    async def with_class_only() -> Any:
        return value

    @app.get(
        f"/value/{name}/composed-class-status",
        status_code=202,
        response_class=Indented,
        dependencies=[Depends(nothing)],
    )
    async def with_class_and_status() -> Any:
        return value

    @app.get(f"/value/{name}/none", response_model=None, dependencies=[Depends(nothing)])
    async def without_model() -> Any:
        return value

    @app.get(f"/value/{name}/direct", response_model=None)
    async def direct_without_model() -> Any:
        return value

    @app.get(f"/value/{name}/any", response_model=Any)
    async def as_any() -> Any:
        return value


class Indented(JSONResponse):
    """A class of the user's, which takes keywords only."""

    media_type = "application/vnd.x+json"

    def __init__(self, content: Any = None, **options: Any) -> None:
        super().__init__(content, **options)

    def render(self, content: Any) -> bytes:
        """As it says."""
        return json.dumps(content, indent=1).encode()


for each in VALUES:
    register_value(each)

# -- response models -------------------------------------------------------

MODELS: dict[str, dict[str, Any]] = {
    "plain": {"response_model": Item},
    "list": {"response_model": list[Item]},
    "include": {"response_model": Item, "response_model_include": {"name", "tax"}},
    "exclude": {"response_model": Item, "response_model_exclude": {"price", "total"}},
    "names": {"response_model": Item, "response_model_by_alias": False},
    "unset": {"response_model": Item, "response_model_exclude_unset": True},
    "defaults": {"response_model": Item, "response_model_exclude_defaults": True},
    "no-none": {"response_model": Item, "response_model_exclude_none": True},
    "optional": {"response_model": Item | None},
    "union": {"response_model": Item | Point},
    "dict": {"response_model": dict[str, int]},
    "int": {"response_model": int},
    "str": {"response_model": str},
    "bytes": {"response_model": bytes},
    "by-name": {"response_model": ByName},
    "page": {"response_model": Page[Item]},
    "literal": {"response_model": Literal["a", 1]},
    "datetime": {"response_model": datetime},
    "dataclass": {"response_model": Point},
    "dumped": {"response_model": Item, "response_class": Indented},
    "status": {"response_model": Item, "status_code": 201},
    "empty": {"response_model": None, "status_code": 204},
    "html": {"response_model": str, "response_class": HTMLResponse},
    "float": {"response_model": float},
    "decimal": {"response_model": Decimal},
}
RESULTS: dict[str, Any] = {
    "model": Item(name="a"),
    "secret": Secret(name="a", price=2),
    "dict": {"name": "a", "madeAt": AWARE},
    "by-field": {"name": "a", "made_at": AWARE, "more": 1},
    "wrong": {"price": "x"},
    "row": Row(),
    "list": [Item(name="a"), {"name": "b"}],
    "none": None,
    "int": 3,
    "text": "a",
    "bytes": b"a",
    "point": Point(1, 2),
    "by-name": ByName(longName=3),
    "long": {"long_name": 3},
    "ints": {"a": 1},
    "page": Page[Item](items=[Item(name="x")]),
    "when": AWARE,
    "nan": float("nan"),
    "decimal": Decimal("1.10"),
    "response": PlainTextResponse("own", 203),
}


def register_model(name: str, options: dict[str, Any]) -> None:
    """Routes with the model that answer what they are asked for."""

    @app.get(f"/model/{name}", **options)
    async def handler(result: str) -> Any:
        return RESULTS[result]

    @app.get(f"/model/{name}/thread", **options)
    def thread(result: str, response: Response) -> Any:
        response.headers["x-thread"] = "1"
        return RESULTS[result]


for each, given in MODELS.items():
    register_model(each, given)


@app.get("/annotated")
async def annotated() -> list[Item]:
    return [Secret(name="a")]


@app.get("/annotated-response")
async def annotated_response() -> JSONResponse:
    return JSONResponse({"a": 1}, 202, {"X-Case": "Kept"})


# -- statuses and classes --------------------------------------------------


def register_status(status: int) -> None:
    """Routes with the status that answer nothing or something."""

    @app.get(f"/status/{status}", status_code=status, response_model=None)
    async def handler(content: str | None = None) -> Any:
        return content

    @app.get(
        f"/status/{status}/composed",
        status_code=status,
        response_model=None,
        dependencies=[Depends(nothing)],
    )
    def composed(content: str | None = None) -> Any:
        return content

    @app.get(f"/status/{status}/response")
    async def own(content: str = "some") -> Response:
        has_body = content != "empty" and status not in (204, 304)
        return Response(b"x" if has_body else b"", status)

    @app.get(f"/status/{status}/raised")
    async def raised(detail: str | None = None) -> Any:
        raise HTTPException(status, detail, {"x-raised": "1"})


STATUSES = (200, 201, 202, 204, 205, 206, 304, 307, 400, 404, 418, 422, 500, 503)
for each_status in STATUSES:
    register_status(each_status)


@app.get("/html", response_class=HTMLResponse)
async def html(n: int = 0) -> Any:
    return f"<b>{n}</b>"


@app.get("/text", response_class=PlainTextResponse, status_code=201)
def text(value: int = 0) -> Any:
    return value if value == 1 else "é"


@app.get("/redirect", response_class=RedirectResponse)
async def redirect(to: str = "/a b/é?x=y z") -> Any:
    return to


@app.get("/redirect-status", response_class=RedirectResponse, status_code=302)
async def redirect_status(to: str = "/there") -> Any:
    return to


@app.get("/plain-response", response_class=Response)
async def plain_response() -> Any:
    return b"bytes"


@app.get("/cookies")
async def cookies() -> Any:
    response = JSONResponse([1])
    response.set_cookie(
        "a", "1", max_age=3, path="/x", secure=True, httponly=True, samesite="strict"
    )
    response.set_cookie("b", 'quoted "é";,')
    response.headers.append("x-many", "1")
    response.headers.append("x-many", "2")
    return response


# -- streams ---------------------------------------------------------------


@app.get("/stream/async")
async def stream_async() -> Any:
    async def pieces() -> AsyncIterator[bytes | str]:
        yield "é"
        await asyncio.sleep(0)
        yield b""
        yield b"\xff"

    return StreamingResponse(pieces(), 201, {"x-stream": "1"}, "text/plain")


@app.get("/stream/sync")
def stream_sync() -> Any:
    return StreamingResponse(iter(["a", "b", "c"]), media_type="text/csv")


@app.get("/stream/length")
def stream_length() -> Any:
    return StreamingResponse(iter(["abc"]), headers={"content-length": "3"})


@app.get("/lines")
async def lines(n: int = 2) -> AsyncIterator[Item]:
    for i in range(n):
        yield Secret(name=str(i))


@app.get("/lines/sync")
def lines_sync(n: int = 2) -> Iterator[Item]:
    for i in range(n):
        time.sleep(0)
        yield Item(name=str(i))


@app.get("/lines/untyped")
async def lines_untyped() -> Any:
    yield {"a": 1}
    yield float("nan")


@app.get("/events", response_class=EventSourceResponse)
async def events(n: Annotated[int, Query(le=3)] = 1) -> AsyncIterator[Any]:
    for i in range(n):
        yield ServerSentEvent(data={"i": i}, event="e", id=str(i), retry=5)
        yield {"plain": i}
        yield ServerSentEvent(raw_data="a\nb", comment="c")


# -- errors ----------------------------------------------------------------


class Custom(Exception):
    """Has a handler that is a plain function."""


@app.exception_handler(Custom)
def custom(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"custom {error}", 499)


@app.exception_handler(404)
async def not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"missing": request.scope["path"], "detail": str(error)}, 404)


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, error: RequestValidationError) -> Response:
    return JSONResponse(jsonable_encoder({"errors": error.errors(), "body": error.body}), 499)


@app.get("/raise/{what}")
async def raise_what(what: str) -> Any:
    if what == "custom":
        raise Custom(what)
    if what == "404":
        raise HTTPException(404, "own")
    if what == "group":
        raise ExceptionGroup("g", [Custom("in group")])
    if what == "detail":
        raise HTTPException(400, detail={"a": [1, None]}, headers={"x-a": "b"})
    if what == "value":
        raise ValueError(what)
    if what == "exit":
        raise asyncio.CancelledError
    return what


@app.get("/raise-thread/{what}")
def raise_in_thread(what: str) -> Any:
    if what == "stop":
        raise StopIteration
    raise Custom(what)


@app.get("/number/{number}")
async def number(number: int) -> Any:
    return number


@app.post("/body")
async def body(item: Item, other: Annotated[int, Query()]) -> Any:
    return item


@app.api_route("/methods", methods=["GET", "POST", "PATCH"])
async def methods(request: Request) -> Any:
    return request.method


@app.get("/slash/")
async def slash() -> Any:
    return "slash"


JSON = [("content-type", "application/json")]
REQUESTS: list[tuple[str, str, list[tuple[str, str]], bytes]] = [
    *(
        ("GET", f"/value/{name}{end}", [], b"")
        for name in VALUES
        for end in (
            *("", "/thread", "/composed", "/class", "/composed-class", "/any", "/none", "/direct"),
            "/composed-class-status",
        )
    ),
    *(
        ("GET", f"/model/{name}{end}?result={result}", [], b"")
        for name in MODELS
        for result in RESULTS
        for end in ("", "/thread")
        if (name, result) != ("empty", "nan")  # what has no body need not have JSON
    ),
    *(
        ("GET", f"/status/{status}{end}", [], b"")
        for status in STATUSES
        for end in (
            *("", "?content=a", "/composed", "/composed?content=a", "/response"),
            *("/response?content=empty", "/raised", "/raised?detail=d"),
        )
    ),
    *(
        ("GET", path, [], b"")
        for path in (
            *("/annotated", "/annotated-response", "/html", "/html?n=x", "/text", "/text?value=1"),
            *(
                "/redirect",
                "/redirect?to=http://x/y",
                "/redirect-status",
                "/plain-response",
                "/cookies",
            ),
            *("/stream/async", "/stream/sync", "/stream/length", "/lines", "/lines?n=x"),
            *(
                "/lines/sync",
                "/lines/untyped",
                "/events",
                "/events?n=3",
                "/events?n=4",
                "/lines?n=0",
            ),
            *(
                "/raise/custom",
                "/raise/404",
                "/raise/detail",
                "/raise/value",
                "/raise/ok",
                "/raise/group",
            ),
            *(
                "/raise-thread/x",
                "/number/x",
                "/number/1",
                "/nowhere",
                "/number/",
                "/number/1/",
                "//",
            ),
            *("/methods", "/methods/", "/slash", "/slash/", "/slash?x=1", ""),
            *(
                "/number/%31",
                "/numb%65r/1",
                "/number//1",
                "/./number/1",
                "/x/../number/1",
                "/number/1?",
            ),
        )
    ),
    ("POST", "/body", JSON, b"{"),
    ("POST", "/body", JSON, b'{"name": 1}'),
    ("POST", "/body?other=x", JSON, b"[]"),
    ("POST", "/body?other=x", [("content-type", "text/plain")], b"abc"),
    *(
        (method, "/methods", [], b"")
        for method in ("POST", "PATCH", "PUT", "DELETE", "QUERY", "get")
    ),
    *((method, "/number/1", [], b"") for method in ("POST", "DELETE")),
    *((method, "/nowhere", [], b"x") for method in ("POST", "DELETE")),
]
