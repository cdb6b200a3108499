"""pydantic's description of a field, made from one of our parameters.

Imports pydantic: loaded only when a field needs it.
"""

from __future__ import annotations

import warnings
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fasterapi._signature import EMPTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi._fields import ModelField
    from fasterapi.params import FieldParam

__all__ = ["ParamFieldInfo", "field_info_of", "merged_field_info", "type_adapter_of"]

_SLOTS = tuple(name for name in FieldInfo.__slots__ if name != "__weakref__")

# What counts for a value that stands alone; aliases, for example, do not.
_STANDALONE = (
    *("default", "default_factory", "title", "field_title_generator", "description", "examples"),
    *("discriminator", "deprecated", "json_schema_extra", "validate_default"),
)


class ParamFieldInfo(FieldInfo):  # type: ignore[misc]
    """A ``FieldInfo`` that remembers its parameter, and passes for one of its class."""

    __slots__ = ("param",)

    def __init__(self, param: FieldParam, **more: Any) -> None:
        """Describe ``param``; ``more`` are keywords of ``FieldInfo``."""
        object.__setattr__(self, "param", param)
        values = {**param.given, **param.constraints, **more}
        if param._default is not EMPTY:
            values["default"] = param._default
        super().__init__(**values)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        # For `isinstance(field.field_info, params.Query)`, which users of FastAPI write.
        return type(self.param)

    def __getattr__(self, name: str) -> Any:
        """What only the parameter has: ``in_``, ``embed``, ``media_type``..."""
        if name.startswith("__") or name in _SLOTS or name == "param":
            raise AttributeError(name)
        param = self.param
        try:
            return param.__dict__[name]
        except KeyError:
            pass
        try:
            return getattr(type(param), name)
        except AttributeError:
            raise AttributeError(
                f"{type(param).__name__!r} object has no attribute {name!r}"
            ) from None

    def __hash__(self) -> int:
        """By identity: a parameter may be a default of a dataclass."""
        return id(self)

    def _copy(self) -> Any:
        return self.__copy__()

    def __copy__(self) -> ParamFieldInfo:
        """A copy whose lists may be changed."""
        copied = FieldInfo.__new__(ParamFieldInfo)
        _take(copied, self)
        object.__setattr__(copied, "param", self.param)
        return copied

    def __repr__(self) -> str:
        """``Query(default)``."""
        return f"{type(self.param).__name__}({self.default})"


def _take(target: FieldInfo, source: FieldInfo) -> None:
    for name in _SLOTS:
        if hasattr(source, name):
            value = getattr(source, name)
            if name in ("metadata", "_attributes_set", "_qualifiers"):
                value = value.copy()
            object.__setattr__(target, name, value)


def merged_field_info(param: FieldParam, annotation: Any, metadata: tuple[Any, ...]) -> Any:
    """What ``Annotated[annotation, *metadata]`` says, as the field of ``param``.

    All field descriptions among ``metadata`` count, later ones more.
    """
    merged = FieldInfo.from_annotation(Annotated[(annotation, *metadata)])  # type: ignore[arg-type]
    info = ParamFieldInfo(param)
    _take(info, merged)
    return info


def field_info_of(field: ModelField) -> FieldInfo:
    """The ``FieldInfo`` that ``field``'s own parts describe."""
    default = PydanticUndefined if field._default is EMPTY else field._default
    annotation = Any if field.annotation is EMPTY else field.annotation
    param = field.param
    if param is None:
        return FieldInfo(annotation=annotation, default=default, alias=field.alias)
    if param.kind in ("form", "file"):
        from fasterapi._form_models import with_form_validators

        annotation = with_form_validators(annotation)
    if field.metadata:
        info = merged_field_info(param, annotation, field.metadata)
    else:
        info = ParamFieldInfo(param)
        info.annotation = annotation
    info.default = default
    info.default_factory = field.default_factory
    info.alias = field.alias
    if field.validation_alias is not None:
        info.validation_alias = field.validation_alias
    return info  # type: ignore[no-any-return]


def type_adapter_of(info: FieldInfo, config: Any) -> TypeAdapter[Any]:
    """The ``TypeAdapter`` of a field's type, constraints and texts."""
    attributes = {name: getattr(info, name) for name in _STANDALONE}
    if attributes["default"] is PydanticUndefined:
        del attributes["default"]
    described = (info.annotation, *info.metadata, Field(**attributes))
    with warnings.catch_warnings():
        # pydantic warns of attributes without effect here; the schema has them still.
        warnings.simplefilter("ignore", UserWarning)
        described_type: Any = Annotated[described]
        return TypeAdapter(described_type, config=config)
