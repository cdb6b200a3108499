"""The OpenAPI 3.1 document of an application."""

from __future__ import annotations

from fasterapi.openapi._merge import without_none
from fasterapi.openapi._operations import Document, api_routes
from fasterapi.openapi._parameters import needs_of
from fasterapi.openapi._responses import VALIDATION_SCHEMAS
from fasterapi.openapi._schemas import Schemas

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from fasterapi._fields import ModelField
    from fasterapi.routing import BaseRoute

__all__ = [
    "get_fields_from_routes",
    "get_openapi",
    "validation_error_definition",
    "validation_error_response_definition",
]

# The schemas of the answer to a request that does not fit. An application that answers
# otherwise may change them.
validation_error_definition = VALIDATION_SCHEMAS["ValidationError"]
validation_error_response_definition = VALIDATION_SCHEMAS["HTTPValidationError"]


def get_openapi(
    *,
    title: str,
    version: str,
    openapi_version: str = "3.1.0",
    summary: str | None = None,
    description: str | None = None,
    routes: Sequence[BaseRoute],
    webhooks: Sequence[BaseRoute] | None = None,
    tags: list[dict[str, Any]] | None = None,
    servers: list[dict[str, str | Any]] | None = None,
    terms_of_service: str | None = None,
    contact: dict[str, str | Any] | None = None,
    license_info: dict[str, str | Any] | None = None,
    separate_input_output_schemas: bool = True,
    external_docs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The document for ``routes`` and ``webhooks``, as JSON's types.

    ``title`` to ``license_info`` are about the API as a whole (OpenAPI 3.1, Info
    Object). ``separate_input_output_schemas`` gives a model that reads other data than
    it writes two schemas. Raises ``pydantic.ValidationError`` for a document that
    OpenAPI does not allow, ``ValueError`` for a response whose status is none.
    """
    info = {
        "title": title,
        "version": version,
        "summary": summary or None,
        "description": description or None,
        "termsOfService": terms_of_service or None,
        "contact": contact or None,
        "license": license_info or None,
    }
    everything = [*routes, *(webhooks or ())]
    generate = Schemas if _has_pydantic() else _plain_schemas()
    fields = get_fields_from_routes(everything)
    document = Document(generate(fields, separate=separate_input_output_schemas))
    paths = document.paths(routes)
    webhook_paths = document.paths(webhooks or ())
    return _checked(
        {
            "openapi": openapi_version,
            "info": info,
            "servers": servers or None,
            "components": _components(document),
            "paths": paths,
            "webhooks": webhook_paths or None,
            "tags": tags or None,
            "externalDocs": external_docs or None,
        }
    )


def _components(document: Document) -> dict[str, Any] | None:
    """The Components Object, with schemas by name; ``None`` when there is nothing in it."""
    components: dict[str, Any] = {}
    if document.security_schemes:
        components["securitySchemes"] = document.security_schemes
    definitions = {**document.schemas.definitions, **document.definitions}
    if definitions:
        components["schemas"] = dict(sorted(definitions.items()))
    return components or None


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    """The document as OpenAPI's own models read and write it."""
    if not _has_pydantic():
        from fasterapi.encoders import jsonable_encoder

        plain: dict[str, Any] = without_none(jsonable_encoder(document))
        return plain
    from fasterapi.openapi.models import OpenAPI

    model = OpenAPI.model_validate(_given(document))
    written: dict[str, Any] = without_none(
        model.model_dump(mode="json", by_alias=True, exclude_none=True)
    )
    return written


def _has_pydantic() -> bool:
    """Whether there can be models."""
    try:
        import pydantic  # noqa: F401
    except ImportError:
        return False
    return True


def _plain_schemas() -> type[Schemas]:
    from fasterapi.openapi._plain_schemas import PlainSchemas

    return PlainSchemas


def _given(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out the parts that an application did not give."""
    return {key: value for key, value in document.items() if value is not None}


def get_fields_from_routes(routes: Iterable[BaseRoute]) -> list[ModelField]:
    """All fields that the document of ``routes`` describes, those of callbacks first."""
    shown = [route for route in api_routes(routes) if route.include_in_schema]
    callbacks = [callback for route in shown for callback in route.callbacks or ()]
    fields = get_fields_from_routes(callbacks) if callbacks else []
    for kind in (_bodies, _answers, _parameters):
        for route in shown:
            fields.extend(kind(route))
    return fields


def _bodies(route: Any) -> Iterator[ModelField]:
    """What the route reads as body."""
    if route.body_field:
        yield route.body_field


def _answers(route: Any) -> Iterator[ModelField]:
    """What the route answers."""
    if route.response_field:
        yield route.response_field
    yield from route.response_fields.values()
    if route.stream_item_field:
        yield route.stream_item_field


def _parameters(route: Any) -> Iterable[ModelField]:
    """What the route and its dependencies read from the rest of a request."""
    return needs_of(route.dependant).fields()
