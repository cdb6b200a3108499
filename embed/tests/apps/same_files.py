"""Frontends, static files and bodies that HEAD leaves out. Held by test_same_answers.py."""

# ruff: noqa: D103 - what a route does is said by its path

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fasterapi import APIRouter, Depends, FastAPI, Header, HTTPException
from fasterapi.responses import PlainTextResponse, Response

_FOLDER = tempfile.TemporaryDirectory()
_ROOT = Path(_FOLDER.name)
for _name, _text in {
    "shell/index.html": "shell",
    "shell/assets/program.js": "program",
    "shell/guide/index.html": "guide",
    "pages/index.html": "pages",
    "pages/404.html": "no page",
}.items():
    _path = _ROOT / _name
    _path.parent.mkdir(parents=True, exist_ok=True)
    _path.write_text(_text)
    os.utime(_path, (1_700_000_000, 1_700_000_000))


def key(x_key: Annotated[str, Header()]) -> None:
    if x_key != "right":
        raise HTTPException(401)


async def stating(scope: Any, receive: Any, send: Any) -> None:
    """Say a length, and to HEAD no more than that."""
    body = b"" if scope["method"] == "HEAD" else b"hello"
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"5"), (b"x-length", b"5")],
        }
    )
    await send({"type": "http.response.body", "body": body})


router = APIRouter(prefix="/inner", dependencies=[Depends(key)])
router.frontend("/pages", directory=_ROOT / "pages")
below = FastAPI()
below.frontend("/", directory=_ROOT / "shell")

app = FastAPI()
app.mount("/mounted", below)
app.mount("/stating", stating)
app.include_router(router, prefix="/outer")


@app.get("/api/{number}")
async def api(number: int) -> int:
    return number


@app.head("/size")
async def size() -> Response:
    return Response(headers={"content-length": "1234"}, media_type="text/plain")


@app.head("/size-of-none")
def size_of_none() -> Response:
    return PlainTextResponse("")


app.frontend("/", directory=_ROOT / "shell", fallback="index.html")

_PAGE = {"accept": "text/html"}
_PATHS = [
    "/",
    "/index.html",
    "/assets/program.js",
    "/guide",
    "/guide/",
    "/deep/link",
    "/assets/none.js",
    "/api/1",
    "/api/x",
    "/api/1/",
    "/api",
    "/../conftest.py",
    "/%2e%2e/conftest.py",
    "/mounted",
    "/mounted/",
    "/mounted/guide/",
    "/mounted/none",
    "/outer/inner/pages/",
    "/outer/inner/pages/none",
    "/stating/",
]
REQUESTS: list[tuple[str, str, Any, bytes]] = [
    *((method, path, {}, b"") for path in _PATHS for method in ("GET", "POST")),
    *(("GET", path, _PAGE, b"") for path in _PATHS),
    *(("HEAD", path, {"x-key": "right"}, b"") for path in _PATHS if "api" not in path),
    *(("GET", path, {"x-key": "wrong"}, b"") for path in _PATHS if "outer" in path),
    *(("GET", path, {"x-key": "right"}, b"") for path in _PATHS if "outer" in path),
    ("DELETE", "/guide/", {}, b""),
    ("HEAD", "/size", {}, b""),
    ("HEAD", "/size-of-none", {}, b""),
]
