"""JSON schemas of plain types, for an application that runs without pydantic.

Such an application has no models: its parameters are numbers, texts, enums and
collections of them. What is none of these is described as "anything".
"""

from __future__ import annotations

from fasterapi.openapi._schemas import Schemas

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from fasterapi._fields import ModelField

__all__ = ["PlainSchemas"]

_SCALARS: dict[Any, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: {"type": "string", "contentMediaType": "application/octet-stream"},
    dict: {"type": "object", "additionalProperties": True},
    list: {"type": "array", "items": {}},
    tuple: {"type": "array", "items": {}},
    set: {"type": "array", "items": {}, "uniqueItems": True},
    frozenset: {"type": "array", "items": {}, "uniqueItems": True},
    type(None): {"type": "null"},
    None: {"type": "null"},
}
_BY_NAME = {
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "timedelta": {"type": "string", "format": "duration"},
    "UUID": {"type": "string", "format": "uuid"},
    "UploadFile": {"type": "string", "contentMediaType": "application/octet-stream"},
}
# A constraint's keyword, on the types that it applies to.
_NUMBERS = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
}
_KEYWORDS: dict[str, dict[str, str]] = {
    "integer": _NUMBERS,
    "number": _NUMBERS,
    "string": {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
}
_JSON_TYPES = {str: "string", int: "integer", bool: "boolean", float: "number"}


class PlainSchemas(Schemas):
    """As `Schemas`, out of annotations alone."""

    def __init__(self, fields: Sequence[ModelField], *, separate: bool = True) -> None:
        """Nothing is prepared: no schema depends on another."""
        super().__init__((), separate=separate)

    def info(self, field: ModelField) -> Any:
        """The parameter itself, which has a ``FieldInfo``'s attributes."""
        return field.param

    def of(self, field: ModelField, name: str | None = None) -> dict[str, Any]:
        """The schema of ``field``, titled after ``name`` unless it has a title."""
        param: Any = field.param
        schema = self._of_type(field.annotation)
        for keyword, limit in getattr(param, "constraints", {}).items():
            _constrain(schema, keyword, limit)
        if not field.required and field.default_factory is None:
            schema["default"] = _plain(field.get_default())
        for key in ("description", "examples"):
            if (value := getattr(param, key, None)) is not None:
                schema[key] = value
        if getattr(param, "deprecated", None):
            schema["deprecated"] = True
        extra = getattr(param, "json_schema_extra", None)
        if isinstance(extra, dict):
            schema.update(extra)
        if "$ref" not in schema:
            title = getattr(param, "title", None)
            schema["title"] = title or (name or field.alias).title().replace("_", " ")
        return schema

    def _of_type(self, annotation: Any) -> dict[str, Any]:
        from typing import get_args

        try:
            known = _SCALARS.get(annotation)
        except TypeError:  # cannot be hashed
            return {}
        if known is not None:
            return dict(known)
        if isinstance(annotation, type) and not get_args(annotation):
            return self._of_class(annotation)
        return self._of_parts(annotation, get_args(annotation))

    def _of_class(self, kind: type[Any]) -> dict[str, Any]:
        if getattr(kind, "__members__", None):
            self.definitions[kind.__name__] = _enumerated(kind)
            from fasterapi.openapi.constants import REF_PREFIX

            return {"$ref": REF_PREFIX + kind.__name__}
        return dict(_BY_NAME.get(kind.__name__, {}))

    def _of_parts(self, annotation: Any, parts: tuple[Any, ...]) -> dict[str, Any]:
        """The schema of what ``typing`` puts together: unions, literals, collections."""
        from typing import get_origin

        from fasterapi._annotations import is_annotated, is_union

        if is_annotated(annotation):
            return self._of_type(parts[0])
        if is_union(annotation):
            return {"anyOf": [self._of_type(part) for part in parts]}
        origin = get_origin(annotation)
        if getattr(origin, "_name", None) == "Literal":
            return _choice(parts)
        schema = {} if origin is None else dict(_SCALARS.get(origin, {}))
        if schema.get("type") == "array":
            schema["items"] = self._of_type(parts[0])
        elif schema.get("type") == "object":
            schema["additionalProperties"] = self._of_type(parts[1]) or True
        return schema


def _enumerated(kind: Any) -> dict[str, Any]:
    return {**_choice(member.value for member in kind), "title": kind.__name__}


def _choice(values: Iterable[Any]) -> dict[str, Any]:
    """One of ``values``."""
    listed = list(values)
    schema: dict[str, Any] = {"const": listed[0]} if len(listed) == 1 else {"enum": listed}
    types = {_JSON_TYPES.get(type(value)) for value in listed}
    if len(types) == 1 and (name := types.pop()) is not None:
        schema["type"] = name
    return schema


def _constrain(schema: dict[str, Any], keyword: str, limit: Any) -> None:
    """Add one constraint; in a union to the members that it can be about."""
    for member in schema.get("anyOf", ()):
        _constrain(member, keyword, limit)
    key = _KEYWORDS.get(schema.get("type", ""), {}).get(keyword)
    if key is not None:
        schema[key] = getattr(limit, "pattern", limit)


def _plain(value: Any) -> Any:
    """A default as JSON has it."""
    from fasterapi.encoders import jsonable_encoder

    return jsonable_encoder(value)
