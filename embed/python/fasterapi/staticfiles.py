"""Static files. Rust serves them where it can; over ASGI they are served here."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike, stat_result

    from fasterapi._headers import Headers
    from fasterapi.requests import Receive, Scope, Send
    from fasterapi.responses import Response

__all__ = ["StaticFiles"]

# What an answer "not modified" repeats of the file's own fields (RFC 9110, section 15.4.5).
_KEPT_WHEN_NOT_MODIFIED = frozenset(
    (b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary")
)


class StaticFiles:
    """A folder to mount: ``app.mount("/static", StaticFiles(directory="static"))``.

    With ``html`` a folder is answered with its ``index.html`` and a missing file
    with ``404.html``. ``packages`` names Python packages whose folder ``statics`` (or
    the second of a pair) is served, too. Nothing outside of the folders is served;
    symbolic links that leave them are only followed with ``follow_symlink``. With
    ``check_dir`` a missing folder raises ``RuntimeError`` at once, otherwise at the
    first request.
    """

    def __init__(
        self,
        directory: str | PathLike[str] | None = None,
        packages: Sequence[str | tuple[str, str]] | None = None,
        html: bool = False,
        check_dir: bool = True,
        follow_symlink: bool = False,
    ) -> None:
        """Keep the settings; ``directory`` becomes an absolute path."""
        import os

        self.directory: str | None = None
        if directory is not None:
            self.directory = os.path.abspath(os.fspath(directory))
        self.packages = packages
        self.all_directories = self.get_directories(self.directory, packages)
        self.html = html
        self.check_dir = check_dir
        self.follow_symlink = follow_symlink
        self.config_checked = False
        if check_dir and self.directory is not None and not os.path.isdir(self.directory):
            raise RuntimeError(f"Directory '{directory}' does not exist")

    @property
    def is_servable_by_rust(self) -> bool:
        """Whether Rust's own file server does all that is asked for."""
        return type(self) is StaticFiles and self.directory is not None and not self.packages

    def get_directories(
        self,
        directory: str | None = None,
        packages: Sequence[str | tuple[str, str]] | None = None,
    ) -> list[str]:
        """All folders, in the order in which a file is looked for.

        Raises ``AssertionError`` for a package that has none.
        """
        folders = [] if directory is None else [directory]
        for package in packages or ():
            name, folder = (package, "statics") if isinstance(package, str) else package
            folders.append(_folder_of_package(name, folder))
        return folders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer over ASGI; a WebSocket is refused."""
        if scope["type"] == "websocket":
            from fasterapi.websockets import WebSocketClose

            await WebSocketClose()(scope, receive, send)
            return
        if not self.config_checked:
            await self.check_config()
            self.config_checked = True
        response = await self.get_response(self.get_path(scope), scope)
        await response(scope, receive, send)

    def get_path(self, scope: Scope) -> str:
        """The file's path within the folder; may still try to leave it."""
        from fasterapi._match import get_route_path

        return normalised(get_route_path(scope))

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The answer for the file ``path``; raises ``HTTPException`` (404, 405, 401)."""
        from fasterapi.exceptions import HTTPException

        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        found = await self.find(path)
        if found is not None:
            full_path, result, is_index = found
            if is_index and not scope["path"].endswith("/"):
                return _with_slash(scope)
            return self.file_response(full_path, result, scope)
        if self.html:
            missing = await self.look_up("404.html")
            if missing is not None:
                return self.file_response(*missing, scope, status_code=404)
        raise HTTPException(404)

    async def find(self, path: str) -> tuple[str, stat_result, bool] | None:
        """The ordinary file at ``path``, or with ``html`` its folder's index page.

        The last item says whether it is such a page.
        """
        import os

        found = await self.look_up(path)
        if found is not None:
            return *found, False
        index = await self.look_up(os.path.join(path, "index.html")) if self.html else None
        return None if index is None else (*index, True)

    async def look_up(self, path: str) -> tuple[str, stat_result] | None:
        """The ordinary file at ``path``; ``HTTPException`` where it may not be read."""
        import stat

        from fasterapi.concurrency import run_in_threadpool
        from fasterapi.exceptions import HTTPException

        try:
            full_path, result = await run_in_threadpool(self.lookup_path, path)
        except PermissionError:
            raise HTTPException(401) from None
        except (ValueError, OSError) as error:
            # A name with a null character, or one that is too long.
            if isinstance(error, OSError) and error.errno != _name_too_long():
                raise
            raise HTTPException(404) from None
        if result is None or not stat.S_ISREG(result.st_mode):
            return None
        return full_path, result

    def lookup_path(self, path: str) -> tuple[str, stat_result | None]:
        """The full path and what the file is; ``("", None)`` when there is none."""
        import os

        if path.startswith(("/", "\\")):
            return "", None
        resolve = os.path.abspath if self.follow_symlink else os.path.realpath
        for folder in self.all_directories:
            root = resolve(folder)
            full_path = resolve(os.path.join(root, path))
            if os.path.commonpath((full_path, root)) != root:
                continue
            try:
                return full_path, os.stat(full_path)
            except (FileNotFoundError, NotADirectoryError):
                continue
        return "", None

    def file_response(
        self, full_path: str, stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, or "not modified" when the client has it already."""
        from fasterapi._file_answer import add_validators, is_not_modified
        from fasterapi._headers import Headers
        from fasterapi.responses import FileResponse
        from fasterapi.responses import Response as PlainResponse

        response = FileResponse(full_path, status_code, stat_result=stat_result)
        add_validators(response, stat_result)
        asked: Headers = Headers(scope=scope)
        if status_code != 200 or not is_not_modified(response.headers, asked):
            return response
        unchanged = PlainResponse(status_code=304)
        unchanged.raw_headers = [
            pair for pair in response.raw_headers if pair[0] in _KEPT_WHEN_NOT_MODIFIED
        ]
        return unchanged

    async def check_config(self) -> None:
        """Raise ``RuntimeError`` unless the folder is there."""
        from fasterapi.concurrency import run_in_threadpool

        if self.directory is not None:
            await run_in_threadpool(_check_folder, self.directory)

    def __repr__(self) -> str:
        """The folder."""
        return f"{type(self).__name__}(directory={self.directory!r}, html={self.html!r})"


def normalised(path: str) -> str:
    """A URL's path as a relative one of the file system; it may begin with ``..``."""
    import os

    return os.path.normpath(os.path.join("", *path.split("/")))


def _with_slash(scope: Scope) -> Response:
    """To the same path with a slash at its end, so that links in the page are right."""
    from fasterapi._url import URL
    from fasterapi.responses import RedirectResponse

    url = URL(scope=scope)
    return RedirectResponse(url.replace(path=f"{url.path}/"))


def _check_folder(path: str) -> None:
    import os

    if not os.path.isdir(path):
        reason = "is not a directory" if os.path.exists(path) else "does not exist"
        raise RuntimeError(f"StaticFiles directory '{path}' {reason}.")


def _name_too_long() -> int:
    from errno import ENAMETOOLONG

    return ENAMETOOLONG


def _folder_of_package(package: str, folder: str) -> str:
    import os
    from importlib.util import find_spec

    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise AssertionError(f"Package {package!r} could not be found.")
    path = os.path.normpath(os.path.join(os.path.dirname(spec.origin), folder))
    if not os.path.isdir(path):
        raise AssertionError(f"Directory '{folder!r}' in package {package!r} could not be found.")
    return path
