"""FasterAPI: FastAPI's API, served by Rust.

Names are loaded when they are first used, so that ``import fasterapi`` costs
nothing and an application pays only for the parts that it names.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from fasterapi import status as status
    from fasterapi._core import __version__ as __version__
    from fasterapi._event_stream import SSE as SSE
    from fasterapi.applications import App as App
    from fasterapi.applications import FastAPI as FastAPI
    from fasterapi.applications import FasterAPI as FasterAPI
    from fasterapi.background import BackgroundTasks as BackgroundTasks
    from fasterapi.datastructures import UploadFile as UploadFile
    from fasterapi.exceptions import HTTPException as HTTPException
    from fasterapi.exceptions import WebSocketException as WebSocketException
    from fasterapi.param_functions import Body as Body
    from fasterapi.param_functions import Cookie as Cookie
    from fasterapi.param_functions import Depends as Depends
    from fasterapi.param_functions import File as File
    from fasterapi.param_functions import Form as Form
    from fasterapi.param_functions import Header as Header
    from fasterapi.param_functions import Path as Path
    from fasterapi.param_functions import Query as Query
    from fasterapi.param_functions import Security as Security
    from fasterapi.requests import Request as Request
    from fasterapi.responses import FileResponse as FileResponse
    from fasterapi.responses import HTMLResponse as HTMLResponse
    from fasterapi.responses import JSONResponse as JSONResponse
    from fasterapi.responses import PlainTextResponse as PlainTextResponse
    from fasterapi.responses import RedirectResponse as RedirectResponse
    from fasterapi.responses import Response as Response
    from fasterapi.responses import StreamingResponse as StreamingResponse
    from fasterapi.routing import APIRouter as APIRouter
    from fasterapi.staticfiles import StaticFiles as StaticFiles
    from fasterapi.websockets import WebSocket as WebSocket
    from fasterapi.websockets import WebSocketDisconnect as WebSocketDisconnect

# The module that defines each public name.
_HOMES = {
    "APIRouter": "routing",
    "App": "applications",
    "BackgroundTasks": "background",
    "Body": "param_functions",
    "Cookie": "param_functions",
    "Depends": "param_functions",
    "FastAPI": "applications",
    "FasterAPI": "applications",
    "File": "param_functions",
    "FileResponse": "responses",
    "Form": "param_functions",
    "HTMLResponse": "responses",
    "HTTPException": "exceptions",
    "Header": "param_functions",
    "JSONResponse": "responses",
    "Path": "param_functions",
    "PlainTextResponse": "responses",
    "Query": "param_functions",
    "RedirectResponse": "responses",
    "Request": "requests",
    "Response": "responses",
    "SSE": "_event_stream",
    "Security": "param_functions",
    "StaticFiles": "staticfiles",
    "StreamingResponse": "responses",
    "UploadFile": "datastructures",
    "WebSocket": "websockets",
    "WebSocketDisconnect": "websockets",
    "WebSocketException": "exceptions",
}

__all__ = [
    "SSE",
    "APIRouter",
    "App",
    "BackgroundTasks",
    "Body",
    "Cookie",
    "Depends",
    "FastAPI",
    "FasterAPI",
    "File",
    "FileResponse",
    "Form",
    "HTMLResponse",
    "HTTPException",
    "Header",
    "JSONResponse",
    "Path",
    "PlainTextResponse",
    "Query",
    "RedirectResponse",
    "Request",
    "Response",
    "Security",
    "StaticFiles",
    "StreamingResponse",
    "UploadFile",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketException",
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


class _StarletteNames:
    """Answers ``import starlette`` where no such package is installed."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> "ModuleSpec | None":
        """How to load ``starlette`` or ``starlette.x``; ``None`` for anything else."""
        if name != "starlette" and name[:10] != "starlette.":
            return None
        from fasterapi._starlette import find_spec

        return find_spec(name)


# Last, so that an installed Starlette is found before.
sys.meta_path.append(_StarletteNames)
