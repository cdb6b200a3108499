"""FasterAPI: FastAPI's API, served by Rust.

Names are loaded when they are first used, so that ``import fasterapi`` costs
nothing and an application pays only for the parts that it names.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi import status as status
    from fasterapi._core import __version__ as __version__
    from fasterapi.applications import App as App
    from fasterapi.applications import FastAPI as FastAPI
    from fasterapi.applications import FasterAPI as FasterAPI
    from fasterapi.datastructures import UploadFile as UploadFile
    from fasterapi.exceptions import HTTPException as HTTPException
    from fasterapi.requests import Request as Request
    from fasterapi.responses import FileResponse as FileResponse
    from fasterapi.responses import HTMLResponse as HTMLResponse
    from fasterapi.responses import JSONResponse as JSONResponse
    from fasterapi.responses import PlainTextResponse as PlainTextResponse
    from fasterapi.responses import RedirectResponse as RedirectResponse
    from fasterapi.responses import Response as Response
    from fasterapi.responses import StreamingResponse as StreamingResponse
    from fasterapi.staticfiles import StaticFiles as StaticFiles

# The module that defines each public name.
_HOMES = {
    "App": "applications",
    "FastAPI": "applications",
    "FasterAPI": "applications",
    "FileResponse": "responses",
    "HTMLResponse": "responses",
    "HTTPException": "exceptions",
    "JSONResponse": "responses",
    "PlainTextResponse": "responses",
    "RedirectResponse": "responses",
    "Request": "requests",
    "Response": "responses",
    "StaticFiles": "staticfiles",
    "StreamingResponse": "responses",
    "UploadFile": "datastructures",
}

__all__ = [
    "App",
    "FastAPI",
    "FasterAPI",
    "FileResponse",
    "HTMLResponse",
    "HTTPException",
    "JSONResponse",
    "PlainTextResponse",
    "RedirectResponse",
    "Request",
    "Response",
    "StaticFiles",
    "StreamingResponse",
    "UploadFile",
    "__version__",
    "status",
]


def _load(name: str) -> object:
    """Find the public ``name``; raises ``AttributeError`` when there is none."""
    home = _HOMES.get(name)
    if home is not None:
        # `fromlist` makes __import__ return the submodule itself.
        return getattr(__import__(f"fasterapi.{home}", fromlist=(name,)), name)
    if name == "status":
        return __import__("fasterapi.status", fromlist=("status",))
    if name == "__version__":
        try:
            from fasterapi._core import __version__
        except ImportError:
            return "0.1.0"
        return __version__
    raise AttributeError(f"module 'fasterapi' has no attribute {name!r}")


if not TYPE_CHECKING:
    # Hidden from type checkers, which would otherwise accept any name.
    def __getattr__(name: str) -> object:
        """Load a public name on its first use and keep it."""
        value = _load(name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """The public names, for completion in an interactive session."""
    return sorted(__all__)
