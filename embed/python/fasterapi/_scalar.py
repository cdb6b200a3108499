"""The fields so plain that Rust converts them itself, with pydantic's results and errors."""

from __future__ import annotations

from fasterapi._annotations import allows_none, is_alias_type, is_annotated, without_none
from fasterapi._signature import EMPTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi._fields import ModelField

__all__ = ["ScalarPlan", "scalar_of"]

_NUMBER = frozenset(("ge", "gt", "le", "lt"))
_LENGTH = frozenset(("min_length", "max_length"))
# The attribute of each of annotated_types' plain constraints.
_NOTES = {
    "Ge": "ge",
    "Gt": "gt",
    "Le": "le",
    "Lt": "lt",
    "MinLen": "min_length",
    "MaxLen": "max_length",
}
# Bounds beyond this need more than 64 bits.
_INTEGER_MAX = 2**63 - 1
# How many names may stand for a type (NewType, `type X = ...`).
_NAMES_MAX = 32


class ScalarPlan:
    """How one text becomes the value.

    ``convert`` is ``"str"``, ``"int"``, ``"float"``, ``"bool"`` or ``"uuid"``;
    ``allow_none``: the type has ``| None``; the others are constraints or ``None``.
    """

    __slots__ = (
        *("allow_none", "convert", "ge", "gt", "le", "lt"),
        *("max_length", "min_length"),
    )

    def __init__(self, convert: str, allow_none: bool, constraints: dict[str, Any]) -> None:
        """Keep the parts."""
        self.convert = convert
        self.allow_none = allow_none
        self.ge: float | None = constraints.get("ge")
        self.gt: float | None = constraints.get("gt")
        self.le: float | None = constraints.get("le")
        self.lt: float | None = constraints.get("lt")
        self.min_length: int | None = constraints.get("min_length")
        self.max_length: int | None = constraints.get("max_length")

    def __repr__(self) -> str:
        """What is set."""
        set_ = ((name, getattr(self, name)) for name in self.__slots__)
        parts = ", ".join(f"{name}={value!r}" for name, value in set_ if value is not None)
        return f"ScalarPlan({parts})"


def scalar_of(field: ModelField) -> ScalarPlan | None:
    """The plan of a parameter outside the body; ``None`` when pydantic must judge it.

    The default is not part of it: see ``field.required`` and ``field.default``.
    """
    param = field.param
    if param is None or param.kind not in ("path", "query", "header", "cookie"):
        return None
    if field.default_factory is not None or field.validate_default or param.discriminator:
        return None
    if not _is_plain_default(field._default):
        return None
    if not _has_one_name(field):
        return None
    converted = _convert(field.annotation)
    constraints = _constraints(field)
    if converted is None or constraints is None:
        return None
    convert, allow_none = converted
    return ScalarPlan(convert, allow_none, constraints) if _fits(convert, constraints) else None


def _has_one_name(field: ModelField) -> bool:
    if field._names is None or isinstance(field._names, str):
        return True
    # A path's AliasChoices are settled when the route is made.
    return field.reading.location == "path" and field.validation_alias is not None


def _convert(annotation: Any) -> tuple[str, bool] | None:
    allow_none = False
    for _ in range(_NAMES_MAX):
        if annotation is EMPTY or _is_any(annotation):
            return "str", True
        if allows_none(annotation):
            allow_none = True
            inner = without_none(annotation)
            if inner is annotation:
                return None
            annotation = inner
        elif hasattr(annotation, "__supertype__"):  # NewType
            annotation = annotation.__supertype__
        elif is_alias_type(annotation):
            annotation = annotation.__value__
        elif is_annotated(annotation):
            return None
        else:
            break
    name = _name(annotation)
    return None if name is None else (name, allow_none)


def _name(annotation: Any) -> str | None:
    if annotation in (str, int, float, bool):
        return str(annotation.__name__)
    module = getattr(annotation, "__module__", None)
    is_uuid = module == "uuid" and getattr(annotation, "__name__", None) == "UUID"
    return "uuid" if is_uuid else None


def _is_any(annotation: Any) -> bool:
    name = getattr(annotation, "__name__", None) or getattr(annotation, "_name", None)
    return name == "Any" and getattr(annotation, "__module__", None) == "typing"


def _is_plain_default(default: Any) -> bool:
    kind = type(default)
    return default is EMPTY or default is None or _name(kind) is not None


def _constraints(field: ModelField) -> dict[str, Any] | None:
    """All constraints of the field; ``None`` if one is not plain."""
    param = field.param
    found: dict[str, Any] = {}
    notes: list[tuple[str, Any]] = []
    if param is not None:
        notes += param.constraints.items()
    for note in field.metadata:
        if note is param:
            continue
        constraint = _constraint(note)
        if constraint is None:
            return None
        notes += constraint
    for name, value in notes:
        if name in found or name not in _NUMBER | _LENGTH:
            return None
        found[name] = value
    return found


def _constraint(note: Any) -> list[tuple[str, Any]] | None:
    """The constraint that ``note`` is, none for a mere remark, ``None`` if it is not plain."""
    kind = type(note)
    package = kind.__module__.partition(".")[0]
    if package == "annotated_types":
        name = _NOTES.get(kind.__name__)
        return None if name is None else [(name, getattr(note, name))]
    if package in ("pydantic", "pydantic_core", "fasterapi") or hasattr(note, "__iter__"):
        return [] if isinstance(note, str) else None
    hooks = ("__get_pydantic_core_schema__", "__get_pydantic_json_schema__", "__metadata__")
    return None if any(hasattr(note, hook) for hook in hooks) else []


def _fits(convert: str, constraints: dict[str, Any]) -> bool:
    if convert == "str":
        allowed: frozenset[str] = _LENGTH
    else:
        allowed = _NUMBER if convert in ("int", "float") else frozenset()
    if not allowed.issuperset(constraints):
        return False
    kinds = (int, float) if convert == "float" else (int,)
    return all(
        type(value) in kinds and abs(value) <= _INTEGER_MAX for value in constraints.values()
    )
