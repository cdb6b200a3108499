"""The application object and what `import fasterapi` loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fasterapi
from fasterapi import App, FastAPI, FasterAPI, HTTPException, StaticFiles, status
from fasterapi.exceptions import FastAPIDeprecationWarning, NoMatchFound, RouteError
from fasterapi.routing import APIRoute, Route


def test_names() -> None:
    assert App is FastAPI is FasterAPI
    for name in fasterapi.__all__:
        assert getattr(fasterapi, name) is not None
    assert set(dir(fasterapi)) == set(fasterapi.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        fasterapi.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_importing_an_app_loads_little() -> None:
    code = """
import sys
before = set(sys.modules)
from fasterapi import FasterAPI, Request, JSONResponse
app = FasterAPI()
@app.get("/items/{item_id}")
async def item(item_id: int, request: Request, q: str | None = None) -> dict: ...
loaded = set(sys.modules) - before
heavy = {"inspect", "typing", "dataclasses", "email", "http", "json", "urllib", "asyncio", "re"}
assert not loaded & heavy, loaded & heavy
"""
    root = str(Path(fasterapi.__file__).parent.parent)
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {root!r})\n{code}"],
        check=True,
    )


@pytest.mark.parametrize(
    "method", ["get", "post", "put", "patch", "delete", "head", "options", "trace"]
)
def test_decorators(method: str) -> None:
    app = FasterAPI()

    @getattr(app, method)("/x", status_code=201, tags=["t"], response_model=None, inline=True)
    def handler() -> None: ...

    route = app.routes[-1]
    assert isinstance(route, APIRoute)
    assert route.methods == {method.upper()}
    assert route.endpoint is handler
    assert route.status_code == 201
    assert route.inline
    assert (route.tags, route.response_model) == (["t"], None)


def test_route_and_api_route() -> None:
    app = FasterAPI()

    @app.route("/a", ["GET", "POST"])
    @app.api_route("/b", methods=["PUT"], name="named", include_in_schema=False)
    def handler() -> None: ...

    b, a = app.routes[-2:]
    assert isinstance(a, Route)
    assert isinstance(b, APIRoute)
    assert (a.path, a.methods, a.name) == ("/a", {"GET", "HEAD", "POST"}, "handler")
    assert (b.path, b.methods, b.name, b.include_in_schema) == ("/b", {"PUT"}, "named", False)
    with pytest.raises(TypeError, match="must be a list"):
        app.add_api_route("/c", handler, methods="GET")


def test_settings_are_kept() -> None:
    with pytest.warns(FastAPIDeprecationWarning, match="root-path"):
        app = FasterAPI(
            title="T", version="2", root_path="/api/", docs_url=None, debug=True, mine=1
        )
    assert (app.title, app.version, app.root_path, app.debug) == ("T", "2", "/api", True)
    assert app.extra == {"mine": 1}
    paths = {getattr(route, "path", "") for route in app.routes}
    assert {"/openapi.json", "/redoc"} <= paths
    assert "/docs" not in paths
    assert app.router.redirect_slashes
    app.state.pool = 1
    assert app.state.pool == 1


def test_url_path_for(tmp_path: Any) -> None:
    app = FasterAPI()
    app.add_api_route("/items/{item_id}/f/{rest:path}", lambda: None, name="item")
    app.add_api_route("/plain", lambda: None, name="plain")
    app.mount("/static", StaticFiles(tmp_path), name="static")
    assert app.url_path_for("item", item_id=3, rest="a/b") == "/items/3/f/a/b"
    assert app.url_path_for("plain") == "/plain"
    assert app.url_path_for("static", path="/css/a.css") == "/static/css/a.css"
    for name, params in [
        ("absent", {}),
        ("item", {"item_id": 1}),
        ("plain", {"x": 1}),
    ]:
        with pytest.raises(NoMatchFound, match="No route exists"):
            app.url_path_for(name, **params)
    for value in ("a/b", ""):
        with pytest.raises(AssertionError):
            app.url_path_for("item", item_id=value, rest="")


def test_paths_begin_with_a_slash(tmp_path: Any) -> None:
    app = FasterAPI()
    with pytest.raises(AssertionError, match="must start with"):
        app.mount("x", StaticFiles(tmp_path))
    with pytest.raises(RouteError, match="Add the"):
        app.add_api_route("x", lambda: None)


def test_static_files(tmp_path: Any) -> None:
    assert StaticFiles(str(tmp_path)).directory == str(tmp_path)
    with pytest.raises(RuntimeError, match="does not exist"):
        StaticFiles(tmp_path / "absent")
    assert StaticFiles(tmp_path / "absent", check_dir=False).directory == f"{tmp_path}/absent"


def test_http_exception() -> None:
    error = HTTPException(404)
    assert (error.status_code, error.detail, error.headers) == (404, "Not Found", None)
    assert str(error) == "404: Not Found"
    assert repr(error) == "HTTPException(status_code=404, detail='Not Found')"
    assert HTTPException(418, detail={"a": 1}).detail == {"a": 1}
    assert HTTPException(599).detail == ""
    assert HTTPException(401, "no", {"www-authenticate": "Basic"}).headers is not None


def test_status_constants() -> None:
    assert status.HTTP_200_OK == 200
    assert status.HTTP_422_UNPROCESSABLE_ENTITY == status.HTTP_422_UNPROCESSABLE_CONTENT == 422
    assert status.WS_1011_INTERNAL_ERROR == 1011
    for name, value in vars(status).items():
        if name.startswith(("HTTP_", "WS_")):
            assert name.split("_")[1] == str(value)


def test_events() -> None:
    app = FasterAPI()

    with pytest.warns(DeprecationWarning, match="lifespan"):
        decorate = app.on_event("startup")

    @decorate
    def up() -> None: ...

    app.add_event_handler("shutdown", up)
    assert app.on_startup == app.on_shutdown == [up]
    with pytest.raises(AssertionError, match="neither"):
        app.add_event_handler("sunset", up)
