"""A small stand-in for a pydantic model, for what an application builds before it serves.

A security scheme describes itself when its module is imported. With a pydantic
model for that, an application without any models would have to import pydantic
for a few strings.
"""

from __future__ import annotations

from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, ClassVar, Self

__all__ = ["REQUIRED", "Field", "LightModel", "field"]

#: Marks a field without a default.
REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "REQUIRED"})()


class Field:
    """What one attribute of a light model takes.

    ``kind`` is a class, or a light model that a dictionary is turned into.
    ``alias`` is its name in documents, the attribute's own when empty. ``of`` is the
    class of a dictionary's values. A field whose default is ``None`` takes ``None``.
    """

    __slots__ = ("alias", "default", "kind", "of")

    def __init__(
        self,
        kind: type[Any],
        default: Any = REQUIRED,
        *,
        alias: str = "",
        of: type[Any] | None = None,
    ) -> None:
        """Keep the description."""
        self.kind = kind
        self.default = default
        self.alias = alias
        self.of = of

    def read(self, value: Any, where: str) -> Any:
        """The value as the attribute holds it; raises ``ValueError`` on another type."""
        if value is None and self.default is None:
            return None
        kind = self.kind
        if isinstance(value, kind) and kind is not dict:
            return value
        if issubclass(kind, LightModel) and isinstance(value, dict):
            return kind(**value)
        if kind is dict and isinstance(value, dict):
            if self.of is None or all(isinstance(item, self.of) for item in value.values()):
                return dict(value)
        elif issubclass(kind, Enum) and value in [member.value for member in kind]:
            return kind(value)
        raise ValueError(f"{where} takes {kind.__name__}, not {value!r}")


def field(
    kind: type[Any], default: Any = REQUIRED, *, alias: str = "", of: type[Any] | None = None
) -> Any:
    """A `Field`, for a type checker a value of the attribute's type."""
    return Field(kind, default, alias=alias, of=of)


class LightModel:
    """Keyword arguments as attributes, with a pydantic model's methods of the same names.

    A subclass has a `field` for each attribute; those of its bases come first. With
    ``_extra`` other arguments are kept too, otherwise they are left out. Raises
    ``ValueError`` (as pydantic does) when one is missing or of another type.
    """

    _fields: ClassVar[dict[str, Field]] = {}
    _extra: ClassVar[bool] = True
    _serializer: ClassVar[Any] = None

    def __init_subclass__(cls) -> None:
        """Collect the fields."""
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        cls._fields = {**cls._fields, **own}
        for name in own:
            delattr(cls, name)

    def __init__(self, **data: Any) -> None:
        """Check and keep ``data``."""
        own = self.__dict__
        for name, described in self._fields.items():
            given = described.alias if described.alias in data else name
            where = f"{type(self).__name__}.{name}"
            if given in data:
                own[name] = described.read(data.pop(given), where)
            elif described.default is REQUIRED:
                raise ValueError(f"{where} is missing")
            else:
                default = described.default
                own[name] = dict(default) if described.kind is dict else default
        if self._extra:
            own.update(data)

    @classmethod
    def model_construct(cls, **values: Any) -> Self:
        """One with exactly these values, which are not checked: the quick way."""
        made = cls.__new__(cls)
        made.__dict__.update(values)
        return made

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Pairs of name and value."""
        return iter(self.__dict__.items())

    def __eq__(self, other: object) -> bool:
        """Same class, same values."""
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        """``HTTPBearer(type_=..., scheme='bearer')``."""
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self)})"

    def __str__(self) -> str:
        """The values without the class."""
        return " ".join(f"{name}={value!r}" for name, value in self)

    def model_dump(
        self,
        *,
        mode: str = "python",
        by_alias: bool = False,
        exclude_none: bool = False,
        **_: Any,
    ) -> dict[str, Any]:
        """The values as a dictionary; with ``mode="json"`` only of JSON's types."""
        result: dict[str, Any] = {}
        for name, value in self:
            if value is None and exclude_none:
                continue
            described = self._fields.get(name)
            key = described.alias if by_alias and described and described.alias else name
            if isinstance(value, LightModel):
                result[key] = value.model_dump(
                    mode=mode, by_alias=by_alias, exclude_none=exclude_none
                )
            else:
                is_enum = mode == "json" and isinstance(value, Enum)
                result[key] = value.value if is_enum else value
        return result

    def model_dump_json(self, **options: Any) -> str:
        """The values as JSON text."""
        import json

        values = self.model_dump(mode="json", **options)
        return json.dumps(values, ensure_ascii=False, separators=(",", ":"))

    def model_copy(self, *, update: dict[str, Any] | None = None, **_: Any) -> Self:
        """Another with the same values, but for those of ``update``."""
        return self.model_construct(**{**self.__dict__, **(update or {})})

    @classmethod
    def model_validate(cls, value: Any, **_: Any) -> Self:
        """Make one from a dictionary; one of the class stays what it is."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            raise ValueError(f"{cls.__name__} takes a dictionary, not {value!r}")
        return cls(**value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic's models have this class as a field, and give it a JSON schema."""
        from fasterapi.openapi._light_schema import core_schema_of

        return core_schema_of(cls)

    @property
    def __pydantic_serializer__(self) -> Any:
        """Let pydantic write it where a response model says ``Any``, as a model of its own."""
        cls = type(self)
        serializer = cls.__dict__.get("_serializer")
        if serializer is None:
            from pydantic import TypeAdapter

            serializer = TypeAdapter(cls).serializer
            cls._serializer = serializer
        return serializer
