"""Other ASGI applications, below a path or behind a host name."""

from __future__ import annotations

from fasterapi._match import BaseRoute, Match, NoMatchFound, get_route_path
from fasterapi._path import PathPattern
from fasterapi._routes import with_body_limit, wrapped
from fasterapi._url import URLPath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from re import Pattern
    from typing import Any

    from fasterapi._path import Convertor
    from fasterapi._routes import ASGIApp
    from fasterapi.middleware import Middleware
    from fasterapi.requests import Receive, Scope, Send

__all__ = ["Host", "Mount"]


class _Nested(BaseRoute):
    """What mounts and hosts have in common: the routes within have names, too."""

    name: str | None
    app: Any
    _base_app: Any

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes within; empty for an application that has none to show."""
        routes: list[BaseRoute] = getattr(self._base_app, "routes", None) or []
        return routes

    def _url_within(self, name: str, path_params: dict[str, Any]) -> URLPath | None:
        """The path of the route ``name``, this one's own name taken off its start."""
        if self.name is not None:
            if not name.startswith(f"{self.name}:"):
                return None
            name = name[len(self.name) + 1 :]
        for route in self.routes:
            try:
                return route.url_path_for(name, **path_params)
            except NoMatchFound:
                continue
        return None

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer."""
        await self.app(scope, receive, send)


class Mount(_Nested):
    """An ASGI application below ``path`` (kept without a slash at its end)."""

    def __init__(
        self,
        path: str,
        app: Any = None,
        routes: Sequence[BaseRoute] | None = None,
        name: str | None = None,
        *,
        middleware: Sequence[Middleware] | None = None,
        max_body_size: int | None = None,
    ) -> None:
        """Mount ``app``, or a router of ``routes``; ``"/"`` and ``""`` are the whole site."""
        if path and not path.startswith("/"):
            raise AssertionError("Routed paths must start with '/'")
        if app is None and routes is None:
            raise AssertionError("Either 'app=...', or 'routes=' must be specified")
        if app is None:
            from fasterapi._router import Router

            app = Router(routes=routes)
        self._base_app = app
        self._middleware = list(middleware or ())
        self.max_body_size = max_body_size
        self.app: ASGIApp = with_body_limit(wrapped(app, middleware), max_body_size)
        self.name = name
        self._set_path(path.rstrip("/"))

    def _set_path(self, path: str) -> None:
        self.path = path
        # `path` as a name would collide with a parameter of the user's.
        self.pattern = PathPattern(f"{path}/{{path:path}}")

    @property
    def path_format(self) -> str:
        """The path without converters."""
        return self.pattern.format

    @property
    def path_regex(self) -> Pattern[str]:
        """What matches a path below this one."""
        return self.pattern.regex

    @property
    def param_convertors(self) -> dict[str, Convertor]:
        """The convertor of each path parameter."""
        return self.pattern.convertors

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the path is below this one; the rest of it is for the application."""
        if scope["type"] not in ("http", "websocket"):
            return Match.NONE, {}
        path = get_route_path(scope)
        found = self.pattern.match(path)
        if found is None:
            return Match.NONE, {}
        rest = f"/{found.pop('path')}"
        root = scope.get("root_path", "")
        return Match.FULL, {
            "path_params": {**scope.get("path_params", {}), **found},
            "app_root_path": scope.get("app_root_path", root),
            "root_path": root + path[: -len(rest)],
            "endpoint": self.app,
            "route": self,
        }

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """``name`` itself with ``path``, or ``name:inner`` for a route within.

        Raises ``NoMatchFound``.
        """
        own = dict(self.pattern.parameters)
        del own["path"]
        mine = {key: value for key, value in path_params.items() if key in own}
        rest = {key: value for key, value in path_params.items() if key not in own}
        if set(mine) == set(own):
            prefix = (self.pattern.fill({**mine, "path": ""}) or "/").rstrip("/")
            if self.name is not None and name == self.name and set(rest) == {"path"}:
                return URLPath(f"{prefix}/{str(rest['path']).lstrip('/')}")
            within = self._url_within(name, rest)
            if within is not None:
                return URLPath(prefix + within, within.protocol)
        raise NoMatchFound(name, path_params)

    def included(self, prefix: str, max_body_size: int | None) -> Mount:
        """A copy below ``prefix``, as a router that is included there has it."""
        bound = max_body_size if self.max_body_size is None else self.max_body_size
        return type(self)(
            prefix + self.path,
            self._base_app,
            name=self.name,
            middleware=self._middleware,
            max_body_size=bound,
        )

    def __eq__(self, other: object) -> bool:
        """Equal by path and application."""
        return isinstance(other, Mount) and self.path == other.path and self.app == other.app

    __hash__ = BaseRoute.__hash__

    def __repr__(self) -> str:
        """Path, name and what is mounted."""
        name = type(self).__name__
        return f"{name}(path={self.path!r}, name={self.name or ''!r}, app={self.app!r})"


class Host(_Nested):
    """An ASGI application for requests to ``host``, such as ``{team}.example.org``."""

    def __init__(self, host: str, app: Any, name: str | None = None) -> None:
        """Keep the parts; a port in ``host`` is ignored."""
        if host.startswith("/"):
            raise AssertionError("Host must not start with '/'")
        self.host = host
        self.app = self._base_app = app
        self.name = name
        # The syntax of paths; their slash is taken off again.
        self.pattern = PathPattern(f"/{host if host.endswith(']') else _without_port(host)}")

    @property
    def host_format(self) -> str:
        """The host without converters."""
        return self.pattern.format[1:]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the ``Host`` field names this host."""
        if scope["type"] not in ("http", "websocket"):
            return Match.NONE, {}
        given = next((value for name, value in scope["headers"] if name == b"host"), b"")
        text = given.decode("latin-1").lower()
        found = self.pattern.match(f"/{text if text.endswith(']') else _without_port(text)}")
        if found is None or not text:
            return Match.NONE, {}
        path_params = {**scope.get("path_params", {}), **found}
        return Match.FULL, {"path_params": path_params, "endpoint": self.app, "route": self}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """``name`` itself with ``path``, or ``name:inner`` for a route within.

        Raises ``NoMatchFound``.
        """
        own = dict(self.pattern.parameters)
        mine = {key: value for key, value in path_params.items() if key in own}
        rest = {key: value for key, value in path_params.items() if key not in own}
        filled = self.pattern.fill(mine)
        if filled is not None:
            host = filled[1:]
            if self.name is not None and name == self.name and set(rest) == {"path"}:
                return URLPath(str(rest["path"]), host=host)
            within = self._url_within(name, rest)
            if within is not None:
                return URLPath(within, within.protocol, host)
        raise NoMatchFound(name, path_params)

    def included(self, prefix: str) -> Host:
        """A copy whose application is below ``prefix``."""
        app = self.app
        if prefix:
            from fasterapi._router import Router

            app = Router(routes=[Mount(prefix, app)])
        return type(self)(self.host, app, self.name)

    def __eq__(self, other: object) -> bool:
        """Equal by host and application."""
        return isinstance(other, Host) and self.host == other.host and self.app == other.app

    __hash__ = BaseRoute.__hash__

    def __repr__(self) -> str:
        """Host, name and application."""
        name = type(self).__name__
        return f"{name}(host={self.host!r}, name={self.name or ''!r}, app={self.app!r})"


def _without_port(host: str) -> str:
    return host.rsplit(":", 1)[0] if ":" in host.rpartition("}")[2] else host
