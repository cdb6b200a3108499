"""Converts plain parameters where pydantic is not installed.

The same values and, texts of errors about UUIDs aside, the same errors as pydantic's.
"""

from __future__ import annotations

from fasterapi._scalar import scalar_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fasterapi._fields import ModelField
    from fasterapi._scalar import ScalarPlan

__all__ = ["plain_validator"]

_TRUE = frozenset(("1", "on", "t", "true", "y", "yes"))
_FALSE = frozenset(("0", "off", "f", "false", "n", "no"))
# As pydantic: a longer text is refused before it costs time.
_DIGITS_MAX = 4300

# In the order in which pydantic looks at them: only the first error counts.
_BOUNDS: tuple[tuple[str, str, str, Callable[[Any, Any], bool]], ...] = (
    ("le", "less_than_equal", "less than or equal to", lambda value, bound: value <= bound),
    ("lt", "less_than", "less than", lambda value, bound: value < bound),
    ("ge", "greater_than_equal", "greater than or equal to", lambda value, bound: value >= bound),
    ("gt", "greater_than", "greater than", lambda value, bound: value > bound),
)


class PlainError(ValueError):
    """One error, with the interface of pydantic's ``ValidationError``."""

    def __init__(self, kind: str, message: str, value: object, **context: object) -> None:
        """Keep the parts."""
        super().__init__(message)
        self._entry: dict[str, Any] = {"type": kind, "loc": (), "msg": message, "input": value}
        if context:
            self._entry["ctx"] = context

    def errors(self, *, include_url: bool = False) -> list[dict[str, Any]]:
        """The error, in a list; there is no page about it to link to."""
        del include_url
        return [self._entry]


def plain_validator(field: ModelField) -> Callable[..., Any] | None:
    """What validates ``field`` without pydantic; ``None`` if nothing can."""
    plan = scalar_of(field)
    if plan is None:
        return None
    convert = _CONVERTERS[plan.convert]

    def validate(value: Any, *, from_attributes: bool = True) -> Any:
        del from_attributes
        if value is None and plan.allow_none:
            return None
        return _checked(convert(value), value, plan)

    return validate


def _checked(converted: Any, given: Any, plan: ScalarPlan) -> Any:
    """``converted`` within the plan's constraints; raises ``PlainError``."""
    for name, kind, words, holds in _BOUNDS:
        bound = getattr(plan, name)
        if bound is not None and not holds(converted, bound):
            if plan.convert == "float":
                bound = float(bound)
            shown = f"{bound:g}" if isinstance(bound, float) else bound
            message = f"Input should be {words} {shown}"
            raise PlainError(kind, message, given, **{name: bound})
    for name, kind, words in (
        ("min_length", "string_too_short", "at least"),
        ("max_length", "string_too_long", "at most"),
    ):
        bound = getattr(plan, name)
        if bound is None:
            continue
        if len(converted) < bound if name == "min_length" else len(converted) > bound:
            unit = "character" if bound == 1 else "characters"
            message = f"String should have {words} {bound} {unit}"
            raise PlainError(kind, message, given, **{name: bound})
    return converted


def _to_str(value: Any) -> Any:
    return value


def _to_int(value: Any) -> int:
    if not isinstance(value, str):
        return int(value)
    text = value.strip()
    whole, point, zeros = text.partition(".")
    digits = whole.removeprefix("-") if whole.startswith("-") else whole.removeprefix("+")
    if len(digits) > _DIGITS_MAX:
        raise PlainError(
            "int_parsing_size",
            "Unable to parse input string as an integer, exceeded maximum size",
            value,
        )
    sound = digits.isascii() and digits.replace("_", "").isdigit() and not (point and not zeros)
    if sound and not zeros.strip("0"):
        try:
            return int(whole)
        except ValueError:
            pass  # misplaced underscores
    message = "Input should be a valid integer, unable to parse string as an integer"
    raise PlainError("int_parsing", message, value)


def _to_float(value: Any) -> float:
    try:
        # Python's own float() takes the digits of all scripts.
        if not isinstance(value, str) or value.strip().isascii():
            return float(value)
    except ValueError:
        pass
    message = "Input should be a valid number, unable to parse string as a number"
    raise PlainError("float_parsing", message, value)


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    message = "Input should be a valid boolean, unable to interpret input"
    raise PlainError("bool_parsing", message, value)


def _to_uuid(value: Any) -> Any:
    from uuid import UUID

    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except ValueError as error:
        message = f"Input should be a valid UUID, {error}"
        raise PlainError("uuid_parsing", message, value, error=str(error)) from None


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "str": _to_str,
    "int": _to_int,
    "float": _to_float,
    "bool": _to_bool,
    "uuid": _to_uuid,
}
