"""The bounds that users give for bodies and forms, checked when they are given."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypedDict

    class FormLimits(TypedDict, total=False):
        """Bounds of a form: numbers of fields and files; bytes of one text field."""

        max_fields: int
        max_files: int
        max_part_size: int
else:
    FormLimits = dict

_FormLimits = FormLimits

__all__ = ["check_body_size", "checked_form_limits"]

# Where a scope holds the limits of the routers around.
FORM_LIMITS_KEY = "fasterapi.form_limits"

_NAMES = ("max_fields", "max_files", "max_part_size")


def check_body_size(max_body_size: Any) -> None:
    """Raise ``ValueError`` unless it is a number of bytes or ``None``."""
    if max_body_size is not None and not _is_count(max_body_size):
        raise ValueError("max_body_size must be a non-negative integer or None")


def checked_form_limits(limits: Mapping[str, Any] | None) -> FormLimits:
    """A copy of ``limits``; raises ``ValueError`` for an unknown name or no number."""
    for name, value in (limits or {}).items():
        if name not in _NAMES:
            raise ValueError(f"form_limits has no {name!r}; it takes {', '.join(_NAMES)}")
        if not _is_count(value):
            raise ValueError(f"form_limits[{name!r}] must be a non-negative integer")
    checked: Any = dict(limits or {})
    return checked  # type: ignore[no-any-return]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
