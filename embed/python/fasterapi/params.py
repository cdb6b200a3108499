"""The classes that say where a parameter comes from and what it must be.

They keep what they are given and import nothing. pydantic, which wants field
descriptions of its own class, takes them for such (see ``__class__`` below), so
that they may stand in its models and inside its types as well.
"""

from __future__ import annotations

import sys
from enum import Enum

from fasterapi._depends import Depends as Depends
from fasterapi._depends import Security as Security
from fasterapi._signature import EMPTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable
    from typing import Any, Literal, TypedDict, Unpack

    class FieldOptions(TypedDict, total=False):
        """The keywords of every parameter; most have the meaning of ``pydantic.Field``."""

        default_factory: Callable[[], Any] | None
        annotation: Any
        alias: str | None
        alias_priority: int | None
        validation_alias: Any
        serialization_alias: str | None
        title: str | None
        description: str | None
        gt: float | None
        ge: float | None
        lt: float | None
        le: float | None
        min_length: int | None
        max_length: int | None
        pattern: str | re.Pattern[str] | None
        regex: str | None
        discriminator: Any
        strict: bool | None
        validate_default: bool | None
        union_mode: Literal["smart", "left_to_right"] | None
        fail_fast: bool | None
        multiple_of: float | None
        allow_inf_nan: bool | None
        max_digits: int | None
        decimal_places: int | None
        examples: list[Any] | None
        example: Any
        openapi_examples: dict[str, Any] | None
        deprecated: Any
        include_in_schema: bool
        json_schema_extra: dict[str, Any] | Callable[[dict[str, Any]], None] | None

    class HeaderOptions(FieldOptions, total=False):
        """The keywords of a header parameter."""

        convert_underscores: bool

    class FormOptions(FieldOptions, total=False):
        """The keywords of a form field."""

        media_type: str

    class BodyOptions(FormOptions, total=False):
        """The keywords of a body parameter."""

        embed: bool | None


__all__ = [
    "Body",
    "Cookie",
    "Depends",
    "FieldParam",
    "File",
    "Form",
    "Header",
    "Param",
    "ParamTypes",
    "Path",
    "Query",
    "Security",
]

# Handed on to pydantic's FieldInfo: what it keeps as attributes, then what it
# keeps as constraints.
ATTRIBUTES = (
    *("default_factory", "annotation", "alias", "alias_priority", "validation_alias"),
    *("serialization_alias", "title", "description", "examples", "discriminator"),
    *("deprecated", "json_schema_extra", "validate_default"),
)
CONSTRAINTS = (
    *("gt", "ge", "lt", "le", "min_length", "max_length", "pattern", "strict"),
    *("multiple_of", "allow_inf_nan", "max_digits", "decimal_places", "union_mode", "fail_fast"),
)
_OWN = ("example", "openapi_examples", "include_in_schema", "regex")
_KNOWN = frozenset((*ATTRIBUTES, *CONSTRAINTS, *_OWN))


class ParamTypes(Enum):
    """The parts of a request, apart from its body, that hold parameters."""

    query = "query"
    header = "header"
    path = "path"
    cookie = "cookie"


class FieldParam:
    """What all declared parameters share: a default, names, texts and constraints.

    ``constraints`` holds those that were given, by keyword; ``given`` the keywords
    for pydantic's ``FieldInfo``.
    """

    # The part of the request: "path", "query", "header", "cookie", "body", "form"
    # or "file".
    kind = "query"

    annotation: Any
    alias: str | None
    validation_alias: Any
    serialization_alias: str | None
    title: str | None
    description: str | None
    deprecated: Any
    examples: list[Any] | None
    default_factory: Callable[[], Any] | None
    validate_default: bool | None
    discriminator: Any
    json_schema_extra: Any
    alias_priority: int | None

    def __init__(self, default: Any = EMPTY, **options: Unpack[FieldOptions]) -> None:
        """Keep the parts. Raises ``TypeError`` for unknown keywords."""
        values: dict[str, Any] = dict(options)
        if not _KNOWN.issuperset(values):
            unknown = ", ".join(sorted(values.keys() - _KNOWN))
            raise TypeError(f"{type(self).__name__}() has no parameter {unknown}")
        # FastAPI reads `...` as "required", as pydantic does.
        self._default = EMPTY if default is ... or is_undefined(default) else default
        if self._default is not EMPTY and values.get("default_factory") is not None:
            raise TypeError("cannot specify both default and default_factory")
        _take_deprecated(values)
        self.example = values.pop("example", None)
        self.openapi_examples: dict[str, Any] | None = values.pop("openapi_examples", None)
        self.include_in_schema: bool = values.pop("include_in_schema", True)
        alias = values.get("alias")
        if isinstance(alias, str) and values.get("serialization_alias") is None:
            values["serialization_alias"] = alias
        # `alias=None` takes back what another declaration in `Annotated` has set.
        if "alias" in values and values.get("validation_alias") is None:
            values["validation_alias"] = alias
        for name in ATTRIBUTES:
            setattr(self, name, values.get(name))
        self.constraints: dict[str, Any] = {
            name: values[name] for name in CONSTRAINTS if values.get(name) is not None
        }
        self.given = {name: values[name] for name in ATTRIBUTES if name in values}

    @property
    def default(self) -> Any:
        """The default; ``EMPTY``, or pydantic's own mark for that, when there is none."""
        if self._default is not EMPTY or "pydantic_core" not in sys.modules:
            return self._default
        return sys.modules["pydantic_core"].PydanticUndefined

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        # `isinstance` asks this when the type itself does not answer: to pydantic,
        # which knows only its FieldInfo, a parameter is one. Without pydantic
        # nobody can ask.
        return type(self) if "pydantic.fields" not in sys.modules else _field_info_class()

    def __getattr__(self, name: str) -> Any:
        """What pydantic's ``FieldInfo`` of this parameter has, beyond our own attributes."""
        if name.startswith("__") or "pydantic.fields" not in sys.modules:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.field_info(), name)

    def __copy__(self) -> Any:
        """As pydantic's ``FieldInfo``: nobody else copies a parameter."""
        return self.field_info()

    def field_info(self) -> Any:
        """A new pydantic ``FieldInfo`` that says the same; imports pydantic."""
        return _field_info_class()(self)

    def __repr__(self) -> str:
        """``Query(default)``."""
        default = "PydanticUndefined" if self._default is EMPTY else self._default
        return f"{type(self).__name__}({default})"


def is_undefined(value: object) -> bool:
    """Whether ``value`` stands for "not there": ours, or pydantic's."""
    return value is EMPTY or type(value).__name__ == "PydanticUndefinedType"


def _field_info_class() -> Any:
    from fasterapi._field_info import ParamFieldInfo

    return ParamFieldInfo


def _take_deprecated(values: dict[str, Any]) -> None:
    """Warn of keywords that FastAPI has given up; ``regex`` becomes ``pattern``."""
    for old, new in (("example", "examples"), ("regex", "pattern")):
        if values.get(old) is not None:
            import warnings

            from fasterapi.exceptions import FastAPIDeprecationWarning

            warnings.warn(
                f"`{old}` has been deprecated, please use `{new}` instead",
                category=FastAPIDeprecationWarning,
                stacklevel=_levels_to_user(),
            )
    regex = values.pop("regex", None)
    values["pattern"] = values.get("pattern") or regex


def _levels_to_user() -> int:
    """How far up the stack the user's own code is."""
    level = 1
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("fasterapi."):
        level += 1
        frame = frame.f_back  # type: ignore[assignment]
    return level


class Param(FieldParam):
    """A parameter outside the body; of the query, unless a subclass says otherwise."""

    in_: ParamTypes = ParamTypes.query


class Path(Param):
    """A part of the path. It is always required."""

    kind = "path"
    in_ = ParamTypes.path

    def __init__(self, default: Any = ..., **options: Unpack[FieldOptions]) -> None:
        """Raises ``AssertionError`` for a default."""
        if default is not ... and not is_undefined(default):
            raise AssertionError("Path parameters cannot have a default value")
        super().__init__(**options)


class Query(Param):
    """A value of the query."""


class Header(Param):
    """A header field; ``_`` in its name becomes ``-`` unless ``convert_underscores=False``."""

    kind = "header"
    in_ = ParamTypes.header

    def __init__(
        self,
        default: Any = EMPTY,
        *,
        convert_underscores: bool = True,
        **options: Unpack[FieldOptions],
    ) -> None:
        """Keep the parts."""
        self.convert_underscores = convert_underscores
        super().__init__(default, **options)


class Cookie(Param):
    """A cookie."""

    kind = "cookie"
    in_ = ParamTypes.cookie


class Body(FieldParam):
    """The body, or with ``embed`` one member of it."""

    kind = "body"

    def __init__(
        self,
        default: Any = EMPTY,
        *,
        embed: bool | None = None,
        media_type: str = "application/json",
        **options: Unpack[FieldOptions],
    ) -> None:
        """Keep the parts."""
        self.embed = embed
        self.media_type = media_type
        super().__init__(default, **options)


class Form(Body):
    """A field of a form."""

    kind = "form"

    def __init__(
        self,
        default: Any = EMPTY,
        *,
        media_type: str = "application/x-www-form-urlencoded",
        **options: Unpack[FieldOptions],
    ) -> None:
        """Keep the parts."""
        super().__init__(default, media_type=media_type, **options)


class File(Form):
    """A file of a form."""

    kind = "file"

    def __init__(
        self,
        default: Any = EMPTY,
        *,
        media_type: str = "multipart/form-data",
        **options: Unpack[FieldOptions],
    ) -> None:
        """Keep the parts."""
        super().__init__(default, media_type=media_type, **options)
