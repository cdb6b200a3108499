"""Says what a response model's values look like, so that Rust can write them as JSON.

pydantic's serialiser asks each value what it is. A schema of plain fields says so
beforehand: ``writer_of`` turns it into the shape that ``_core.JsonWriter`` follows. A
value that is not exactly so is pydantic's again, and so is every schema with something
here that is not known to make no difference.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from fasterapi._fields import ModelField

    Shape = tuple[Any, ...]

__all__ = ["passes_all", "shape_of", "writer_of"]

# Core schema types that are shapes of the same name.
_PLAIN = frozenset(("any", "bool", "datetime", "float", "int", "none", "str"))
# Types that pydantic's own serialisers write, one call for each value.
_OTHER = frozenset(("date", "decimal", "time", "uuid"))
# Schemas that validate and are serialised as the one within them.
_WRAPPERS = frozenset(("default", "function-after", "function-before", "function-wrap"))
# What a model's configuration may say without changing how it is written.
_HARMLESS = frozenset(
    {
        "allow_inf_nan",
        "cache_strings",
        "coerce_numbers_to_str",
        "extra_fields_behavior",
        "from_attributes",
        "frozen",
        "hide_input_in_errors",
        "loc_by_alias",
        "populate_by_name",
        "regex_engine",
        "revalidate_instances",
        "str_max_length",
        "str_min_length",
        "str_strip_whitespace",
        "str_to_lower",
        "str_to_upper",
        "strict",
        "title",
        "validate_assignment",
        "validate_by_alias",
        "validate_by_name",
        "validate_default",
        "validation_error_cause",
    }
)


class _Unknown(Exception):
    """The schema has something that only pydantic writes rightly."""


def writer_of(
    field: ModelField, options: Mapping[str, Any]
) -> Callable[[Any], bytes | None] | None:
    """What writes a valid value of ``field`` as ``to_json(value, **options)`` does.

    It returns ``None`` for a value that is pydantic's to write. ``None`` instead of it
    where all of them are, or where there is no Rust.
    """
    try:
        from fasterapi._core import JsonWriter
    except ImportError:
        return None
    if options.keys() - {"by_alias"} or field.config is not None:
        return None
    shape = shape_of(field.type_adapter.core_schema, bool(options.get("by_alias")))
    return None if shape is None else JsonWriter(shape).write


def shape_of(schema: Any, by_alias: bool) -> Shape | None:
    """The shape of a core schema's values; ``None`` if it takes pydantic to write them."""
    try:
        return _Reading(by_alias).shape(schema)
    except _Unknown:
        return None


def passes_all(schema: Any) -> bool:
    """Whether validation passes, unchanged, all that has the shape of ``schema``.

    A model's instance passes as it is, whatever its fields are: it was valid when it was
    made. So what Rust could write need not be validated before.
    """
    if schema["type"] == "definitions":
        return _passes(schema["schema"], {each["ref"]: each for each in schema["definitions"]})
    return _passes(schema, {})


# What says nothing about values, of the schemas in ``_passes``.
_NO_CONSTRAINTS = frozenset(
    {
        *("default", "items_schema", "keys_schema", "metadata", "ref", "schema", "strict"),
        *("type", "values_schema"),
    }
)


def _passes(schema: Any, definitions: dict[str, Any]) -> bool:
    kind = schema["type"]
    if kind == "definition-ref":
        target = definitions.get(schema["schema_ref"], {"type": "unknown"})
        return target["type"] == "model" and _passes(target, definitions)
    if kind == "model":
        revalidate = (schema.get("config") or {}).get("revalidate_instances")
        return not schema.get("root_model") and (revalidate or "never") == "never"
    if schema.keys() - _NO_CONSTRAINTS:
        return False
    parts = _PARTS.get(kind)
    if parts is None:
        return kind in ("any", "bool", "float", "int", "none", "str")
    return all(_passes(schema.get(part, {"type": "any"}), definitions) for part in parts)


# The schemas within those that have some.
_PARTS = {
    "default": ("schema",),
    "nullable": ("schema",),
    "list": ("items_schema",),
    "dict": ("keys_schema", "values_schema"),
}


class _Reading:
    """One schema, with its definitions."""

    def __init__(self, by_alias: bool) -> None:
        self.by_alias = by_alias
        self.definitions: dict[str, Any] = {}
        self.open: list[str] = []  # the definitions that are being read

    def shape(self, schema: Any) -> Shape:
        """Raises ``_Unknown``."""
        if "serialization" in schema:
            raise _Unknown
        kind = schema["type"]
        if kind in _PLAIN:
            return (kind,)
        if kind in _WRAPPERS:
            return self.shape(schema["schema"])
        if kind in _OTHER:
            return ("other", _to_json(schema))
        read = getattr(self, f"_{kind.replace('-', '_')}", None)
        if read is None:
            raise _Unknown
        shape: Shape = read(schema)
        return shape

    def _nullable(self, schema: Any) -> Shape:
        return ("nullable", self.shape(schema["schema"]))

    def _list(self, schema: Any) -> Shape:
        return ("list", self.shape(schema.get("items_schema", {"type": "any"})))

    def _dict(self, schema: Any) -> Shape:
        keys = self.shape(schema.get("keys_schema", {"type": "any"}))
        if keys not in (("str",), ("any",)):
            raise _Unknown
        return ("dict", self.shape(schema.get("values_schema", {"type": "any"})))

    def _definitions(self, schema: Any) -> Shape:
        self.definitions |= {each["ref"]: each for each in schema["definitions"]}
        return self.shape(schema["schema"])

    def _definition_ref(self, schema: Any) -> Shape:
        name = schema["schema_ref"]
        if name in self.open or name not in self.definitions:
            raise _Unknown  # it contains itself
        self.open.append(name)
        shape = self.shape(self.definitions[name])
        self.open.pop()
        return shape

    def _enum(self, schema: Any) -> Shape:
        to_json = _to_json(schema)
        return ("members", [(member, to_json(member)) for member in schema["members"]])

    def _model(self, schema: Any) -> Shape:
        config = schema.get("config") or {}
        if schema.get("root_model") or config.keys() - _HARMLESS:
            raise _Unknown
        if config.get("extra_fields_behavior") == "allow" or not _has_own_dict(schema["cls"]):
            raise _Unknown
        inner = schema["schema"]
        while inner["type"] in _WRAPPERS and "serialization" not in inner:
            inner = inner["schema"]
        if (
            inner["type"] != "model-fields"
            or "serialization" in inner
            or inner.get("computed_fields")
            or inner.get("extra_behavior") == "allow"
        ):
            raise _Unknown
        fields = [self._field(name, field) for name, field in inner["fields"].items()]
        return ("model", schema["cls"], fields)

    def _field(self, name: str, field: Any) -> tuple[str, bytes, Shape | None]:
        from json import dumps

        if field["type"] != "model-field" or field.get("serialization_exclude_if") is not None:
            raise _Unknown
        if field.get("serialization_exclude"):
            return name, b"", None
        alias = field.get("serialization_alias") if self.by_alias else None
        key = dumps(name if alias is None else alias, ensure_ascii=False).encode() + b":"
        return name, key, self.shape(field["schema"])


def _to_json(schema: Any) -> Callable[[Any], bytes]:
    """A serialiser of pydantic; it raises where it would only warn of another type."""
    from functools import partial

    from pydantic_core import SchemaSerializer

    return partial(SchemaSerializer(schema).to_json, warnings="error")


def _has_own_dict(cls: type) -> bool:
    """Whether ``instance.__dict__`` is the dictionary of the instance's attributes."""
    from types import GetSetDescriptorType

    read: Any = cls.__getattribute__
    if read is not object.__getattribute__:
        return False
    found = [vars(base)["__dict__"] for base in cls.__mro__ if "__dict__" in vars(base)]
    return all(isinstance(each, GetSetDescriptorType) for each in found)
