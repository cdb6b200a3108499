"""The JSON schemas of all fields of an application, made at once.

At once, because two models of one name need different names in the document, and
only pydantic's generator, seeing them all, can tell.
"""

from __future__ import annotations

from fasterapi.openapi.constants import REF_TEMPLATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
    from pydantic_core import CoreSchema

    from fasterapi._fields import ModelField

__all__ = ["Schemas"]


class Schemas:
    """Schemas by field, and the ``definitions`` of the models that they point at.

    ``separate`` gives a model that reads other data than it writes two definitions;
    without it all fields are described as input, except where computed fields exist
    only in output.
    """

    def __init__(self, fields: Sequence[ModelField], *, separate: bool = True) -> None:
        """Generate all schemas; imports pydantic when there are fields."""
        self.separate = separate
        self.definitions: dict[str, dict[str, Any]] = {}
        self._by_field: dict[Any, dict[str, Any]] = {}
        if not fields:
            return
        inputs = [(field, self._mode(field), field.type_adapter.core_schema) for field in fields]
        inputs.extend(_nested_models(fields, separate=separate))
        found, definitions = _generator()(ref_template=REF_TEMPLATE).generate_definitions(inputs)
        self._by_field = found
        self.definitions = {str(name): schema for name, schema in definitions.items()}
        for definition in self.definitions.values():
            if isinstance(text := definition.get("description"), str):
                # What follows a form feed is for readers of the source.
                definition["description"] = text.partition("\f")[0]

    def _mode(self, field: ModelField) -> JsonSchemaMode:
        """Which side of the field is described."""
        if self.separate or field.mode == "validation" or _has_computed_fields(field):
            return field.mode
        return "validation"

    def info(self, field: ModelField) -> Any:
        """What was said about ``field``: title, description, examples..."""
        return field.field_info

    def of(self, field: ModelField, name: str | None = None) -> dict[str, Any]:
        """The schema of ``field``, titled after ``name`` unless it has a title."""
        schema = dict(self._by_field[field, self._mode(field)])
        if "$ref" in schema:
            return schema
        if name is None:
            reads = field.mode == "validation"
            name = (field.validation_alias if reads else field.serialization_alias) or field.alias
        schema["title"] = field.field_info.title or name.title().replace("_", " ")
        return schema


def _generator() -> type[GenerateJsonSchema]:
    """The generator of pydantic, with OpenAPI 3.1's way of describing bytes."""
    from pydantic.json_schema import GenerateJsonSchema

    class Generator(GenerateJsonSchema):
        """Says of bytes that they are binary, where pydantic says ``"format": "binary"``."""

        def bytes_schema(self, schema: Any) -> dict[str, Any]:
            """``contentMediaType`` took the place of ``format`` in OpenAPI 3.1."""
            described: dict[str, Any] = {
                "type": "string",
                "contentMediaType": "application/octet-stream",
            }
            config = self._config
            writes = self.mode == "serialization"
            if (config.ser_json_bytes if writes else config.val_json_bytes) == "base64":
                described["contentEncoding"] = "base64"
            self.update_with_validations(described, schema, self.ValidationsMapping.bytes)
            return described

    return Generator


def _nested_models(
    fields: Sequence[ModelField], *, separate: bool
) -> Iterator[tuple[Any, JsonSchemaMode, CoreSchema]]:
    """Inputs for the models and enums inside the fields' types.

    A type may hide them from the generator (behind a custom schema), but whoever
    reads the document looks for them there.
    """
    from pydantic import TypeAdapter

    own = {id(field.field_info.annotation) for field in fields}
    for mode in ("validation", "serialization"):
        annotations = [field.field_info.annotation for field in fields if field.mode == mode]
        for model in _models_in(annotations):
            if id(model) not in own:
                adapter = TypeAdapter(model)
                writes = separate or _type_has_computed_fields(model, set())
                side: JsonSchemaMode = mode if writes else "validation"
                yield (mode, model), side, adapter.core_schema


def _models_in(annotations: Iterable[Any]) -> dict[type[Any], None]:
    """All pydantic models and enums in ``annotations`` and in those models' fields."""
    found: dict[type[Any], None] = {}
    waiting = list(annotations)
    while waiting:
        annotation = waiting.pop()
        if not isinstance(annotation, type) or hasattr(annotation, "__origin__"):
            waiting.extend(_arguments(annotation))
        elif annotation not in found and _is_model_or_enum(annotation):
            found[annotation] = None
            waiting.extend(field.annotation for field in _model_fields(annotation).values())
    return found


def _arguments(annotation: Any) -> tuple[Any, ...]:
    from typing import get_args

    return get_args(annotation)


def _model_fields(annotation: type[Any]) -> dict[str, Any]:
    """A model's fields; an enum has none."""
    fields: dict[str, Any] = getattr(annotation, "model_fields", {})
    return fields


def _is_model_or_enum(annotation: type[Any]) -> bool:
    from enum import Enum

    from pydantic import BaseModel

    return issubclass(annotation, BaseModel | Enum)


def _has_computed_fields(field: ModelField) -> bool:
    """Whether the field's output has members that its input lacks."""
    inner: Any = field.type_adapter.core_schema.get("schema") or {}
    if inner.get("computed_fields"):  # those of dataclasses
        return True
    return _type_has_computed_fields(field.field_info.annotation, set())


def _type_has_computed_fields(annotation: Any, seen: set[type[Any]]) -> bool:
    from pydantic import BaseModel

    if not isinstance(annotation, type) or hasattr(annotation, "__origin__"):
        return any(_type_has_computed_fields(part, seen) for part in _arguments(annotation))
    if annotation in seen or not issubclass(annotation, BaseModel):
        return False
    seen.add(annotation)
    if annotation.model_computed_fields:
        return True
    fields = annotation.model_fields.values()
    return any(_type_has_computed_fields(field.annotation, seen) for field in fields)
