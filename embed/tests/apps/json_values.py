"""Values that a handler may return without a response model, pydantic's among them."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import ipaddress
import pathlib
import re
import types
import uuid
from collections import UserDict, deque
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic
import pydantic.dataclasses

from fasterapi import FasterAPI

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = datetime.date(2024, 2, 29)
MOMENT = datetime.datetime(2024, 2, 29, 12, 30, 1, 250000, tzinfo=datetime.UTC)
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Colour(enum.Enum):
    """A plain enumeration."""

    RED = "red"


class Level(enum.IntEnum):
    """A number."""

    HIGH = 3


class Item(pydantic.BaseModel):
    """A model with an alias, a serialiser and everything that JSON has no word for."""

    name: str
    price: decimal.Decimal = decimal.Decimal("1.50")
    in_stock: bool = pydantic.Field(default=True, alias="inStock")
    when: datetime.datetime = MOMENT
    took: datetime.timedelta = datetime.timedelta(seconds=90)
    colour: Colour = Colour.RED
    tags: set[str] = {"one"}
    secret: pydantic.SecretStr = pydantic.SecretStr("hidden")
    raw: bytes = b"raw"
    link: pydantic.HttpUrl = pydantic.HttpUrl("https://example.com")
    hidden: int = pydantic.Field(default=1, exclude=True)
    path: pathlib.PurePosixPath = pathlib.PurePosixPath("/a")

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> str:
        """Computed."""
        return self.name * 2


class Tree(pydantic.BaseModel):
    """A model of itself."""

    value: int
    children: list[Tree] = []
    extra: Any = None


class Numbers(pydantic.RootModel[list[int]]):
    """A model that is a list."""


class Own(pydantic.BaseModel):
    """A model that dumps itself."""

    value: int

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Not pydantic's."""
        return {"own": self.value, "mode": options["mode"], "by_alias": options["by_alias"]}


@dataclasses.dataclass
class Point:
    """A dataclass with what is no field."""

    x: int
    when: datetime.date = DAY
    origin: ClassVar[int] = 0
    item: Any = None


@pydantic.dataclasses.dataclass
class Checked:
    """pydantic's own kind of dataclass."""

    number: int
    colour: Colour = Colour.RED


class Slots:
    """An object without a dictionary that can be read as one."""

    __slots__ = ("a",)

    def keys(self) -> list[str]:
        """Makes it a mapping for ``dict``."""
        return ["a", "b"]

    def __getitem__(self, key: str) -> str:
        return key * 2


class Row:
    """An object with attributes, SQLAlchemy's state among them."""

    def __init__(self) -> None:
        self._sa_instance_state = object()
        self.ident = 1
        self.day = DAY


class Number(int):
    """A subclass of ``int`` that shows itself otherwise."""

    def __str__(self) -> str:
        return "number"


class Address(ipaddress.IPv4Address):
    """A subclass of an address."""


ITEM = Item(name="a")
VALUES: dict[str, Callable[[], Any]] = {
    "model": lambda: ITEM,
    "model_in_dict": lambda: {"item": ITEM, "items": [ITEM]},
    "model_tree": lambda: Tree(value=1, children=[Tree(value=2, extra=DAY)], extra=Item(name="b")),
    "model_root": lambda: Numbers([1, 2]),
    "model_own_dump": lambda: {"own": Own(value=1)},
    "model_in_dataclass": lambda: Point(1, item=Tree(value=2)),
    "dataclass_without_class_variables": lambda: [Point(1), Point(2, item={"p": Point(3)})],
    "pydantic_dataclass": lambda: Checked(1),
    "secret_str": lambda: {"s": pydantic.SecretStr("hidden"), "empty": pydantic.SecretStr("")},
    "secret_bytes": lambda: pydantic.SecretBytes(b"hidden"),
    "url": lambda: pydantic.AnyUrl("https://example.com/a?b=c"),
    "http_url": lambda: pydantic.HttpUrl("https://example.com"),
    "sqlalchemy_keys": lambda: {"_sa_x": 1, "_s": 2, "sa": 3},
    "row": Row,
    "user_dict": lambda: UserDict({"a": DAY}),
    "mapping_proxy": lambda: types.MappingProxyType({"a": {1}}),
    "like_a_mapping": Slots,
    "pairs": lambda: iter([("a", 1), ("b", ID)]),
    "namespace": lambda: types.SimpleNamespace(a=1, b=[DAY]),
    "int_subclass": lambda: [Number(5), {"n": Number(6)}],
    "bool_key": lambda: {True: 1, None: 2, 2.0: 3, Level.HIGH: 4},
    "odd_keys": lambda: {
        DAY: 1,
        ID: 2,
        Colour.RED: 3,
        decimal.Decimal("3.0"): 4,
        decimal.Decimal(7): 5,
        b"bytes": 6,
        pathlib.PurePosixPath("/k"): 7,
        ipaddress.IPv4Address("10.0.0.1"): 8,
        datetime.timedelta(seconds=1): 9,
    },
    "decimals": lambda: [
        decimal.Decimal(text) for text in ("0", "-0", "1.0", "1E+2", "1E-7", "-5", "0.1", "123")
    ],
    "deltas": lambda: [datetime.timedelta(days=-1), datetime.timedelta(microseconds=1)],
    "times": lambda: [datetime.time(1), datetime.time(1, 2, 3, 4), MOMENT, MOMENT.date()],
    "paths": lambda: [pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("c:\\d")],
    "addresses": lambda: [
        ipaddress.ip_address("::1"),
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_interface("10.0.0.1/8"),
        Address("127.0.0.1"),
    ],
    "pattern": lambda: [re.compile("a+"), re.compile("b", re.IGNORECASE)],
    "collections": lambda: [{1}, frozenset([2]), deque([3]), (4,), (n for n in (5, 6))],
    "enums": lambda: [Colour.RED, Level.HIGH, {"e": Level.HIGH}],
    "floats": lambda: [1e16, 1e-7, -0.0, 0.1, 1e300, 5e-324, 123456789.123],
    "text": lambda: ['"\\/\b\f\n\r\t\x00\x1f\x7f', "\u2028é😀", "</script>"],
    "exception": lambda: ValueError("x"),
    "function": lambda: test_function,
}
REFUSED: dict[str, Callable[[], Any]] = {
    "nan": lambda: {"x": float("nan")},
    "infinity": lambda: [float("-inf")],
    "nan_in_model": lambda: Tree(value=1, extra=float("nan")),
    "nan_decimal": lambda: decimal.Decimal("NaN"),
    "object": object,
    "bytearray": lambda: bytearray(b"x"),
    "complex": lambda: 1j,
    "bytes": lambda: b"\xff",
    "tuple_key": lambda: {(1, 2): 3},
    "surrogate": lambda: "\ud800",
}


def test_function() -> None:
    """A function has attributes: none."""


app = FasterAPI()


@app.get("/{kind}/{name}", inline=True, response_model=None)
def value(kind: str, name: str) -> Any:
    """One of the values."""
    return (VALUES if kind == "value" else REFUSED)[name]()
