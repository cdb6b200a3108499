"""Routes whose plans are written by hand: each asks one thing of the call plan."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from typing import TYPE_CHECKING, Any

import fasterapi._plan
from fasterapi import FasterAPI, HTTPException
from fasterapi._core import run_in_thread
from fasterapi._plan import AppPlan, ParameterPlan, RoutePlan
from fasterapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

app = FasterAPI()
plan = AppPlan()
SIDE = FasterAPI(title="side")
NAME: contextvars.ContextVar[str] = contextvars.ContextVar("NAME", default="nobody")


class Refusal(Exception):
    """What handlers raise for ``on_error``."""


def compile_app(_: FasterAPI) -> AppPlan:
    """Stands for the package's own."""
    return plan


fasterapi._plan.compile_app = compile_app


def route(path: str, *parameters: ParameterPlan, **options: Any) -> Callable[[Any], Any]:
    """Plans the function under it."""

    def take(endpoint: Callable[..., Any]) -> Callable[..., Any]:
        made = RoutePlan(path, options.pop("methods", ("GET",)), path)
        made.endpoint = endpoint
        made.run = "async" if asyncio.iscoroutinefunction(endpoint) else "thread"
        made.parameters = parameters
        for name, value in options.items():
            setattr(made, name, value)
        plan.routes.append(made)
        return endpoint

    return take


def query(name: str, convert: str, default: Any, **bounds: Any) -> ParameterPlan:
    """An optional parameter of the query."""
    return ParameterPlan(
        name, "query", convert=convert, required=False, default=default, keyword_only=True, **bounds
    )


BOUNDED = (
    query("i", "int", 5, ge=3, le=10),
    query("j", "int", 5, gt=3, lt=10),
    query("f", "float", 1.0, ge=0.5, le=10),
    query("g", "float", 1.0, gt=0.5, lt=10),
    query("s", "str", "abc", min_length=2, max_length=4),
    query("one", "str", "a", min_length=1, max_length=1),
    query("big", "int", 0, ge=-(10**30), le=10**30),
    query("n", "int", None, ge=1),
)


@route("/bounds", *BOUNDED)
async def bounds(**values: Any) -> dict[str, Any]:
    """One parameter for each kind of bound."""
    return values


PLACES = (
    ParameterPlan("c", "cookie", convert="int", keyword_only=True),
    ParameterPlan("h", "header", convert="int", keyword_only=True),
    ParameterPlan("q", "query", convert="int", keyword_only=True),
    ParameterPlan("item", "path", convert="int", keyword_only=True),
)


@route("/order/{p0}", *PLACES, path_parameters=(("item", "str"),))
async def places(**values: Any) -> dict[str, Any]:
    """One parameter for each place."""
    return values


@route(
    "/names",
    ParameterPlan("token", "header", alias="x-token"),
    ParameterPlan("session", "cookie", required=False, default="none"),
    ParameterPlan("theme", "cookie", required=False, default=None),
    ParameterPlan("last", "query", required=False, default=None),
    ParameterPlan("again", "query", alias="last", required=False, default=None),
)
async def names(*values: Any) -> tuple[Any, ...]:
    """Header fields, cookies and a query with one name twice."""
    return values


@route("/json", ParameterPlan("body", "json_body"), methods=("POST",), result="json")
async def json_body(body: bytes) -> bytes:
    """The body is the answer."""
    assert type(body) is bytes
    return body


@route("/json/def", ParameterPlan("body", "json_body"), methods=("POST",), result="json")
def json_body_on_a_thread(body: bytes) -> bytes:
    """The same on a thread."""
    return body


async def general(request: Any) -> Response:
    """Answers in an endpoint's place."""
    body = await request.body()
    return PlainTextResponse(f"general: {request.url.path} {len(body)}")


@route(
    "/general/{p0}",
    ParameterPlan("number", "path", convert="int"),
    ParameterPlan("body", "json_body"),
    path_parameters=(("number", "str"),),
    methods=("POST",),
    general=general,
)
async def with_general(number: int, body: bytes) -> dict[str, Any]:
    """A body and a number, or the general path."""
    return {"number": number, "body": json.loads(body)}


@route("/body", ParameterPlan("body", "body"), methods=("POST",))
async def any_body(body: bytes) -> int:
    """All of any body."""
    return len(body)


@route(
    "/native/{p0}",
    ParameterPlan("native", "native"),
    ParameterPlan("request", "request"),
    path_parameters=(("ident", "int"),),
    methods=("GET", "POST"),
    app=SIDE,
    root_path="/mounted",
    route="the route",
)
async def native(native: Any, request: Any) -> dict[str, Any]:
    """What Rust's own request object tells."""
    assert request.native is native
    return {
        "method": native.method,
        "path": native.path,
        "raw_path": native.raw_path,
        "query": native.query_string,
        "headers": native.header(b"X-One"),
        "absent": native.header(b"x-two"),
        "http_version": native.http_version,
        "scheme": native.scheme,
        "server": native.server_address is not None and native.server_address[0],
        "client": native.client_address[0],
        "root_path": native.root_path,
        "app": native.app.title,
        "path_params": native.path_params,
        "same_params": native.path_params is native.path_params,
        "route": native.route,
        "endpoint": native.endpoint.__name__,
        "state": native.lifespan_state,
        "raw": [name for name, _ in native.raw_headers if name.startswith(b"x-")],
    }


@route("/status", status_code=201, result="json")
async def created() -> bytes:
    """The plan's status."""
    return b'{"made":1}'


@route("/nothing", status_code=204, result="json")
async def no_content() -> bytes:
    """A status that has no body."""
    return b"null"


@route("/json/value", result="json")
async def json_value() -> dict[str, int]:
    """What is not bytes is converted."""
    return {"a": 1}


DONE: list[str] = []


@route("/json/background", result="json")
async def with_background() -> tuple[bytes, Callable[[], Awaitable[None]]]:
    """Work for after the answer."""

    async def later() -> None:
        await asyncio.sleep(0)
        DONE.append("background")

    return b"[]", later


@route("/done")
async def done() -> list[str]:
    """What has run after answers."""
    return DONE


async def on_error(request: Any, error: Exception) -> Response:
    """Answers for exceptions."""
    if "broken" in request.url.path:
        raise LookupError("on_error is broken")
    if "waits" in request.url.path:
        await asyncio.sleep(0.01)
    content = {"error": type(error).__name__, "path": request.url.path, "x": request.headers["x"]}
    return JSONResponse(content, 418)


@route("/error/async", on_error=on_error)
async def fails() -> None:
    """In the first step."""
    raise Refusal


@route("/error/waits", on_error=on_error)
async def fails_later() -> None:
    """After a wait; ``on_error`` waits too."""
    await asyncio.sleep(0.01)
    raise Refusal


@route("/error/request", ParameterPlan("request", "request"), on_error=on_error)
async def fails_with_request(request: Any) -> None:
    """With the request at hand."""
    await asyncio.sleep(0)
    raise Refusal(request.method)


@route("/error/def", on_error=on_error)
def fails_on_a_thread() -> None:
    """On a thread."""
    raise Refusal


@route("/error/inline", on_error=on_error, run="inline")
def fails_inline() -> None:
    """On the shard."""
    raise Refusal


@route("/error/no-json", on_error=on_error)
async def has_no_json() -> Any:
    """The conversion of the result fails."""
    return {"socket": object.__new__(object)}


@route("/error/no-json/def", on_error=on_error)
def has_no_json_on_a_thread() -> Any:
    """The conversion fails on a thread."""
    return float("nan")


@route("/error/header", on_error=on_error)
async def has_bad_header() -> Response:
    """A header that cannot be sent."""
    response = PlainTextResponse("x")
    response.raw_headers.append((b"x-bad", b"a\r\nx-injected: 1"))
    return response


@route("/error/header/logged")
async def has_bad_header_unhandled() -> Response:
    """The same, without ``on_error``."""
    response = PlainTextResponse("x")
    response.raw_headers.append((b"x-bad", b"a\x00b"))
    return response


@route("/error/call", ParameterPlan("surplus", "query", required=False), on_error=on_error)
async def takes_nothing() -> None:
    """The call itself fails."""


@route("/error/broken", on_error=on_error)
async def fails_twice() -> None:
    """``on_error`` fails too."""
    raise Refusal


@route("/error/http", on_error=on_error)
async def http_by_rust() -> None:
    """Rust answers an HTTPException first."""
    raise HTTPException(409, "conflict", headers={"X-Reason": "é", "Content-Type": "text/x"})


@route("/error/http/on_error", on_error=on_error, http_exceptions=False)
async def http_by_on_error() -> None:
    """``on_error`` answers an HTTPException."""
    raise HTTPException(409, "conflict")


@route("/error/exit", on_error=on_error)
async def exits() -> None:
    """Not an ``Exception``."""
    raise SystemExit(3)


async def failing_general(request: Any) -> Response:
    """The general path fails."""
    raise Refusal(request.url.path)


NUMBER = ParameterPlan("number", "query", convert="int")


@route("/error/general", NUMBER, general=failing_general, on_error=on_error)
async def needs_number(number: int) -> int:
    """Its general path fails."""
    return number


async def pieces() -> AsyncIterator[bytes]:
    """Pieces."""
    yield b"one,"
    await asyncio.sleep(0)
    yield b"two"


async def streaming_on_error(request: Any, error: Exception) -> Response:
    """A streamed answer for an exception."""

    async def later() -> None:
        DONE.append(f"{type(error).__name__} {request.method}")

    return StreamingResponse(pieces(), 500, background=later)


@route("/error/stream", on_error=streaming_on_error)
async def fails_into_a_stream() -> None:
    """Answered by a stream."""
    raise Refusal


class Foreign:
    """A response of somebody else's."""

    status_code = 203
    background = None

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.raw_headers = [(b"X-From", b"elsewhere"), (b"Content-Length", b"7")]


class ForeignStream:
    """A streamed response of somebody else's."""

    status_code = 203
    background = None
    charset = "utf-8"

    def __init__(self) -> None:
        self.raw_headers = [(b"x-from", b"elsewhere")]
        self.body_iterator = pieces()


@route("/foreign")
async def foreign() -> Any:
    """Known by what it has."""
    return Foreign(b"foreign")


@route("/foreign/stream")
async def foreign_stream() -> Any:
    """A stream, known by what it has."""
    return ForeignStream()


@route("/thread/result")
async def thread_result() -> dict[str, Any]:
    """A function's result, its context and its thread."""
    NAME.set("somebody")

    def look(a: int, *, b: int) -> tuple[int, str, bool]:
        name = NAME.get()
        NAME.set("thread")
        return a + b, name, threading.current_thread() is threading.main_thread()

    total, name, in_main = await run_in_thread(look, 1, b=2)
    return {"total": total, "name": name, "in_main": in_main, "after": NAME.get()}


@route("/thread/error")
async def thread_error() -> str:
    """A function's exception."""
    try:
        await run_in_thread(int, "x")
    except ValueError as error:
        return str(error)
    return "nothing"


@route("/thread/many")
async def thread_many() -> dict[str, Any]:
    """Awaited by the request, by tasks, by ``gather`` and with a timeout."""

    async def in_task(number: int) -> int:
        value: int = await run_in_thread(lambda: number * 2)
        return value

    gathered = await asyncio.gather(run_in_thread(lambda: 1), in_task(1), run_in_thread(sum, [3]))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(in_task(number)) for number in range(200)]
    shielded = await asyncio.shield(run_in_thread(lambda: "shielded"))
    waited = await asyncio.wait_for(run_in_thread(lambda: "waited"), 5)
    return {
        "gathered": gathered,
        "tasks": sum(task.result() for task in tasks),
        "shielded": shielded,
        "waited": waited,
    }


@route("/thread/cancel")
async def thread_cancel() -> dict[str, Any]:
    """A timeout lets the thread finish."""
    release = threading.Event()
    finished: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def hold() -> None:
        release.wait(10)
        loop.call_soon_threadsafe(finished.put_nowait, "finished")

    async def in_task() -> None:
        await run_in_thread(hold)

    outcomes = []
    try:
        async with asyncio.timeout(0.02):
            await run_in_thread(hold)
    except TimeoutError:
        outcomes.append("timeout")
    task = asyncio.create_task(in_task())
    await asyncio.sleep(0.01)
    task.cancel("enough")
    try:
        await task
    except asyncio.CancelledError as error:
        outcomes.append(str(error))
    release.set()
    return {"outcomes": outcomes, "finished": [await finished.get(), await finished.get()]}


@route("/any", methods=("*",))
async def any_method() -> str:
    """Every method."""
    return "any"


@route("/slash/")
async def slash() -> str:
    """Only with its slash."""
    return "slash"


async def missing(request: Any) -> Response:
    """What no route answers."""
    return PlainTextResponse(f"{request.method} {request.url.path}", 404)


fallback = RoutePlan("", (), "")
fallback.endpoint = missing
fallback.parameters = (ParameterPlan("request", "request"),)
plan.fallback = fallback
