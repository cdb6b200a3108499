"""Serves the build of a frontend for the paths that no other route answers."""

from __future__ import annotations

import os

from fasterapi._lazy import lazy
from fasterapi._match import BaseRoute, Match, NoMatchFound, get_route_path
from fasterapi.staticfiles import StaticFiles, _with_slash, normalised

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    from fasterapi._inclusion import Inclusion
    from fasterapi._routes import ASGIApp
    from fasterapi._url import URLPath
    from fasterapi.requests import Receive, Request, Scope, Send
    from fasterapi.responses import Response

    Fallback = Literal["auto", "index.html", "404.html"] | None

__all__ = ["FrontendRoute"]


class FrontendRoute(BaseRoute):
    """One folder below ``path``; asked after all other routes.

    The dependencies of its router run before a file is answered.
    """

    def __init__(
        self,
        router: Any,
        path: str,
        *,
        directory: str | os.PathLike[str],
        fallback: Fallback = "auto",
        check_dir: bool | Literal["auto"] = "auto",
    ) -> None:
        """Raises ``AssertionError`` for a wrong path or fallback, else see ``frontend()``."""
        if not path.startswith("/"):
            raise AssertionError(
                "A frontend path must start with '/'" if path else "A frontend path cannot be empty"
            )
        if fallback not in ("auto", "index.html", "404.html", None):
            raise AssertionError("fallback must be 'auto', 'index.html', '404.html', or None")
        self.files = FrontendFiles(directory, fallback, _is_checked(directory, check_dir))
        self.path: str = (router.prefix + path).rstrip("/") or "/"
        self.methods = {"GET", "HEAD"}
        self.dependencies = list(router.dependencies)
        self.dependency_overrides_provider = router.dependency_overrides_provider
        self.max_body_size: int | None = None

    def included(self, inclusion: Inclusion) -> FrontendRoute:
        """A copy as the including router has it."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.__dict__.pop("app", None)
        copy.path = (inclusion.prefix + self.path).rstrip("/") or "/"
        copy.dependencies = [*inclusion.dependencies, *self.dependencies]
        copy.dependency_overrides_provider = inclusion.dependency_overrides_provider
        copy.max_body_size = inclusion.max_body_size
        return copy

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the path is below this one."""
        if scope["type"] != "http" or self._below(get_route_path(scope)) is None:
            return Match.NONE, {}
        match = Match.FULL if scope["method"] in self.methods else Match.PARTIAL
        return match, {"endpoint": self.files, "route": self}

    def _below(self, path: str) -> str | None:
        """What of ``path`` is the file's."""
        prefix = self.path.rstrip("/")
        if path == prefix or path.startswith(f"{prefix}/"):
            return path[len(prefix) :].lstrip("/")
        return "" if not path and not prefix else None

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file."""
        await self.app(scope, receive, send)

    @lazy
    def app(self) -> ASGIApp:
        """The ASGI application that answers."""
        from fasterapi._routes import request_response, with_body_limit

        return with_body_limit(request_response(self._handler()), self.max_body_size)

    def _handler(self) -> Callable[[Request], Any]:
        from fasterapi._api_route import APIRoute

        async def respond(request: Request, response: Response | None) -> Response:
            below = self._below(get_route_path(request.scope)) or ""
            answer = await self.files.get_response(normalised(below), request.scope)
            if response is not None:
                answer.raw_headers.extend(response.raw_headers)
            return answer

        async def guarded(request: Request) -> Response:
            if request.method not in self.methods:
                return await respond(request, None)  # refused without asking anybody
            return await with_dependencies(request)

        async def unguarded(request: Request) -> Response:
            return await respond(request, None)

        if not self.dependencies:
            return unguarded
        from fasterapi.requests import Request
        from fasterapi.responses import Response

        # Names that the closure's own module has for type checkers only.
        respond.__annotations__ = {"request": Request, "response": Response, "return": Response}
        with_dependencies = APIRoute(
            self.path,
            respond,
            dependencies=self.dependencies,
            dependency_overrides_provider=self.dependency_overrides_provider,
        ).get_route_handler()
        return guarded

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """It has no name: raises ``NoMatchFound``."""
        raise NoMatchFound(name, path_params)

    def __repr__(self) -> str:
        """Path and folder."""
        return f"FrontendRoute(path={self.path!r}, directory={self.files.directory!r})"


def _is_checked(directory: str | os.PathLike[str], check_dir: bool | Literal["auto"]) -> bool:
    """During development the build may come later: ``"auto"`` only warns of it then."""
    if check_dir != "auto":
        return check_dir
    if os.environ.get("FASTAPI_ENV") != "development":
        return True
    if not os.path.isdir(directory):
        import warnings

        warnings.warn(f"Frontend {_missing(directory)}", stacklevel=_users_level())
    return False


def _users_level() -> int:
    """How far up the user's code is, for a warning raised by the caller."""
    import sys

    level = 1
    while sys._getframe(level).f_globals.get("__name__", "").startswith("fasterapi."):
        level += 1
    return level


def _missing(directory: str | os.PathLike[str]) -> str:
    path = os.path.realpath(os.fspath(directory))
    return f"directory '{directory}' does not exist. Resolved absolute path: '{path}'"


class FrontendFiles(StaticFiles):
    """Static files with the fallback of an application that routes in the browser."""

    def __init__(
        self, directory: str | os.PathLike[str], fallback: Fallback, check_dir: bool
    ) -> None:
        """Raises ``RuntimeError`` when the folder or the fallback is missing."""
        if check_dir and not os.path.isdir(directory):
            raise RuntimeError(f"Frontend {_missing(directory)}")
        super().__init__(directory, html=True, check_dir=False)
        self._given = directory
        self.fallback = fallback
        if check_dir and fallback in ("index.html", "404.html"):
            full_path, _ = self.lookup_path(fallback)
            if not os.path.isfile(full_path):
                raise RuntimeError(self._missing_fallback(fallback))

    def _missing_fallback(self, name: str) -> str:
        path = os.path.realpath(self.directory or "")
        return (
            f"Frontend fallback file '{name}' does not exist in directory '{self._given}'. "
            f"Resolved absolute directory: '{path}'"
        )

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or a fallback; raises ``HTTPException`` (404, 405, 401)."""
        from fasterapi.exceptions import HTTPException

        if not self.config_checked:
            await self.check_config()
            self.config_checked = True
        found = await self.find(path)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(404 if found is None else 405)
        if found is not None:
            full_path, result, is_index = found
            if is_index and not scope["path"].endswith("/"):
                return _with_slash(scope)
            return self.file_response(full_path, result, scope)
        return await self._fall_back(scope)

    async def _fall_back(self, scope: Scope) -> Response:
        from fasterapi.exceptions import HTTPException

        if self.fallback in ("404.html", "auto"):
            page = await self.look_up("404.html")
            if page is not None:
                return self.file_response(*page, scope, status_code=404)
            if self.fallback == "404.html":
                raise RuntimeError(self._missing_fallback("404.html"))
        if self.fallback in ("index.html", "auto") and _is_navigation(scope):
            page = await self.look_up("index.html")
            if page is not None:
                return self.file_response(*page, scope)
            if self.fallback == "index.html":
                raise RuntimeError(self._missing_fallback("index.html"))
        raise HTTPException(404)


def _is_navigation(scope: Scope) -> bool:
    """Whether a page is asked for, not a file that a page needs (by ``Accept``)."""
    from fasterapi._headers import Headers

    for entry in Headers(scope=scope).get("accept", "").split(","):
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        if kind in ("text/html", "application/xhtml+xml"):
            return not any(_is_zero_quality(parameter) for parameter in parameters)
    return False


def _is_zero_quality(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    try:
        return name.strip() == "q" and float(value) == 0.0
    except ValueError:
        return False
