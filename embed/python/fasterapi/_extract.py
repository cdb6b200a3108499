"""Takes the values of fields out of queries, headers, cookies, paths and forms."""

from __future__ import annotations

from fasterapi._signature import EMPTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from fasterapi._fields import Errors, ModelField
    from fasterapi._reading import FieldReading, ModelReading

__all__ = ["extras_of", "is_empty_file", "request_params_to_args", "value_of"]


def request_params_to_args(
    fields: Sequence[ModelField], received: Mapping[str, Any]
) -> tuple[dict[str, Any], Errors]:
    """The values of ``fields`` by their names, and the errors of the others."""
    values: dict[str, Any] = {}
    errors: Errors = []
    for field in fields:
        reading = field.reading
        if reading.model is not None:
            value, found = _group_value(field, reading.model, received)
        else:
            key = _present(reading.keys, received)
            raw = value_of(reading, received, key)
            value, found = field.validate_or_default(raw, (reading.location, key))
        if found:
            errors += found
        else:
            values[field.name] = value
    return values, errors


def _present(keys: tuple[str, ...], received: Mapping[str, Any]) -> str:
    """The first key that is there; the first of all when none is."""
    if len(keys) > 1:
        for key in keys:
            if key in received:
                return key
    return keys[0]


def value_of(
    reading: FieldReading, received: Mapping[str, Any], key: str, *, in_form: bool = False
) -> Any:
    """What ``received`` has for ``key``; ``EMPTY`` for nothing.

    In a form, empty texts and file inputs without a file are nothing.
    """
    if reading.takes_many and hasattr(received, "getlist"):
        many = received.getlist(key)
        if in_form:
            many = [item for item in many if not is_empty_file(item)]
        return many or EMPTY
    value = received.get(key)
    if value is None or (in_form and (value == "" or is_empty_file(value))):
        return EMPTY
    return EMPTY if reading.is_sequence and len(value) == 0 else value


def is_empty_file(value: Any) -> bool:
    """What a browser sends for a file input where no file was chosen."""
    return getattr(value, "filename", None) == "" and hasattr(value, "file") and value.size == 0


def extras_of(received: Mapping[str, Any], used: set[str]) -> Iterator[tuple[str, Any]]:
    """All other keys with their values; a list where a key has several."""
    if hasattr(received, "multi_items"):
        pairs = received.multi_items()
    elif hasattr(received, "getlist"):
        pairs = received.items()  # headers: every field
    else:
        for key, value in received.items():
            if key not in used:
                yield key, value
        return
    grouped: dict[str, list[Any]] = {}
    for key, value in pairs:
        if key not in used:
            grouped.setdefault(key, []).append(value)
    for key, several in grouped.items():
        yield key, several[0] if len(several) == 1 else several


def _group_value(
    field: ModelField, model: ModelReading, received: Mapping[str, Any]
) -> tuple[Any, Errors]:
    """One model that gathers many parameters."""
    is_header = field.reading.location == "header"
    found: dict[str, Any] = {}
    used: set[str] = set()
    converted: dict[str, str] = {}  # field -> the header's own name
    for member, names in model.fields:
        alias, key = names[0]
        if len(names) > 1:
            alias, key = next((pair for pair in names if pair[1] in received), names[0])
        value = value_of(member.reading, received, key)
        if value is not EMPTY:
            found[alias] = value
        if not is_header:
            used.add(key)
            continue
        used.add(key.lower())
        # An unconverted name is no extra header.
        used.update(other.lower() for other, header in names if other != header)
        if alias != key:
            converted[member.name] = key
    found.update(extras_of(received, used))
    value = found
    if model.is_optional and not _is_given(model, found, received):
        value = EMPTY
    result, errors = field.validate_or_default(value, (field.reading.location,))
    if converted and errors and model.loc_by_alias:
        _rename(errors, converted)
    return result, errors


def _is_given(model: ModelReading, found: dict[str, Any], received: Mapping[str, Any]) -> bool:
    return not model.own_keys.isdisjoint(received) or bool(model.takes_extra and found)


def _rename(errors: Errors, converted: dict[str, str]) -> None:
    """Report the names that the client used."""
    for error in errors:
        loc = error["loc"]
        if len(loc) > 1 and loc[1] in converted:
            error["loc"] = (loc[0], converted[loc[1]], *loc[2:])
