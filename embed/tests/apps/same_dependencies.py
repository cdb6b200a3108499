"""Dependencies of all kinds, and requests for them. Held by test_same_answers.py."""

# ruff: noqa: D102, D103 - what a route does is said by its path

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from pydantic import BaseModel

from fasterapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Request,
    Response,
    Security,
)
from fasterapi.exceptions import RequestValidationError
from fasterapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fasterapi.security import (
    APIKeyHeader,
    APIKeyQuery,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
    OAuth2PasswordBearer,
    OAuth2PasswordRequestForm,
    SecurityScopes,
)

app = FastAPI()
# What was called, in its order.
NOTES: list[str] = []


class Teapot(Exception):
    """Has a handler."""


class Kettle(Teapot):
    """Has its parent's."""


class Unhandled(Exception):
    """Has no handler."""


@app.exception_handler(Teapot)
async def teapot(request: Request, error: Exception) -> JSONResponse:
    NOTES.append(f"teapot {error}")
    return JSONResponse({"teapot": str(error), "path": request.url.path}, 418, {"x-teapot": "yes"})


class Item(BaseModel):
    """A body."""

    name: str


# -- kinds -----------------------------------------------------------------


def plain(q: int = 1) -> int:
    NOTES.append("plain")
    return q


async def coroutine(value: Annotated[int, Depends(plain)]) -> int:
    NOTES.append("coroutine")
    return value + 1


class Pages:
    """A class as a dependency."""

    def __init__(self, skip: int = 0, limit: int = 10) -> None:
        NOTES.append("Pages")
        self.skip, self.limit = skip, limit


class Checker:
    """An instance as a dependency."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted

    def __call__(self, text: str = "") -> bool:
        NOTES.append(f"check {self.wanted}")
        return self.wanted in text


class AsyncChecker(Checker):
    """The same, to be awaited."""

    async def __call__(self, text: str = "") -> bool:  # type: ignore[override]
        NOTES.append(f"async check {self.wanted}")
        return self.wanted in text


@app.get("/kinds")
async def kinds(
    a: Annotated[int, Depends(plain)],
    b: Annotated[int, Depends(coroutine)],
    c: Annotated[int, Depends(plain, use_cache=False)],
    pages: Annotated[Pages, Depends()],
    found: Annotated[bool, Depends(Checker("x"))],
    other: Annotated[bool, Depends(AsyncChecker("y"))],
    nested: Annotated[int, Depends(lambda: 5)],
) -> Any:
    return [a, b, c, pages.skip, pages.limit, found, other, nested]


@app.get("/threads")
def threads(a: Annotated[int, Depends(plain)], pages: Annotated[Pages, Depends()]) -> Any:
    return [a, pages.limit]


async def counted() -> int:
    NOTES.append("counted")
    return len(NOTES)


async def first(n: Annotated[int, Depends(counted, use_cache=False)]) -> int:
    NOTES.append("first")
    return n


async def second(n: Annotated[int, Depends(first)]) -> int:
    NOTES.append("second")
    return n


@app.get("/uncached-below-cached")
async def uncached_below_cached(
    a: Annotated[int, Depends(first)],
    b: Annotated[int, Depends(second)],
    c: Annotated[int, Depends(first)],
) -> Any:
    return [a, b, c, list(NOTES)]


# -- generators ------------------------------------------------------------


def generator(name: str, *, is_async: bool = True, on_error: str = "", at_end: str = "") -> Any:
    """A dependency that notes what becomes of it."""

    def raised(what: str, error: BaseException | None) -> None:
        if what == "http":
            raise HTTPException(409, f"{name} at its end")
        if what == "teapot":
            raise Teapot(name)
        if what == "raise" and error is not None:
            raise error
        if what == "unhandled":
            raise Unhandled(name)

    async def asynchronous() -> AsyncIterator[str]:
        NOTES.append(f"+{name}")
        try:
            yield name
        except BaseException as error:
            NOTES.append(f"!{name} {type(error).__name__}")
            raised(on_error or "raise", error)
        finally:
            NOTES.append(f"-{name}")
        raised(at_end, None)

    def synchronous() -> Iterator[str]:
        NOTES.append(f"+{name}")
        try:
            yield name
        except BaseException as error:
            NOTES.append(f"!{name} {type(error).__name__}")
            raised(on_error or "raise", error)
        finally:
            NOTES.append(f"-{name}")
        raised(at_end, None)

    return asynchronous if is_async else synchronous


OUTCOMES = ("value", "http", "teapot", "kettle", "unhandled", "response", "none")


def outcome(how: str) -> Any:
    """What the handler is asked to do."""
    NOTES.append("handler")
    if how == "http":
        raise HTTPException(402, {"pay": 1}, {"x-pay": "now"})
    if how in ("teapot", "kettle"):
        raise Teapot(how) if how == "teapot" else Kettle(how)
    if how == "unhandled":
        raise Unhandled(how)
    if how == "response":
        return PlainTextResponse("text", 203, {"x-own": "1"})
    return None if how == "none" else {"how": how}


STACKS: dict[str, list[Any]] = {
    "one": [Depends(generator("a"))],
    "sync": [Depends(generator("a", is_async=False))],
    "three": [
        Depends(generator("a")),
        Depends(generator("b", is_async=False)),
        Depends(generator("c")),
    ],
    "scopes": [
        Depends(generator("r1")),
        Depends(generator("f1"), scope="function"),
        Depends(generator("r2", is_async=False), scope="request"),
        Depends(generator("f2", is_async=False), scope="function"),
    ],
    "swallow": [Depends(generator("a")), Depends(generator("b", on_error="swallow"))],
    "swallow-sync": [Depends(generator("b", on_error="swallow", is_async=False))],
    "swallow-function": [Depends(generator("b", on_error="swallow"), scope="function")],
    "replace": [Depends(generator("a")), Depends(generator("b", on_error="http"))],
    "replace-teapot": [Depends(generator("a", on_error="teapot")), Depends(generator("b"))],
    "replace-function": [
        Depends(generator("a")),
        Depends(generator("b", on_error="http"), scope="function"),
    ],
    "end-http": [Depends(generator("a")), Depends(generator("b", at_end="http"))],
    "end-unhandled": [Depends(generator("a")), Depends(generator("b", at_end="unhandled"))],
    "end-function-http": [
        Depends(generator("a")),
        Depends(generator("b", at_end="http"), scope="function"),
    ],
    "end-function-teapot": [
        Depends(generator("b", at_end="teapot", is_async=False), scope="function"),
    ],
    "end-swallowed": [
        Depends(generator("a", on_error="swallow")),
        Depends(generator("b", at_end="teapot")),
    ],
}


def register(name: str, dependencies: list[Any]) -> None:
    """A route whose dependencies are ``dependencies``, for each kind of handler."""

    @app.get(f"/stack/{name}/async", dependencies=dependencies)
    async def handler(how: str, tasks: BackgroundTasks) -> Any:
        tasks.add_task(NOTES.append, "task")
        return outcome(how)

    @app.get(f"/stack/{name}/sync", dependencies=dependencies)
    def sync_handler(how: str) -> Any:
        return outcome(how)

    @app.get(f"/stack/{name}/stream", dependencies=dependencies)
    async def stream(how: str) -> Any:
        outcome(how)

        async def pieces() -> AsyncIterator[str]:
            for piece in "ab":
                NOTES.append(piece)
                yield piece

        return StreamingResponse(pieces(), media_type="text/plain")

    @app.get(f"/stack/{name}/task", dependencies=dependencies)
    async def failing_task(how: str, tasks: BackgroundTasks) -> Any:
        async def fail() -> None:
            NOTES.append("task")
            outcome(how)

        tasks.add_task(fail)
        tasks.add_task(NOTES.append, "next task")
        return "sent"


for each, given in STACKS.items():
    register(each, given)


def no_yield() -> Iterator[int]:
    yield from ()


async def two_yields() -> AsyncIterator[int]:
    yield 1
    yield 2


@app.get("/no-yield")
async def with_no_yield(value: Annotated[int, Depends(no_yield)]) -> Any:
    return value


@app.get("/two-yields")
async def with_two_yields(value: Annotated[int, Depends(two_yields)]) -> Any:
    return value


# -- what dependencies raise -----------------------------------------------


async def refuse(x_token: Annotated[str, Header()] = "") -> None:
    NOTES.append("refuse")
    if x_token != "good":
        raise HTTPException(401, "who?", {"www-authenticate": "X"})


def boil(kettle: int = 0) -> None:
    NOTES.append("boil")
    if kettle:
        raise Kettle("boils")


async def own_validation() -> None:
    raise RequestValidationError([{"type": "own", "loc": ("x",), "msg": "m", "input": 1}])


@app.get("/refused/{number}", dependencies=[Depends(refuse)])
async def refused(number: int, limit: int = 1) -> Any:
    return number


@app.post("/refused/{number}", dependencies=[Depends(refuse), Depends(boil)])
def refused_body(number: int, item: Item) -> Any:
    return item


@app.get("/own-validation", dependencies=[Depends(own_validation)])
async def with_own_validation() -> Any:
    return None


# -- what is injected ------------------------------------------------------


async def set_header(response: Response, tasks: BackgroundTasks) -> str:
    response.headers["x-dependency"] = "1"
    response.set_cookie("crumb", "c")
    response.status_code = 202
    tasks.add_task(NOTES.append, "task of dependency")
    return "set"


@app.get("/response", status_code=201)
async def injected(
    response: Response, value: Annotated[str, Depends(set_header)], status: int | None = None
) -> Any:
    response.headers.append("x-handler", "2")
    response.headers["content-language"] = "de"
    if status:
        response.status_code = status
    return {"value": value}


@app.get("/response/own", dependencies=[Depends(set_header)])
async def own_response() -> Any:
    return JSONResponse({"own": True})


@app.get("/response/raise", dependencies=[Depends(set_header)])
async def raise_after_header() -> Any:
    raise HTTPException(400)


@app.get("/response/typed", response_class=PlainTextResponse)
def text_and_header(response: Response) -> Any:
    response.headers["x-text"] = "1"
    return "text"


@app.get("/tasks")
def tasks(tasks: BackgroundTasks, gone: Annotated[str, Depends(generator("a"))]) -> Any:
    tasks.add_task(NOTES.append, f"task with {gone}")
    return gone


# -- security --------------------------------------------------------------

oauth2 = OAuth2PasswordBearer("token", scopes={"read": "r", "write": "w"})
optional_oauth2 = OAuth2PasswordBearer("token", auto_error=False)


async def user(scopes: SecurityScopes, token: Annotated[str, Depends(oauth2)]) -> Any:
    NOTES.append(f"user {scopes.scope_str}")
    return [token, scopes.scopes]


async def writer(user: Annotated[Any, Security(user, scopes=["write"])]) -> Any:
    NOTES.append("writer")
    return user


@app.get("/secure")
async def secure(
    a: Annotated[Any, Security(user, scopes=["read"])],
    b: Annotated[Any, Security(writer, scopes=["admin"])],
    c: Annotated[Any, Depends(user)],
) -> Any:
    return [a, b, c]


@app.get("/optional-token")
async def optional_token(token: Annotated[str | None, Depends(optional_oauth2)]) -> Any:
    return token


@app.get("/basic")
async def basic(who: Annotated[HTTPBasicCredentials, Depends(HTTPBasic(realm="r"))]) -> Any:
    return who


@app.get("/bearer")
async def bearer(who: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> Any:
    return who


@app.get("/keys")
async def keys(
    a: Annotated[str, Depends(APIKeyHeader(name="x-key"))],
    b: Annotated[str | None, Depends(APIKeyQuery(name="key", auto_error=False))],
) -> Any:
    return [a, b]


@app.post("/token")
async def token(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Any:
    return [form.username, form.password, form.scopes, form.grant_type, form.client_id]


# -- bodies ----------------------------------------------------------------


class Other(BaseModel):
    """Another body of the same name."""

    size: int


async def takes_other(item: Other) -> Any:
    return item


@app.post("/same-name-two-types")
async def same_name(
    item: Item, other: Annotated[Any, Depends(takes_other)], n: Annotated[int, Body()] = 0
) -> Any:
    return [item, other, n]


# -- routers ---------------------------------------------------------------

router = APIRouter(prefix="/router", dependencies=[Depends(plain)])


@router.get("/items", dependencies=[Depends(refuse)])
async def router_items(value: Annotated[int, Depends(coroutine)]) -> Any:
    return value


app.include_router(router, prefix="/v1", dependencies=[Depends(boil)])

TOKEN = ("authorization", "Bearer abc")
JSON = ("content-type", "application/json")
FORM = ("content-type", "application/x-www-form-urlencoded")

REQUESTS: list[tuple[str, str, list[tuple[str, str]], bytes]] = [
    *(
        ("GET", path, [], b"")
        for path in (
            *("/kinds", "/kinds?q=5&skip=1&limit=2&text=xy", "/kinds?q=x&skip=y", "/threads?q=3"),
            *(
                "/threads?limit=x",
                "/uncached-below-cached",
                "/no-yield",
                "/two-yields",
                "/response",
            ),
            *("/response?status=203", "/response?status=x", "/response/own", "/response/raise"),
            *("/response?status=204", "/response?status=304", "/response/typed", "/tasks"),
            *(
                "/refused/1",
                "/refused/x?limit=y",
                "/own-validation",
                "/router/items",
                "/v1/router/items",
            ),
            *(
                "/v1/router/items?kettle=1",
                "/v1/router/items?kettle=x&q=y",
                "/secure",
                "/optional-token",
            ),
            *("/basic", "/bearer", "/keys", "/keys?key=1", "/kinds/", "/KINDS"),
        )
    ),
    *(
        ("GET", f"/stack/{name}/{kind}?how={how}", [], b"")
        for name in STACKS
        for kind in ("async", "sync", "stream", "task")
        for how in OUTCOMES
    ),
    ("GET", "/stack/three/async", [], b""),
    ("GET", "/refused/1", [("x-token", "good")], b""),
    ("GET", "/refused/x?limit=y", [("x-token", "good")], b""),
    ("POST", "/refused/x", [JSON], b"{"),
    ("POST", "/refused/x", [JSON], b"{}"),
    ("POST", "/refused/x", [("x-token", "good"), JSON], b"{}"),
    ("POST", "/refused/x?kettle=1", [("x-token", "good"), JSON], b"{}"),
    ("POST", "/refused/x?kettle=1", [("x-token", "good"), JSON], b"{"),
    ("POST", "/refused/1", [("x-token", "good"), JSON], b'{"name":"a"}'),
    ("GET", "/v1/router/items", [("x-token", "good")], b""),
    ("GET", "/v1/router/items?q=x", [("x-token", "good")], b""),
    *(
        ("GET", path, [("authorization", text)], b"")
        for path in ("/secure", "/optional-token", "/basic", "/bearer")
        for text in (
            *("Bearer abc", "bearer abc", "Bearer", "Bearer ", "Basic YTpi", "basic YTpi", "Basic"),
            *("Basic x", "Basic YWI=", "Basic YTpiOmM=", "Token abc", "abc", "", "Bearer a b"),
            *("Basic /w==", "Bearer  abc", "Basic w6k6w6k="),
        )
    ),
    ("GET", "/keys?key=1", [("X-Key", "k")], b""),
    ("GET", "/keys", [("X-Key", "")], b""),
    *(
        ("POST", "/token", [FORM], text)
        for text in (
            *(
                b"",
                b"username=a&password=b",
                b"grant_type=password&username=a&password=b&scope=x+y",
            ),
            *(b"grant_type=x&username=a&password=b", b"username=&password="),
        )
    ),
    ("POST", "/same-name-two-types", [JSON], b'{"item":{"name":"a"}}'),
    ("POST", "/same-name-two-types", [JSON], b'{"item":{"size":1}}'),
    ("POST", "/same-name-two-types", [JSON], b'{"item":{"size":1,"name":"a"},"n":3}'),
]
