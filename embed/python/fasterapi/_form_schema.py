"""The JSON schema of a form that consists of groups of fields and single fields.

Imports pydantic: loaded only when such a schema is wanted.
"""

from __future__ import annotations

from copy import copy, deepcopy
from functools import partial
from typing import Annotated, Any

from pydantic import ConfigDict, GetPydanticSchema, create_model

from fasterapi._annotations import allows_none
from fasterapi._reading import fields_of_model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi._fields import ModelField

    Schema = dict[str, Any]

__all__ = ["combined_form_model"]


def combined_form_model(name: str, fields: list[ModelField]) -> Any:
    """The model of a form; its schema has the fields of all groups at one level."""
    members: dict[str, Any] = {}
    for index, field in enumerate(fields):
        member = f"field_{index}"
        info = copy(field.field_info)
        models = field.reading.form_models
        if len(models) == 1:
            (model,) = models
            hook = GetPydanticSchema(get_pydantic_json_schema=partial(_model_schema, model))
            described: Any = Annotated[(model, hook)]
            info.annotation = described if info.annotation is model else described | None
        info.alias = info.validation_alias = info.serialization_alias = member
        info.title = info.title or field.name.replace("_", " ").title()
        members[member] = (info.annotation, info)
    config = ConfigDict(json_schema_extra=partial(_flatten, fields))
    return create_model(name, __config__=config, **members)


def _model_schema(model: Any, core_schema: Any, handler: Any) -> Schema:
    """A group's schema, with the names that a form may use for its fields."""
    schema: Schema = handler(core_schema)
    resolved: Schema = handler.resolve_ref_schema(schema)
    names = _form_names(model, resolved)
    if not names:
        return schema
    # A copy: the model's own schema is used elsewhere, too.
    own = deepcopy(resolved)
    own["properties"] = {
        names.get(name, [name])[0]: value for name, value in own["properties"].items()
    }
    required = []
    for name in resolved.get("required", []):
        choices = names.get(name, [name])
        if len(choices) == 1:
            required.append(choices[0])
        else:
            one_of_them = {"anyOf": [{"required": [choice]} for choice in choices]}
            own.setdefault("allOf", []).append(one_of_them)
    own["required"] = required
    return own


def _form_names(model: Any, schema: Schema) -> dict[str, list[str]]:
    """For each property whose name is not the only or not the right one, its names."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    found = {}
    for field in fields_of_model(model):
        choices = getattr(field._names, "choices", None)
        shown = choices[0] if choices else field.validation_alias or field.alias
        names = list(field.reading.keys_for_body)
        if not isinstance(shown, str) or shown not in properties:
            continue
        if names[0] != shown or (len(names) > 1 and shown in required):
            found[shown] = names
    return found


def _flatten(fields: list[ModelField], schema: Schema) -> None:
    """Put the groups' fields beside the single ones."""
    parts: Schema = schema.pop("properties")
    schema.pop("required", None)
    properties: Schema = {}
    required: list[str] = []
    conditions: list[Schema] = []
    for index, field in enumerate(fields):
        part = parts[f"field_{index}"]
        if field.reading.form_models:
            conditions += _group_conditions(field, part)
            continue
        name = field.reading.keys_for_body[0]
        if name in properties:
            conditions.append({"properties": {name: part}})
        else:
            properties[name] = part
        if field.required and name not in required:
            required.append(name)
    if properties:
        schema["properties"] = properties
    if required:
        schema["required"] = required
    schema["allOf"] = conditions


def _group_conditions(field: ModelField, part: Schema) -> list[Schema]:
    part.pop("default", None)
    if not allows_none(field.annotation):
        return [part]
    # An optional group is left out by leaving out its fields; nothing is null.
    part["anyOf"] = [choice for choice in part["anyOf"] if choice.get("type") != "null"]
    absent = _absence(field.reading.form_models)
    if field.required:
        return [{"not": absent}, part]
    return [{"anyOf": [absent, part]}]


def _absence(models: list[Any]) -> Schema:
    """The schema of a form in which no field of ``models`` is filled in."""
    if any(model.model_config.get("extra") in ("allow", "forbid") for model in models):
        return {"maxProperties": 0}
    names = {
        alias
        for model in models
        for field in fields_of_model(model)
        for alias in field.reading.keys_for_body
    }
    if not names:
        return {}
    return {"not": {"anyOf": [{"required": [name]} for name in sorted(names)]}}
