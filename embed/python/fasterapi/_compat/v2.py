"""Fields, for code that imports them from here."""

from __future__ import annotations

from fasterapi._body_values import as_sequence
from fasterapi._fields import ModelField, Undefined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ModelField", "Undefined", "serialize_sequence_value"]


def serialize_sequence_value(*, field: ModelField, value: Any) -> Any:
    """``value`` as the kind of sequence that the field's type is."""
    return as_sequence(field.annotation, value)
