"""Turns an application into the plan that Rust serves it by.

A route is called in one of three ways, the first that can:

- *directly*: Rust brings plain parameters and calls the user's function;
- *composed*: Rust calls one function made of all the route's steps (``_compose``);
- *generally*: Rust hands the request to the general path (``_native``).

What Rust's router cannot say (a host, a pattern with two parameters in a segment,
an ASGI middleware that may change anything) is answered by the application's own
ASGI interface, through ``AppPlan.fallback``.
"""

from __future__ import annotations

from fasterapi._parameter_plan import scalar_parameter
from fasterapi._path import PathPattern
from fasterapi._plan import ANY_METHOD, WEBSOCKET, AppPlan, ParameterPlan, RoutePlan
from fasterapi.exceptions import RouteError
from fasterapi.routing import APIRoute, Mount, Route, WebSocketRoute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi._form_limits import FormLimits
    from fasterapi.applications import FasterAPI
    from fasterapi.middleware import Middleware

__all__ = ["compile_application"]

# Who judges a request's parameters before the call: Rust all of them, or Python the rest.
_BY_RUST, _BY_PYTHON = "by Rust", "by Python"
# Methods whose requests have no content of meaning (RFC 9110, section 9.3).
_WITHOUT_BODY = frozenset({"GET", "HEAD"})


def compile_application(app: FasterAPI) -> AppPlan:
    """The plan of ``app``; raises ``RouteError`` for what cannot be served."""
    plan = AppPlan(app.router.redirect_slashes)
    inner: list[Middleware] = []
    if app.user_middleware:
        from fasterapi.middleware._native import native_middleware

        plan.middleware, inner = native_middleware(app)
    compiler = _Compiler(app, app, "", inner)
    if compiler.chain is None and inner:
        plan.fallback = compiler.asgi_plan()  # middleware that must see every message
        plan.websocket_fallback = compiler.websocket_asgi_plan()
        return plan
    compiler.add_routes(app.router.routes)
    plan.routes = compiler.plans
    # A frontend answers what no other route does.
    has_frontend = bool(app.router._low_priority_routes)
    if compiler.needs_fallback or inner or has_frontend or _answers_misses(app):
        plan.fallback = compiler.asgi_plan()
    if compiler.needs_fallback or compiler.native.wraps_websockets:
        plan.websocket_fallback = compiler.websocket_asgi_plan()
    return plan


def _has_bounded_body(app: FasterAPI, route: APIRoute) -> bool:
    """Whether a body may come that is bounded by less than the server's own bound."""
    bound = app.max_body_size if route.max_body_size is None else route.max_body_size
    return bound is not None and not _WITHOUT_BODY.issuperset(route.methods)


def _answers_misses(app: FasterAPI) -> bool:
    """Whether the application has its own way with requests that no route answers."""
    from fasterapi.exceptions import StarletteHTTPException

    handlers = app.exception_handlers
    keys = {404, 405, Exception, StarletteHTTPException}
    return any(key in handlers and not _is_default_handler(handlers[key]) for key in keys)


def _is_default_handler(handler: Any) -> bool:
    return getattr(handler, "__module__", "") == "fasterapi.exception_handlers"


class _Compiler:
    """Compiles the routes of one application, mounted at ``prefix`` of the main one."""

    def __init__(
        self,
        main: FasterAPI,
        app: FasterAPI,
        prefix: str,
        inner: list[Middleware],
        outer_form_limits: FormLimits | None = None,
    ) -> None:
        from fasterapi._native_app import NativeApp

        self.main = main
        self.app = app
        self.prefix = prefix
        self.form_limits: FormLimits = {**(outer_form_limits or {}), **app.router.form_limits}
        self.native = NativeApp(app, inner, self.form_limits)
        self.chain = self.native.chain
        self.plans: list[RoutePlan] = []
        self.needs_fallback = False
        # Literal beginnings of what only Python's router can match, in order.
        self._python_only: list[str] = []

    def asgi_plan(self) -> RoutePlan:
        """Hands a request to the application's ASGI interface."""
        plan = RoutePlan("/{*p0}", (ANY_METHOD,), self.prefix or "/")
        plan.endpoint = self.native.serve_asgi
        plan.parameters = (ParameterPlan("request", "request"),)
        plan.name = "asgi"
        self._place(plan)
        return plan

    def websocket_asgi_plan(self) -> RoutePlan:
        """Hands a WebSocket to the application's ASGI interface."""
        plan = self._websocket("/{*p0}", self.prefix or "/")
        plan.endpoint = self.native.serve_websocket_asgi
        return plan

    def _websocket(self, path: str, original_path: str) -> RoutePlan:
        plan = RoutePlan(path, (WEBSOCKET,), original_path)
        plan.parameters = (ParameterPlan("websocket", "websocket"),)
        self._place(plan)
        plan.on_error = None
        return plan

    def add_routes(self, routes: Any) -> None:
        """Compile ``routes`` in their order."""
        for route in routes:
            plans = self._plans_of(route)
            if plans is None:
                self.needs_fallback = True
                self._python_only.append(_literal_start(getattr(route, "path", "")))
            else:
                self.plans.extend(plans)

    def _plans_of(self, route: Any) -> list[RoutePlan] | None:
        """The plans of one route; ``None`` if only Python's router can match it."""
        start = _literal_start(getattr(route, "path", ""))
        if _matches_its_own_way(route) or any(
            start.startswith(other) or other.startswith(start) for other in self._python_only
        ):
            return None
        if isinstance(route, Mount):
            return self._mount(route)
        try:
            pattern = PathPattern(self.prefix + route.path)
            pattern.matchit()
        except (RouteError, AttributeError):
            return None  # a shape that Rust's router does not know
        if isinstance(route, WebSocketRoute):
            return self._websocket_route(route, pattern)
        if isinstance(route, APIRoute):
            return [self._api_route(route, pattern)]
        is_function = isinstance(route, Route) and route.methods
        return [self._plain_route(route, pattern)] if is_function else None

    # -- routes ------------------------------------------------------------

    def _start(self, route: Route, pattern: PathPattern) -> RoutePlan:
        # An empty path is FastAPI's "nothing after the prefix"; on the wire it is "/".
        plan = RoutePlan(
            pattern.matchit() or "/", tuple(sorted(route.methods or ())), pattern.original
        )
        plan.path_parameters = pattern.parameters
        plan.name = route.name
        plan.route = route
        self._place(plan)
        return plan

    def _place(self, plan: RoutePlan) -> None:
        plan.on_error = self.native.on_error
        plan.http_exceptions = self.native.has_default_http_handler
        if self.app is not self.main:
            plan.app = self.app
            plan.root_path = self.prefix

    def _plain_route(self, route: Route, pattern: PathPattern) -> RoutePlan:
        """A function of the request that gives a response."""
        plan = self._start(route, pattern)
        plan.endpoint = self.native.general(route)
        plan.parameters = (ParameterPlan("request", "request"),)
        return plan

    def _api_route(self, route: APIRoute, pattern: PathPattern) -> RoutePlan:
        plan = self._start(route, pattern)
        if route.dependant.takes_events:
            plan.endpoint = self.native.events(route)
            plan.parameters = (ParameterPlan("request", "request"),)
            return plan
        general = self.native.general(route)
        unchained = self.native.general(route, chained=False)
        # Only the general path counts a body's bytes.
        is_general = _has_bounded_body(self.app, route)
        called = (
            None
            if is_general
            else _try_direct(plan, route) or _try_composed(plan, route, unchained, self.form_limits)
        )
        if called is None:
            plan.endpoint = general
            plan.parameters = (ParameterPlan("request", "request"),)
            return plan
        if self.chain is not None:
            self._through_chain(plan)
        elif called == _BY_RUST and self.native.has_default_validation_handler:
            return plan  # Rust's own 422 is the same
        # In FastAPI's order: a dependency may refuse before a parameter is found wrong.
        plan.general = general
        return plan

    def _through_chain(self, plan: RoutePlan) -> None:
        """Put the ``@app.middleware("http")`` functions around the call."""
        plan.endpoint = self.native.through_chain(plan)
        plan.parameters = (
            ParameterPlan("request", "request"),
            *(_by_position(parameter) for parameter in plan.parameters),
        )
        plan.run = "async"
        plan.result = "value"

    def _websocket_route(self, route: WebSocketRoute, pattern: PathPattern) -> list[RoutePlan]:
        if self.native.wraps_websockets:
            return []  # answered by the fallback
        plan = self._websocket(pattern.matchit() or "/", pattern.original)
        plan.path_parameters = pattern.parameters
        plan.endpoint = self.native.websocket(route)
        plan.name = route.name
        plan.route = route
        return [plan]

    # -- mounts ------------------------------------------------------------

    def _mount(self, mount: Mount) -> list[RoutePlan] | None:
        from fasterapi.applications import FasterAPI
        from fasterapi.staticfiles import StaticFiles

        if "{" in mount.path or self.chain is not None:
            return None
        if type(mount.app) is StaticFiles and mount.app.is_servable_by_rust:
            return [self._static(mount)]
        prefix = self.prefix + mount.path
        if isinstance(mount.app, FasterAPI) and not mount.app.user_middleware:
            inner = _Compiler(self.main, mount.app, prefix, [], self.form_limits)
            inner.add_routes(mount.app.router.routes)
            plans = inner.plans if not inner.needs_fallback else []
            return [*plans, *self._asgi_mount(mount, prefix)]
        return self._asgi_mount(mount, prefix)

    def _static(self, mount: Mount) -> RoutePlan:
        path = self.prefix + mount.path
        plan = RoutePlan(_literal(path) + "/{*p0}", ("GET", "HEAD"), path)
        plan.path_parameters = (("path", "path"),)
        plan.run = "inline"
        plan.name = mount.name or ""
        static: Any = mount.app
        plan.static = static
        plan.route = mount
        return plan

    def _asgi_mount(self, mount: Mount, prefix: str) -> list[RoutePlan]:
        """Everything below ``prefix`` that has no plan of its own."""
        path = _literal(prefix) + "/{*p0}"
        plan = RoutePlan(path, (ANY_METHOD,), prefix)
        plan.endpoint = self.native.mounted(mount)
        plan.parameters = (ParameterPlan("request", "request"),)
        self._place(plan)
        websocket = self._websocket(path, prefix)
        websocket.endpoint = self.native.mounted_websocket(mount)
        for each in (plan, websocket):
            each.path_parameters = (("path", "path"),)
            each.name = mount.name or ""
            each.route = mount
        return [plan, websocket]


def _matches_its_own_way(route: Any) -> bool:
    """Whether its class has replaced what chooses a route, or what runs it over ASGI."""
    kinds = (APIRoute, Route, WebSocketRoute)
    kind = next((kind for kind in kinds if isinstance(route, kind)), None)
    return kind is not None and (
        type(route).matches is not kind.matches or type(route).handle is not kind.handle
    )


def _literal(path: str) -> str:
    return path.replace("{", "{{").replace("}", "}}")


def _literal_start(path: str) -> str:
    """What every path that ``path`` matches begins with."""
    return path.partition("{")[0]


def _by_position(parameter: ParameterPlan) -> ParameterPlan:
    parameter.keyword_only = False
    return parameter


# -- ways to call ----------------------------------------------------------


def _try_direct(plan: RoutePlan, route: APIRoute) -> str | None:
    """Let Rust call the handler itself, if all it takes are plain parameters."""
    parameters = _direct_parameters(route)
    if parameters is None:
        return None
    plan.endpoint = route.endpoint
    plan.parameters = parameters
    plan.run = "async" if route.dependant.is_coroutine_callable else "thread"
    if route.inline and plan.run == "thread":
        plan.run = "inline"
    plan.status_code = int(route.status_code or 200)
    plan.response_class = _direct_class(route)
    return _BY_RUST


def _direct_parameters(route: APIRoute) -> tuple[ParameterPlan, ...] | None:
    from fasterapi._signature import Where, arguments_of

    if not _is_direct(route):
        return None
    dependant = route.dependant
    plans: dict[str, ParameterPlan] = {}
    if dependant.request_param_name is not None:
        name = dependant.request_param_name
        plans[name] = ParameterPlan(name, "request")
    for source in ("path", "query", "header", "cookie"):
        for field in getattr(dependant, f"{source}_params"):
            scalar = scalar_parameter(field, source, field.name)
            if scalar is None:
                return None
            plans[field.name] = scalar
    ordered = []
    for argument in arguments_of(route.endpoint, Where(route.endpoint)):
        parameter = plans.get(argument.name)
        if parameter is None:
            return None
        parameter.keyword_only = argument.keyword_only
        ordered.append(parameter)
    return tuple(ordered)


def _is_direct(route: APIRoute) -> bool:
    """Whether nothing but the handler itself makes the answer."""
    dependant = route.dependant
    injected = (
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.http_connection_param_name,
        dependant.websocket_param_name,
        dependant.security_scopes_param_name,
    )
    return (
        not dependant.dependencies
        and not dependant.body_params
        and not any(injected)
        and not dependant.is_gen_callable
        and not dependant.is_async_gen_callable
        and type(route).get_route_handler is APIRoute.get_route_handler
        and _renders_alike(route)
        and route.response_field is None
    )


def _direct_class(route: APIRoute) -> Any:
    """The response class to render with; ``None`` for JSON, which Rust writes.

    A class may have a status of its own (a redirect), so Rust wants to know the status.
    """
    from fasterapi.responses import JSONResponse

    response_class = route.response_class
    if not isinstance(response_class, type):
        response_class = getattr(response_class, "value", None)
    return None if response_class is JSONResponse else response_class


def _renders_alike(route: APIRoute) -> bool:
    """Whether Rust may render: as JSON, or by a class of ours that takes the value as it is.

    Other classes want plain objects, and their arguments by name. Some classes have a
    status of their own, so Rust wants to know it.
    """
    from fasterapi import responses

    if route.status_code == 205:
        return False  # a 205 has no content, but Rust would write what the handler returns
    response_class = _direct_class(route)
    if response_class is None:
        return True
    ours = (responses.Response, responses.HTMLResponse, responses.PlainTextResponse)
    return response_class in (*ours, responses.RedirectResponse) and route.status_code is not None


def _try_composed(
    plan: RoutePlan, route: APIRoute, general: Any, form_limits: FormLimits
) -> str | None:
    """Let Rust call one function made of the route's steps, if there can be one."""
    from fasterapi._compose import compose

    composition = compose(route, general, form_limits)
    if composition is None:
        return None
    plan.endpoint = composition.function
    plan.parameters = composition.parameters
    plan.run = composition.run
    plan.result = composition.result
    plan.status_code = int(route.status_code or 200)
    return _BY_PYTHON if composition.can_give_up else _BY_RUST
