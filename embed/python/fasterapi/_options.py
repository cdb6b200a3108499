"""The keywords of the decorators, for type checkers; the names are FastAPI's."""

from __future__ import annotations

from typing import TypedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from enum import Enum
    from typing import Any

    from fasterapi._form_limits import FormLimits
    from fasterapi._match import BaseRoute
    from fasterapi.params import Depends
    from fasterapi.responses import Response

__all__ = ["InclusionOptions", "MethodsOptions", "OperationOptions", "RouteOptions"]


class OperationOptions(TypedDict, total=False):
    """What ``@app.get(...)`` and its like take."""

    response_model: Any
    status_code: int | None
    tags: list[str | Enum] | None
    dependencies: Sequence[Depends] | None
    summary: str | None
    description: str | None
    response_description: str
    responses: dict[int | str, dict[str, Any]] | None
    deprecated: bool | None
    name: str | None
    operation_id: str | None
    response_model_include: Any
    response_model_exclude: Any
    response_model_by_alias: bool
    response_model_exclude_unset: bool
    response_model_exclude_defaults: bool
    response_model_exclude_none: bool
    include_in_schema: bool
    response_class: type[Response]
    callbacks: list[BaseRoute] | None
    openapi_extra: dict[str, Any] | None
    generate_unique_id_function: Callable[[Any], str]
    strict_content_type: bool
    max_body_size: int | None
    form_limits: FormLimits | None
    inline: bool


class MethodsOptions(OperationOptions, total=False):
    """What ``@app.api_route(...)`` takes."""

    methods: Collection[str] | None


class RouteOptions(MethodsOptions, total=False):
    """What ``APIRoute`` takes."""

    dependency_overrides_provider: Any


class InclusionOptions(TypedDict, total=False):
    """What ``include_router(...)`` takes, besides the router."""

    prefix: str
    tags: list[str | Enum] | None
    dependencies: Sequence[Depends] | None
    default_response_class: type[Response]
    responses: dict[int | str, dict[str, Any]] | None
    callbacks: list[BaseRoute] | None
    deprecated: bool | None
    include_in_schema: bool
    generate_unique_id_function: Callable[[Any], str]
    max_body_size: int | None
    form_limits: FormLimits | None
