"""Values of many kinds, and whether Rust writes them as pydantic does."""

# ruff: noqa: ANN001, ANN003, ANN201, ANN206, D101, D102, D103, UP045 - they say it themselves

import enum
import random
import struct
import uuid
import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, Optional, TypeVar

from pydantic import (
    AfterValidator,
    AnyUrl,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    TypeAdapter,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from fasterapi import FastAPI
from fasterapi._core import JsonWriter
from fasterapi._json_writer import passes_all, shape_of

app = FastAPI()
T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    ODD = 'a "quoted" one'


class Size(enum.IntEnum):
    SMALL = 1


class Text(str):
    pass


class Inner(BaseModel):
    number: int
    text: str = "x"


class Other(Inner):
    more: int = 7


class Many(BaseModel):
    i: int = 1
    s: str = "text"
    f: float = 1.5
    b: bool = True
    n: None = None
    at: datetime = datetime(2026, 11, 22, 10, 30)
    maybe: int | None = None
    inner: Inner = Inner(number=1)
    inners: list[Inner] = []
    by_name: dict[str, Inner] = {}
    anything: Any = None
    bare: dict = {}
    listed: list = []
    color: Color = Color.RED
    day: date = date(2026, 1, 2)
    moment: time = time(1, 2, 3)
    number: Decimal = Decimal("1.50")
    name: uuid.UUID = uuid.UUID(int=5)
    checked: Annotated[int, AfterValidator(lambda v: v)] = 3
    bounded: Annotated[str, Field(max_length=9)] = "ok"
    renamed: int = Field(5, serialization_alias='re named "é')
    hidden: int = Field(6, exclude=True)


class Same(BaseModel):
    left: Inner
    right: Inner | None = None


class Box(BaseModel, Generic[T]):
    content: T


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", title="F", str_strip_whitespace=True)
    a: str


class Checked(BaseModel):
    a: int

    @field_validator("a")
    @classmethod
    def check(cls, value):
        return value

    @model_validator(mode="after")
    def check_all(self):
        return self


class Cached(BaseModel):
    a: int

    @cached_property
    def double(self):
        return 2 * self.a


class Computed(BaseModel):
    a: int

    @computed_field
    @property
    def double(self) -> int:
        return 2 * self.a


class OwnField(BaseModel):
    a: int

    @field_serializer("a")
    def write(self, value):
        return str(value)


class Sometimes(BaseModel):
    a: int = Field(1, exclude_if=lambda value: value == 1)


class OwnModel(BaseModel):
    a: int

    @model_serializer
    def write(self):
        return {"b": 2}


class Extra(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Seconds(BaseModel):
    model_config = ConfigDict(ser_json_temporal="seconds")
    a: datetime


class Tree(BaseModel):
    children: list["Tree"] = []


class Root(RootModel[list[int]]):
    pass


class Revalidated(BaseModel):
    model_config = ConfigDict(revalidate_instances="always")
    a: int


@dataclass
class Data:
    a: int


# What these say of a value is written by a function, or by rules of its own.
LEFT = [
    (Computed, Computed(a=1)),
    (OwnField, OwnField(a=1)),
    (Sometimes, Sometimes()),
    (OwnModel, OwnModel(a=1)),
    (Extra, Extra(a=1, b=2)),
    (Seconds, Seconds(a=datetime(2026, 1, 1))),
    (Tree, Tree()),
    (Root, Root([1])),
    (Data, Data(1)),
    (int | str, 1),
    (Literal["a"], "a"),
    (bytes, b"a"),
    (timedelta, timedelta(1)),
    (AnyUrl, AnyUrl("http://example.com/a")),
    (tuple[int, ...], (1,)),
    (set[int], {1}),
    (dict[int, int], {1: 2}),
    (Annotated[int, PlainSerializer(str)], 1),
    (list[Computed], [Computed(a=1)]),
    (dict[Annotated[str, PlainSerializer(str.upper)], int], {"a": 1}),
    (Inner | Other, Other(number=1)),
]


def zones():
    yield None
    yield UTC
    for minutes in (1, -1, 59, 60, 90, -90, 330, -330, 839, -839):
        yield timezone(timedelta(minutes=minutes))
    validated = TypeAdapter(datetime).validate_json('"2026-01-01T00:00:00+05:30"')
    yield validated.tzinfo
    yield TypeAdapter(datetime).validate_json('"2026-01-01T00:00:00Z"').tzinfo


def moments():
    for zone in zones():
        for micros in (0, 1, 10, 100_000, 123_456, 999_999):
            yield datetime(2026, 11, 2, 3, 4, 5, micros, zone)
        for year in (1, 99, 1969, 1970, 9998):
            yield datetime(year, 6, 30, 23, 59, 59, tzinfo=zone)


def floats():
    chosen = random.Random(5)
    for _ in range(20_000):
        (value,) = struct.unpack("d", chosen.randbytes(8))
        if value - value == 0.0:
            yield value
        yield chosen.uniform(-1, 1) * 10.0 ** chosen.randint(-20, 25)
    for power in range(-30, 30):
        yield from (
            10.0**power,
            -(2.0**power),
            0.1 * power,
            float(power),
            5e-324,
            1.7976931348623157e308,
        )
    yield -0.0


def texts():
    for code in [*range(0x180), 0x2028, 0x2029, 0xFFFF, 0x1F600]:
        for before in range(9):
            yield "a" * before + chr(code) + "b" * 3


# Each is written without pydantic.
WRITTEN = [
    (Many, Many()),
    (
        Many,
        Many(
            i=-(2**63),
            s="\u2028 \x00 é",
            f=1e300,
            at=datetime(2026, 1, 1, tzinfo=UTC),
            maybe=2**63 - 1,
            inners=[Inner(number=1), Inner(number=2, text="")],
            by_name={"a/b": Inner(number=3), "": Inner(number=4)},
            anything={"a": [1, 2.5, None, True, "x", {"b": []}]},
            bare={"x": 1},
            listed=[1, "a"],
            color=Color.ODD,
        ),
    ),
    (list[Inner], []),
    (list[Inner], [Inner(number=n) for n in range(50)]),
    (dict[str, Inner], {}),
    (dict[str, Inner], {"a": Inner(number=1)}),
    (Inner | None, None),
    (Inner | None, Inner(number=1)),
    (Optional[list[int]], [1]),
    (Same, Same(left=Inner(number=1))),
    (Same, Same(left=Inner(number=1), right=Inner(number=2))),
    (Box[Inner], Box[Inner](content=Inner(number=1))),
    (Box[int], Box[int](content=1)),
    (Frozen, Frozen(a=" a ")),
    (Checked, Checked(a=1)),
    (Cached, Cached(a=1)),
    (Revalidated, Revalidated(a=1)),
    # The fields are in the order in which the object has them.
    (Inner, Inner.model_construct(text="first", number=2)),
    (dict[str, Any], {"a": 1, "b": {"c": [None, True, 1.0]}}),
    (Any, [1]),
    (list[Any], [1, "a"]),
    (list[float], list(floats())),
    (list[str], list(texts())),
    (list[datetime], list(moments())),
    (list[Color], [Color.RED, Color.ODD]),
    (list[bool], [True, False]),
    (int, 5),
    (str, "a"),
    (None, None),
]


def changed(instance, **fields):
    instance.__dict__.update(fields)
    return instance


def seen_by_all(cached):
    assert cached.double == 2
    return cached


deep = []
for _ in range(150):
    deep = [deep]

# Each has the shape at first sight; what pydantic makes of it is not for Rust to say.
NOT_EXACTLY = [
    (list[int], [True]),
    (list[int], [Size.SMALL]),
    (list[int], [2**63]),
    (list[int], ["1"]),
    (list[float], [1]),
    (list[float], [float("nan")]),
    (list[float], [float("inf")]),
    (list[str], [Text("x")]),
    (list[str], [1]),
    (list[bool], [1]),
    (list[int], (1, 2)),
    (dict[str, int], {Text("a"): 1}),
    (dict[str, Any], {1: 1}),
    (Any, (1, 2)),
    (Any, {1}),
    (Any, Color.RED),
    (Any, Inner(number=1)),
    (Any, datetime(2026, 1, 1)),
    (Any, deep),
    (list[Color], ["red"]),
    (Inner, Other(number=1)),
    (list[Inner], [Inner(number=1), Other(number=2)]),
    (Inner, changed(Inner(number=1), number="text")),
    (Inner, changed(Inner(number=1), unknown=1)),
    (Inner, Inner.model_construct(number=1, text=None)),
    (Cached, seen_by_all(Cached(a=1))),
    (list[datetime], [datetime(2026, 1, 1, tzinfo=timezone(timedelta(seconds=30)))]),
    (list[date], [datetime(2026, 1, 1)]),
    (list[uuid.UUID], ["x"]),
    (list[int], [None]),
]


def missing_field():
    instance = Inner(number=1)
    del instance.__dict__["text"]
    return instance


NOT_EXACTLY.append((Inner, missing_field()))


def compare(kind, value, by_alias):
    adapter = TypeAdapter(kind)
    shape = shape_of(adapter.core_schema, by_alias)
    if shape is None:
        return "left"
    written = JsonWriter(shape).write(value)
    if written is None:
        return "not exactly"
    if written != adapter.dump_json(value, by_alias=by_alias):
        return f"differs: {written[:300]!r}"
    if passes_all(adapter.core_schema):
        assert adapter.validator.validate_python(value, from_attributes=True) == value
    return "written"


@app.get("/compare")
def compared(by_alias: bool) -> dict[str, list[str]]:
    warnings.simplefilter("ignore")
    groups = {"written": WRITTEN, "left": LEFT, "not exactly": NOT_EXACTLY}
    wrong = {}
    for expected, cases in groups.items():
        found = [(compare(kind, value, by_alias), kind, value) for kind, value in cases]
        wrong[expected] = [
            f"{was}: {kind} {value!r}"[:400] for was, kind, value in found if was != expected
        ]
        wrong[expected].append(str(len(cases)))
    return wrong


@app.get("/passes")
def passing() -> dict[str, bool]:
    kinds = {
        "model": Inner,
        "models": list[Inner],
        "same": Same,
        "maybe": Inner | None,
        "any": Any,
        "dict": dict[str, Any],
        "texts": list[str],
        "checked": Checked,
        "revalidated": Revalidated,
        "listed checked": list[Checked],
        "root": Root,
        "short": Annotated[list[int], Field(max_length=1)],
        "at least": Annotated[int, Field(ge=1)],
        "function": Annotated[int, AfterValidator(lambda v: v + 1)],
        "keys": dict[Annotated[str, Field(max_length=1)], int],
        "computed": Computed,
        "day": date,
        "same listed": list[Same],
    }
    return {name: passes_all(TypeAdapter(kind).core_schema) for name, kind in kinds.items()}


@app.get("/inner")
async def inner() -> Inner:
    return Inner(number=1)


@app.get("/other", response_model=Inner)
async def other():
    return Other(number=1)


@app.get("/attributes", response_model=Inner)
async def attributes():
    class Thing:
        number = 3
        text = "é"

    return Thing()


@app.get("/wrong", response_model=Inner)
async def wrong():
    return {"number": "x"}


@app.get("/short", response_model=Annotated[list[int], Field(max_length=1)])
async def short():
    return [1, 2]


@app.get("/infinite")
async def infinite() -> dict[str, float]:
    return {"a": float("inf")}


@app.get("/unset", response_model=Inner, response_model_exclude_unset=True)
async def unset():
    return Inner(number=1)
