"""Routes and the decorators that make them."""

from __future__ import annotations

from fasterapi._path import PathPattern
from fasterapi.exceptions import NoMatchFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from fasterapi.responses import Response
    from fasterapi.staticfiles import StaticFiles

    Handler = TypeVar("Handler", bound=Callable[..., Any])

__all__ = ["Mount", "Route", "RouteRegistry", "URLPath"]


class URLPath(str):
    """A path of this application, as ``url_path_for`` gives it."""

    __slots__ = ()


class Route:
    """One handler and the path and methods that it answers.

    ``options`` keeps the decorator keywords that this version only stores
    (``tags``, ``summary``, ``response_model`` and the like).
    """

    __slots__ = (
        "_pattern",
        "endpoint",
        "include_in_schema",
        "inline",
        "methods",
        "name",
        "options",
        "path",
        "response_class",
        "status_code",
    )

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        methods: Iterable[str] | None = None,
        status_code: int | None = None,
        response_class: type[Response] | None = None,
        name: str | None = None,
        include_in_schema: bool = True,
        inline: bool = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        """Keep the parts; the path is parsed when it is first needed."""
        if isinstance(methods, str):
            raise TypeError(f"methods must be a list such as [{methods!r}], not a string")
        self.path = path
        self.endpoint = endpoint
        self.methods: tuple[str, ...] = tuple(
            dict.fromkeys(method.upper() for method in (methods or ("GET",)))
        )
        # An IntEnum (http.HTTPStatus) is welcome; Rust is given a plain int.
        self.status_code = None if status_code is None else int(status_code)
        self.response_class = response_class
        self.name: str = name or endpoint_name(endpoint)
        self.include_in_schema = include_in_schema
        self.inline = inline
        self.options = options or {}
        self._pattern: PathPattern | None = None

    @property
    def pattern(self) -> PathPattern:
        """The parsed path; raises ``RouteError`` when it cannot be served."""
        if self._pattern is None:
            self._pattern = PathPattern(self.path)
        return self._pattern

    def url_path_for(self, name: str, path_params: dict[str, Any]) -> URLPath | None:
        """The route's path with ``path_params``, or ``None`` if it is not it."""
        if name != self.name:
            return None
        path = self.pattern.fill(path_params)
        return None if path is None else URLPath(path)

    def __repr__(self) -> str:
        """Path, name and methods."""
        return f"Route(path={self.path!r}, name={self.name!r}, methods={self.methods!r})"


class Mount:
    """A folder of static files below a path prefix (``path``, no slash at its end)."""

    __slots__ = ("app", "name", "path")

    def __init__(self, path: str, app: StaticFiles, name: str | None = None) -> None:
        """Keep the parts; ``"/"`` and ``""`` both stand for the whole site."""
        self.path = path.rstrip("/")
        self.app = app
        self.name: str = name or ""

    def url_path_for(self, name: str, path_params: dict[str, Any]) -> URLPath | None:
        """The path of the file ``path_params["path"]``, or ``None``."""
        if not self.name or name != self.name or set(path_params) != {"path"}:
            return None
        return URLPath(f"{self.path}/{str(path_params['path']).lstrip('/')}")

    def __repr__(self) -> str:
        """Path, name and what is mounted."""
        return f"Mount(path={self.path!r}, name={self.name!r}, app={self.app!r})"


class RouteRegistry:
    """The decorators, for everything that holds routes.

    All of them take FastAPI's keywords. ``status_code``, ``response_class``,
    ``name``, ``include_in_schema`` and ``methods`` have an effect; the others are
    kept in ``Route.options``. ``inline=True`` is FasterAPI's own: it runs a ``def``
    handler on the shard itself, not in the thread pool, and is right for handlers
    that never block.
    """

    routes: list[Route | Mount]

    def add_api_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        methods: Iterable[str] | None = None,
        status_code: int | None = None,
        response_class: type[Response] | None = None,
        name: str | None = None,
        include_in_schema: bool = True,
        inline: bool = False,
        **options: Any,
    ) -> None:
        """Register ``endpoint`` for ``path``; ``methods`` defaults to ``GET``."""
        self.routes.append(
            Route(
                path,
                endpoint,
                methods=methods,
                status_code=status_code,
                response_class=response_class,
                name=name,
                include_in_schema=include_in_schema,
                inline=inline,
                options=options,
            )
        )

    def api_route(
        self, path: str, *, methods: Iterable[str] | None = None, **keywords: Any
    ) -> Callable[[Handler], Handler]:
        """Register the decorated handler for ``path`` and several ``methods``."""

        def register(endpoint: Handler) -> Handler:
            self.add_api_route(path, endpoint, methods=methods, **keywords)
            return endpoint

        return register

    def route(
        self, path: str, methods: Iterable[str] | None = None, **keywords: Any
    ) -> Callable[[Handler], Handler]:
        """As ``api_route``, with ``methods`` by position as well."""
        return self.api_route(path, methods=methods, **keywords)

    def add_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        methods: Iterable[str] | None = None,
        name: str | None = None,
        include_in_schema: bool = True,
    ) -> None:
        """Register ``endpoint``; the shorter form of ``add_api_route``."""
        self.add_api_route(
            path, endpoint, methods=methods, name=name, include_in_schema=include_in_schema
        )

    def get(self, path: str, **keywords: Any) -> Callable[[Handler], Handler]:
        """Register the decorated handler for ``GET``."""
        return self.api_route(path, methods=("GET",), **keywords)

    def post(self, path: str, **keywords: Any) -> Callable[[Handler], Handler]:
        """Register the decorated handler for ``POST``."""
        return self.api_route(path, methods=("POST",), **keywords)

    def put(self, path: str, **keywords: Any) -> Callable[[Handler], Handler]:
        """Register the decorated handler for ``PUT``."""
        return self.api_route(path, methods=("PUT",), **keywords)

    def patch(self, path: str, **keywords: Any) -> Callable[[Handler], Handler]:
        """Register the decorated handler for ``PATCH``."""
        return self.api_route(path, methods=("PATCH",), **keywords)

    def delete(self, path: str, **keywords: Any) -> Callable[[Handler], Handler]:
        """Register the decorated handler for ``DELETE``."""
        return self.api_route(path, methods=("DELETE",), **keywords)

    def head(self, path: str, **keywords: Any) -> Callable[[Handler], Handler]:
        """Register the decorated handler for ``HEAD``."""
        return self.api_route(path, methods=("HEAD",), **keywords)

    def options(self, path: str, **keywords: Any) -> Callable[[Handler], Handler]:
        """Register the decorated handler for ``OPTIONS``."""
        return self.api_route(path, methods=("OPTIONS",), **keywords)

    def trace(self, path: str, **keywords: Any) -> Callable[[Handler], Handler]:
        """Register the decorated handler for ``TRACE``."""
        return self.api_route(path, methods=("TRACE",), **keywords)

    def mount(self, path: str, app: StaticFiles, name: str | None = None) -> None:
        """Serve the files of ``app`` below ``path``.

        Raises ``TypeError`` when ``app`` is not a ``StaticFiles``, and
        ``ValueError`` when ``path`` does not start with a slash.
        """
        from fasterapi.staticfiles import StaticFiles

        if not isinstance(app, StaticFiles):
            raise TypeError(
                f"mount({path!r}) takes a fasterapi.staticfiles.StaticFiles, "
                f"not {type(app).__name__}"
            )
        if path and not path.startswith("/"):
            raise ValueError(f"mount path {path!r} does not start with '/'")
        self.routes.append(Mount(path, app, name))

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """The path of the route ``name`` with ``path_params``.

        Raises ``NoMatchFound`` when no route has that name and those parameters.
        """
        for route in self.routes:
            path = route.url_path_for(name, path_params)
            if path is not None:
                return path
        raise NoMatchFound(name, path_params)


def endpoint_name(endpoint: Callable[..., Any]) -> str:
    """The function's name, or the class's for a callable object."""
    while not hasattr(endpoint, "__name__") and hasattr(endpoint, "func"):
        endpoint = endpoint.func  # functools.partial
    name = getattr(endpoint, "__name__", None)
    return name if isinstance(name, str) else type(endpoint).__name__
