"""Plain parameters without pydantic: the same values and errors as with it."""

import sys
from typing import Any
from uuid import UUID

import pytest

from fasterapi._dependant import get_dependant
from fasterapi._fields import ModelField
from fasterapi._plain_values import plain_validator
from fasterapi.param_functions import Query

_TEXTS = [
    *("", " ", "0", "1", "-1", "+1", " 12 ", "1.0", "1.00", "1.5", "1.", ".0", "1_000", "_1"),
    *("1_", "1__0", "0x10", "1e3", "007", "-0", "--1", "+-1", "- 1", "٣", "9" * 5000, "nan"),
    *("inf", "-Infinity", "1e999", "1_0.5", "true", "TRUE", "on", "Off", "y", "maybe", "t", "2"),
    *("None", "null", "abcd", "é", "\x00", "1\x00", "1,0", "1 2"),
]
_DECLARED: list[tuple[Any, Any]] = [
    (int, Query()),
    (int | None, Query()),
    (int, Query(ge=0, lt=10)),
    (float, Query()),
    (float, Query(gt=0, le=1.5)),
    (bool, Query()),
    (str, Query()),
    (str, Query(min_length=1, max_length=3)),
    (str | None, Query(min_length=2)),
]


def _field(annotation: Any, default: Any) -> ModelField:
    def handler(a): ...

    handler.__annotations__ = {"a": annotation}
    handler.__defaults__ = (default,)
    return get_dependant(path="/", call=handler).query_params[0]


@pytest.mark.parametrize(("annotation", "default"), _DECLARED)
@pytest.mark.parametrize("text", _TEXTS)
def test_same_as_pydantic(annotation: Any, default: Any, text: str) -> None:
    expected = _field(annotation, default).validate(text, loc=("query", "a"))
    field = _field(annotation, default)
    field._validate = plain_validator(field)
    found = field.validate(text, loc=("query", "a"))
    assert repr(found) == repr(expected)


@pytest.mark.parametrize("text", ["", "x", str(UUID(int=5)), UUID(int=5).hex, f"{{{UUID(int=5)}}}"])
def test_uuids(text: str) -> None:
    expected, errors = _field(UUID, Query()).validate(text)
    field = _field(UUID, Query())
    field._validate = plain_validator(field)
    found, own_errors = field.validate(text)
    assert found == expected
    assert [error["type"] for error in own_errors] == [error["type"] for error in errors]


def test_they_stand_in_when_pydantic_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pydantic"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydantic", None)
    monkeypatch.delitem(sys.modules, "fasterapi._field_info", raising=False)
    field = _field(int, Query(gt=3))
    assert field.validate("4") == (4, [])
    assert field.validate("3")[1][0]["type"] == "greater_than"
