"""An application of several parts: middleware, mounts. Held by test_same_answers.py."""

# ruff: noqa: D102, D103 - what a route does is said by its path

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fasterapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fasterapi.exceptions import RequestValidationError
from fasterapi.middleware.cors import CORSMiddleware
from fasterapi.middleware.gzip import GZipMiddleware
from fasterapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from fasterapi.routing import APIRoute

NOTES: list[str] = []


class Trouble(Exception):
    """Has a handler here and there."""


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    yield {"begun": "yes"}


app = FastAPI(lifespan=lifespan)
app.add_middleware(GZipMiddleware, minimum_size=200)
app.add_middleware(
    CORSMiddleware,
    allow_origins=["https://good.example"],
    allow_methods=["GET", "POST"],
    allow_headers=["X-Own"],
    expose_headers=["X-Seen"],
    allow_credentials=True,
)


@app.exception_handler(Trouble)
async def trouble(request: Request, error: Trouble) -> Response:
    return JSONResponse({"main": str(error)}, 460)


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, error: RequestValidationError) -> Response:
    return JSONResponse({"main": [each["loc"] for each in error.errors()]}, 461)


def where(request: Request) -> Any:
    scope = request.scope
    return {
        "path": scope["path"],
        "root_path": scope["root_path"],
        "url": request.url.path,
        "base": request.base_url.path,
        "state": getattr(request.state, "begun", None),
        "app": request.app.title,
    }


@app.get("/where")
async def main_where(request: Request) -> Any:
    return where(request)


@app.get("/number/{number}")
async def number(number: int) -> Any:
    return number


@app.get("/long")
async def long(n: int = 300) -> Any:
    return "x" * n


@app.get("/stream")
async def stream() -> Any:
    return StreamingResponse((each * 100 for each in "abc"), media_type="text/plain")


@app.get("/raise/{what}")
async def raise_what(what: str) -> Any:
    if what == "http":
        raise HTTPException(418, "tea", {"x-tea": "1"})
    if what == "trouble":
        raise Trouble("main")
    raise ValueError(what)


@app.get("/varied")
async def varied() -> Any:
    return Response("x", headers={"vary": "Accept"})


class TimedRoute(APIRoute):
    """Answers in a way of its own."""

    def get_route_handler(self) -> Any:
        original = super().get_route_handler()

        async def handler(request: Request) -> Response:
            NOTES.append("before")
            try:
                response = await original(request)
            except RequestValidationError as error:
                return PlainTextResponse(f"{len(error.errors())} errors", 462)
            response.headers["x-timed"] = "1"
            return response

        return handler


timed = APIRouter(route_class=TimedRoute, prefix="/timed")


@timed.get("/{number}")
async def timed_number(number: int) -> Any:
    return number


app.include_router(timed)

sub = FastAPI(title="Sub")


@sub.exception_handler(Trouble)
def sub_trouble(request: Request, error: Trouble) -> Response:
    return PlainTextResponse(f"sub {error}", 470)


@sub.exception_handler(404)
async def sub_missing(request: Request, error: Exception) -> Response:
    return PlainTextResponse("sub has no such thing", 404)


@sub.get("/where")
async def sub_where(request: Request) -> Any:
    return where(request)


@sub.get("/")
async def sub_root() -> Any:
    return "root of sub"


@sub.get("/number/{number}")
def sub_number(number: int, q: Annotated[int, Header()] = 1) -> Any:
    return [number, q]


@sub.get("/trouble")
async def raise_trouble() -> Any:
    raise Trouble("here")


@sub.get("/error")
async def raise_error() -> Any:
    raise ValueError


app.mount("/sub", sub)

deep = FastAPI(title="Deep")
deep.add_api_route("/where", main_where)
deep.add_api_route("/trouble", raise_trouble)
sub.mount("/deep", deep)

guarded = FastAPI(title="Guarded")


@guarded.middleware("http")
async def guard(request: Request, call_next: Any) -> Response:
    NOTES.append(f"guard {request.url.path}")
    if "x-open" not in request.headers:
        return PlainTextResponse("closed", 403)
    response: Response = await call_next(request)
    response.headers["x-guard"] = str(response.status_code)
    return response


@guarded.get("/where")
async def guarded_where(request: Request) -> Any:
    return where(request)


@guarded.get("/number/{number}")
async def guarded_number(number: int) -> Any:
    return number


app.mount("/guarded", guarded)


async def plain_asgi(scope: Any, receive: Any, send: Any) -> None:
    start = {"type": "http.response.start", "status": 203, "headers": [(b"x-asgi", b"1")]}
    await send(start)
    text = f"{scope['path']} {scope['root_path']}".encode()
    await send({"type": "http.response.body", "body": text})


app.mount("/asgi", plain_asgi)


async def plain_route(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {request.path_params} {request.query_params}")


app.add_route("/plain/{name}", plain_route, methods=["GET", "POST"])


async def count(request: Request) -> int:
    return len(request.headers.getlist("x-count"))


@app.get("/depends")
async def depends(n: Annotated[int, Depends(count)], request: Request) -> Any:
    return [n, request.path_params, dict(request.query_params)]


GOOD = ("origin", "https://good.example")
BAD = ("origin", "https://bad.example")
ZIP = ("accept-encoding", "gzip")
WAYS: tuple[list[tuple[str, str]], ...] = (
    [("accept-encoding", "identity")],
    [GOOD, ZIP],
    [BAD, ("accept-encoding", "identity"), ("cookie", "a=1")],
)
ASK = ("access-control-request-method", "POST")
REQUESTS: list[tuple[str, str, list[tuple[str, str]], bytes]] = [
    *(
        ("GET", path, fields, b"")
        for path in (
            *("/where", "/number/1", "/number/x", "/long", "/long?n=10", "/stream", "/varied"),
            *(
                "/raise/http",
                "/raise/trouble",
                "/timed/1",
                "/timed/x",
                "/sub",
                "/sub/",
                "/sub/where",
            ),
            *("/sub/number/1", "/sub/number/x", "/sub/trouble", "/sub/nothing", "/sub/where/"),
            *("/sub/deep/where", "/sub/deep/trouble", "/sub/deep/nothing", "/guarded/where"),
            *(
                "/subx",
                "/asgi",
                "/asgi/",
                "/asgi/a/b",
                "/plain/x?y=1",
                "/plain/",
                "/nothing",
                "/depends?a=1&a=2",
            ),
        )
        for fields in WAYS
    ),
    ("GET", "/sub/error", [], b""),
    *(
        # In Python what passes through a function is a stream, and so it is compressed.
        ("GET", path, [("x-open", "1"), ("accept-encoding", "identity")], b"")
        for path in ("/guarded/where", "/guarded/number/x", "/guarded/nothing", "/guarded/number/1")
    ),
    ("GET", "/sub/number/1", [("q", "x")], b""),
    ("GET", "/depends", [("x-count", "1"), ("x-count", "2")], b""),
    *((method, "/sub/number/1", [], b"") for method in ("POST", "DELETE")),
    *((method, "/plain/x", [], b"") for method in ("POST", "DELETE")),
    *(
        ("OPTIONS", path, fields, b"")
        for path in ("/number/1", "/nothing", "/sub/where")
        for fields in (
            [GOOD, ASK],
            [BAD, ASK],
            [GOOD, ("access-control-request-method", "DELETE")],
            [GOOD, ASK, ("access-control-request-headers", "X-Own, X-Other")],
            [GOOD, ASK, ("access-control-request-headers", "x-own")],
        )
    ),
]
