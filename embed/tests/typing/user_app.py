"""A typical user's application, for mypy: that it passes `--strict`, with the types one expects.

Nothing runs this; `embed/python_tests/test_typing.py` has mypy read it.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict, assert_type

from pydantic import BaseModel

from fasterapi import (
    SSE,
    APIRouter,
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    FastAPI,
    FasterAPI,
    File,
    Form,
    Header,
    HTTPException,
    Path,
    Query,
    Request,
    Response,
    Security,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
    status,
)
from fasterapi.concurrency import run_in_threadpool
from fasterapi.encoders import jsonable_encoder
from fasterapi.exceptions import RequestValidationError, ResponseValidationError
from fasterapi.middleware import Middleware
from fasterapi.middleware.cors import CORSMiddleware
from fasterapi.middleware.gzip import GZipMiddleware
from fasterapi.middleware.trustedhost import TrustedHostMiddleware
from fasterapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from fasterapi.routing import APIRoute
from fasterapi.security import (
    APIKeyHeader,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
    OAuth2PasswordBearer,
    OAuth2PasswordRequestForm,
    SecurityScopes,
)
from fasterapi.sse import ServerSentEvent
from fasterapi.staticfiles import StaticFiles
from fasterapi.testclient import TestClient


class State(TypedDict):
    """What the lifespan leaves for the requests."""

    started: float


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Runs around the application."""
    app.state.ready = True
    yield {"started": asyncio.get_running_loop().time()}


async def check_token(x_token: Annotated[str | None, Header()] = None) -> None:
    """A dependency without a value."""
    if x_token != "secret":
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, detail={"reason": "token"}, headers={"a": "b"}
        )


app = FastAPI(
    title="Typed",
    description="What a user writes",
    version="2.0.0",
    lifespan=lifespan,
    dependencies=[Depends(check_token)],
    middleware=[Middleware(GZipMiddleware, minimum_size=1_000)],
    responses={404: {"description": "Not there"}},
    openapi_tags=[{"name": "items", "description": "Things"}],
    docs_url=None,
    root_path="/api",
    default_response_class=JSONResponse,
)
assert_type(app.title, str)
assert_type(app.openapi(), dict[str, Any])
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"])
app.add_middleware(TrustedHostMiddleware, allowed_hosts=["example.com"])
app.mount("/static", StaticFiles(directory="static", html=True), name="static")
app.state.counter = 1
assert_type(app.state.counter, Any)
same: FasterAPI = app


# Dependencies: Annotated keeps the type of the value.
class Database:
    """Something that is opened and closed."""

    def find(self, number: int) -> "Item | None":
        """One item."""
        return Item(name=str(number), price=1.5) if number else None


def get_database() -> Iterator[Database]:
    """A dependency that yields."""
    yield Database()


async def get_language(accept_language: Annotated[str, Header()] = "en") -> str:
    """A dependency with a parameter of its own."""
    return accept_language


class Paging:
    """A class as a dependency."""

    def __init__(self, skip: int = 0, limit: Annotated[int, Query(le=100)] = 10) -> None:
        self.skip = skip
        self.limit = limit


DatabaseDep = Annotated[Database, Depends(get_database)]
LanguageDep = Annotated[str, Depends(get_language, use_cache=False)]
PagingDep = Annotated[Paging, Depends()]


class Kind(str, Enum):  # noqa: UP042 - as FastAPI's users write it
    """A choice."""

    BOOK = "book"
    DISC = "disc"


class Item(BaseModel):
    """A model."""

    name: str
    price: float
    kind: Kind = Kind.BOOK
    tags: list[str] = []


class Filters(BaseModel):
    """Query parameters as a model."""

    kind: Kind | None = None
    order: Literal["name", "price"] = "name"


# Decorators keep the types of the functions below them.
@app.get("/items/{item_id}", response_model=Item, tags=["items"], status_code=200)
async def read_item(
    item_id: Annotated[int, Path(ge=1, title="Which one")],
    database: DatabaseDep,
    language: LanguageDep,
    paging: PagingDep,
    kind: Kind | None = None,
    q: Annotated[list[str] | None, Query(max_length=50, alias="query")] = None,
    session: Annotated[str | None, Cookie()] = None,
    old_style: str = Query("x", min_length=1),
    old_dependency: Database = Depends(get_database),  # noqa: B008 - the old style
) -> Item:
    """One item."""
    assert_type(database, Database)
    assert_type(language, str)
    assert_type(paging.limit, int)
    assert_type(q, list[str] | None)
    assert_type(old_dependency.find(item_id), Item | None)
    found = database.find(item_id)
    if found is None:
        raise HTTPException(404, "There is no such item")
    return found


@app.post("/items", status_code=status.HTTP_201_CREATED, responses={409: {"model": Item}})
def create_item(
    item: Item,
    tasks: BackgroundTasks,
    importance: Annotated[int, Body(gt=0, embed=True)],
) -> Item:
    """A handler that is no coroutine."""

    def note(name: str, times: int = 1) -> None: ...

    async def remind(name: str) -> None: ...

    tasks.add_task(note, item.name, times=importance)
    tasks.add_task(remind, item.name)
    tasks.add_task(note, 1)  # type: ignore[arg-type]
    tasks.add_task(note, item.name, tims=2)  # type: ignore[call-arg]
    return item


@app.put("/items/{item_id}", response_model=None, include_in_schema=False)
async def replace_item(item_id: int, item: Item) -> Response | dict[str, str]:
    """Either a response or something to make one of."""
    return JSONResponse(jsonable_encoder(item), status_code=200) if item_id else {"name": item.name}


@app.get("/search")
async def search(filters: Annotated[Filters, Query()]) -> list[Item]:
    """A model of query parameters."""
    assert_type(filters.kind, Kind | None)
    return []


async def check_decorators() -> None:
    """A handler is what it was before it was decorated."""
    assert_type(create_item(Item(name="a", price=1), BackgroundTasks(), importance=1), Item)
    assert_type(await search(Filters()), list[Item])
    await search("wrong")  # type: ignore[arg-type]


# Forms and files.
@app.post("/upload")
async def upload(
    file: UploadFile,
    files: Annotated[list[UploadFile], File(description="More of them")],
    data: Annotated[bytes, File()],
    note: Annotated[str, Form(max_length=100)] = "",
) -> dict[str, int | str | None]:
    """A form with files."""
    content = await file.read(10)
    assert_type(content, bytes)
    await file.seek(0)
    await file.write(data)
    assert_type(file.filename, str | None)
    assert_type(file.content_type, str | None)
    assert_type(file.size, int | None)
    assert_type([await one.read() for one in files], list[bytes])
    await file.close()
    return {"name": file.filename, "size": file.size, "note": note}


# The request itself.
@app.api_route("/raw", methods=["GET", "POST"])
async def raw(request: Request, response: Response) -> dict[str, Any]:
    """What a request has."""
    assert_type(await request.body(), bytes)
    assert_type(await request.json(), Any)
    assert_type(request.method, str)
    assert_type(request.headers.get("x-thing"), str | None)
    assert_type(request.query_params["q"], str)
    assert_type(request.path_params, dict[str, Any])
    assert_type(request.cookies.get("session"), str | None)
    assert_type(request.client.host if request.client else "", str)
    assert_type(request.url.path, str)
    assert_type(request.state.started, Any)
    assert_type(await request.is_disconnected(), bool)
    async for chunk in request.stream():
        assert_type(chunk, bytes)
    async with request.form(max_files=3) as form:
        value = form.get("file")
        if isinstance(value, UploadFile):
            assert_type(value.filename, str | None)
    response.headers["x-made-by"] = "hand"
    response.set_cookie("session", "1", max_age=60, httponly=True, samesite="lax")
    response.delete_cookie("old")
    response.status_code = 201
    return {"url": str(request.url_for("read_item", item_id=1))}


# Responses.
@app.get("/page", response_class=HTMLResponse)
async def page() -> str:
    """Text, and a class that says what it is."""
    return "<p>hello"


@app.get("/old")
async def old() -> RedirectResponse:
    """Somewhere else."""
    return RedirectResponse("/new", status_code=status.HTTP_308_PERMANENT_REDIRECT)


@app.get("/file")
def download() -> FileResponse:
    """A file."""
    return FileResponse("a.txt", media_type="text/plain", filename="b.txt")


@app.get("/stream")
async def stream() -> StreamingResponse:
    """An answer in pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"

    return StreamingResponse(pieces(), media_type="text/plain", headers={"x": "y"})


@app.get("/lines")
async def lines() -> AsyncIterable[Item]:
    """JSON lines, from a generator."""
    yield Item(name="a", price=1)


@app.get("/events")
async def events() -> AsyncIterable[ServerSentEvent]:
    """Events, from a generator."""
    yield ServerSentEvent(data={"a": 1}, event="tick", id="1", retry=100)


# Security.
bearer = OAuth2PasswordBearer(tokenUrl="token", scopes={"read": "Read"})
basic = HTTPBasic(auto_error=False)
key = APIKeyHeader(name="x-key")


async def get_user(scopes: SecurityScopes, token: Annotated[str, Depends(bearer)]) -> Item:
    """Who asks."""
    assert_type(scopes.scopes, list[str])
    assert_type(scopes.scope_str, str)
    return Item(name=token, price=0)


@app.post("/token")
async def token(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
    """Log in."""
    assert_type(form.username, str)
    assert_type(form.scopes, list[str])
    return {"access_token": form.password}


@app.get("/me")
async def me(
    user: Annotated[Item, Security(get_user, scopes=["read"])],
    credentials: Annotated[HTTPBasicCredentials | None, Depends(basic)],
    token: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
    api_key: Annotated[str, Security(key)],
) -> str:
    """Several schemes at once."""
    if credentials is not None:
        assert_type(credentials.username, str)
    assert_type(token.credentials, str)
    return user.name


# Routers, own routes, and errors.
class TimedRoute(APIRoute):
    """A route of the user's own."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wraps what the framework made."""
        handler = super().get_route_handler()

        async def timed(request: Request) -> Response:
            response = await handler(request)
            response.headers["x-time"] = "1"
            return response

        return timed


router = APIRouter(
    prefix="/v1",
    tags=["v1", Kind.BOOK],
    route_class=TimedRoute,
    dependencies=[Depends(check_token)],
    responses={418: {"description": "A teapot"}},
)


@router.delete("/items/{item_id}", status_code=204)
async def delete_item(item_id: int) -> None:
    """Nothing to say."""


router.add_api_route("/added", delete_item, methods=["POST"])
app.include_router(router, prefix="/sub", tags=["more"], deprecated=True)


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """A handler of one exception; a list of dicts says what is wrong."""
    return JSONResponse({"errors": list(error.errors()), "body": error.body}, 422)


@app.exception_handler(404)
def missing(request: Request, error: HTTPException) -> PlainTextResponse:
    """A handler of a status."""
    return PlainTextResponse(str(error.detail), error.status_code, error.headers)


app.add_exception_handler(ResponseValidationError, missing_response := lambda *_: Response())


@app.middleware("http")
async def add_header(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """What every request passes through."""
    response = await call_next(request)
    response.headers["x-header"] = "1"
    return response


# Server-sent events.
@app.sse("/events/{room}", tags=["rooms"])
async def room_events(sse: SSE, room: str) -> None:
    """Events, sent by the handler."""
    assert_type(sse.last_event_id, str | None)
    assert_type(sse.is_open, bool)
    sse.keep_alive(30)
    await sse.send({"room": room}, event="joined", id="1", retry=1000)
    await sse.send_text(room)
    await sse.send_json(room)
    await sse.comment("c")
    await sse.ping()
    assert_type(sse.events_sent + sse.bytes_sent + sse.connection_id, int)
    await sse.close()


# WebSockets.
@app.websocket("/ws/{room}")
async def chat(
    websocket: WebSocket, room: str, language: LanguageDep, q: int | None = None
) -> None:
    """Both ways."""
    await websocket.accept(subprotocol="chat", headers=[(b"a", b"b")])
    try:
        while True:
            assert_type(await websocket.receive_text(), str)
            assert_type(await websocket.receive_bytes(), bytes)
            assert_type(await websocket.receive_json(), Any)
            await websocket.send_text(room)
            await websocket.send_bytes(b"x")
            await websocket.send_json({"room": room}, mode="text")
            async for text in websocket.iter_text():
                assert_type(text, str)
            await websocket.close(code=1000, reason="done")
    except WebSocketDisconnect as gone:
        assert_type(gone.code, int)
        raise WebSocketException(status.WS_1008_POLICY_VIOLATION, "no") from None


# Threads, and tests.
def work(number: int, *, factor: float) -> float:
    """Something that takes its time."""
    return number * factor


async def in_a_thread() -> None:
    """What comes back has the type of what was called."""
    assert_type(await run_in_threadpool(work, 2, factor=1.5), float)
    await run_in_threadpool(work, "2", factor=1.5)  # type: ignore[arg-type]


def test_app() -> None:
    """As a test is written."""
    app.dependency_overrides[get_database] = Database
    with TestClient(app, base_url="http://test", headers={"x-token": "secret"}) as client:
        answer = client.get("/items/1", params={"q": "a"})
        assert_type(answer.status_code, int)
        assert_type(answer.headers["content-type"], str)
        assert_type(answer.text, str)
        client.post("/upload", files={"file": ("a.txt", b"a")}, data={"note": "n"})
        with client.websocket_connect("/ws/room?q=1") as session:
            session.send_text("hello")
            assert_type(session.receive_text(), str)
            session.send_json({"a": 1})
            session.close()
