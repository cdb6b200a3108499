"""Parameters of all sources and kinds, and requests for them. Held by test_same_answers.py."""

# ruff: noqa: D103 - what a route does is said by its path

import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NewType

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from fasterapi import Cookie, Depends, FastAPI, Header, Path, Query, Request

app = FastAPI()


class Colour(str, Enum):  # noqa: UP042 - its text is its own
    """Members are texts."""

    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    """Members are numbers."""

    LOW = 1
    HIGH = 2


UserId = NewType("UserId", int)


async def nothing() -> None:
    """Makes a route that Rust would call itself a composed one."""


def both_ways(path: str) -> Any:
    """Registers a handler twice: called by Rust itself, and composed."""

    def register(handler: Any) -> Any:
        app.get("/direct" + path)(handler)
        app.get("/composed" + path, dependencies=[Depends(nothing)])(handler)
        return handler

    return register


def seen(**values: Any) -> dict[str, str]:
    """The exact values, with their types."""
    return {name: repr(value) for name, value in values.items()}


@both_ways("/int/{item}")
def path_int(item: int) -> Any:
    return seen(item=item)


@both_ways("/float/{item}")
async def path_float(item: float) -> Any:
    return seen(item=item)


@both_ways("/bool/{item}")
async def path_bool(item: bool) -> Any:
    return seen(item=item)


@both_ways("/uuid/{item}")
async def path_uuid(item: uuid.UUID) -> Any:
    return seen(item=item)


@both_ways("/str/{item}")
async def path_str(item: Annotated[str, Path(min_length=2, max_length=4)]) -> Any:
    return seen(item=item)


@both_ways("/file/{item:path}")
async def path_path(item: str) -> Any:
    return seen(item=item)


@both_ways("/bounded/{item}")
async def path_bounded(item: Annotated[int, Path(gt=0, le=10)]) -> Any:
    return seen(item=item)


@both_ways("/enum/{colour}/{level}")
async def path_enum(colour: Colour, level: Level) -> Any:
    return seen(colour=colour, level=level)


@both_ways("/date/{day}")
async def path_date(day: date) -> Any:
    return seen(day=day)


@both_ways("/user/{user}")
async def path_new_type(user: UserId) -> Any:
    return seen(user=user)


@both_ways("/query")
async def query_scalars(
    i: int | None = None,
    f: float = 1.5,
    b: bool = False,
    s: str = "default",
    u: uuid.UUID | None = None,
) -> Any:
    return seen(i=i, f=f, b=b, s=s, u=u)


@both_ways("/required")
def query_required(name: str, size: int) -> Any:
    return seen(name=name, size=size)


@both_ways("/constrained")
async def query_constrained(
    s: Annotated[str, Query(min_length=2, max_length=3)] = "ab",
    p: Annotated[str, Query(pattern="^a+$")] = "a",
    i: Annotated[int, Query(ge=-1, lt=5)] = 0,
    f: Annotated[float, Query(gt=0.5, le=2)] = 1,
    m: Annotated[int, Query(multiple_of=3)] = 3,
    o: Annotated[int | None, Query(ge=3)] = None,
) -> Any:
    return seen(s=s, p=p, i=i, f=f, m=m, o=o)


@both_ways("/bounds")
async def query_bounds(
    i: Annotated[int, Query(ge=-1, lt=5)] = 0,
    f: Annotated[float, Query(gt=0.5, le=2)] = 1,
    s: Annotated[str | None, Query(min_length=2, max_length=3)] = None,
    o: Annotated[int | None, Query(ge=3)] = None,
) -> Any:
    return seen(i=i, f=f, s=s, o=o)


@both_ways("/aliases")
async def query_aliases(
    first: Annotated[int, Query(alias="first-item")],
    other: Annotated[int, Query(validation_alias="OTHER", alias="ignored")] = 1,
    many: Annotated[int, Query(validation_alias=AliasChoices("a", "b"))] = 2,
) -> Any:
    return seen(first=first, other=other, many=many)


@both_ways("/lists")
async def query_lists(
    i: Annotated[list[int], Query()],
    s: Annotated[set[str] | None, Query()] = None,
    t: Annotated[tuple[int, ...], Query(max_length=2)] = (),
    d: Annotated[list[str], Query(default_factory=lambda: ["x"])] = ...,  # type: ignore[assignment]
) -> Any:
    return seen(i=i, s=sorted(s) if s else s, t=t, d=d)


@both_ways("/others")
async def query_others(
    colour: Colour = Colour.RED,
    one: Literal["a", 1] = "a",
    at: datetime | None = None,
    for_: Annotated[timedelta | None, Query(alias="for")] = None,
    price: Decimal | None = None,
    either: int | str = "none",
    anything: Any = None,
) -> Any:
    return seen(
        colour=colour, one=one, at=at, for_=for_, price=price, either=either, anything=anything
    )


@both_ways("/untyped")
async def query_untyped(item, other=3) -> Any:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return seen(item=item, other=other)


class Filters(BaseModel):
    """A group of query parameters."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(100, gt=0, le=100)
    order_by: Literal["name", "size"] = "name"
    tags: list[str] = []


@both_ways("/group")
async def query_group(filters: Annotated[Filters, Query()]) -> Any:
    return seen(filters=filters)


@both_ways("/headers")
async def headers(
    x_token: Annotated[str | None, Header()] = None,
    x_count: Annotated[int, Header(ge=0)] = 0,
    raw_name: Annotated[str, Header(convert_underscores=False)] = "none",
    x_many: Annotated[list[str] | None, Header()] = None,
    user_agent: Annotated[str, Header(max_length=20)] = "",
    named: Annotated[float, Header(alias="X-Named")] = 0,
) -> Any:
    return seen(a=x_token, b=x_count, c=raw_name, d=x_many, e=user_agent, f=named)


@both_ways("/plain-headers")
async def plain_headers(
    x_token: Annotated[str | None, Header()] = None,
    x_count: Annotated[int, Header(ge=0)] = 0,
    named: Annotated[float, Header(alias="X-Named")] = 0,
) -> Any:
    return seen(a=x_token, b=x_count, f=named)


class CommonHeaders(BaseModel):
    """A group of header fields."""

    host: str
    save_data: bool
    x_tag: list[str] = []


@both_ways("/header-group")
async def header_group(common: Annotated[CommonHeaders, Header()]) -> Any:
    return seen(common=common)


@both_ways("/cookies")
async def cookies(
    session: Annotated[str | None, Cookie()] = None,
    count: Annotated[int, Cookie(lt=10)] = 0,
    odd: Annotated[str, Cookie(alias="odd-name")] = "none",
) -> Any:
    return seen(session=session, count=count, odd=odd)


class Crumbs(BaseModel):
    """A group of cookies."""

    model_config = ConfigDict(extra="allow")

    session: str
    count: int | None = None


@both_ways("/cookie-group")
async def cookie_group(crumbs: Annotated[Crumbs, Cookie()]) -> Any:
    return seen(crumbs=crumbs)


@both_ways("/request/{item}")
async def request_values(request: Request, item: str) -> Any:
    return {
        "path": request.scope["path"],
        "query": request.url.query,
        "pairs": request.query_params.multi_items(),
        "params": request.path_params,
        "cookies": request.cookies,
        "x": request.headers.getlist("x"),
        "raw": request.scope["raw_path"].decode(),
    }


INTEGERS = (
    *("1", "-1", "+1", "01", "0", "-0", "1_000", "1__0", "_1", "1_", "%201%20", "1.0", "1.5"),
    *("1.", "1.00_0", "1e5", "0x10", "%D9%A3", "%00", "1%00", "true", "a", "%20", "--1", "+-1"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809", "9" * 40),
    *("9" * 4300, "9" * 4301, "0" * 4301 + "1", "11", "10", "%EF%BC%91", "1%0A", "%091", "-%201"),
    *("+", "-", ".", "1%2C0", "1%C2%A0", "9" * 40 + ".0", "-00.000", "1.0e0"),
)
FLOATS = (
    *("1", "1.5", "-1.5", "1e5", "1E-5", "1e400", "-1e400", "nan", "NaN", "inf", "-inf"),
    *("infinity", "1_0.5", "1_0", "_1", ".5", "5.", ".", "%201.5", "0x1p3", "1,5", "a", "+.5e1"),
    *("%D9%A3", "1e", "0.1", "1" * 400, "0.30000000000000004", "+nan", "INF", "1%00", "5e-324"),
)
BOOLEANS = (
    *("true", "TRUE", "tRue", "t", "T", "1", "on", "ON", "yes", "y", "Y", "false", "f", "0", "off"),
    *("no", "n", "N", "2", "1.0", "00", "%20true", "none", "None", "trueish", "01"),
)
UUIDS = (
    *("12345678-1234-5678-1234-567812345678", "12345678123456781234567812345678"),
    *("%7B12345678-1234-5678-1234-567812345678%7D", "12345678-1234-5678-1234-56781234567"),
    *("urn:uuid:12345678-1234-5678-1234-567812345678", "ABCDEF78-1234-5678-1234-567812345678"),
    *("x", "12345678-1234-5678-1234-56781234567g", "1234567812345678-1234-567812345678", "%C3%A9"),
    *("12345678-1234-5678-1234-5678123456789", "%2012345678123456781234567812345678"),
    *("URN:UUID:12345678-1234-5678-1234-567812345678", "1234-5678-1234-5678-1234567812345678"),
)
TEXTS = (
    *(
        "ab",
        "abcd",
        "a",
        "abcde",
        "%C3%A9",
        "%C3%A9%C3%A9",
        "%FF",
        "%FFab",
        "%F0%9F%98%80",
        "a%20b",
    ),
    *("a+b", "a%2Fb", "%2e%2e", "ab%", "%zz", "a%00b", "%E2%82", "a%3Fb", "%ED%A0%80ab", "a;b"),
)

GETS = [
    *(f"/int/{text}" for text in INTEGERS),
    *(f"/float/{text}" for text in FLOATS),
    *(f"/bool/{text}" for text in BOOLEANS),
    *(f"/uuid/{text}" for text in UUIDS),
    *(f"/str/{text}" for text in TEXTS),
    *(f"/file/{text}" for text in (*TEXTS, "a/b/c", "", "/a", "a//b", "a/")),
    *(f"/bounded/{text}" for text in ("0", "1", "10", "11", "1.0", "a", "10.5", "9" * 30)),
    *("/enum/red/1", "/enum/RED/1", "/enum/blue/2", "/enum/blue/3", "/enum/x/y", "/enum/red/1.0"),
    *("/date/2020-02-29", "/date/2021-02-29", "/date/0", "/date/x", "/date/2020-01-01T00:00:00"),
    *("/user/1", "/user/x"),
    *(f"/query?i={text}" for text in INTEGERS),
    *(f"/query?f={text}" for text in FLOATS),
    *(f"/query?b={text}" for text in BOOLEANS),
    *(f"/query?u={text}" for text in UUIDS),
    *(f"/query?s={text}" for text in TEXTS),
    *("/query", "/query?", "/query?i", "/query?i=", "/query?s=", "/query?s", "/query?f=&b=&u="),
    *(
        "/query?i=1&i=2",
        "/query?i=2&i=x",
        "/query?i=x&i=2",
        "/query?&&s=a&&",
        "/query?=1",
        "/query?s=a=b",
    ),
    *(
        "/query?s=a;i=3",
        "/query?%73=percent",
        "/query?s=a+b%2Bc",
        "/query?S=a",
        "/query?i=x&f=y&b=z&u=w",
    ),
    *("/query?s=a%26b", "/query?s=%F0%9F%98%80", "/query?s=a#f", "/query?s=?", "/query?i=1/"),
    *(
        "/required",
        "/required?name=a",
        "/required?size=1",
        "/required?name=&size=",
        "/required?name=a&size=1",
    ),
    *("/required?name=a&size=x", "/required?name=a&name=b&size=1&size=2"),
    *(
        "/constrained",
        "/constrained?s=a",
        "/constrained?s=abcd",
        "/constrained?p=b",
        "/constrained?i=-2",
    ),
    *("/constrained?i=5", "/constrained?i=4", "/constrained?f=0.5", "/constrained?f=2.5"),
    *(
        "/constrained?m=4",
        "/constrained?o=2",
        "/constrained?o=3",
        "/constrained?s=a&p=b&i=9&f=9&m=4&o=1",
    ),
    *("/bounds", "/bounds?i=-2", "/bounds?i=5", "/bounds?f=0.5", "/bounds?f=2.5", "/bounds?f=nan"),
    *("/bounds?s=a", "/bounds?s=abcd", "/bounds?s=", "/bounds?s=%C3%A9%C3%A9%C3%A9", "/bounds?o=2"),
    *("/bounds?i=99999999999999999999", "/bounds?i=-99999999999999999999", "/bounds?f=inf"),
    *("/bounds?i=9&f=9&s=a&o=1", "/bounds?s=%F0%9F%98%80", "/bounds?o=", "/bounds?f=1e400"),
    *("/aliases", "/aliases?first-item=1", "/aliases?first=1", "/aliases?first-item=1&OTHER=5&b=6"),
    *(
        "/aliases?first-item=1&a=x",
        "/aliases?first-item=1&b=x",
        "/aliases?first-item=1&a=7&b=8&ignored=1",
    ),
    *(
        "/lists",
        "/lists?i=1",
        "/lists?i=1&i=2&s=a&s=b",
        "/lists?i=1&i=x&i=y",
        "/lists?i=",
        "/lists?i=1,2",
    ),
    *("/lists?i=1&t=1&t=2", "/lists?i=1&t=1&t=2&t=3", "/lists?i=1&d=a&d=b", "/lists?i[]=1"),
    *(
        "/others",
        "/others?colour=blue",
        "/others?colour=x",
        "/others?one=1",
        "/others?one=a",
        "/others?one=b",
    ),
    *(
        "/others?at=2020-01-01T00:00:00Z",
        "/others?at=0",
        "/others?at=x",
        "/others?at=2020-01-01+00:00:00",
    ),
    *(
        "/others?for=PT1H",
        "/others?for=3",
        "/others?price=1.10",
        "/others?price=x",
        "/others?price=nan",
    ),
    *("/others?either=1", "/others?either=a", "/others?either=", "/others?anything=1&anything=2"),
    *("/untyped", "/untyped?item=1", "/untyped?item=1&other=x", "/untyped?item=&other="),
    *(
        "/group",
        "/group?limit=1",
        "/group?limit=0&order_by=x&more=1",
        "/group?tags=a&tags=b",
        "/group?limit=",
    ),
    *(
        "/request/a%20b?x=1&x=2&y=%C3%A9",
        "/request/%FF?q=%FF",
        "/request/a%2Fb",
        "/request/a?x=+&=&z",
    ),
]

HEADERS: list[tuple[str, list[tuple[str, str | bytes]]]] = [
    ("/headers", []),
    ("/headers", [("X-Token", "a"), ("x-count", "3"), ("raw_name", "r"), ("raw-name", "no")]),
    ("/headers", [("X-Token", "a"), ("X-Token", "b"), ("x-many", "1"), ("X-Many", "2, 3")]),
    ("/headers", [("x_token", "a"), ("x-count", "-1"), ("x-named", "x")]),
    ("/headers", [("x-token", b"caf\xe9"), ("x-many", b"\xff"), ("user-agent", "u" * 21)]),
    ("/headers", [("x-token", ""), ("x-count", ""), ("x-many", "")]),
    ("/plain-headers", []),
    ("/plain-headers", [("X-Token", "a"), ("X-Token", "b"), ("x-count", "1"), ("x-count", "2")]),
    ("/plain-headers", [("x-token", b"caf\xe9"), ("x-count", "x"), ("x-named", "1e3")]),
    ("/plain-headers", [("x-token", ""), ("x-count", "")]),
    ("/plain-headers", [("x-token", b"caf\xc3\xa9"), ("x-count", "-1"), ("X-NAMED", "-x")]),
    ("/header-group", []),
    ("/header-group", [("save-data", "true"), ("x-tag", "a"), ("x-tag", "b")]),
    ("/header-group", [("save_data", "true")]),
    ("/header-group", [("save-data", "x")]),
    *(
        (path, [("cookie", text)])
        for path in ("/cookies", "/cookie-group")
        for text in (
            *("session=a", "session=a; count=3", "session=a;count=3", "session=a; session=b"),
            *('session="quoted value"', "session=a=b", "session", "=a", "; ;session=a", ""),
            *("count=x", "count=10; session=a", "session=; count=", "odd-name=1; session=s"),
            *("Session=a", "session=a%20b", r'session="a\"b\054c"', "session = a ; count = 4"),
            *("session=a, count=3", b"session=caf\xe9", "session=a;;;count=1", '"session"=a'),
        )
    ),
    ("/cookies", [("cookie", "session=a"), ("cookie", "count=5")]),
    ("/cookie-group", [("cookie", "session=a"), ("cookie", "count=5; more=1")]),
    ("/request/a", [("cookie", "a=1; b=2; a=3"), ("x", "1"), ("X", "2")]),
]

REQUESTS = [
    *(("GET", way + path, [], b"") for path in GETS for way in ("/direct", "/composed")),
    *(("GET", way + path, sent, b"") for path, sent in HEADERS for way in ("/direct", "/composed")),
]
