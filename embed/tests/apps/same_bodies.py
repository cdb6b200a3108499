"""Bodies of all kinds, and requests with them. Held by test_same_answers.py."""

# ruff: noqa: D103 - what a route does is said by its path

import json
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from typing_extensions import TypedDict

from fasterapi import Body, Depends, FastAPI, File, Form, Header, Request, UploadFile

app = FastAPI()


class Item(BaseModel):
    """A model with a constraint, an alias and a default."""

    name: str = Field(min_length=1)
    price: float = Field(gt=0)
    tax: float | None = None
    tags: list[str] = []
    made_at: datetime | None = Field(None, alias="madeAt")


class Strict(BaseModel):
    """No member too many, no type converted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    size: int
    day: date | None = None


class Cat(BaseModel):
    """A member of a union."""

    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    """The other."""

    kind: Literal["dog"]
    name: str


class At(BaseModel):
    """Takes a text as a time."""

    when: datetime


class Said(BaseModel):
    """Takes a text as it is."""

    when: str


class Mode(BaseModel):
    """Has a validator that knows what the input was."""

    text: str

    @field_validator("text")
    @classmethod
    def with_mode(cls, value: str, info: ValidationInfo) -> str:
        """Say which."""
        return f"{value} {info.mode}"


class Refusing(BaseModel):
    """Has a validator that refuses."""

    text: str

    @field_validator("text")
    @classmethod
    def refuse(cls, value: str) -> str:
        """Refuse one text by a ValueError, another by an assertion."""
        if value == "no":
            raise ValueError("not this")
        assert value != "never", "nor this"
        return value


class Node(BaseModel):
    """Contains itself."""

    value: int
    children: list["Node"] = []


@dataclass
class Point:
    """A dataclass."""

    x: int
    y: int = 2
    names: list[str] = field(default_factory=list)


class Typed(TypedDict, total=False):
    """A dictionary."""

    a: int
    b: str


def seen(value: Any) -> str:
    """The exact value, with its types."""
    return repr(value)


async def nothing() -> None:
    """Nothing."""


KINDS: dict[str, Any] = {
    "model": Item,
    "optional": Item | None,
    "strict": Strict,
    "list": list[Item],
    "dict": dict[str, int],
    "int-keys": dict[int, float],
    "any": Any,
    "int": Annotated[int, Body(ge=0)],
    "str": Annotated[str, Body()],
    "bool": Annotated[bool, Body()],
    "float": Annotated[float, Body()],
    "decimal": Annotated[Decimal, Body()],
    "uuid": Annotated[uuid.UUID, Body()],
    "pet": Annotated[Cat | Dog, Field(discriminator="kind")],
    "plain-union": Cat | Dog,
    "when": At | Said,
    "set-or-list": set[int] | list[int],
    "dates-or-texts": list[date] | list[str],
    "mode": Mode,
    "refusing": Refusing,
    "node": Node,
    "dataclass": Point,
    "typed": Typed,
    "bytes": Annotated[bytes, Body()],
    "embedded": Annotated[Item, Body(embed=True)],
    "embedded-int": Annotated[int, Body(embed=True, alias="theNumber", le=5)],
    "choices": Annotated[int, Body(embed=True, validation_alias=AliasChoices("a", "b"))],
    "set": set[int],
    "tuple": tuple[int, str],
    "text-body": Annotated[str, Body(media_type="text/plain")],
}


def register(name: str, kind: Any) -> None:
    """Routes that take ``kind``: required, and with a default."""

    @app.post(f"/{name}")
    async def required(body: kind) -> Any:
        return seen(body)

    @app.post(f"/{name}/default")
    def with_default(body: kind = None) -> Any:
        return seen(body)


for each, given in KINDS.items():
    register(each, given)


@app.post("/two")
async def two(item: Item, point: Point, level: Annotated[int, Body(gt=0)] = 1) -> Any:
    return seen((item, point, level))


@app.post("/two-optional")
async def two_optional(
    item: Item | None = None, count: Annotated[int | None, Body()] = None
) -> Any:
    return seen((item, count))


async def body_of_dependency(item: Item, q: int = 0) -> Any:
    """Takes a body itself."""
    return item, q


@app.post("/dependency-body")
async def dependency_body(given: Annotated[Any, Depends(body_of_dependency)]) -> Any:
    return seen(given)


@app.post("/dependency-and-own")
async def dependency_and_own(item: Item, given: Annotated[Any, Depends(body_of_dependency)]) -> Any:
    return seen((item, given))


@app.post("/dependency-and-other")
async def dependency_and_other(
    other: Strict, given: Annotated[Any, Depends(body_of_dependency)]
) -> Any:
    return seen((other, given))


@app.post("/with-parameters/{number}", dependencies=[Depends(nothing)])
async def with_parameters(
    number: int, item: Item, q: Annotated[str, Header()], limit: int = 3
) -> Any:
    return seen((number, item, q, limit))


@app.post("/body-and-request")
async def body_and_request(item: Item, request: Request) -> Any:
    return [seen(item), (await request.body()).decode(), await request.json()]


@app.post("/raw")
async def raw(request: Request) -> Any:
    return [part.decode("latin-1") async for part in request.stream() if part]


@app.post("/request-json")
async def request_json(request: Request) -> Any:
    try:
        return seen(await request.json())
    except ValueError as error:
        return [type(error).__name__, str(error)]


@app.post("/lax-type", response_model=None)
async def no_body(q: int = 1) -> Any:
    return q


@app.post("/form")
async def form(
    name: Annotated[str, Form(min_length=2)],
    size: Annotated[int, Form()] = 1,
    tags: Annotated[list[str] | None, Form()] = None,
    on: Annotated[bool, Form(alias="is-on")] = False,
) -> Any:
    return seen((name, size, tags, on))


class FormModel(BaseModel):
    """A group of form fields."""

    model_config = ConfigDict(extra="forbid")

    name: str
    size: int = 0
    tags: list[int] = []


@app.post("/form-model")
def form_model(data: Annotated[FormModel, Form()]) -> Any:
    return seen(data)


@app.post("/files")
async def files(
    one: Annotated[bytes, File()],
    two: UploadFile | None = None,
    many: Annotated[list[UploadFile] | None, File()] = None,
    note: Annotated[str, Form()] = "none",
) -> Any:
    uploads = [two, *(many or [])]
    return [
        seen(one),
        note,
        *([u.filename, u.content_type, u.size, seen(await u.read())] for u in uploads if u),
    ]


@app.post("/request-form")
async def request_form(request: Request) -> Any:
    data = await request.form()
    return [
        [key, value if isinstance(value, str) else value.filename]
        for key, value in data.multi_items()
    ]


JSON = "application/json"
ITEM = {"name": "a", "price": 1.5}
# Tried with every kind of body.
DOCUMENTS: tuple[Any, ...] = (
    *(
        b"",
        b" ",
        b"{",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
        b'"text"',
        b"1",
        b"-1",
        b"1.5",
        b"1.0",
    ),
    *(b"01", b"+1", b"NaN", b"Infinity", b"-Infinity", b"nan", b"1e400", b"-0.0", b"1e5", b"[1,]"),
    *(
        b'{"a":1,}',
        b"{'a':1}",
        b"// x\n1",
        b"1 2",
        b"\xef\xbb\xbf1",
        b"\xff",
        b'"\xff"',
        b'"\\ud800"',
    ),
    *(
        b'"\\u0000"',
        b'"a\nb"',
        b'"\\x"',
        b"9" * 400,
        b"9" * 4300,
        b"9" * 4301,
        b"[" * 1000 + b"]" * 1000,
    ),
    *("[1]".encode("utf-16"), '{"name":"é","price":1}'.encode("utf-16-le"), "1".encode("utf-32")),
    *(b'{"name":"\xe9","price":1}', b'{"a":1,"a":2}', b'{"a":"x","a":2}', b'{"1":1,"2":"3"}'),
    *(b'{"x":1}', b'{"x":"1","y":2.0,"names":["a"]}', b'{"x":1.5}', b"[1,2,2]", b'["1","x"]'),
    *(b'["2020-01-01"]', b'"2020-01-01"', b'"12345678-1234-5678-1234-567812345678"', b'[1,"a"]'),
    *(b'{"kind":"cat"}', b'{"kind":"dog"}', b'{"kind":"cow"}', b'{"kind":1}', b'{"lives":1}'),
    *(b'{"when":"2020-01-01T00:00:00"}', b'{"when":1}', b'{"text":"a"}', b'{"text":"no"}'),
    *(b'{"text":"never"}', b'{"size":1}', b'{"size":"1"}', b'{"size":1,"more":2}', b'{"size":1.0}'),
    *(b'{"size":1,"day":"2020-01-01"}', b'{"theNumber":3}', b'{"theNumber":9}', b'{"body":3}'),
    *(
        b'{"a":"x"}',
        b'{"b":1}',
        b'{"b":4}',
        b'{"value":1,"children":[{"value":"2"},{"value":"x"}]}',
    ),
    *(
        b'{"name":"a","price":1,"name":"b"}',
        b'  {"name":"a","price":1}\n',
        b'{"name":"a","price":1}x',
    ),
    *(
        ITEM,
        {"name": "", "price": 0},
        {"name": 1, "price": "x", "tax": "y"},
        {**ITEM, "price": "2"},
    ),
    *({**ITEM, "madeAt": "2020-01-01"}, {**ITEM, "made_at": "x"}, {**ITEM, "madeAt": 0}, [ITEM]),
    *(
        [ITEM, {"name": "b"}],
        {"body": ITEM},
        {"body": {"name": ""}},
        {"body": None},
        {"item": ITEM},
    ),
    *({**ITEM, "tags": None}, {**ITEM, "tags": ["a", 1]}, {**ITEM, "price": 10**40}, {"item": 3}),
    *({"item": ITEM, "point": {"x": 1}}, {"item": ITEM, "point": {"x": 1}, "level": 0}),
    *({"item": ITEM, "point": [], "level": "x"}, {"item": ITEM, "count": None}, {"count": 1}),
    *(
        {"item": ITEM, "other": {"size": 1}},
        {"other": {"size": "1"}},
        {"name": "\U0001f600", "price": 1},
    ),
)
TYPES: tuple[tuple[str, ...], ...] = (
    *(
        ("application/json; charset=utf-8",),
        ("application/json;charset=utf-16",),
        ("APPLICATION/JSON",),
    ),
    *(("application/geo+json",), ("application/vnd.api+json; x=1",), ("application/jsonx",)),
    *(
        ("text/plain",),
        ("text/json",),
        ("application/octet-stream",),
        ("",),
        (" application/json ",),
    ),
    *(("application/x-www-form-urlencoded",), ("json",), ("/",)),
    *(
        ("application/+json",),
        ("application/json/x",),
        (";application/json",),
        ("application / json",),
    ),
    *(("application/json", "text/plain"), ("text/plain", "application/json"), ()),
)
ROUTES = [
    *(f"/{name}" for name in KINDS),
    *(f"/{name}/default" for name in ("model", "optional", "any", "embedded", "plain-union")),
    *("/two", "/two-optional", "/dependency-body", "/dependency-and-own", "/dependency-and-other"),
    *("/body-and-request", "/request-json", "/lax-type", "/raw", "/form", "/with-parameters/1"),
]


def encoded(document: Any) -> bytes:
    """As it is sent."""
    return document if isinstance(document, bytes) else json.dumps(document).encode()


BOUNDARY = "multipart/form-data; boundary=x"


def part(name: str, content: str, more: str = "") -> str:
    """One part of a form."""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{content}\r\n'


FILE = '; filename="f.txt"\r\nContent-Type: text/plain'
MULTIPART = (
    part("one", "1", FILE),
    part("one", "1"),
    part("one", "1", FILE)
    + part("two", "2", FILE)
    + part("many", "3", FILE)
    + part("many", "", FILE),
    part("two", "2", FILE),
    part("one", "", '; filename=""'),
    part("one", "1", FILE) + part("two", "", '; filename=""') + part("note", "é"),
    part("one", "1", FILE) + part("many", "text"),
    part("name", "ab") + part("size", "x"),
    part("name", "ab") + part("tags", "1") + part("tags", "2"),
    "",
)
URLENCODED = (
    *("", "name=ab", "name=a", "name=", "name", "name=ab&size=x", "name=ab&size=2&tags=1&tags=2"),
    *("name=ab&is-on=on", "name=ab&more=1", "name=%C3%A9%C3%A9", "name=a+b", "name=%FF%FF", "a;b"),
    *("name=ab&name=cd", "&&", "=", "name=ab&size=", "name=ab&tags=", "name=a%zzb"),
)
FORMS = ("/form", "/form-model", "/files", "/request-form", "/model", "/bytes", "/any")

REQUESTS = [
    *(
        ("POST", path, [("content-type", JSON), ("q", "h")], encoded(document))
        for path in ROUTES
        for document in DOCUMENTS
    ),
    *(
        ("POST", path, [("content-type", kind) for kind in kinds], content)
        for path in ("/model", "/any", "/bytes", "/two", "/text-body", "/optional", "/form", "/str")
        for kinds in TYPES
        for content in (encoded(ITEM), b"", b"text", b"\xff")
    ),
    *(
        ("POST", path, [("content-type", "application/x-www-form-urlencoded")], text.encode())
        for path in FORMS
        for text in URLENCODED
    ),
    *(
        ("POST", path, [("content-type", BOUNDARY)], (text + "--x--\r\n").encode())
        for path in FORMS
        for text in MULTIPART
        # A file that is refused is shown by whatever attributes it has.
        if path != "/form-model" or "filename" not in text
    ),
    ("POST", "/with-parameters/x?limit=y", [("content-type", JSON)], b"{"),
    ("POST", "/with-parameters/x?limit=y", [("content-type", JSON)], b"{}"),
    ("POST", "/with-parameters/x?limit=y", [], b""),
    ("GET", "/model", [], b""),
    ("PUT", "/model", [("content-type", JSON)], encoded(ITEM)),
    ("POST", "/model/", [("content-type", JSON)], encoded(ITEM)),
]
