"""Routers over ASGI: what matches, what is included, what is found by name."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from fasterapi import APIRouter, Depends, FasterAPI, HTTPException, Request, WebSocket
from fasterapi.exceptions import FastAPIError, NoMatchFound
from fasterapi.responses import HTMLResponse, PlainTextResponse, Response
from fasterapi.routing import APIRoute, Mount, Route, Router


def ask(app: Any, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(run())


def text(answer: str) -> Any:
    async def handler() -> PlainTextResponse:
        return PlainTextResponse(answer)

    return handler


def test_the_first_match_wins() -> None:
    app = FasterAPI()
    app.get("/a/fixed")(text("fixed"))
    app.get("/a/{name}")(text("any"))
    app.post("/a/fixed")(text("post"))
    assert ask(app, "/a/fixed").text == "fixed"
    assert ask(app, "/a/other").text == "any"
    assert ask(app, "/a/fixed", "POST").text == "post"
    wrong = ask(app, "/a/other", "PUT")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
    assert wrong.json() == {"detail": "Method Not Allowed"}
    assert ask(app, "/b").json() == {"detail": "Not Found"}


def test_slashes_redirect() -> None:
    app = FasterAPI()
    app.get("/a")(text("a"))
    app.get("/b/")(text("b"))
    assert ask(app, "/a/?q=1").headers["location"] == "http://test/a?q=1"
    assert ask(app, "/b").headers["location"] == "http://test/b/"
    strict = FasterAPI(redirect_slashes=False)
    strict.get("/a")(text("a"))
    assert ask(strict, "/a/").status_code == 404


@pytest.mark.parametrize(
    ("path", "asked", "found"),
    [
        ("/{n:int}", "/7", {"n": 7}),
        ("/{n:int}", "/x", None),
        ("/{f:float}/x", "/1.5/x", {"f": 1.5}),
        ("/{rest:path}", "/a/b", {"rest": "a/b"}),
        ("/{rest:path}/end", "/a/b/end", {"rest": "a/b"}),
        ("/{name}.{kind}", "/a.b.c", {"name": "a.b", "kind": "c"}),
        ("/x.y", "/xzy", None),
    ],
)
def test_path_parameters(path: str, asked: str, found: Any) -> None:
    app = FasterAPI()

    async def handler(request: Request) -> Any:
        return request.path_params

    app.get(path)(handler)
    answer = ask(app, asked)
    assert (answer.json() if answer.status_code == 200 else None) == found


def test_an_included_router_combines_its_options() -> None:
    log: list[str] = []

    def noting(name: str) -> Any:
        return Depends(lambda: log.append(name))

    inner = APIRouter(
        prefix="/inner", tags=["b"], dependencies=[noting("router")], responses={404: {}}
    )

    @inner.get("/{x}", tags=["c"], dependencies=[noting("route")], name="leaf")
    async def leaf(x: int, outer: str) -> Any:
        return [x, outer]

    app = FasterAPI(dependencies=[noting("app")])
    app.include_router(
        inner,
        prefix="/{outer}",
        tags=["a"],
        dependencies=[noting("include")],
        default_response_class=HTMLResponse,
        deprecated=True,
        include_in_schema=False,
    )
    route = app.routes[-1]
    assert isinstance(route, APIRoute)
    assert (route.path, route.tags, route.deprecated) == (
        "/{outer}/inner/{x}",
        ["a", "b", "c"],
        True,
    )
    assert route.response_class is HTMLResponse
    assert not route.include_in_schema
    assert set(route.responses) == {404}
    assert isinstance(inner.routes[0], APIRoute)
    assert inner.routes[0].tags == ["b", "c"]
    assert app.url_path_for("leaf", outer="o", x=1) == "/o/inner/1"
    assert ask(app, "/o/inner/1").status_code == 500  # HTML of a list
    assert log == ["app", "include", "router", "route"]


def test_routes_that_come_after_the_inclusion() -> None:
    inner, outer, app = APIRouter(), APIRouter(), FasterAPI()
    outer.include_router(inner, prefix="/inner")
    app.include_router(outer, prefix="/outer")
    app.get("/outer/inner/{rest:path}")(text("catch-all"))
    inner.get("/late")(text("late"))
    assert ask(app, "/outer/inner/late").text == "catch-all"
    inner.get("/later")(text("later"))
    assert [r.path for r in app.routes[-2:] if isinstance(r, Route)] == [
        "/outer/inner/late",
        "/outer/inner/later",
    ]


def test_inclusions_that_cannot_be() -> None:
    router = APIRouter()
    with pytest.raises(AssertionError, match="itself"):
        router.include_router(router)
    other = APIRouter()
    router.include_router(other)
    with pytest.raises(AssertionError, match="already includes"):
        other.include_router(router)
    with pytest.raises(AssertionError, match="start with"):
        router.include_router(APIRouter(), prefix="x")
    with pytest.raises(AssertionError, match="not end"):
        APIRouter(prefix="/x/")
    empty = APIRouter()
    empty.get("")(text("x"))
    with pytest.raises(FastAPIError, match="both empty"):
        router.include_router(empty)
    with pytest.raises(TypeError, match="no option nonsense"):
        router.include_router(APIRouter(), nonsense=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no option nonsense"):
        router.get("/", nonsense=1)(text("x"))  # type: ignore[call-arg]


def test_mounts_and_names() -> None:
    sub = FasterAPI()
    sub.get("/items/{x}", name="item")(text("item"))

    @sub.get("/where")
    async def where(request: Request) -> Any:
        return [request.scope["root_path"], str(request.url_for("sub:item", x=1))]

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse(scope["root_path"])(scope, receive, send)

    app = FasterAPI()
    app.mount("/sub/{user}", sub, name="sub")
    app.mount("/plain", plain)
    assert ask(app, "/sub/me/items/1").text == "item"
    assert app.url_path_for("sub:item", user="me", x=1) == "/sub/me/items/1"
    assert app.url_path_for("sub", user="me", path="/a") == "/sub/me/a"
    assert ask(app, "/plain/x").text == "/plain"
    with pytest.raises(NoMatchFound):
        app.url_path_for("sub:nothing", user="me")
    assert ask(app, "/sub/me/none").status_code == 404
    router = APIRouter()
    router.mount("/plain", plain)
    app.include_router(router, prefix="/deep")
    assert ask(app, "/deep/plain/x").text == "/deep/plain"


def test_hosts() -> None:
    api = Router([Route("/", lambda request: PlainTextResponse("api"), name="root")])
    app = FasterAPI()
    app.host("{team}.api.org:8000", api, name="api")
    app.get("/")(text("main"))
    assert ask(app, "/", headers={"host": "a.api.org:1"}).text == "api"
    assert ask(app, "/").text == "main"
    url = app.url_path_for("api:root", team="a")
    assert url.make_absolute_url("https://x.org/r/") == "https://a.api.org/r/"


def test_a_router_alone() -> None:
    router = Router([Mount("/m", routes=[Route("/x", lambda request: Response("x"))])])
    assert ask(router, "/m/x").text == "x"
    assert (ask(router, "/y").status_code, ask(router, "/y").text) == (404, "Not Found")
    assert ask(router, "/m/x", "PUT").text == "Method Not Allowed"


def test_frontends(tmp_path: Any) -> None:
    (tmp_path / "index.html").write_text("shell")
    (tmp_path / "app.js").write_text("code")
    (tmp_path.parent / "secret").write_text("secret")
    app = FasterAPI()
    app.frontend("/", directory=tmp_path)
    app.get("/api")(text("api"))
    html = {"accept": "text/html"}
    assert ask(app, "/api").text == "api"
    assert ask(app, "/app.js").text == "code"
    assert ask(app, "/some/page", headers=html).text == "shell"
    assert ask(app, "/missing.js").status_code == 404
    assert ask(app, "/..%2Fsecret").status_code == 404
    assert ask(app, "/app.js", "POST").status_code == 405


def test_starlettes_exceptions_are_ours() -> None:
    theirs = pytest.importorskip("starlette.exceptions")
    app = FasterAPI()

    @app.get("/theirs")
    async def raises_theirs() -> None:
        raise theirs.HTTPException(418, "tea")

    @app.get("/ours")
    async def raises_ours() -> None:
        raise HTTPException(418, "tea")

    assert ask(app, "/theirs").json() == {"detail": "tea"}
    with pytest.raises(theirs.HTTPException):
        raise HTTPException(400)

    @app.exception_handler(theirs.HTTPException)
    async def handler(request: Request, error: Any) -> Response:
        return PlainTextResponse(f"handled {error.status_code}")

    app.middleware_stack = None
    assert ask(app, "/theirs").text == ask(app, "/ours").text == "handled 418"


def test_websockets_over_asgi() -> None:
    app = FasterAPI()

    @app.websocket("/ws/{n}")
    async def echo(websocket: WebSocket, n: int, q: str = "none") -> None:
        await websocket.accept()
        await websocket.send_json([n, q, await websocket.receive_text()])
        await websocket.close(3000)

    def talk(path: str, query: bytes = b"") -> list[Any]:
        incoming = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"}]
        sent: list[Any] = []

        async def receive() -> Any:
            return incoming.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": path, "query_string": query, "headers": []}
        asyncio.run(app(scope, receive, send))
        return sent

    accepted, data, closed = talk("/ws/3", b"q=1")
    assert accepted["type"] == "websocket.accept"
    assert data["text"] == '[3,"1","hi"]'
    assert closed["code"] == 3000
    assert [one["code"] for one in talk("/ws/x")] == [1008]
    assert [one["type"] for one in talk("/none")] == ["websocket.close"]
