"""Response Objects: what an operation answers."""

from __future__ import annotations

from copy import deepcopy

from fasterapi._annotations import has_class
from fasterapi.openapi._merge import merge
from fasterapi.openapi.constants import REF_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi.openapi._schemas import Schemas
    from fasterapi.routing import APIRoute

__all__ = ["VALIDATION_SCHEMAS", "add_validation_error", "response_objects"]

_STATUS_CLASSES = {
    "1XX": "Information",
    "2XX": "Success",
    "3XX": "Redirection",
    "4XX": "Client Error",
    "5XX": "Server Error",
    "DEFAULT": "Default Response",
}

#: The schemas of the answer to a request that does not fit, by name.
VALIDATION_SCHEMAS: dict[str, dict[str, Any]] = {
    "HTTPValidationError": {
        "title": "HTTPValidationError",
        "type": "object",
        "properties": {
            "detail": {
                "title": "Detail",
                "type": "array",
                "items": {"$ref": f"{REF_PREFIX}ValidationError"},
            }
        },
    },
    "ValidationError": {
        "title": "ValidationError",
        "type": "object",
        "properties": {
            "loc": {
                "title": "Location",
                "type": "array",
                "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            },
            "msg": {"title": "Message", "type": "string"},
            "type": {"title": "Error Type", "type": "string"},
            "input": {"title": "Input"},
            "ctx": {"title": "Context", "type": "object"},
        },
        "required": ["loc", "msg", "type"],
    },
}


def response_objects(route: APIRoute, schemas: Schemas) -> dict[str, dict[str, Any]]:
    """The responses of ``route`` by status: the usual one, then those of ``responses``."""
    response_class: Any = route.response_class
    response_class = getattr(response_class, "value", response_class)  # of Default(...)
    media_type: str | None = response_class.media_type
    usual: dict[str, Any] = {"description": route.response_description}
    if _may_have_body(route.status_code):
        content = _content(route, response_class, schemas)
        if content:
            usual["content"] = content
    found = {_usual_status(route, response_class): usual}
    for status in route.responses:
        key = str(status).upper()
        response = found.setdefault("default" if key == "DEFAULT" else key, {})
        _add_declared(response, route, status, schemas, media_type or "application/json")
    return found


def _usual_status(route: APIRoute, response_class: Any) -> str:
    """The route's status, or else the one that its response class has by default."""
    if route.status_code is not None:
        return str(int(route.status_code))
    from inspect import signature

    declared = signature(response_class.__init__).parameters.get("status_code")
    default = None if declared is None else declared.default
    return str(int(default)) if isinstance(default, int) else "200"


def _may_have_body(status: int | None) -> bool:
    """Informational answers and 204, 205 and 304 have none (RFC 9110, section 15)."""
    return status is None or (int(status) >= 200 and int(status) not in {204, 205, 304})


def _content(route: APIRoute, response_class: Any, schemas: Schemas) -> dict[str, Any]:
    """The Media Type Object of the usual response, by its media type."""
    item = route.stream_item_field
    if route.is_json_stream:
        return {"application/jsonl": {"itemSchema": schemas.of(item) if item else {}}}
    if route.is_sse_stream:
        event = _event_schema(schemas.of(item) if item else None)
        return {"text/event-stream": {"itemSchema": event}}
    if not response_class.media_type:
        return {}
    schema: dict[str, Any] = {"type": "string"}
    if has_class(response_class, "JSONResponse"):
        schema = schemas.of(route.response_field) if route.response_field else {}
    return {response_class.media_type: {"schema": schema}}


def _event_schema(data: dict[str, Any] | None) -> dict[str, Any]:
    """One event of a stream; ``data`` is the schema of the JSON that it carries."""
    properties: dict[str, Any] = {
        "data": {"type": "string"},
        "event": {"type": "string"},
        "id": {"type": "string"},
        "retry": {"type": "integer", "minimum": 0},
    }
    if data is None:
        return {"type": "object", "properties": properties}
    properties["data"] |= {"contentMediaType": "application/json", "contentSchema": data}
    return {"type": "object", "properties": properties, "required": ["data"]}


def _add_declared(
    response: dict[str, Any],
    route: APIRoute,
    status: int | str,
    schemas: Schemas,
    media_type: str,
) -> None:
    """Add what ``responses[status]`` of the route says."""
    declared = deepcopy({k: v for k, v in route.responses[status].items() if k != "model"})
    field = route.response_fields.get(status)
    if field is not None:
        content = declared.setdefault("content", {}).setdefault(media_type, {})
        merge(content.setdefault("schema", {}), schemas.of(field))
    text = _status_text(status, route)
    description = declared.get("description") or response.get("description") or text
    merge(response, declared)
    response["description"] = description


def _status_text(status: int | str, route: APIRoute) -> str:
    """What the status means; raises ``ValueError`` when it is none."""
    if text := _STATUS_CLASSES.get(str(status).upper()):
        return text
    from http import HTTPStatus

    try:
        code = int(status)
    except ValueError:
        raise ValueError(
            f"responses of {route.path!r}: {status!r} is no status; give a code such as 404, "
            "a class such as '4XX', or 'default'"
        ) from None
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Additional Response"


def add_validation_error(responses: dict[str, Any]) -> bool:
    """Add the answer to a request that does not fit, unless another is declared for it."""
    if not {"422", "4XX", "default"}.isdisjoint(responses):
        return False
    schema = {"$ref": f"{REF_PREFIX}HTTPValidationError"}
    responses["422"] = {
        "description": "Validation Error",
        "content": {"application/json": {"schema": schema}},
    }
    return True
