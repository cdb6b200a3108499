"""The general path of one route for the Rust server, without ASGI messages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fasterapi import BackgroundTasks, Depends, FasterAPI, HTTPException, Request, Response
from fasterapi import _native as native
from fasterapi.exceptions import FastAPIError, RequestValidationError
from fasterapi.requests import NativeRequest
from fasterapi.responses import PlainTextResponse
from fasterapi.routing import APIRoute


class FakeRequest:
    """What Rust's class gives."""

    def __init__(self, app: FasterAPI, **parts: Any) -> None:
        self.app = self.main_app = app
        self.route = None
        self.main_root_path = ""
        self.method = "GET"
        self.path, self.raw_path = "/", b"/"
        self.query_string = b""
        self.raw_headers = [(b"host", b"h")]
        self.http_version, self.scheme, self.root_path = "1.1", "http", ""
        self.server_address = self.client_address = None
        self.path_params: dict[str, Any] = {}
        self.body = b""
        self.gone = False
        self.__dict__.update(parts)

    def _body_now(self) -> bytes:
        return self.body

    def _take_chunk(self) -> bytes:
        taken, self.body = self.body, b""
        return taken

    def _is_disconnected(self) -> bool:
        return self.gone


def request_of(app: FasterAPI, **parts: Any) -> Any:
    return NativeRequest(FakeRequest(app, **parts))


def route_of(app: FasterAPI) -> Any:
    return app.routes[-1]


def serve(app: FasterAPI, **parts: Any) -> Response:
    return asyncio.run(native.serve_route(route_of(app), request_of(app, **parts)))


def test_a_route_answers() -> None:
    app = FasterAPI()

    @app.get("/")
    def handler(q: int, request: Request) -> dict[str, Any]:
        return {"q": q, "method": request.method}

    assert serve(app, query_string=b"q=3").body == b'{"q":3,"method":"GET"}'
    with pytest.raises(RequestValidationError) as caught:
        serve(app, query_string=b"q=x")
    assert caught.value.endpoint_function == "handler"
    assert caught.value.endpoint_path == "GET /"


def test_the_order_of_cleaning_up() -> None:
    log: list[str] = []
    app = FasterAPI()

    async def of_request() -> Any:
        yield
        log.append("request closed")

    async def of_function() -> Any:
        yield
        log.append("function closed")

    @app.get("/", dependencies=[Depends(of_request), Depends(of_function, scope="function")])
    async def handler(tasks: BackgroundTasks) -> dict[str, int]:
        tasks.add_task(log.append, "task")
        return {}

    async def run() -> None:
        response = await native.serve_route(route_of(app), request_of(app))
        log.append("sent")
        await response.background()

    asyncio.run(run())
    assert log == ["function closed", "sent", "task", "request closed"]


def test_errors_reach_the_dependencies() -> None:
    log: list[str] = []
    app = FasterAPI()

    async def dependency() -> Any:
        try:
            yield
        except LookupError:
            log.append("seen")
            raise

    @app.get("/", dependencies=[Depends(dependency)])
    async def handler() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        serve(app)
    assert log == ["seen"]


def test_an_error_in_a_task_reaches_the_dependencies() -> None:
    log: list[str] = []
    app = FasterAPI()

    async def dependency() -> Any:
        try:
            yield
        finally:
            log.append("closed")

    def fails() -> None:
        raise LookupError("late")

    @app.get("/", dependencies=[Depends(dependency)])
    async def handler(tasks: BackgroundTasks) -> None:
        tasks.add_task(fails)

    async def run() -> None:
        response = await native.serve_route(route_of(app), request_of(app))
        assert log == []
        with pytest.raises(LookupError, match="late"):
            await response.background()

    asyncio.run(run())
    assert log == ["closed"]


def test_a_swallowed_error() -> None:
    app = FasterAPI()

    async def dependency() -> Any:
        try:  # noqa: SIM105
            yield
        except LookupError:
            pass

    @app.get("/", dependencies=[Depends(dependency)])
    async def handler() -> None:
        raise LookupError

    with pytest.raises(FastAPIError, match="swallows"):
        serve(app)


def test_a_routes_own_bound() -> None:
    app = FasterAPI()

    @app.post("/", max_body_size=3)
    async def handler(request: Request) -> int:
        return len(await request.body())

    assert serve(app, method="POST", body=b"abc").body == b"3"
    for parts in ({"body": b"abcd"}, {"raw_headers": [(b"content-length", b"4")]}):
        with pytest.raises(HTTPException, match="413"):
            serve(app, method="POST", **parts)


def test_a_custom_route_class() -> None:
    class Shouting(APIRoute):
        def get_route_handler(self) -> Any:
            original = super().get_route_handler()

            async def handle(request: Request) -> Response:
                # Its own request over the scope: the stacks must be found there.
                response = await original(Request(request.scope, request.receive))
                response.headers["x-loud"] = "yes"
                return response

            return handle

    app = FasterAPI()
    app.router.route_class = Shouting

    async def dependency() -> Any:
        yield 5

    @app.get("/")
    async def handler(five: int = Depends(dependency)) -> int:
        return five

    response = serve(app)
    assert (response.body, response.headers["x-loud"]) == (b"5", "yes")


def handled(app: FasterAPI, error: Exception) -> Response:
    return asyncio.run(native.handle_exception(app, request_of(app), error))


def test_exception_handlers() -> None:
    app = FasterAPI()
    assert handled(app, HTTPException(418, "tea")).body == b'{"detail":"tea"}'
    assert handled(app, RequestValidationError([{"a": 1}])).status_code == 422
    with pytest.raises(LookupError):
        handled(app, KeyError())

    @app.exception_handler(LookupError)
    def by_base(request: Request, error: Exception) -> Response:
        return PlainTextResponse(type(error).__name__, 400)

    @app.exception_handler(404)
    async def by_status(request: Request, error: Exception) -> Response:
        return PlainTextResponse("no such thing", 404)

    assert handled(app, KeyError()).body == b"KeyError"
    assert handled(app, HTTPException(404)).body == b"no such thing"


def test_the_last_resort() -> None:
    async def handler(request: Any, error: Exception) -> Response:
        return PlainTextResponse("sorry", 500)

    async def run() -> None:
        error = LookupError("mine")
        response = await native.answer_server_error(handler, None, error)
        assert response.body == b"sorry"
        with pytest.raises(LookupError, match="mine"):
            await response.background()

    asyncio.run(run())


async def collected(response: Any) -> bytes:
    return b"".join([chunk async for chunk in response.body_iterator])


def test_an_asgi_application_is_streamed() -> None:
    log: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 201, "headers": [(b"X-A", b"b")]})
        for index in range(20):
            await send({"type": "http.response.body", "body": body, "more_body": index < 19})
            log.append("sent")
        log.append("after")

    async def run() -> None:
        response: Any = await native.serve_asgi(app, request_of(FasterAPI(), body=b"xy"))
        assert (response.status_code, response.raw_headers) == (201, [(b"x-a", b"b")])
        await asyncio.sleep(0.01)
        assert len(log) < 8  # it may not run ahead of a slow client
        assert await collected(response) == b"xy" * 20
        await response.background()
        assert log[-1] == "after"

    asyncio.run(run())


def test_errors_of_an_asgi_application() -> None:
    async def before(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("before")

    async def within(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        raise LookupError("within")

    async def silent(scope: Any, receive: Any, send: Any) -> None: ...

    async def run() -> None:
        for app, error in ((before, LookupError), (silent, RuntimeError)):
            with pytest.raises(error):
                await native.serve_asgi(app, request_of(FasterAPI()))
        response = await native.serve_asgi(within, request_of(FasterAPI()))
        with pytest.raises(LookupError, match="within"):
            await collected(response)

    asyncio.run(run())


def test_a_client_that_goes_ends_the_asgi_application() -> None:
    log: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        finally:
            log.append("ended")

    async def run() -> None:
        response: Any = await native.serve_asgi(app, request_of(FasterAPI()))
        await response.body_iterator.__anext__()
        await response.body_iterator.aclose()
        assert log == ["ended"]

    asyncio.run(run())
