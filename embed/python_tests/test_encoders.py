"""``jsonable_encoder``: everything becomes what JSON can express."""

import dataclasses
import datetime
import json
import subprocess
import sys
from collections import deque
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address, ip_network
from pathlib import Path, PurePosixPath
from re import compile as pattern
from typing import Any
from uuid import UUID

import pytest
from pydantic import AnyUrl, BaseModel, Field, SecretStr
from pydantic_core import PydanticUndefined

from fasterapi import encoders
from fasterapi._fields import Undefined
from fasterapi.encoders import jsonable_encoder


class Color(Enum):
    red = "r"


class Level(int, Enum):
    low = 1


class Model(BaseModel):
    name: str = Field(alias="Name")
    note: str | None = None
    secret: SecretStr = SecretStr("s")


@dataclasses.dataclass
class Point:
    x: int
    tags: set[str]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        ("text", "text"),
        (b"bytes", "bytes"),
        (Color.red, "r"),
        (Level.low, 1),
        (Decimal(1), 1),
        (Decimal("1.50"), 1.5),
        (Decimal("1E+2"), 100),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC), "2020-01-02T00:00:00+00:00"),
        (datetime.time(1, 2), "01:02:00"),
        (datetime.timedelta(minutes=1), 60.0),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("/a/b"), "/a/b"),
        (PurePosixPath("a"), "a"),
        (pattern("a+"), "a+"),
        (ip_address("::1"), "::1"),
        (ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (AnyUrl("http://x/"), "http://x/"),
        (SecretStr("s"), "**********"),
        (Undefined, None),
        (PydanticUndefined, None),
        ((1, (2,)), [1, [2]]),
        (deque([1]), [1]),
        (frozenset([1]), [1]),
        (range(0), []),
        ({1: {Color.red: Point(1, {"a"})}}, {1: {"r": {"x": 1, "tags": ["a"]}}}),
    ],
)
def test_values(value: Any, expected: Any) -> None:
    if isinstance(value, range):
        value = (number for number in value)
    found = jsonable_encoder(value)
    assert found == expected
    assert type(found) is type(expected)
    json.dumps(found)


def test_models() -> None:
    model = Model(Name="n")
    assert jsonable_encoder(model) == {"Name": "n", "note": None, "secret": "**********"}
    assert jsonable_encoder(model, by_alias=False, exclude={"secret"}) == {
        "name": "n",
        "note": None,
    }
    assert jsonable_encoder([model], exclude_unset=True) == [{"Name": "n"}]
    assert jsonable_encoder({"m": model}, exclude_none=True, include=["m"])["m"] == {
        "Name": "n",
        "secret": "**********",
    }


def test_selections_of_dicts() -> None:
    value = {"a": 1, "b": {"a": 2}, "_sa_state": 3}
    assert jsonable_encoder(value, include={"a", "b"}) == {"a": 1, "b": {"a": 2}}
    assert jsonable_encoder(value, exclude=["a"]) == {"b": {"a": 2}}
    assert jsonable_encoder(value, sqlalchemy_safe=False)["_sa_state"] == 3
    assert jsonable_encoder([value], exclude={"b"}) == [{"a": 1}]


def test_custom_encoders_come_first() -> None:
    class Text(str):
        __slots__ = ()

    custom = {str: str.upper, int: lambda number: -number}
    assert jsonable_encoder({"a": [1, Text("b")]}, custom_encoder=custom) == {"A": [-1, "B"]}
    assert jsonable_encoder("a", custom_encoder=custom) == "A"
    assert jsonable_encoder(Point(1, {"a"}), custom_encoder=custom) == {"X": -1, "TAGS": ["A"]}


def test_objects_are_read_as_mappings_or_by_their_attributes() -> None:
    class Attributes:
        def __init__(self) -> None:
            self.a = Color.red

    class Pairs:
        def __iter__(self) -> Any:
            return iter([("a", 1)])

    assert jsonable_encoder(Attributes()) == {"a": "r"}
    assert jsonable_encoder(Pairs()) == {"a": 1}
    with pytest.raises(ValueError, match="__dict__"):
        jsonable_encoder(object())


def test_programs_add_their_own_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    class Money:
        __slots__ = ()

    class Euro(Money):
        __slots__ = ()

    monkeypatch.setitem(encoders.ENCODERS_BY_TYPE, Money, lambda money: "money")
    assert jsonable_encoder([Money(), Euro()]) == ["money", "money"]
    with pytest.raises(AttributeError, match="no attribute 'NOTHING'"):
        _ = encoders.NOTHING


def test_plain_values_import_nothing() -> None:
    program = (
        "import sys; from fasterapi.encoders import jsonable_encoder as e;"
        "e({'a': [1, None, 'x']}); print({'pydantic', 'decimal', 'typing'} & set(sys.modules))"
    )
    source = Path(encoders.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "set()\n", done.stderr
