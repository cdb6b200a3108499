"""The middleware of an application around calls from Rust, without ASGI messages."""

import asyncio
import gzip
from typing import Annotated, Any

import pytest

from fasterapi import Depends, FasterAPI, HTTPException, Request, Response
from fasterapi._plan import compile_app
from fasterapi.middleware.base import BaseHTTPMiddleware
from fasterapi.middleware.cors import CORSMiddleware
from fasterapi.middleware.gzip import GZipMiddleware
from fasterapi.middleware.httpsredirect import HTTPSRedirectMiddleware
from fasterapi.middleware.trustedhost import TrustedHostMiddleware
from fasterapi.requests import NativeRequest
from fasterapi.responses import StreamingResponse


class FakeRequest:
    """What Rust's class gives."""

    def __init__(self, app: FasterAPI, path: str, method: str, fields: dict[str, str]) -> None:
        self.app = self.main_app = app
        self.route = None
        self.method = method
        self.path, self.raw_path = path, path.encode()
        self.query_string = b""
        sent = {"host": "example.org", **fields}
        self.raw_headers = [(name.encode(), value.encode()) for name, value in sent.items()]
        self.http_version, self.scheme = "1.1", "http"
        self.root_path = self.main_root_path = ""
        self.server_address = self.client_address = None
        self.path_params: dict[str, Any] = {}

    def _body_now(self) -> bytes:
        return b""

    def _is_disconnected(self) -> bool:
        return False


async def send(app: FasterAPI, path: str, method: str, fields: dict[str, str]) -> Any:
    plan = compile_app(app)
    matching = [r for r in plan.routes if r.original_path == path and method in r.methods]
    called = matching[0] if matching else plan.fallback
    assert called is not None
    assert [parameter.source for parameter in called.parameters] == ["request"]
    assert called.endpoint is not None
    request: Any = NativeRequest(FakeRequest(app, path, method, fields))
    try:
        answer = await called.endpoint(request)
    except Exception as error:
        assert called.on_error is not None
        answer = await called.on_error(request, error)
    if isinstance(answer, StreamingResponse):
        answer.whole = b"".join([bytes(chunk) async for chunk in answer.body_iterator])
    else:
        answer.whole = answer.body
    return answer


def ask(app: FasterAPI, path: str = "/", method: str = "GET", **fields: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return asyncio.run(send(app, path, method, named))


def app_with(*middleware: Any) -> FasterAPI:
    """Small and large answers, and a function outside of ``middleware``."""
    app = FasterAPI(openapi_url=None)
    for cls, options in middleware:
        app.add_middleware(cls, **options)

    @app.get("/")
    async def small() -> dict[str, int]:
        return {"a": 1}

    @app.get("/large")
    async def large() -> str:
        return "x" * 2000

    @app.get("/stream")
    async def stream() -> Any:
        yield "a"
        yield "b"

    @app.get("/refused")
    async def refused() -> None:
        raise HTTPException(409, "no")

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError("broken")

    @app.middleware("http")
    async def add_field(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-function"] = "1"
        return response

    return app


def test_a_function_changes_the_answer() -> None:
    answer = ask(app_with())
    assert (answer.whole, answer.headers["x-function"]) == (b'{"a":1}', "1")


@pytest.mark.parametrize(("path", "status"), [("/refused", 409), ("/nothing", 404)])
def test_errors_that_are_answered_pass_the_function(path: str, status: int) -> None:
    answer = ask(app_with(), path)
    assert (answer.status_code, answer.headers["x-function"]) == (status, "1")


def test_other_errors_pass_through() -> None:
    with pytest.raises(KeyError):
        ask(app_with(), "/broken")


def test_a_handler_of_all_errors_stands_outside() -> None:
    app = app_with()

    @app.exception_handler(Exception)
    async def handle(request: Request, error: Exception) -> Response:
        return Response("sorry", 500)

    answer = ask(app, "/broken")
    assert (answer.status_code, answer.whole) == (500, b"sorry")
    assert "x-function" not in answer.headers


def test_cors_inside_of_a_function() -> None:
    app = app_with((CORSMiddleware, {"allow_origins": ["http://a.example"]}))
    answer = ask(app, origin="http://a.example")
    assert answer.headers["access-control-allow-origin"] == "http://a.example"
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in ask(app, origin="http://b.example").headers


def test_a_preflight_passes_the_function() -> None:
    app = app_with((CORSMiddleware, {"allow_origins": ["*"]}))
    asked = {"origin": "http://a.example", "access_control_request_method": "GET"}
    answer = ask(app, "/", "OPTIONS", **asked)
    assert (answer.status_code, answer.whole) == (200, b"OK")
    assert answer.headers["x-function"] == "1"


def test_compression_inside_of_a_function() -> None:
    app = app_with((GZipMiddleware, {}))
    answer = ask(app, "/large", accept_encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(answer.whole))
    assert gzip.decompress(answer.whole) == b'"' + b"x" * 2000 + b'"'
    assert "content-encoding" not in ask(app, "/large").headers
    assert "content-encoding" not in ask(app, accept_encoding="gzip").headers
    streamed = ask(app, "/stream", accept_encoding="gzip")
    assert gzip.decompress(streamed.whole) == b'"a"\n"b"\n'


def test_hosts_and_https_inside_of_a_function() -> None:
    app = app_with((TrustedHostMiddleware, {"allowed_hosts": ["other.example"]}))
    assert ask(app).status_code == 400
    assert ask(app_with((TrustedHostMiddleware, {}))).status_code == 200
    redirect = ask(app_with((HTTPSRedirectMiddleware, {})))
    assert redirect.headers["location"] == "https://example.org/"
    assert redirect.headers["x-function"] == "1"


def test_a_body_is_read_and_put_back() -> None:
    app = app_with()
    seen: list[bytes] = []

    @app.middleware("http")
    async def look(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        seen.append(b"".join([chunk async for chunk in response.body_iterator]))

        async def again() -> Any:
            yield seen[0]

        response.body_iterator = again()
        return response

    assert ask(app).whole == b'{"a":1}'
    assert seen == [b'{"a":1}']


def test_a_function_answers_itself() -> None:
    app = app_with()

    @app.middleware("http")
    async def refuse(request: Request, call_next: Any) -> Any:
        return Response("no", 403)

    assert ask(app).status_code == 403


def test_a_changed_path_is_routed_again() -> None:
    app = app_with()

    @app.middleware("http")
    async def move(request: Request, call_next: Any) -> Any:
        request.scope["path"] = "/large"
        return await call_next(request)

    assert len(ask(app).whole) == 2002


def test_a_derived_class_with_dispatch_only() -> None:
    class Named(BaseHTTPMiddleware):
        def __init__(self, app: Any, name: str) -> None:
            super().__init__(app)
            self.name = name

        async def dispatch(self, request: Request, call_next: Any) -> Any:
            response = await call_next(request)
            response.headers["x-name"] = self.name
            return response

    answer = ask(app_with((Named, {"name": "n"})))
    assert (answer.headers["x-name"], answer.headers["x-function"]) == ("n", "1")


def test_an_overridden_dependency_is_found_inside() -> None:
    app = app_with()

    def dependency() -> int:
        return 1

    @app.get("/dependent")
    async def dependent(value: Annotated[int, Depends(dependency)]) -> int:
        return value

    assert ask(app, "/dependent").whole == b"1"
    app.dependency_overrides[dependency] = lambda: 2
    answer = ask(app, "/dependent")
    assert (answer.whole, answer.headers["x-function"]) == (b"2", "1")
