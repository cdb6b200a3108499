"""Turns any object into what JSON can express."""

from __future__ import annotations

import sys
from collections import deque

from fasterapi.params import is_undefined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Encoder = Callable[[Any], Any]
    # Keys of a model to include or exclude; anything iterable is taken for a set.
    Selection = Any

    ENCODERS_BY_TYPE: dict[type[Any], Encoder]

__all__ = ["ENCODERS_BY_TYPE", "decimal_encoder", "isoformat", "jsonable_encoder"]

_SCALARS = (str, int, float, type(None))
_SEQUENCES = (list, set, frozenset, tuple, deque)
_encoders: dict[type[Any], Encoder] = {}
# Types of pydantic and pydantic-extra-types, and which of them have been seen.
_WRITTEN_AS_TEXT = {
    ("pydantic.color", "Color"),
    ("pydantic.networks", "AnyUrl"),
    ("pydantic.networks", "NameEmail"),
    ("pydantic.types", "SecretBytes"),
    ("pydantic.types", "SecretStr"),
    ("pydantic_core", "Url"),
    ("pydantic_extra_types.color", "Color"),
}
_filled: set[tuple[str, str]] = set()


def isoformat(o: Any) -> str:
    """A date or time in ISO 8601."""
    text: str = o.isoformat()
    return text


def decimal_encoder(dec_value: Any) -> int | float:
    """An ``int`` for a whole decimal (``Decimal("1")``), else a ``float``."""
    exponent = dec_value.as_tuple().exponent
    whole = isinstance(exponent, int) and exponent >= 0
    return int(dec_value) if whole else float(dec_value)


def _standard_encoders() -> dict[type[Any], Encoder]:
    """Encoders of the standard library's types, which are imported now."""
    import datetime
    import ipaddress
    from decimal import Decimal
    from enum import Enum
    from pathlib import PurePath
    from re import Pattern
    from types import GeneratorType
    from uuid import UUID

    addresses = [
        getattr(ipaddress, f"IPv{version}{kind}")
        for version in (4, 6)
        for kind in ("Address", "Interface", "Network")
    ]
    return {
        bytes: bytes.decode,
        datetime.date: isoformat,
        datetime.datetime: isoformat,
        datetime.time: isoformat,
        datetime.timedelta: datetime.timedelta.total_seconds,
        Decimal: decimal_encoder,
        Enum: lambda member: member.value,
        frozenset: list,
        deque: list,
        GeneratorType: list,
        **dict.fromkeys(addresses, str),
        PurePath: str,
        Pattern: lambda pattern: pattern.pattern,
        set: list,
        UUID: str,
    }


def _table() -> dict[type[Any], Encoder]:
    """``ENCODERS_BY_TYPE``, filled when it is first wanted."""
    if not _encoders:
        _encoders.update(_standard_encoders())
    # pydantic's types as soon as they are imported; they are not imported for this.
    for module, name in _WRITTEN_AS_TEXT - _filled:
        kind = vars(sys.modules[module]).get(name) if module in sys.modules else None
        if isinstance(kind, type):
            _filled.add((module, name))
            _encoders.setdefault(kind, str)
    return _encoders


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """``ENCODERS_BY_TYPE``: a program may add encoders of its own to it."""
        if name == "ENCODERS_BY_TYPE":
            return _table()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def jsonable_encoder(
    obj: Any,
    include: Selection = None,
    exclude: Selection = None,
    by_alias: bool = True,
    exclude_unset: bool = False,
    exclude_defaults: bool = False,
    exclude_none: bool = False,
    custom_encoder: dict[Any, Encoder] | None = None,
    sqlalchemy_safe: bool = True,
) -> Any:
    """``obj`` as dicts, lists, texts, numbers, booleans and ``None``.

    Keywords up to ``exclude_none`` are those of a pydantic model's ``model_dump``.
    ``custom_encoder`` has functions for types, asked before all others;
    ``sqlalchemy_safe`` leaves out keys that begin with ``_sa``. Raises
    ``ValueError`` for an object that is neither a mapping nor has attributes.
    """
    kind = type(obj)
    if not custom_encoder and (kind is str or kind is int or obj is None or kind is bool):
        return obj
    encoding = _Encoding(
        by_alias,
        exclude_unset,
        exclude_defaults,
        exclude_none,
        custom_encoder or {},
        sqlalchemy_safe,
    )
    return encoding.encode(obj, _selection(include), _selection(exclude))


def _selection(given: Iterable[Any] | None) -> Any:
    return given if given is None or isinstance(given, set | dict) else set(given)


class _Encoding:
    """One call's settings."""

    __slots__ = (
        *("by_alias", "custom", "exclude_defaults", "exclude_none", "exclude_unset"),
        "sqlalchemy_safe",
    )

    def __init__(
        self,
        by_alias: bool,
        exclude_unset: bool,
        exclude_defaults: bool,
        exclude_none: bool,
        custom: dict[Any, Encoder],
        sqlalchemy_safe: bool,
    ) -> None:
        self.by_alias = by_alias
        self.exclude_unset = exclude_unset
        self.exclude_defaults = exclude_defaults
        self.exclude_none = exclude_none
        self.custom = custom
        self.sqlalchemy_safe = sqlalchemy_safe

    def encode(self, obj: Any, include: Selection = None, exclude: Selection = None) -> Any:
        custom = self._custom_encoder(obj) if self.custom else None
        if custom is not None:
            return custom(obj)
        kind = type(obj)
        if kind in _SCALARS or kind is bool:
            return obj
        if kind is dict:
            return self._mapping(obj, include, exclude)
        if kind is list or kind is tuple:
            return [self.encode(item, include, exclude) for item in obj]
        return self._special(obj, include, exclude)

    def _custom_encoder(self, obj: Any) -> Encoder | None:
        exact = self.custom.get(type(obj))
        if exact is not None:
            return exact
        return next((self.custom[kind] for kind in self.custom if isinstance(obj, kind)), None)

    def _special(  # noqa: PLR0911 - one for each kind of object
        self, obj: Any, include: Selection, exclude: Selection
    ) -> Any:
        """What is none of JSON's own types."""
        kind = type(obj)
        if hasattr(kind, "__pydantic_validator__") and hasattr(obj, "model_dump"):
            return self._model(obj, include, exclude)
        if hasattr(obj, "__dataclass_fields__") and not isinstance(obj, type):
            from dataclasses import asdict

            return self.encode(asdict(obj), include, exclude)
        if hasattr(kind, "__members__"):  # an Enum
            return obj.value
        if isinstance(obj, _SCALARS) or is_undefined(obj):
            return obj if isinstance(obj, _SCALARS) else None
        if isinstance(obj, dict):
            return self._mapping(obj, include, exclude)
        if isinstance(obj, _SEQUENCES) or kind.__name__ == "generator":
            return [self.encode(item, include, exclude) for item in obj]
        return self._known(obj, include, exclude)

    def _model(self, obj: Any, include: Selection, exclude: Selection) -> Any:
        dumped = obj.model_dump(
            mode="json",
            include=include,
            exclude=exclude,
            by_alias=self.by_alias,
            exclude_unset=self.exclude_unset,
            exclude_none=self.exclude_none,
            exclude_defaults=self.exclude_defaults,
        )
        # The model has done the rest, as its configuration says.
        rest = _Encoding(
            True, False, self.exclude_defaults, self.exclude_none, {}, self.sqlalchemy_safe
        )
        return rest.encode(dumped)

    def _mapping(self, obj: dict[Any, Any], include: Selection, exclude: Selection) -> Any:
        encoded = {}
        for key, value in obj.items():
            if include is not None and key not in include:
                continue
            if exclude is not None and key in exclude:
                continue
            if value is None and self.exclude_none:
                continue
            if self.sqlalchemy_safe and isinstance(key, str) and key.startswith("_sa"):
                continue
            name = key if type(key) is str and not self.custom else self.encode(key)
            encoded[name] = self.encode(value)
        return encoded

    def _known(self, obj: Any, include: Selection, exclude: Selection) -> Any:
        """A type with an encoder; or else its items, or its attributes."""
        table = _table()
        encoder = table.get(type(obj))
        if encoder is None:
            encoder = next((table[kind] for kind in table if isinstance(obj, kind)), None)
        if encoder is not None:
            return encoder(obj)
        _refuse_v1_model(obj)
        errors: list[Exception] = []
        for read in (dict, vars):
            try:
                data = read(obj)
            except Exception as error:  # whatever the object's own methods raise
                errors.append(error)
            else:
                return self.encode(data, include, exclude)
        raise ValueError(errors) from errors[-1]


def _refuse_v1_model(obj: Any) -> None:
    from fasterapi._annotations import is_v1_model

    if is_v1_model(type(obj)):
        from fasterapi.exceptions import PydanticV1NotSupportedError

        raise PydanticV1NotSupportedError(
            "pydantic.v1 models are no longer supported by FastAPI."
            f" Please update the model {obj!r}."
        )
