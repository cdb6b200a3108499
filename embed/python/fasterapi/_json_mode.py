"""Whether pydantic reads JSON text and the objects parsed from it to the same values.

``validate_json`` is the fast way, but its mode is laxer: a strict ``datetime`` takes a
text and a strict ``set`` a list, so that a union gives them where the objects would have
been left a text or a list. FastAPI parses first, so where that could make a difference,
so do we.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["reads_json_alike"]

# Core schema types that differ wherever they stand: the digits of a decimal are kept or
# not, a generator reads on later, a class may read the two in ways of its own.
_DIFFERENT = frozenset({"decimal", "generator", "json-or-python"})
# Core schema types that JSON gives as a text or a list and Python does not. A union tries
# its members strictly first, at any depth.
_DIFFERENT_IF_STRICT = frozenset(
    {
        "bytes",
        "complex",
        "date",
        "datetime",
        "enum",
        "frozenset",
        "multi-host-url",
        "set",
        "time",
        "timedelta",
        "tuple",
        "url",
        "uuid",
        # What it refers to may be any of these.
        "definition-ref",
    }
)


def reads_json_alike(schema: Any) -> bool:
    """Whether ``schema`` (pydantic's core schema) has no place where the two differ."""
    for part in _parts(schema):
        kind = part.get("type")
        if part.get("strict") is True or _is_any_of(kind, _DIFFERENT):
            return False
        if kind == "with-info":
            return False  # the user's validator may ask for the mode
        if kind == "union" and any(
            _is_any_of(inner.get("type"), _DIFFERENT_IF_STRICT) for inner in _parts(part)
        ):
            return False
    return True


def _is_any_of(kind: Any, kinds: frozenset[str]) -> bool:
    # A field of a model may be called "type", and then it is a schema.
    return isinstance(kind, str) and kind in kinds


def _parts(schema: Any) -> Iterator[dict[Any, Any]]:
    """Every dictionary within ``schema``, once."""
    waiting = [schema]
    seen: set[int] = set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
