"""What a router adds to the routes of another one that it includes."""

from __future__ import annotations

from fasterapi._api_route import _DEFAULTS, APIRoute
from fasterapi._mount import Host, Mount
from fasterapi._routes import Route, WebSocketRoute
from fasterapi.datastructures import chosen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi._api_router import APIRouter
    from fasterapi._match import BaseRoute

__all__ = ["Inclusion"]


class Inclusion:
    """One ``include_router``: the routers, and the arguments combined with theirs.

    ``defaults`` holds for some options what stands if the route has not chosen: from
    the inner router to the outer.
    """

    def __init__(self, outer: APIRouter, inner: APIRouter, options: dict[str, Any]) -> None:
        """Combine ``options`` (see ``InclusionOptions``) with what ``outer`` has."""
        get = options.get
        self.outer = outer
        self.inner = inner
        self.prefix: str = outer.prefix + get("prefix", "")
        self.tags = [*outer.tags, *(get("tags") or ())]
        self.dependencies = [*outer.dependencies, *(get("dependencies") or ())]
        self.responses = {**outer.responses, **(get("responses") or {})}
        self.callbacks = [*outer.callbacks, *(get("callbacks") or ())]
        self.deprecated = get("deprecated") or outer.deprecated
        self.include_in_schema = outer.include_in_schema and get("include_in_schema", True)
        self.dependency_overrides_provider = outer.dependency_overrides_provider
        bounds = (inner.max_body_size, get("max_body_size"), outer.max_body_size)
        self.max_body_size = next((bound for bound in bounds if bound is not None), None)
        self.form_limits = _form_limits(outer, inner, get("form_limits"))
        unchosen = _DEFAULTS["generate_unique_id_function"]
        self.defaults: dict[str, tuple[Any, ...]] = {
            "response_class": (
                inner.default_response_class,
                chosen(
                    get("default_response_class", outer.default_response_class),
                    outer.default_response_class,
                ),
            ),
            "generate_unique_id_function": (
                inner.generate_unique_id_function,
                chosen(
                    get("generate_unique_id_function", unchosen),
                    outer.generate_unique_id_function,
                ),
            ),
            "strict_content_type": (inner.strict_content_type, outer.strict_content_type),
        }
        # The last route that has come in, after which the next one goes.
        self._last: BaseRoute | None = None

    def add(self, route: BaseRoute) -> None:
        """Put the copy of ``route``, one of the inner router, into the outer one."""
        copy = self._copy(route)
        if copy is None:
            return
        after, self._last = self._last, copy
        self.outer._add(copy, after)

    def add_low_priority(self, route: Any) -> None:
        """Put the copy of a route of ``frontend()`` into the outer router."""
        self.outer._add_low_priority(route.included(self))

    def _copy(self, route: BaseRoute) -> BaseRoute | None:
        from fasterapi._api_websocket_route import APIWebSocketRoute

        if isinstance(route, APIRoute | APIWebSocketRoute):
            return route.included(self)
        if isinstance(route, Route):
            return Route(
                self.prefix + route.path,
                route.endpoint,
                methods=route.methods,
                name=route.name,
                include_in_schema=route.include_in_schema and self.include_in_schema,
                middleware=route._middleware,
                max_body_size=self.max_body_size
                if route.max_body_size is None
                else route.max_body_size,
            )
        if isinstance(route, WebSocketRoute):
            return WebSocketRoute(
                self.prefix + route.path,
                route.endpoint,
                name=route.name,
                middleware=route._middleware,
            )
        if isinstance(route, Mount):
            return route.included(self.prefix, self.max_body_size)
        return route.included(self.prefix) if isinstance(route, Host) else None


def _form_limits(outer: APIRouter, inner: APIRouter, given: Any) -> Any:
    from fasterapi._form_limits import checked_form_limits

    return {**outer.form_limits, **checked_form_limits(given), **inner.form_limits}
