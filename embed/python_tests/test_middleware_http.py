"""Middleware around requests: functions, errors, authentication, body bounds, WSGI."""

import asyncio

import pytest

from fasterapi.authentication import (
    AuthCredentials,
    AuthenticationError,
    SimpleUser,
    requires,
)
from fasterapi.exceptions import HTTPException
from fasterapi.middleware import Middleware
from fasterapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fasterapi.middleware.authentication import AuthenticationMiddleware
from fasterapi.middleware.base import BaseHTTPMiddleware
from fasterapi.middleware.body_limit import RequestBodyLimitMiddleware
from fasterapi.middleware.errors import ServerErrorMiddleware
from fasterapi.middleware.exceptions import ExceptionMiddleware
from fasterapi.middleware.wsgi import WSGIMiddleware
from fasterapi.requests import Request
from fasterapi.responses import PlainTextResponse, StreamingResponse
from middleware_support import Answer, ask, plain, run, scope


async def echo(scope, receive, send):
    body = await Request(scope, receive).body()
    await PlainTextResponse(b"got " + body)(scope, receive, send)


def test_middleware_is_a_triple():
    middleware = Middleware(BaseHTTPMiddleware, 1, dispatch=None)
    assert list(middleware) == [BaseHTTPMiddleware, (1,), {"dispatch": None}]
    assert repr(middleware) == "Middleware(BaseHTTPMiddleware, 1, dispatch=None)"


def test_dispatch_changes_the_response():
    async def dispatch(request, call_next):
        request.state.seen = True
        response = await call_next(request)
        response.headers["x-path"] = request.url.path
        response.status_code += 1
        return response

    inner = plain(pieces=[b"a", b"b"], headers=[("x-one", "1")])
    answer = run(BaseHTTPMiddleware(inner, dispatch), scope("/p", headers=[("host", "a")]))
    assert answer.status == 201
    assert answer.fields == [("x-one", "1"), ("x-path", "/p")]
    assert answer.pieces == [b"a", b"b", b""]


def test_a_body_can_be_read_twice_but_a_stream_cannot():
    async def body(request, call_next):
        assert await request.body() == b"onetwo"
        return await call_next(request)

    async def stream(request, call_next):
        assert b"".join([chunk async for chunk in request.stream()]) == b"onetwo"
        return await call_next(request)

    async def late(request, call_next):
        await call_next(request)
        with pytest.raises(RuntimeError, match="Stream consumed"):
            await request.body()
        return PlainTextResponse("late")

    async def none(request, call_next):
        return await call_next(request)

    expected = {body: b"got onetwo", stream: b"got ", late: b"late", none: b"got onetwo"}
    for dispatch, answer in expected.items():
        app = BaseHTTPMiddleware(BaseHTTPMiddleware(echo, dispatch), none)
        assert run(app, scope(method="POST"), [b"one", b"two"]).body == answer


def test_a_form_can_be_read_twice():
    async def dispatch(request, call_next):
        assert (await request.form())["a"] == "1"
        async with request.form() as form:
            assert form["b"] == "2"
        return await call_next(request)

    headers = [("content-type", "application/x-www-form-urlencoded")]
    asked = scope(method="POST", headers=headers)
    assert run(BaseHTTPMiddleware(echo, dispatch), asked, [b"a=1&", b"b=2"]).body == b"got a=1&b=2"


def test_exceptions_pass_through():
    async def fails(scope, receive, send):
        raise KeyError("mine")

    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise KeyError("mine")

    async def silent(scope, receive, send):
        pass

    async def dispatch(request, call_next):
        return await call_next(request)

    async def catches(request, call_next):
        try:
            return await call_next(request)
        except KeyError:
            return PlainTextResponse("caught")

    for app in (fails, half):
        with pytest.raises(KeyError, match="mine"):
            run(BaseHTTPMiddleware(app, dispatch), scope())
    with pytest.raises(RuntimeError, match="No response returned"):
        run(BaseHTTPMiddleware(silent, dispatch), scope())
    assert run(BaseHTTPMiddleware(fails, catches), scope()).body == b"caught"


def test_background_work_comes_after_the_answer_and_its_errors_too():
    order = []

    async def inner(scope, receive, send):
        await plain(b"hello")(scope, receive, send)
        assert (await receive())["type"] == "http.disconnect"
        order.append("background")
        raise KeyError("late")

    async def dispatch(request, call_next):
        return await call_next(request)

    async def outer(scope, receive, send):
        async def watched(message):
            order.append(message["type"].rpartition(".")[2])
            await send(message)

        await BaseHTTPMiddleware(inner, dispatch)(scope, receive, watched)

    with pytest.raises(KeyError, match="late"):
        run(outer, scope())
    assert order == ["start", "body", "body", "background"]


def test_a_response_in_place_of_the_applications():
    finished = []

    async def inner(scope, receive, send):
        await plain(pieces=[b"x"] * 5)(scope, receive, send)
        finished.append(True)

    async def dispatch(request, call_next):
        await call_next(request)
        return PlainTextResponse("other")

    assert run(BaseHTTPMiddleware(inner, dispatch), scope()).body == b"other"
    assert finished == [True]


def test_a_timeout_around_call_next_ends_the_application():
    ended = []

    async def slow(scope, receive, send):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append(True)
            raise

    async def dispatch(request, call_next):
        try:
            return await asyncio.wait_for(call_next(request), 0.01)
        except TimeoutError:
            return PlainTextResponse("slow", 504)

    assert run(BaseHTTPMiddleware(slow, dispatch), scope()).status == 504
    assert ended == [True]


def test_the_application_ends_with_its_request():
    ended = []

    async def endless():
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)
        finally:
            ended.append(True)

    async def dispatch(request, call_next):
        return await call_next(request)

    async def leave():
        inner = StreamingResponse(endless())
        asking = asyncio.ensure_future(ask(BaseHTTPMiddleware(inner, dispatch), scope()))
        await asyncio.sleep(0.02)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0.01)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others

    asyncio.run(leave())


def test_errors_are_answered_and_raised_again():
    async def fails(scope, receive, send):
        raise ValueError("<secret>")

    def handler(request, exc):
        return PlainTextResponse(f"{request.url.path} {exc}", 500)

    async def messages(app, headers=()):
        sent = []

        async def send(message):
            sent.append({"headers": [], **message})

        with pytest.raises(ValueError, match="secret"):
            await app(scope("/p", headers=[("host", "a"), *headers]), None, send)
        return Answer(sent)

    def answer(headers=(), **options):
        return asyncio.run(messages(ServerErrorMiddleware(fails, **options), headers))

    assert answer().body == b"Internal Server Error"
    assert answer(handler=handler).body == b"/p <secret>"
    text = answer(debug=True)
    assert text.body.startswith(b"Traceback")
    assert b"ValueError: <secret>" in text.body
    page = answer([("accept", "text/html")], debug=True)
    assert page.status == 500
    assert page.field("content-type") == "text/html; charset=utf-8"
    assert b"ValueError: &lt;secret&gt;" in page.body
    assert b"<secret>" not in page.body
    assert b"in <b>fails</b>" in page.body


def test_the_nearest_handler_answers():
    class Parent(Exception):
        pass

    class Child(Parent):
        pass

    async def parent(request, exc):
        return PlainTextResponse("parent")

    def teapot(request, exc):
        return PlainTextResponse("teapot", 418)

    def answer(exc, handlers):
        async def fails(scope, receive, send):
            raise exc

        return run(ExceptionMiddleware(fails, handlers), scope())

    assert answer(Child(), {Parent: parent}).body == b"parent"
    assert answer(HTTPException(418), {418: teapot, HTTPException: parent}).body == b"teapot"
    assert answer(HTTPException(404), {418: teapot}).body == b"Not Found"
    assert answer(HTTPException(304), {}).body == b""
    with pytest.raises(Child):
        answer(Child(), {418: teapot})


def test_an_answer_that_has_begun_cannot_be_replaced():
    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise HTTPException(404)

    with pytest.raises(RuntimeError, match="after the answer had begun"):
        run(ExceptionMiddleware(half), scope())


class Backend:
    async def authenticate(self, conn):
        name = conn.headers.get("x-user")
        if name == "bad":
            raise AuthenticationError("who?")
        return None if name is None else (AuthCredentials(["read"]), SimpleUser(name))


def test_authentication():
    @requires("read")
    async def handler(request):
        return PlainTextResponse(request.user.display_name)

    @requires(["read"], status_code=401)
    def plain_handler(request):
        return PlainTextResponse(request.user.display_name)

    async def app(scope, receive, send):
        request = Request(scope, receive)
        path = scope["path"]
        try:
            answer = plain_handler(request) if path == "/def" else await handler(request)
        except HTTPException as exc:
            answer = PlainTextResponse("no", exc.status_code)
        await answer(scope, receive, send)

    app = AuthenticationMiddleware(app, Backend())
    for path, status in [("/", 403), ("/def", 401)]:
        answer = run(app, scope(path, headers=[("x-user", "ann")]))
        assert (answer.status, answer.body) == (200, b"ann")
        assert run(app, scope(path)).status == status
    answer = run(app, scope(headers=[("x-user", "bad")]))
    assert (answer.status, answer.body) == (400, b"who?")
    with pytest.raises(Exception, match='No "request" or "websocket"'):
        requires("read")(lambda: None)


def test_bodies_are_bounded():
    app = RequestBodyLimitMiddleware(ExceptionMiddleware(echo), 5)
    assert run(app, scope(), [b"123", b"45"]).body == b"got 12345"
    answer = run(app, scope(), [b"123", b"456"])
    assert (answer.status, answer.body) == (413, b"Content Too Large")
    declared = scope(headers=[("content-length", "6")])
    assert run(app, declared).status == 413
    # Nobody reads it.
    assert run(RequestBodyLimitMiddleware(plain(), 5), declared).status == 413
    # The inner bound is the one that holds.
    larger = RequestBodyLimitMiddleware(RequestBodyLimitMiddleware(echo, 10), 5)
    assert run(larger, scope(), [b"123456"]).body == b"got 123456"
    smaller = RequestBodyLimitMiddleware(RequestBodyLimitMiddleware(echo, 3), 5)
    assert run(smaller, scope(), [b"1234"]).status == 413


def test_the_exit_stack_closes_at_the_end():
    order = []

    async def inner(scope, receive, send):
        scope["fastapi_middleware_astack"].callback(order.append, "closed")
        await plain()(scope, receive, send)
        order.append("answered")

    run(AsyncExitStackMiddleware(inner), scope())
    assert order == ["answered", "closed"]


def test_wsgi():
    closed = []

    class Pieces:
        def __init__(self, *pieces):
            self.pieces = pieces

        def __iter__(self):
            return iter(self.pieces)

        def close(self):
            closed.append(True)

    def app(environ, start_response):
        body = environ["wsgi.input"].read()
        write = start_response("201 Created", [("X-One", "1"), ("X-One", "2")])
        write(b"written;")
        names = ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_X_A", "SERVER_PORT")
        text = "|".join(environ.get(name, "-") for name in names)
        assert "HTTP_X_B" not in environ
        return Pieces(text.encode(), b"", b"|" + body)

    headers = [("X-A", "1"), ("X-A", "2"), ("X_B", "smuggled")]
    asked = scope("/base/\u00e4", "POST", headers, root_path="/base", query_string=b"q=1")
    answer = run(WSGIMiddleware(app), asked, [b"one", b"two"])
    assert answer.status == 201
    assert answer.fields == [("x-one", "1"), ("x-one", "2")]
    assert answer.body == "written;/base|/\u00c3\u00a4|q=1|1,2|8000|onetwo".encode()
    assert closed == [True]


def test_wsgi_errors_pass():
    def fails(environ, start_response):
        raise KeyError("mine")

    def silent(environ, start_response):
        return []

    def replaced(environ, start_response):
        start_response("200 OK", [])
        try:
            raise KeyError("mine")
        except KeyError:
            import sys

            start_response("500 Failed", [], sys.exc_info())
        return [b"failed"]

    with pytest.raises(KeyError):
        run(WSGIMiddleware(fails), scope())
    with pytest.raises(AssertionError, match="start_response"):
        run(WSGIMiddleware(silent), scope())
    assert run(WSGIMiddleware(replaced), scope()).status == 500
