"""One route for each kind of value a handler may return, as ``async def`` and as ``def``."""

import collections
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import pathlib
import re
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from fasterapi import FasterAPI


class Colour(enum.Enum):
    """A plain enumeration."""

    RED = "red"


class Mode(str, enum.Enum):  # noqa: UP042 - the older spelling is what most code has
    """An enumeration that is text."""

    FAST = "fast"


class Level(enum.IntEnum):
    """An enumeration that is a number."""

    HIGH = 3


class Pair(NamedTuple):
    """A tuple with names."""

    left: int
    right: str


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: int
    y: float
    when: datetime.date


@dataclasses.dataclass
class Line:
    """A dataclass of dataclasses."""

    points: list[Point]
    name: str | None = None


class Thing:
    """An object with attributes, one of them private."""

    def __init__(self) -> None:
        self.name = "thing"
        self.size = 2
        self._hidden = 1


class Text(str):
    """A subclass of ``str``."""

    __slots__ = ()


UTC = datetime.UTC
ZONE = datetime.timezone(datetime.timedelta(hours=2, minutes=30))
DAY = datetime.date(2024, 2, 29)
POINT = Point(1, 2.5, DAY)
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


def list_in_itself() -> list[Any]:
    """A list that holds itself."""
    made: list[Any] = []
    made.append(made)
    return made


# Made anew for each request, for generators can be read once only.
VALUES: dict[str, Callable[[], Any]] = {
    "str": lambda: 'a "b" \\ é \u2028 \U0001f600\x00\n',
    "str_empty": lambda: "",
    "str_subclass": lambda: Text("sub"),
    "bytes": "byté".encode,
    "bytes_empty": lambda: b"",
    "int": lambda: 42,
    "int_negative": lambda: -7,
    "int_large": lambda: 2**70,
    "float": lambda: 2.5,
    "float_whole": lambda: 3.0,
    "float_small": lambda: 1e-7,
    "float_large": lambda: 1e22,
    "float_tenth": lambda: 0.1 + 0.2,
    "none": lambda: None,
    "true": lambda: True,
    "false": lambda: False,
    "dict": lambda: {"a": 1, "b": [True, None], "c": {"d": "e"}},
    "dict_empty": dict,
    "dict_keys": lambda: {
        5: "int",
        True: "bool",
        None: "none",
        2.5: "float",
        ID: "uuid",
        DAY: "date",
        Colour.RED: "enum",
    },
    "dict_subclass": lambda: collections.OrderedDict([("z", 1), ("a", 2)]),
    "defaultdict": lambda: collections.defaultdict(int, x=1),
    "list": lambda: [1, "two", 3.0, None, [4]],
    "list_empty": list,
    "tuple": lambda: (1, "two"),
    "namedtuple": lambda: Pair(1, "r"),
    "set": lambda: {7},
    "frozenset": lambda: frozenset({"one"}),
    "deque": lambda: collections.deque([1, 2]),
    "generator": lambda: (n * n for n in range(3)),
    "dataclass": lambda: POINT,
    "dataclass_nested": lambda: Line([POINT]),
    "datetime": lambda: datetime.datetime(2024, 2, 29, 12, 30, 1, 250000),
    "datetime_utc": lambda: datetime.datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
    "datetime_zone": lambda: datetime.datetime(2024, 2, 29, 12, 30, tzinfo=ZONE),
    "date": lambda: DAY,
    "time": lambda: datetime.time(1, 2, 3),
    "time_zone": lambda: datetime.time(1, 2, 3, 4, tzinfo=ZONE),
    "timedelta": lambda: datetime.timedelta(days=1, seconds=2, milliseconds=500),
    "timedelta_whole": lambda: datetime.timedelta(minutes=1),
    "uuid": lambda: ID,
    "decimal": lambda: decimal.Decimal("3.14"),
    "decimal_whole": lambda: decimal.Decimal(30),
    "decimal_exponent": lambda: decimal.Decimal("1E+3"),
    "enum": lambda: Colour.RED,
    "enum_str": lambda: Mode.FAST,
    "enum_int": lambda: Level.HIGH,
    "path": lambda: pathlib.PurePosixPath("/a/b"),
    "ipv4": lambda: ipaddress.IPv4Address("127.0.0.1"),
    "pattern": lambda: re.compile("a.b"),
    "object": Thing,
    "nested": lambda: {
        "points": [POINT, {"at": ID}],
        "modes": (Mode.FAST, Level.HIGH),
        "when": {"day": DAY, "took": datetime.timedelta(seconds=1.5)},
        "raw": [b"x", {b"y"}],
        "price": decimal.Decimal("0.5"),
    },
    "nan": lambda: float("nan"),
    "infinity": lambda: {"deep": [float("-inf")]},
    "bytes_not_utf8": lambda: b"\xff",
    "surrogate": lambda: "\ud800",
    "nonsense": object,
    "circular": list_in_itself,
}


app = FasterAPI()


def add(name: str, make: Callable[[], Any]) -> None:
    """Register the handlers of one value; no return annotation, as it could be a model."""

    async def handler():  # noqa: ANN202
        return make()

    app.add_api_route(f"/async/{name}", handler)
    app.add_api_route(f"/def/{name}", lambda: make())  # noqa: PLW0108 - a function, not a class


for value_name, value_maker in VALUES.items():
    add(value_name, value_maker)
