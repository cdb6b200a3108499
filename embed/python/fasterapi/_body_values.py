"""The values of body parameters, from a JSON document, bytes or a form."""

from __future__ import annotations

from fasterapi._annotations import SEQUENCE_TYPES as _SEQUENCE_TYPES
from fasterapi._annotations import (
    allows_none,
    arguments_of_type,
    is_model,
    is_sequence_value,
    is_union,
    origin_of,
)
from fasterapi._fields import missing_error
from fasterapi._form_models import form_items, is_form_model_given
from fasterapi._reading import fields_of_model
from fasterapi._signature import EMPTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from fasterapi._fields import Errors, ModelField

__all__ = ["is_form", "request_body_to_args", "should_embed_body_fields"]


def should_embed_body_fields(fields: Sequence[ModelField]) -> bool:
    """Whether each field is a member of the body, and not the body itself."""
    if not fields:
        return False
    # Several dependencies may take the same body by the same name.
    if len({field.name for field in fields}) > 1:
        return True
    first = fields[0]
    models = first.reading.form_models
    if models and any(
        not field.reading.form_models or field.annotation is not first.annotation
        for field in fields[1:]
    ):
        return True
    if getattr(first.param, "embed", None):
        return True
    return first.reading.is_form and not is_model(first.annotation) and not models


def is_form(body: object) -> bool:
    """Whether ``body`` is a form's data, ours or Starlette's."""
    return any(base.__name__ == "FormData" for base in type(body).__mro__)


async def request_body_to_args(
    body_fields: Sequence[ModelField], received_body: Any, embed_body_fields: bool
) -> tuple[dict[str, Any], Errors]:
    """The values of ``body_fields`` by their names, and the errors of the others.

    ``received_body`` is a form, the parsed JSON, bytes of other types, or
    ``EMPTY`` when there is no body.
    """
    first = body_fields[0]
    is_whole = (
        len(body_fields) == 1
        and not embed_body_fields
        and not should_embed_body_fields(body_fields)
        and not first.reading.form_models
    )
    if is_form(received_body):
        return await _from_form(body_fields, received_body, is_whole)
    if is_whole:
        value, errors = first.validate_or_default(received_body, ("body",))
        return {first.name: value}, errors
    return _from_members(body_fields, received_body)


def _from_members(fields: Sequence[ModelField], document: Any) -> tuple[dict[str, Any], Errors]:
    values: dict[str, Any] = {}
    errors: Errors = []
    has_members = document is not EMPTY and not isinstance(document, bytes)
    for field in fields:
        keys = field.reading.keys_for_body
        key, value = keys[0], EMPTY
        if has_members:
            if not hasattr(document, "get"):
                errors.append(missing_error(("body", key)))
                continue
            for choice in keys:
                value = document.get(choice, EMPTY)
                if value is not EMPTY:
                    key = choice
                    break
        _keep(field, value, ("body", key), values, errors)
    return values, errors


def _keep(
    field: ModelField,
    raw: Any,
    loc: tuple[str, ...],
    values: dict[str, Any],
    errors: Errors,
) -> None:
    value, found = field.validate_or_default(raw, loc)
    if found:
        errors += found
    else:
        values[field.name] = value


async def _from_form(
    fields: Sequence[ModelField], form: Mapping[str, Any], is_whole: bool
) -> tuple[dict[str, Any], Errors]:
    singles = [field for field in fields if not field.reading.form_models]
    found: dict[str, tuple[str, Any]] = {}
    everything: dict[str, Any] = {}
    if singles:
        for alias, value, field in [*form_items(singles, form)]:
            read = value if field is None else await _file_content(field, value)
            everything[alias] = read
            if field is not None:
                found[field.name] = (alias, read)
    if is_whole:
        only = fields[0]
        value, only_errors = only.validate_or_default(everything, ("body",))
        return {only.name: value}, only_errors
    values: dict[str, Any] = {}
    errors: Errors = []
    for field in fields:
        if field.reading.form_models:
            group = await _group(field, form)
            _keep(field, group, ("body",), values, errors)
        else:
            alias, value = found.get(field.name, (field.reading.keys_for_body[0], EMPTY))
            _keep(field, value, ("body", alias), values, errors)
    return values, errors


async def _group(field: ModelField, form: Mapping[str, Any]) -> Any:
    """The values for a group of fields; ``EMPTY`` for an optional one that is not filled in."""
    models = field.reading.form_models
    if allows_none(field.annotation) and not any(
        is_form_model_given(model, form) for model in models
    ):
        return EMPTY
    # The models of a union read the form themselves, see `with_form_validators`.
    members = fields_of_model(models[0]) if len(models) == 1 else []
    values = {}
    for alias, value, member in [*form_items(members, form)]:
        values[alias] = value if member is None else await _file_content(member, value)
    return values


async def _file_content(field: ModelField, value: Any) -> Any:
    """``value``, or for a ``bytes`` field what is in the file."""
    reading = field.reading
    if reading.reads_bytes and _is_file(value):
        return await read_file_bytes(value)
    if reading.reads_many_bytes and is_sequence_value(value):
        contents = [await read_file_bytes(item) if _is_file(item) else item for item in value]
        return as_sequence(field.annotation, contents)
    return value


def _is_file(value: Any) -> bool:
    return hasattr(value, "file") and hasattr(value, "read")


async def read_file_bytes(file: Any) -> bytes:
    """The rest of ``file``, which stays where it was: others may read it as well."""
    position = file.file.tell()
    try:
        content: bytes = await file.read()
        return content
    finally:
        await file.seek(position)


def as_sequence(annotation: Any, values: Sequence[Any]) -> Any:
    """``values`` as the kind of sequence that ``annotation`` (or a member of it) is."""
    if is_union(annotation):
        parts = arguments_of_type(annotation)
        annotation = next(part for part in parts if part is not type(None))
    return _SEQUENCE_TYPES[origin_of(annotation) or annotation](values)
