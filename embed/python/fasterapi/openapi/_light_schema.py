"""What pydantic needs to know of a light model."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pydantic import BaseModel
    from pydantic_core import CoreSchema

    from fasterapi.openapi._light_model import LightModel

__all__ = ["core_schema_of"]


def core_schema_of(cls: type[LightModel]) -> CoreSchema:
    """The core schema by which pydantic validates, serialises and documents ``cls``."""
    from pydantic_core import core_schema

    twin = _twin_of(cls)

    def validate(value: Any, handler: Any) -> Any:
        if isinstance(value, cls):
            return value
        return cls(**dict(handler(value)))

    def dump(value: Any, info: Any) -> Any:
        return value.model_dump(
            mode=info.mode, by_alias=bool(info.by_alias), exclude_none=info.exclude_none
        )

    return core_schema.no_info_wrap_validator_function(
        validate,
        twin.__pydantic_core_schema__,
        serialization=core_schema.plain_serializer_function_ser_schema(dump, info_arg=True),
    )


def _twin_of(cls: type[LightModel]) -> type[BaseModel]:
    """A pydantic model of the same name and fields."""
    from pydantic import ConfigDict, create_model
    from pydantic import Field as PydanticField

    from fasterapi.openapi._light_model import REQUIRED

    described: dict[str, Any] = {}
    for name, field in cls._fields.items():
        kind: Any = dict[str, field.of] if field.of is not None else field.kind  # type: ignore[name-defined]
        if field.default is None:
            kind |= None
        default = ... if field.default is REQUIRED else field.default
        described[name] = (kind, PydanticField(default, alias=field.alias or None))
    config = ConfigDict(extra="allow" if cls._extra else "ignore")
    model: type[BaseModel] = create_model(
        cls.__name__, __config__=config, __doc__=cls.__doc__, __module__=cls.__module__, **described
    )
    return model
