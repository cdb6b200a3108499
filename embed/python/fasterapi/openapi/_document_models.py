"""The objects of an OpenAPI 3.1 document, as pydantic models.

Importing this imports pydantic: `fasterapi.openapi.models` does it when one of these
is named. The attributes are the specification's; a ``_`` stands after those that are
words of Python or of pydantic.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

from pydantic import AnyUrl, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from fasterapi.openapi import _security_models as security
from fasterapi.openapi._schema_object import (
    ExternalDocumentation,
    Reference,
    Schema,
    SpecificationObject,
)

TYPE_CHECKING = False

__all__ = [
    "Components",
    "Contact",
    "EmailStr",
    "Encoding",
    "Example",
    "Header",
    "Info",
    "License",
    "Link",
    "MediaType",
    "OpenAPI",
    "Operation",
    "Parameter",
    "ParameterBase",
    "ParameterInType",
    "PathItem",
    "RequestBody",
    "Response",
    "SecurityScheme",
    "Server",
    "ServerVariable",
    "Tag",
]

if TYPE_CHECKING:
    from pydantic import EmailStr
else:
    try:
        import email_validator as _email_validator  # noqa: F401  # EmailStr needs it later
        from pydantic import EmailStr
    except ImportError:
        from pydantic import WithJsonSchema

        # Without the package that checks addresses they are taken as they are.
        EmailStr = Annotated[str, WithJsonSchema({"type": "string", "format": "email"})]

SecurityScheme = (
    security.APIKey
    | security.HTTPBase
    | security.OAuth2
    | security.OpenIdConnect
    | security.HTTPBearer
)


class Contact(SpecificationObject):
    """Whom to ask."""

    name: str | None = None
    url: AnyUrl | None = None
    email: EmailStr | None = None


class License(SpecificationObject):
    """The licence of the API."""

    name: str
    identifier: str | None = None
    url: AnyUrl | None = None


class Info(SpecificationObject):
    """What the API is."""

    title: str
    summary: str | None = None
    description: str | None = None
    termsOfService: str | None = None
    contact: Contact | None = None
    license: License | None = None
    version: str


class ServerVariable(SpecificationObject):
    """A part of a server's URL that a client chooses."""

    enum: Annotated[list[str], Field(min_length=1)] | None = None
    default: str
    description: str | None = None


class Server(SpecificationObject):
    """Where the API is served."""

    url: AnyUrl | str
    description: str | None = None
    variables: dict[str, ServerVariable] | None = None


@with_config(ConfigDict(extra="allow"))
class Example(TypedDict, total=False):
    """One example value, or where it is."""

    summary: str | None
    description: str | None
    value: Any | None
    externalValue: AnyUrl | None


class ParameterInType(Enum):
    """Where a request carries a parameter."""

    query = "query"
    header = "header"
    path = "path"
    cookie = "cookie"


class Encoding(SpecificationObject):
    """How one property of a form is encoded."""

    contentType: str | None = None
    headers: dict[str, Header | Reference] | None = None
    style: str | None = None
    explode: bool | None = None
    allowReserved: bool | None = None


class MediaType(SpecificationObject):
    """What a body of one media type looks like."""

    schema_: Schema | Reference | None = Field(None, alias="schema")
    example: Any | None = None
    examples: dict[str, Example | Reference] | None = None
    encoding: dict[str, Encoding] | None = None


class ParameterBase(SpecificationObject):
    """What parameters and response headers have in common."""

    description: str | None = None
    required: bool | None = None
    deprecated: bool | None = None
    style: str | None = None
    explode: bool | None = None
    allowReserved: bool | None = None
    schema_: Schema | Reference | None = Field(None, alias="schema")
    example: Any | None = None
    examples: dict[str, Example | Reference] | None = None
    content: dict[str, MediaType] | None = None


class Parameter(ParameterBase):
    """A parameter of an operation."""

    name: str
    in_: ParameterInType = Field(alias="in")


class Header(ParameterBase):
    """A header field of a response."""


class RequestBody(SpecificationObject):
    """What an operation takes, for each media type."""

    description: str | None = None
    content: dict[str, MediaType]
    required: bool | None = None


class Link(SpecificationObject):
    """An operation that may follow a response."""

    operationRef: str | None = None
    operationId: str | None = None
    parameters: dict[str, Any | str] | None = None
    requestBody: Any | str | None = None
    description: str | None = None
    server: Server | None = None


class Response(SpecificationObject):
    """What an operation answers, for each media type."""

    description: str
    headers: dict[str, Header | Reference] | None = None
    content: dict[str, MediaType] | None = None
    links: dict[str, Link | Reference] | None = None


class Operation(SpecificationObject):
    """One method of one path."""

    tags: list[str] | None = None
    summary: str | None = None
    description: str | None = None
    externalDocs: ExternalDocumentation | None = None
    operationId: str | None = None
    parameters: list[Parameter | Reference] | None = None
    requestBody: RequestBody | Reference | None = None
    # Extensions (`x-...`) may stand beside the status codes: any value is let through.
    responses: dict[str, Response | Any] | None = None
    callbacks: dict[str, dict[str, PathItem] | Reference] | None = None
    deprecated: bool | None = None
    security: list[dict[str, list[str]]] | None = None
    servers: list[Server] | None = None


class PathItem(SpecificationObject):
    """The operations of one path."""

    ref: str | None = Field(None, alias="$ref")
    summary: str | None = None
    description: str | None = None
    get: Operation | None = None
    put: Operation | None = None
    post: Operation | None = None
    delete: Operation | None = None
    options: Operation | None = None
    head: Operation | None = None
    patch: Operation | None = None
    trace: Operation | None = None
    servers: list[Server] | None = None
    parameters: list[Parameter | Reference] | None = None


class Components(SpecificationObject):
    """What other parts of the document point at."""

    schemas: dict[str, Schema | Reference] | None = None
    responses: dict[str, Response | Reference] | None = None
    parameters: dict[str, Parameter | Reference] | None = None
    examples: dict[str, Example | Reference] | None = None
    requestBodies: dict[str, RequestBody | Reference] | None = None
    headers: dict[str, Header | Reference] | None = None
    securitySchemes: dict[str, SecurityScheme | Reference] | None = None
    links: dict[str, Link | Reference] | None = None
    callbacks: dict[str, dict[str, PathItem] | Reference | Any] | None = None
    pathItems: dict[str, PathItem | Reference] | None = None


class Tag(SpecificationObject):
    """What a tag means."""

    name: str
    description: str | None = None
    externalDocs: ExternalDocumentation | None = None


class OpenAPI(SpecificationObject):
    """The whole document."""

    openapi: str
    info: Info
    jsonSchemaDialect: str | None = None
    servers: list[Server] | None = None
    paths: dict[str, PathItem | Any] | None = None
    webhooks: dict[str, PathItem | Reference] | None = None
    components: Components | None = None
    security: list[dict[str, list[str]]] | None = None
    tags: list[Tag] | None = None
    externalDocs: ExternalDocumentation | None = None


for _model in (Encoding, MediaType, Operation, PathItem, Components, OpenAPI):
    _model.model_rebuild()
