"""From a request to a response: models, classes, statuses, streams, files, errors."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Iterable
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from fasterapi import Body, Depends, FasterAPI, Response, StaticFiles
from fasterapi.exceptions import FastAPIError, ResponseValidationError, RouteError
from fasterapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse
from fasterapi.sse import EventSourceResponse, ServerSentEvent, format_sse_event


def ask(app: Any, path: str = "/", method: str = "GET", **options: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(run())


class Item(BaseModel):
    name: str
    price: float | None = None


class Full(Item):
    secret: str = "x"


def app_with(handler: Any, **options: Any) -> FasterAPI:
    app = FasterAPI()
    app.get("/", **options)(handler)
    return app


@pytest.mark.skipif(
    not hasattr(inspect, "markcoroutinefunction"), reason="it is new in Python 3.12"
)
def test_a_function_marked_as_a_coroutine_is_awaited() -> None:
    """As an endpoint and as a dependency."""

    async def told(text: str) -> str:
        return text

    def dependency() -> Any:
        return told("dependency")

    needed = Depends(dependency)

    def endpoint(value: Any = needed) -> Any:
        return told(f"endpoint of {value}")

    for function in (dependency, endpoint):
        inspect.markcoroutinefunction(function)  # type: ignore[attr-defined,unused-ignore]
    app = FasterAPI()
    app.get("/")(endpoint)
    assert ask(app).json() == "endpoint of dependency"


def test_the_response_model_filters() -> None:
    async def handler() -> Item:
        return Full(name="a")

    assert ask(app_with(handler)).json() == {"name": "a", "price": None}
    unset = app_with(handler, response_model_exclude_unset=True)
    assert ask(unset).json() == {"name": "a"}
    assert ask(app_with(handler, response_model=None)).json()["secret"] == "x"
    assert ask(app_with(handler, response_model_include={"price"})).json() == {"price": None}
    assert ask(app_with(handler, response_model=Full)).json()["secret"] == "x"


def test_what_does_not_fit_the_model() -> None:
    def handler() -> dict[str, int]:
        return {"a": "b"}  # type: ignore[dict-item]

    with pytest.raises(ResponseValidationError) as caught:
        ask(app_with(handler))
    assert caught.value.body == {"a": "b"}
    assert caught.value.endpoint_path == "GET /"
    assert caught.value.errors()[0]["loc"] == ("response", "a")
    with pytest.raises(FastAPIError, match="Invalid args for response field"):
        app_with(handler, response_model=FasterAPI)


def test_statuses_and_classes() -> None:
    async def handler(response: Response) -> Any:
        response.headers["x-a"] = "b"
        response.set_cookie("c", "d")
        return {"a": 1}

    answer = ask(app_with(handler, status_code=HTTPStatus.CREATED))
    assert (answer.status_code, answer.headers["x-a"], answer.cookies["c"]) == (201, "b", "d")
    assert ask(app_with(handler, status_code=204, response_model=None)).content == b""

    async def chosen(response: Response) -> str:
        response.status_code = 202
        return "<p>"

    page = ask(app_with(chosen, response_class=HTMLResponse))
    assert (page.status_code, page.text) == (202, "<p>")
    with pytest.raises(AssertionError, match="must not have a response body"):
        app_with(chosen, status_code=204)

    def direct() -> JSONResponse:
        return JSONResponse([1], 299)

    assert ask(app_with(direct)).status_code == 299


def test_invalid_requests() -> None:
    app = FasterAPI()

    @app.post("/")
    def handler(item: Item, n: int = Body()) -> Any: ...

    answer = ask(app, method="POST", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["type"] == "json_invalid"
    missing = ask(app, method="POST", json={"n": "x"}).json()["detail"]
    assert [error["loc"] for error in missing] == [["body", "item"], ["body", "n"]]
    with pytest.raises(RouteError, match="callable"):
        app.get("/x")(3)  # type: ignore[type-var]


def test_json_lines() -> None:
    async def items() -> AsyncIterable[Item]:
        yield Full(name="a")
        yield Full(name="b")

    def plain() -> Iterable[Any]:
        yield {"n": float("nan")}

    answer = ask(app_with(items))
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.text == '{"name":"a","price":null}\n{"name":"b","price":null}\n'
    assert ask(app_with(plain)).json() == {"n": None}


def test_raw_streams() -> None:
    async def chunks() -> AsyncIterable[str]:
        yield "a"
        yield "b"

    assert ask(app_with(chunks, response_class=StreamingResponse)).text == "ab"


def test_events() -> None:
    closed: list[str] = []

    async def events() -> AsyncIterable[Any]:
        try:
            yield {"a": 1}
            yield ServerSentEvent(data=[1], event="e", id="7", retry=5)
            yield ServerSentEvent(raw_data="x\ny", comment="c")
        finally:
            closed.append("closed")

    answer = ask(app_with(events, response_class=EventSourceResponse))
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.text == (
        'data: {"a":1}\n\nevent: e\ndata: [1]\nid: 7\nretry: 5\n\n: c\ndata: x\ndata: y\n\n'
    )
    assert closed == ["closed"]
    assert format_sse_event(data_str="a\r\nb\rc") == b"data: a\ndata: b\ndata: c\n\n"


def test_slow_events_are_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fasterapi.routing._PING_INTERVAL", 0.01)

    async def events() -> AsyncIterable[Any]:
        await asyncio.sleep(0.05)
        yield 1

    answer = ask(app_with(events, response_class=EventSourceResponse))
    assert answer.text.startswith(": ping\n\n")
    assert answer.text.endswith("data: 1\n\n")


def test_a_failing_stream_raises() -> None:
    async def events() -> AsyncIterable[Any]:
        yield 1
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        ask(app_with(events, response_class=EventSourceResponse))


@pytest.mark.parametrize(
    ("asked", "status", "content", "range_"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=5-6,0-4", 206, b"0123456", "bytes 0-6/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=4-2", 400, None, None),
        ("items=1-2", 400, None, None),
    ],
)
def test_file_ranges(tmp_path: Any, asked: Any, status: int, content: Any, range_: Any) -> None:
    path = tmp_path / "f.txt"
    path.write_bytes(b"0123456789")

    async def handler() -> FileResponse:
        return FileResponse(path)

    answer = ask(app_with(handler), headers={"range": asked} if asked else {})
    assert answer.status_code == status
    if content is not None:
        assert answer.content == content
    assert answer.headers.get("content-range") == range_


def test_several_ranges(tmp_path: Any) -> None:
    path = tmp_path / "f.txt"
    path.write_bytes(b"0123456789")

    async def handler() -> FileResponse:
        return FileResponse(path)

    answer = ask(app_with(handler), headers={"range": "bytes=0-1,5-6"})
    assert answer.status_code == 206
    assert answer.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert b"Content-Range: bytes 5-6/10\r\n\r\n56\r\n" in answer.content


def test_static_files(tmp_path: Any) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "index.html").write_text("index")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "public" / "link").symlink_to(tmp_path / "secret")
    app = FasterAPI()
    app.mount("/s", StaticFiles(directory=tmp_path / "public", html=True))
    first = ask(app, "/s/index.html")
    assert first.text == "index"
    again = ask(app, "/s/index.html", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert ask(app, "/s/").text == "index"
    for path in ("/s/../secret", "/s/%2e%2e/secret", "/s/..%2fsecret", "/s/link", "/s/a%00"):
        assert ask(app, path).status_code == 404
    assert ask(app, "/s/index.html", "POST").status_code == 405


def test_a_line_break_in_a_field_is_refused() -> None:
    async def handler() -> Response:
        return Response(headers={"x": "a\r\nset-cookie: b"})

    with pytest.raises(ValueError, match="line break"):
        ask(app_with(handler))
