"""How the value of a field is found in a request, worked out once for each field."""

from __future__ import annotations

from functools import lru_cache

from fasterapi._annotations import (
    is_bytes,
    is_bytes_sequence,
    is_model,
    is_sequence,
    is_subclass,
    model_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi._fields import ModelField

__all__ = ["FieldReading", "ModelReading", "fields_of_model", "request_names"]


class FieldReading:
    """Where a field's value is and what belongs to it.

    - ``location``: the first item of an error's place: ``"query"``, ``"body"``...
    - ``names``: pairs of the validation alias and the key in the request, the
      preferred one first; ``keys``: the latter alone, ``keys_for_body`` the former.
    - ``is_sequence``: the type is a sequence; ``takes_many``: so all values of a
      key are wanted (not for JSON in a text).
    - ``group_type``: the pydantic model of a group of parameters, otherwise ``None``;
      ``model``: how its fields are found.
    - ``form_models``: the models of a form group; of a union, all of them.
    - ``reads_bytes``, ``reads_many_bytes``: files are wanted as their content.
    """

    __slots__ = (
        *("form_models", "group_type", "is_form", "is_json", "is_sequence", "keys"),
        "keys_for_body",
        "location",
        *("model", "names", "reads_bytes", "reads_many_bytes", "takes_many"),
    )

    def __init__(self, field: ModelField) -> None:
        """Look at ``field``."""
        kind = "" if field.param is None else field.param.kind
        annotation = field.annotation
        self.location = "body" if kind in ("body", "form", "file") else kind
        self.is_form = kind in ("form", "file")
        self.is_json = any(_is_json_note(note) for note in field.metadata)
        self.is_sequence = is_sequence(annotation)
        self.takes_many = self.is_sequence and not self.is_json
        self.names = request_names(field)
        self.keys = tuple(key for _, key in self.names)
        self.keys_for_body = tuple(alias for alias, _ in self.names)
        self.group_type = self._group_type(field, kind)
        group = self.group_type
        self.model = None if group is None else ModelReading(field, group)
        self.form_models = self._form_models(field)
        is_file = kind == "file"
        self.reads_bytes = is_file and is_bytes(annotation)
        self.reads_many_bytes = is_file and is_bytes_sequence(annotation)

    def _group_type(self, field: ModelField, kind: str) -> Any:
        annotation = field.annotation
        if self.is_json or kind not in ("path", "query", "header", "cookie"):
            return None
        return annotation if is_model(annotation) else model_of(annotation)

    def _form_models(self, field: ModelField) -> list[Any]:
        if not self.is_form or self.is_json or getattr(field.param, "embed", None):
            return []
        model = model_of(field.annotation)
        if model is not None:
            return [model]
        from fasterapi._form_models import union_models

        return union_models(field.annotation)


class ModelReading:
    """How the fields of a group of query, header or cookie parameters are found.

    ``fields`` has, for each, the field and its names; ``own_keys`` all their keys;
    ``is_optional``: the group may be ``None``; ``takes_extra``: other keys matter.
    """

    __slots__ = ("fields", "is_optional", "loc_by_alias", "own_keys", "takes_extra")

    def __init__(self, field: ModelField, model: Any) -> None:
        """Look at ``model``, the type of the parameter ``field``."""
        is_header = field.param is not None and field.param.kind == "header"
        by_default = getattr(field.param, "convert_underscores", True)
        self.fields: list[tuple[ModelField, list[tuple[str, str]]]] = []
        for member in fields_of_model(model):
            own = getattr(member.param, "convert_underscores", by_default)
            names = request_names(member, convert_underscores=is_header and own)
            self.fields.append((member, names))
        keys = (key for _, names in self.fields for _, key in names)
        self.own_keys = frozenset(key.lower() if is_header else key for key in keys)
        self.is_optional = field.annotation is not model
        self.takes_extra = model.model_config.get("extra") in ("allow", "forbid")
        self.loc_by_alias: bool = model.model_config.get("loc_by_alias", True)


# How many models' fields are kept.
MODELS_MAX = 1024


@lru_cache(MODELS_MAX)
def fields_of_model(model: Any) -> list[ModelField]:
    """The fields of a pydantic model, in their order; the same objects each time."""
    from fasterapi._fields import ModelField

    fields = []
    for name, info in model.model_fields.items():
        annotation = info.annotation
        # These bring a configuration of their own.
        own = is_model(annotation) or is_subclass(annotation, dict)
        own = own or hasattr(annotation, "__dataclass_fields__")
        fields.append(ModelField(info, name, config=None if own else model.model_config))
    return fields


def request_names(field: ModelField, *, convert_underscores: bool = False) -> list[tuple[str, str]]:
    """Pairs of a validation alias and the key of the request, in order of preference."""
    alias = field.validation_alias or field.alias
    is_converted = convert_underscores and alias == field.name
    names = [(alias, alias.replace("_", "-") if is_converted else alias)]
    given = field._names
    is_path = field.param is not None and field.param.kind == "path"
    if is_path or type(given).__name__ == "AliasPath":
        return names
    if field.validation_alias is None and type(given).__name__ == "AliasChoices":
        if not all(isinstance(choice, str) for choice in given.choices):
            return names
        # Choices are literal names, in headers too.
        names = [(choice, choice) for choice in given.choices]
    return _with_field_name(field, names, convert_underscores)


def _with_field_name(
    field: ModelField, names: list[tuple[str, str]], convert_underscores: bool
) -> list[tuple[str, str]]:
    """A model's configuration may allow a field's own name, too or only."""
    config = field.config or {}
    only_name = config.get("validate_by_alias") is False
    if not only_name and not config.get("validate_by_name", config.get("populate_by_name")):
        return names
    own = (field.name, field.name.replace("_", "-") if convert_underscores else field.name)
    if only_name:
        return [own]
    return names if field.name in [alias for alias, _ in names] else [*names, own]


def _is_json_note(note: Any) -> bool:
    kind = type(note)
    return kind.__name__ == "Json" and kind.__module__ == "pydantic.types"
