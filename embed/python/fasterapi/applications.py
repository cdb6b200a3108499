"""The application: what a user's module creates and hangs handlers on."""

from __future__ import annotations

from fasterapi._api_route import _DEFAULT_CLASS, _DEFAULTS
from fasterapi._api_router import APIRouter
from fasterapi._decorators import RouteDecorators
from fasterapi.exceptions import (
    RequestValidationError,
    StarletteHTTPException,
    WebSocketRequestValidationError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from typing import Any, Literal, Unpack

    from fasterapi._api_route import APIRoute
    from fasterapi._decorators import Function
    from fasterapi._form_limits import FormLimits
    from fasterapi._lifespan import Lifespan, LifespanContext
    from fasterapi._match import BaseRoute
    from fasterapi._options import InclusionOptions, MethodsOptions
    from fasterapi._routes import ASGIApp
    from fasterapi._url import URLPath
    from fasterapi.channels import Channels
    from fasterapi.datastructures import State
    from fasterapi.middleware import Middleware
    from fasterapi.params import Depends
    from fasterapi.pg.database import Database, DatabaseOptions, Databases
    from fasterapi.requests import Receive, Scope, Send
    from fasterapi.responses import Response

    ExceptionHandler = Callable[[Any, Any], Response | Awaitable[Response | None] | None]

__all__ = ["App", "FastAPI", "FasterAPI"]


class FastAPI(RouteDecorators):
    """An application; the parameters and attributes are FastAPI's.

    ``lifespan`` is an async context manager function ``lifespan(app)``; a mapping
    that it yields becomes the first entries of every ``request.state``. As in
    FastAPI, ``on_startup`` and ``on_shutdown`` run only without a ``lifespan``.
    """

    def __init__(
        self,
        *,
        debug: bool = False,
        routes: list[BaseRoute] | None = None,
        title: str = "FastAPI",
        summary: str | None = None,
        description: str = "",
        version: str = "0.1.0",
        openapi_url: str | None = "/openapi.json",
        openapi_tags: list[dict[str, Any]] | None = None,
        servers: list[dict[str, Any]] | None = None,
        dependencies: Sequence[Depends] | None = None,
        default_response_class: type[Response] = _DEFAULT_CLASS,
        redirect_slashes: bool = True,
        docs_url: str | None = "/docs",
        redoc_url: str | None = "/redoc",
        swagger_ui_oauth2_redirect_url: str | None = "/docs/oauth2-redirect",
        swagger_ui_init_oauth: dict[str, Any] | None = None,
        middleware: Sequence[Middleware] | None = None,
        exception_handlers: Mapping[Any, ExceptionHandler] | None = None,
        on_startup: Sequence[Callable[[], Any]] | None = None,
        on_shutdown: Sequence[Callable[[], Any]] | None = None,
        lifespan: Lifespan | None = None,
        terms_of_service: str | None = None,
        contact: dict[str, Any] | None = None,
        license_info: dict[str, Any] | None = None,
        openapi_prefix: str = "",
        root_path: str = "",
        root_path_in_servers: bool = True,
        responses: dict[int | str, dict[str, Any]] | None = None,
        callbacks: list[BaseRoute] | None = None,
        webhooks: APIRouter | None = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
        swagger_ui_parameters: dict[str, Any] | None = None,
        generate_unique_id_function: Callable[[APIRoute], str] = _DEFAULTS[
            "generate_unique_id_function"
        ],
        separate_input_output_schemas: bool = True,
        openapi_external_docs: dict[str, Any] | None = None,
        strict_content_type: bool = True,
        max_body_size: int | None = None,
        form_limits: FormLimits | None = None,
        telemetry: Any = None,
        **extra: Any,
    ) -> None:
        """Make an application whose only routes are those of its documentation.

        Nothing runs before it is served. ``telemetry`` is accepted and not used;
        ``extra`` is kept.
        """
        self.debug = debug
        self.title = title
        self.summary = summary
        self.description = description
        self.version = version
        self.terms_of_service = terms_of_service
        self.contact = contact
        self.license_info = license_info
        self.openapi_url = openapi_url
        self.openapi_tags = openapi_tags
        self.root_path_in_servers = root_path_in_servers
        self.docs_url = docs_url
        self.redoc_url = redoc_url
        self.swagger_ui_oauth2_redirect_url = swagger_ui_oauth2_redirect_url
        self.swagger_ui_init_oauth = swagger_ui_init_oauth
        self.swagger_ui_parameters = swagger_ui_parameters
        self.servers = servers or []
        self.separate_input_output_schemas = separate_input_output_schemas
        self.openapi_external_docs = openapi_external_docs
        self.openapi_version = "3.1.0"
        self.openapi_schema: dict[str, Any] | None = None
        self._openapi_routes_version: int | None = None
        self.extra = extra
        self.max_body_size = max_body_size
        if root_path:
            _warn_of_root_path()
        self.root_path = (root_path or openapi_prefix).rstrip("/")
        if openapi_url and not (title and version):
            raise AssertionError("OpenAPI needs a title and a version of the API")
        self.webhooks = APIRouter() if webhooks is None else webhooks
        self._state: State | None = None
        self._channels: Channels | None = None
        self._databases: Databases | None = None
        # What the lifespan yielded; set by the shard before its first request.
        self._lifespan_state: Mapping[str, Any] = {}
        self.dependency_overrides: dict[Callable[..., Any], Callable[..., Any]] = {}
        self.router = APIRouter(
            routes=routes,
            redirect_slashes=redirect_slashes,
            dependency_overrides_provider=self,
            on_startup=on_startup,
            on_shutdown=on_shutdown,
            lifespan=lifespan,
            default_response_class=default_response_class,
            dependencies=dependencies,
            callbacks=callbacks,
            deprecated=deprecated,
            include_in_schema=include_in_schema,
            responses=responses,
            generate_unique_id_function=generate_unique_id_function,
            strict_content_type=strict_content_type,
            max_body_size=max_body_size,
            form_limits=form_limits,
        )
        self.exception_handlers: dict[Any, Any] = dict(exception_handlers or {})
        self._add_default_handlers()
        self.user_middleware: list[Middleware] = list(middleware or ())
        self.middleware_stack: ASGIApp | None = None
        self.setup()

    def _add_default_handlers(self) -> None:
        from fasterapi import exception_handlers as defaults

        handlers = self.exception_handlers
        handlers.setdefault(StarletteHTTPException, defaults.http_exception_handler)
        handlers.setdefault(RequestValidationError, defaults.request_validation_exception_handler)
        handlers.setdefault(
            WebSocketRequestValidationError,
            defaults.websocket_request_validation_exception_handler,
        )

    # -- the state, the routes ---------------------------------------------

    @property
    def state(self) -> State:
        """A place for the application's own objects; one per process."""
        if self._state is None:
            from fasterapi.datastructures import State

            self._state = State()
        return self._state

    @state.setter
    def state(self, value: State) -> None:
        self._state = value

    @property
    def channels(self) -> Channels:
        """Messages to all who have joined a channel, on every shard."""
        if self._channels is None:
            from fasterapi.channels import Channels

            self._channels = Channels()
        return self._channels

    def postgres(
        self, dsn: str | None = None, *, name: str = "default", **options: Unpack[DatabaseOptions]
    ) -> Database:
        """Keep a pool of connections to a PostgreSQL database while the application serves.

        Each shard opens one before the lifespan starts and closes it after the lifespan's end.
        What this returns is a dependency that gives the pool, and so is ``app.pg`` for the
        database called ``default``: ``pool: Annotated[Pool, Depends(app.pg)]``.

        ``total_connections`` is for the whole server, split over its shards; ``max_size`` is for
        each shard. The other options are those of ``fasterapi.pg.create_pool``; see
        ``fasterapi.pg.database.Database``. Raises ``ValueError`` for a second database of a name.
        """
        from fasterapi.pg.database import Database, Databases

        if self._databases is None:
            self._databases = Databases()
        return self._databases.add(Database(dsn, name=name, **options))

    @property
    def databases(self) -> Databases:
        """The databases that ``postgres`` was told of, by name."""
        if self._databases is None:
            raise RuntimeError("there is no database: call app.postgres(dsn) first")
        return self._databases

    @property
    def pg(self) -> Database:
        """The database that ``postgres`` was told of without a name, as a dependency."""
        return self.databases["default"]

    @property
    def routes(self) -> list[BaseRoute]:
        """All routes, those of included routers too, in their order."""
        return self.router.routes

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """The path of the route ``name``; raises ``NoMatchFound``."""
        return self.router.url_path_for(name, **path_params)

    def add_api_route(
        self, path: str, endpoint: Callable[..., Any], **options: Unpack[MethodsOptions]
    ) -> None:
        """Register ``endpoint`` for ``path``; ``methods`` are ``GET`` if not given.

        Raises ``RouteError`` for a path that no request can have.
        """
        if path and not path.startswith("/"):
            # Webhooks and callbacks have such paths, an application's own routes cannot.
            from fasterapi._signature import Where

            raise Where(endpoint).error(f"path {path!r} does not start with '/'", "Add the '/'")
        self.router.add_api_route(path, endpoint, **options)

    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        *,
        dependencies: Sequence[Depends] | None = None,
    ) -> None:
        """Register ``endpoint`` for WebSockets at ``path``."""
        self.router.add_api_websocket_route(path, endpoint, name, dependencies=dependencies)

    def add_route(
        self,
        path: str,
        route: Callable[..., Any],
        methods: Collection[str] | None = None,
        name: str | None = None,
        include_in_schema: bool = True,
    ) -> None:
        """Register a function that takes the request and gives a response."""
        self.router.add_route(path, route, methods, name, include_in_schema)

    def add_websocket_route(
        self, path: str, route: Callable[..., Any], name: str | None = None
    ) -> None:
        """Register a function that takes the WebSocket."""
        self.router.add_websocket_route(path, route, name)

    def include_router(self, router: APIRouter, **options: Unpack[InclusionOptions]) -> None:
        """Take the routes and the lifespan of ``router``; see ``APIRouter``."""
        self.router.include_router(router, **options)

    def mount(self, path: str, app: Any, name: str | None = None) -> None:
        """Let ``app`` (any ASGI application) answer all below ``path``."""
        self.router.mount(path, app, name)

    def host(self, host: str, app: Any, name: str | None = None) -> None:
        """Let ``app`` (any ASGI application) answer requests to ``host``."""
        self.router.host(host, app, name)

    def frontend(
        self,
        path: str,
        *,
        directory: str | os.PathLike[str],
        fallback: Literal["auto", "index.html", "404.html"] | None = "auto",
        check_dir: bool | Literal["auto"] = "auto",
    ) -> None:
        """Serve the build of a frontend for what no route answers; see ``APIRouter``."""
        self.router.frontend(path, directory=directory, fallback=fallback, check_dir=check_dir)

    # -- events ------------------------------------------------------------

    @property
    def on_startup(self) -> list[Callable[[], Any]]:
        """The startup functions."""
        return self.router.on_startup

    @property
    def on_shutdown(self) -> list[Callable[[], Any]]:
        """The shutdown functions."""
        return self.router.on_shutdown

    def add_event_handler(self, event_type: str, func: Callable[[], Any]) -> None:
        """Run ``func`` (asynchronous or not) at ``"startup"`` or ``"shutdown"``.

        Raises ``AssertionError`` for any other event.
        """
        self.router.add_event_handler(event_type, func)

    def _lifespan_context(self) -> LifespanContext:
        """An async context manager around serving; entered once by each shard."""
        from fasterapi._lifespan import LifespanContext

        return LifespanContext(self)

    # -- errors and middleware ---------------------------------------------

    def add_exception_handler(self, key: Any, handler: ExceptionHandler) -> None:
        """Answer errors of the status or class ``key`` with ``handler(request, error)``."""
        if getattr(key, "__module__", "") == "starlette.exceptions":
            # Ours stands for Starlette's class, whichever of the two is raised.
            from fasterapi import exceptions

            key = getattr(exceptions, f"Starlette{key.__name__}", key)
        self.exception_handlers[key] = handler

    def exception_handler(self, exc_class_or_status_code: Any) -> Callable[[Function], Function]:
        """As ``add_exception_handler``, for the decorated function."""

        def register(function: Function) -> Function:
            self.add_exception_handler(exc_class_or_status_code, function)
            return function

        return register

    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
        """Put ``middleware_class(app, *args, **kwargs)`` around what is there already.

        Raises ``RuntimeError`` once the application has answered a request.
        """
        if self.middleware_stack is not None:
            raise RuntimeError("Cannot add middleware after an application has started")
        from fasterapi.middleware import Middleware

        self.user_middleware.insert(0, Middleware(middleware_class, *args, **kwargs))

    def middleware(self, middleware_type: str) -> Callable[[Function], Function]:
        """Make the decorated ``async def f(request, call_next)`` a middleware."""
        if middleware_type != "http":
            raise AssertionError('Currently only middleware("http") is supported.')

        def register(function: Function) -> Function:
            from fasterapi.middleware.base import BaseHTTPMiddleware

            self.add_middleware(BaseHTTPMiddleware, dispatch=function)
            return function

        return register

    def build_middleware_stack(self) -> ASGIApp:
        """The router with all middleware around it, as one ASGI application."""
        from fasterapi._body_limit import AppBodyLimit
        from fasterapi.middleware.asyncexitstack import AsyncExitStackMiddleware
        from fasterapi.middleware.errors import ServerErrorMiddleware
        from fasterapi.middleware.exceptions import ExceptionMiddleware

        handlers = dict(self.exception_handlers)
        # Of both keys the one that was registered last wins, as in FastAPI.
        server_error = None
        for key in list(handlers):
            if key in (500, Exception):
                server_error = handlers.pop(key)
        app: Any = AsyncExitStackMiddleware(self.router)
        app = ExceptionMiddleware(app, handlers=handlers, debug=self.debug)
        for middleware in reversed(self.user_middleware):
            app = middleware.cls(app, *middleware.args, **middleware.kwargs)
        app = AppBodyLimit(app, self.max_body_size)
        return ServerErrorMiddleware(app, handler=server_error, debug=self.debug)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer over ASGI."""
        if self.root_path:
            scope["root_path"] = self.root_path
        scope["app"] = self
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        await self.middleware_stack(scope, receive, send)

    # -- documentation -----------------------------------------------------

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document; made once, and again when routes have been added."""
        version = self.router._routes_version
        if not self.openapi_schema or self._openapi_routes_version != version:
            from fasterapi.openapi.utils import get_openapi

            self.openapi_schema = get_openapi(
                title=self.title,
                version=self.version,
                openapi_version=self.openapi_version,
                summary=self.summary,
                description=self.description,
                terms_of_service=self.terms_of_service,
                contact=self.contact,
                license_info=self.license_info,
                routes=self.routes,
                webhooks=self.webhooks.routes,
                tags=self.openapi_tags,
                servers=self.servers,
                separate_input_output_schemas=self.separate_input_output_schemas,
                external_docs=self.openapi_external_docs,
            )
            self._openapi_routes_version = version
        return self.openapi_schema

    def setup(self) -> None:
        """Add the routes of the OpenAPI document and of its pages."""
        from fasterapi._docs import documentation_routes

        for path, endpoint in documentation_routes(self):
            self.add_route(path, endpoint, include_in_schema=False)

    def __repr__(self) -> str:
        """The title and how many routes there are."""
        return f"{type(self).__name__}(title={self.title!r}, routes={len(self.routes)})"


def _warn_of_root_path() -> None:
    import warnings

    from fasterapi.exceptions import FastAPIDeprecationWarning

    warnings.warn(
        "The `root_path` parameter is deprecated. Configure the server's root path instead, "
        "as `fastapi run --root-path` does: `fasterapi run --root-path /api/v1`.",
        FastAPIDeprecationWarning,
        stacklevel=3,
    )


FasterAPI = FastAPI
App = FastAPI
