"""The plan of one plain parameter, for Rust."""

from __future__ import annotations

from fasterapi._plan import ParameterPlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi._fields import ModelField

__all__ = ["scalar_parameter"]


def scalar_parameter(field: ModelField, source: str, name: str) -> ParameterPlan | None:
    """How Rust brings ``field`` to the argument ``name``; ``None`` if it cannot."""
    from fasterapi._scalar import scalar_of

    scalar = scalar_of(field)
    if scalar is None:
        return None
    return ParameterPlan(
        name,
        source,
        convert=scalar.convert,
        required=field.required,
        default=None if field.required else field.default,
        alias=field.validation_alias or field.alias,
        ge=scalar.ge,
        gt=scalar.gt,
        le=scalar.le,
        lt=scalar.lt,
        min_length=scalar.min_length,
        max_length=scalar.max_length,
    )
