"""Operation Objects and Path Item Objects: one route as the document shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fasterapi.openapi._merge import merge
from fasterapi.openapi._parameters import examples_of, needs_of, parameter_objects
from fasterapi.openapi._responses import (
    VALIDATION_SCHEMAS,
    add_validation_error,
    response_objects,
)
from fasterapi.openapi._security import security_of
from fasterapi.openapi.constants import METHODS_WITH_BODY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from fasterapi.openapi._parameters import Needs
    from fasterapi.openapi._schemas import Schemas
    from fasterapi.routing import APIRoute, BaseRoute

__all__ = ["Document", "api_routes"]


def api_routes(routes: Iterable[BaseRoute]) -> list[APIRoute]:
    """Those of ``routes`` that the document may show: neither mounts nor plain routes."""
    from fasterapi.routing import APIRoute

    return [route for route in routes if isinstance(route, APIRoute)]


@dataclass(slots=True)
class Document:
    """What the paths of one document share, and what they add to it.

    ``security_schemes`` and ``definitions`` grow while paths are described;
    ``operation_ids`` are those used so far.
    """

    schemas: Schemas
    security_schemes: dict[str, Any] = field(default_factory=dict)
    definitions: dict[str, Any] = field(default_factory=dict)
    operation_ids: set[str] = field(default_factory=set)

    def paths(self, routes: Iterable[BaseRoute]) -> dict[str, dict[str, Any]]:
        """The Path Item Objects of ``routes``, by path."""
        found: dict[str, dict[str, Any]] = {}
        for route in api_routes(routes):
            item = self.path_item(route)
            if item:
                found.setdefault(route.path_format, {}).update(item)
        return found

    def path_item(self, route: APIRoute) -> dict[str, Any]:
        """One Operation Object for each method of ``route``; none for a hidden route."""
        if not route.include_in_schema:
            return {}
        needs = needs_of(route.dependant)
        return {
            method.lower(): self._operation(route, method, needs) for method in route.methods or ()
        }

    def _operation(self, route: APIRoute, method: str, needs: Needs) -> dict[str, Any]:
        operation = self._metadata(route)
        schemes, requirements = security_of(needs.schemes)
        if requirements:
            self.security_schemes.update(schemes)
            operation["security"] = requirements
        if parameters := parameter_objects(needs, self.schemas):
            operation["parameters"] = parameters
        if route.body_field and method in METHODS_WITH_BODY:
            operation["requestBody"] = self._request_body(route.body_field)
        if route.callbacks:
            operation["callbacks"] = {
                callback.name: {callback.path: self.path_item(callback)}
                for callback in api_routes(route.callbacks)
            }
        responses = response_objects(route, self.schemas)
        operation["responses"] = responses
        if (needs.fields() or route.body_field) and add_validation_error(responses):
            self.definitions.update(VALIDATION_SCHEMAS)
        if route.openapi_extra:
            merge(operation, route.openapi_extra)
        return operation

    def _metadata(self, route: APIRoute) -> dict[str, Any]:
        """What is said about the operation as a whole."""
        operation: dict[str, Any] = {}
        if route.tags:
            operation["tags"] = route.tags
        operation["summary"] = route.summary or route.name.replace("_", " ").title()
        if route.description:
            operation["description"] = route.description
        operation["operationId"] = self._operation_id(route)
        if route.deprecated:
            operation["deprecated"] = route.deprecated
        return operation

    def _operation_id(self, route: APIRoute) -> str:
        """The operation's id; warns when another operation has it."""
        chosen: str = route.operation_id or route.unique_id
        if chosen in self.operation_ids:
            import warnings

            endpoint = route.endpoint
            message = (
                f"Duplicate Operation ID {chosen} for function "
                f"{getattr(endpoint, '__name__', '<unnamed_endpoint>')}"
            )
            file = getattr(endpoint, "__globals__", {}).get("__file__")
            warnings.warn(f"{message} at {file}" if file else message, stacklevel=2)
        self.operation_ids.add(chosen)
        return chosen

    def _request_body(self, body: Any) -> dict[str, Any]:
        """The Request Body Object of the handler's body."""
        info = self.schemas.info(body)
        described: dict[str, Any] = {"required": True} if body.required else {}
        content = {"schema": self.schemas.of(body), **examples_of(info)}
        described["content"] = {info.media_type: content}
        return described
