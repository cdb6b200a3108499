"""Putting dictionaries of a document together."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["merge", "without_none"]


def merge(into: dict[Any, Any], more: dict[Any, Any]) -> None:
    """Add ``more`` to ``into``: dictionaries are merged, lists joined, the rest replaced."""
    for key, value in more.items():
        present = into.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            merge(present, value)
        elif isinstance(present, list) and isinstance(value, list):
            into[key] = present + value
        else:
            into[key] = value


def without_none(value: Any) -> Any:
    """``value`` without the members of its dictionaries that are ``None``."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_none(item) for item in value]
    return value
