"""OpenAPI's Schema Object: JSON Schema 2020-12 and four keywords of its own.

Importing this imports pydantic.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AnyUrl, BaseModel, ConfigDict, Field

__all__ = [
    "XML",
    "Discriminator",
    "ExternalDocumentation",
    "Reference",
    "Schema",
    "SchemaOrBool",
    "SchemaType",
    "SpecificationObject",
]

Count = Annotated[int, Field(ge=0)]
SchemaType = Literal["array", "boolean", "integer", "null", "number", "object", "string"]


class SpecificationObject(BaseModel):
    """An object that may be extended: unknown keys are kept."""

    model_config = ConfigDict(extra="allow")


class Reference(BaseModel):
    """A pointer to an object that stands elsewhere."""

    ref: str = Field(alias="$ref")


class ExternalDocumentation(SpecificationObject):
    """A page that says more."""

    description: str | None = None
    url: AnyUrl


class Discriminator(BaseModel):
    """The property that says which of several schemas an object has."""

    propertyName: str
    mapping: dict[str, str] | None = None


class XML(SpecificationObject):
    """How a property is written in XML."""

    name: str | None = None
    namespace: str | None = None
    prefix: str | None = None
    attribute: bool | None = None
    wrapped: bool | None = None


class _Core(SpecificationObject):
    """The core vocabulary (JSON Schema Core, section 8)."""

    schema_: str | None = Field(None, alias="$schema")
    vocabulary: str | None = Field(None, alias="$vocabulary")
    id: str | None = Field(None, alias="$id")
    anchor: str | None = Field(None, alias="$anchor")
    dynamicAnchor: str | None = Field(None, alias="$dynamicAnchor")
    ref: str | None = Field(None, alias="$ref")
    dynamicRef: str | None = Field(None, alias="$dynamicRef")
    defs: dict[str, SchemaOrBool] | None = Field(None, alias="$defs")
    comment: str | None = Field(None, alias="$comment")


class _Applicators(_Core):
    """Keywords that apply other schemas (JSON Schema Core, sections 10 and 11)."""

    allOf: list[SchemaOrBool] | None = None
    anyOf: list[SchemaOrBool] | None = None
    oneOf: list[SchemaOrBool] | None = None
    not_: SchemaOrBool | None = Field(None, alias="not")
    if_: SchemaOrBool | None = Field(None, alias="if")
    then: SchemaOrBool | None = None
    else_: SchemaOrBool | None = Field(None, alias="else")
    dependentSchemas: dict[str, SchemaOrBool] | None = None
    prefixItems: list[SchemaOrBool] | None = None
    items: SchemaOrBool | None = None
    contains: SchemaOrBool | None = None
    properties: dict[str, SchemaOrBool] | None = None
    patternProperties: dict[str, SchemaOrBool] | None = None
    additionalProperties: SchemaOrBool | None = None
    propertyNames: SchemaOrBool | None = None
    unevaluatedItems: SchemaOrBool | None = None
    unevaluatedProperties: SchemaOrBool | None = None


class _Assertions(_Applicators):
    """Keywords that demand something of a value (JSON Schema Validation, sections 6 and 7)."""

    type: SchemaType | list[SchemaType] | None = None
    enum: list[Any] | None = None
    const: Any | None = None
    multipleOf: Annotated[float, Field(gt=0)] | None = None
    maximum: float | None = None
    exclusiveMaximum: float | None = None
    minimum: float | None = None
    exclusiveMinimum: float | None = None
    maxLength: Count | None = None
    minLength: Count | None = None
    pattern: str | None = None
    maxItems: Count | None = None
    minItems: Count | None = None
    uniqueItems: bool | None = None
    maxContains: Count | None = None
    minContains: Count | None = None
    maxProperties: Count | None = None
    minProperties: Count | None = None
    required: list[str] | None = None
    dependentRequired: dict[str, set[str]] | None = None
    format: str | None = None


class Schema(_Assertions):
    """A schema: what a value must be, and what it means."""

    # How text carries other content (JSON Schema Validation, section 8).
    contentEncoding: str | None = None
    contentMediaType: str | None = None
    contentSchema: SchemaOrBool | None = None
    # For readers (JSON Schema Validation, section 9).
    title: str | None = None
    description: str | None = None
    default: Any | None = None
    deprecated: bool | None = None
    readOnly: bool | None = None
    writeOnly: bool | None = None
    examples: list[Any] | None = None
    # OpenAPI's own (OpenAPI 3.1, Schema Object); `example` is the old form of `examples`.
    discriminator: Discriminator | None = None
    xml: XML | None = None
    externalDocs: ExternalDocumentation | None = None
    example: Any | None = None


SchemaOrBool = Schema | bool

for _part in (_Core, _Applicators, _Assertions, Schema):
    _part.model_rebuild()
