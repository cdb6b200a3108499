"""A router of path operations, to be included in an application or another router."""

from __future__ import annotations

from fasterapi._api_route import _DEFAULT_CLASS, _DEFAULTS, APIRoute
from fasterapi._decorators import RouteDecorators
from fasterapi._form_limits import FORM_LIMITS_KEY, check_body_size, checked_form_limits
from fasterapi._inclusion import Inclusion
from fasterapi._lifespan import merged
from fasterapi._router import Router
from fasterapi.datastructures import chosen
from fasterapi.exceptions import FastAPIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from enum import Enum
    from typing import Any, Literal, Unpack

    from fasterapi._form_limits import FormLimits
    from fasterapi._lifespan import Lifespan
    from fasterapi._match import BaseRoute
    from fasterapi._options import InclusionOptions, MethodsOptions
    from fasterapi._routes import ASGIApp
    from fasterapi.params import Depends
    from fasterapi.requests import Receive, Scope, Send
    from fasterapi.responses import Response

__all__ = ["APIRouter"]


class APIRouter(RouteDecorators, Router):
    """Path operations with what they share: prefix, tags, dependencies, responses...

    The parameters are FastAPI's. Routes that are added after the router has been
    included appear where it is included, too.
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        tags: list[str | Enum] | None = None,
        dependencies: Sequence[Depends] | None = None,
        default_response_class: type[Response] = _DEFAULT_CLASS,
        responses: dict[int | str, dict[str, Any]] | None = None,
        callbacks: list[BaseRoute] | None = None,
        routes: list[BaseRoute] | None = None,
        redirect_slashes: bool = True,
        default: ASGIApp | None = None,
        dependency_overrides_provider: Any = None,
        route_class: type[APIRoute] = APIRoute,
        on_startup: Sequence[Callable[[], Any]] | None = None,
        on_shutdown: Sequence[Callable[[], Any]] | None = None,
        lifespan: Lifespan | None = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
        generate_unique_id_function: Callable[[APIRoute], str] = _DEFAULTS[
            "generate_unique_id_function"
        ],
        strict_content_type: bool = _DEFAULTS["strict_content_type"],
        max_body_size: int | None = None,
        form_limits: FormLimits | None = None,
    ) -> None:
        """Keep the parts; raises ``AssertionError`` for a prefix that is no path."""
        check_body_size(max_body_size)
        super().__init__(routes, redirect_slashes, default, lifespan, max_body_size=max_body_size)
        _check_prefix(prefix)
        self.has_own_lifespan = lifespan is not None
        self.on_startup: list[Callable[[], Any]] = list(on_startup or ())
        self.on_shutdown: list[Callable[[], Any]] = list(on_shutdown or ())
        self.prefix = prefix
        self.tags = list(tags or ())
        self.dependencies = list(dependencies or ())
        self.deprecated = deprecated
        self.include_in_schema = include_in_schema
        self.responses = responses or {}
        self.callbacks = list(callbacks or ())
        self.dependency_overrides_provider = dependency_overrides_provider
        self.route_class = route_class
        self.default_response_class = default_response_class
        self.generate_unique_id_function = generate_unique_id_function
        self.strict_content_type = strict_content_type
        self.form_limits = checked_form_limits(form_limits)
        # Where this router is included: new routes go there, too.
        self._inclusions: list[Inclusion] = []
        self._routes_version = 0

    def _add(self, route: BaseRoute, after: BaseRoute | None = None) -> None:
        """Add ``route`` behind ``after``, or at the end, here and where this is included."""
        place = _index_of(self.routes, after)
        self.routes.insert(len(self.routes) if place is None else place + 1, route)
        self._routes_version += 1
        for inclusion in self._inclusions:
            inclusion.add(route)

    def _add_low_priority(self, route: BaseRoute) -> None:
        self._low_priority_routes.append(route)
        self._routes_version += 1
        for inclusion in self._inclusions:
            inclusion.add_low_priority(route)

    def add_api_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        route_class_override: type[APIRoute] | None = None,
        **options: Unpack[MethodsOptions],
    ) -> None:
        """Register ``endpoint`` for ``path``; ``methods`` are ``GET`` if not given."""
        given: dict[str, Any] = {**options}
        given["tags"] = [*self.tags, *(given.get("tags") or ())]
        given["dependencies"] = [*self.dependencies, *(given.get("dependencies") or ())]
        given["responses"] = {**self.responses, **(given.get("responses") or {})}
        given["callbacks"] = [*self.callbacks, *(given.get("callbacks") or ())]
        given["deprecated"] = given.get("deprecated") or self.deprecated
        given["include_in_schema"] = given.get("include_in_schema", True) and self.include_in_schema
        given["form_limits"] = {
            **self.form_limits,
            **checked_form_limits(given.get("form_limits")),
        }
        given["response_class"] = chosen(
            given.get("response_class") or _DEFAULT_CLASS, self.default_response_class
        )
        for name in ("generate_unique_id_function", "strict_content_type"):
            given[name] = chosen(given.get(name, _DEFAULTS[name]), getattr(self, name))
        given["dependency_overrides_provider"] = self.dependency_overrides_provider
        route_class = route_class_override or self.route_class
        self._add(route_class(self.prefix + path, endpoint, **given))

    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        *,
        dependencies: Sequence[Depends] | None = None,
    ) -> None:
        """Register ``endpoint`` for WebSockets at ``path``."""
        from fasterapi._api_websocket_route import APIWebSocketRoute

        self._add(
            APIWebSocketRoute(
                self.prefix + path,
                endpoint,
                name=name,
                dependencies=[*self.dependencies, *(dependencies or ())],
                dependency_overrides_provider=self.dependency_overrides_provider,
            )
        )

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer over ASGI; the form limits hold for what is mounted here, too."""
        if self.form_limits and scope["type"] == "http":
            scope[FORM_LIMITS_KEY] = {**scope.get(FORM_LIMITS_KEY, {}), **self.form_limits}
        await super().app(scope, receive, send)

    # Functions of the request alone are Router's, not the decorators' stand-ins.
    add_route = Router.add_route
    add_websocket_route = Router.add_websocket_route

    def include_router(self, router: APIRouter, **options: Unpack[InclusionOptions]) -> None:
        """Take the routes and the lifespan of ``router``, below ``prefix``.

        Raises ``AssertionError`` for a wrong prefix and for a router within itself,
        ``FastAPIError`` when a path would be empty, ``TypeError`` for unknown options.
        """
        if router is self:
            raise AssertionError(
                "Cannot include the same APIRouter instance into itself. "
                "Did you mean to include a different router?"
            )
        if router._includes(self):
            raise AssertionError(
                "Cannot include an APIRouter instance that already includes this router. "
                "Did you mean to include a different router?"
            )
        prefix = options.get("prefix", "")
        _check_prefix(prefix)
        _check_options(options)
        if not prefix:
            _check_paths(router.routes)
        inclusion = Inclusion(self, router, {**options})
        for route in list(router.routes):
            inclusion.add(route)
        for low in router._low_priority_routes:
            inclusion.add_low_priority(low)
        router._inclusions.append(inclusion)
        self.lifespan_context = merged(self.lifespan_context, router.lifespan_context)

    def _includes(self, router: APIRouter) -> bool:
        """Whether ``router`` is included here, directly or not."""
        return any(
            inclusion.outer is self or self._includes(inclusion.outer)
            for inclusion in router._inclusions
        )

    def frontend(
        self,
        path: str,
        *,
        directory: str | os.PathLike[str],
        fallback: Literal["auto", "index.html", "404.html"] | None = "auto",
        check_dir: bool | Literal["auto"] = "auto",
    ) -> None:
        """Serve the build of a frontend below ``path``, for what no route answers.

        ``fallback`` answers the paths that the frontend's own router knows. Raises
        ``RuntimeError`` when the folder or the fallback is missing, unless
        ``check_dir`` is false.
        """
        from fasterapi._frontend import FrontendRoute

        self._add_low_priority(
            FrontendRoute(self, path, directory=directory, fallback=fallback, check_dir=check_dir)
        )

    def add_event_handler(self, event_type: str, func: Callable[[], Any]) -> None:
        """Run ``func`` (asynchronous or not) at ``"startup"`` or ``"shutdown"``.

        Raises ``AssertionError`` for any other event.
        """
        if event_type not in ("startup", "shutdown"):
            raise AssertionError(f"event {event_type!r} is neither 'startup' nor 'shutdown'")
        (self.on_startup if event_type == "startup" else self.on_shutdown).append(func)

    def __repr__(self) -> str:
        """The prefix and how many routes there are."""
        return f"{type(self).__name__}(prefix={self.prefix!r}, routes={len(self.routes)})"


def _index_of(routes: list[BaseRoute], wanted: BaseRoute | None) -> int | None:
    return next((index for index, route in enumerate(routes) if route is wanted), None)


def _check_prefix(prefix: str) -> None:
    if prefix and not prefix.startswith("/"):
        raise AssertionError("A path prefix must start with '/'")
    if prefix.endswith("/"):
        raise AssertionError(
            "A path prefix must not end with '/', as the routes will start with '/'"
        )


def _check_paths(routes: list[BaseRoute]) -> None:
    for route in routes:
        if getattr(route, "path", None) == "" and not hasattr(route, "_base_app"):
            name = getattr(route, "name", "unknown")
            raise FastAPIError(f"Prefix and path cannot be both empty (path operation: {name})")


_INCLUSION_OPTIONS = frozenset(
    (
        *("prefix", "tags", "dependencies", "default_response_class", "responses", "callbacks"),
        *("deprecated", "include_in_schema", "generate_unique_id_function", "max_body_size"),
        "form_limits",
    )
)


def _check_options(options: Any) -> None:
    unknown = ", ".join(sorted(options.keys() - _INCLUSION_OPTIONS))
    if unknown:
        raise TypeError(f"include_router() has no option {unknown}")
    check_body_size(options.get("max_body_size"))
