"""``SSE`` under an ASGI server, and what its routes are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fasterapi
from fasterapi import (
    SSE,
    APIRouter,
    Depends,
    FasterAPI,
    HTTPException,
    Request,
    Response,
    WebSocket,
)
from fasterapi.exceptions import RouteError
from fasterapi.requests import ClientDisconnect
from fasterapi.sse import EventSourceResponse, ServerSentEvent
from test_handler import ask

Message = dict[str, Any]


class Server:
    """An ASGI server of one request, whose client leaves when it is told to."""

    def __init__(self, app: Any, path: str = "/", spec: str = "2.3", **headers: str) -> None:
        self.sent: list[Message] = []
        self.leaves = asyncio.Event()
        self.app = app
        self.fails_after: int | None = None
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": spec},
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": raw,
            "server": ("test", 80),
            "scheme": "http",
        }
        self._asked = False

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.fails_after is not None and len(self.sent) >= self.fails_after:
            raise OSError("gone")
        self.sent.append(message)

    async def run(self) -> None:
        await self.app(self.scope, self.receive, self.send)

    @property
    def text(self) -> str:
        return b"".join(each.get("body", b"") for each in self.sent).decode()


def app_with(handler: Any, **options: Any) -> FasterAPI:
    app = FasterAPI()
    app.sse("/", **options)(handler)
    return app


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def test_events() -> None:
    seen: list[Any] = []

    async def handler(sse: SSE) -> None:
        seen.append((sse.is_open, sse.last_event_id, sse.connection_id))
        await sse.send("one\r\ntwo", event="e", id="1", retry=5)
        await sse.send({"a": [1]})
        await sse.send_json("text")
        await sse.comment()
        await sse.ping()
        seen.append((sse.events_sent, sse.bytes_sent))

    answer = ask(app_with(handler), headers={"last-event-id": "é".encode()})
    text = (
        'event: e\ndata: one\ndata: two\nid: 1\nretry: 5\n\ndata: {"a":[1]}\n\n'
        'data: "text"\n\n: \n\n: ping\n\n'
    )
    assert answer.text == text
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert seen[0][:2] == (True, "é")
    assert seen[1] == (3, len(text))


def test_refusals_are_ordinary_answers() -> None:
    async def refuse() -> None:
        raise HTTPException(403)

    async def handler(sse: SSE, number: int) -> Any:
        if number == 1:
            await asyncio.sleep(0.01)
            raise HTTPException(404)
        if number == 2:
            return Response(status_code=204)
        return None

    app = app_with(handler)
    assert ask(app).status_code == 422
    assert ask(app, "/?number=1").status_code == 404
    assert ask(app, "/?number=2").status_code == 204
    empty = ask(app, "/?number=3")
    assert (empty.status_code, empty.content) == (200, b"")
    assert empty.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert ask(app_with(handler, dependencies=[Depends(refuse)])).status_code == 403


def test_what_cannot_be_sent() -> None:
    problems: list[str] = []

    async def handler(sse: SSE, response: Response) -> None:
        for arguments in ({"event": "a\rb"}, {"id": "a\nb"}, {"id": "\0"}, {"retry": -1}):
            with pytest.raises(ValueError, match="SSE") as caught:
                await sse.send("x", **arguments)  # type: ignore[arg-type]
            problems.append(str(caught.value))
        for seconds in (-1, float("nan")):
            with pytest.raises(ValueError, match="keep_alive"):
                sse.keep_alive(seconds)
        with pytest.raises(ValueError, match=r"JSON|nan"):
            await sse.send_json(float("nan"))
        response.headers["x-a"] = "b\nc: d"
        with pytest.raises(ValueError, match="line break"):
            await sse.send("x")
        response.headers["x-a"] = "b"

    answer = ask(app_with(handler))
    assert (answer.status_code, answer.text, answer.headers["x-a"]) == (200, "", "b")
    assert len(problems) == 4


def test_close() -> None:
    async def handler(sse: SSE) -> None:
        await sse.send("x")
        await sse.close()
        await sse.close()
        assert not sse.is_open
        with pytest.raises(RuntimeError, match="closed"):
            await sse.send("late")

    assert ask(app_with(handler)).text == "data: x\n\n"


def test_a_failure_after_the_first_event_passes_through() -> None:
    async def handler(sse: SSE, http: bool = False) -> None:
        await sse.send("x")
        raise HTTPException(404) if http else LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        ask(app_with(handler))
    with pytest.raises(RuntimeError, match="had begun"):
        ask(app_with(handler), "/?http=1")


def test_keep_alive_and_the_head() -> None:
    async def handler(sse: SSE) -> None:
        sse.keep_alive(0.03)
        await asyncio.sleep(0.8)
        sse.keep_alive(None)
        await asyncio.sleep(0.1)
        sent = sse.bytes_sent
        await asyncio.sleep(0.1)
        assert sse.bytes_sent == sent
        await sse.send("x")

    async def run() -> None:
        server = Server(app_with(handler))
        running = asyncio.ensure_future(server.run())
        await asyncio.sleep(0.3)
        assert not server.sent
        await until(lambda: server.sent)
        assert server.sent[0]["status"] == 200
        await running
        assert server.text.startswith(": keep-alive\n\n: keep-alive\n\n")
        assert server.text.endswith(": keep-alive\n\ndata: x\n\n")
        assert server.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    asyncio.run(run())


@pytest.mark.parametrize("how", ["message", "error"])
def test_a_client_that_goes(how: str) -> None:
    log: list[str] = []

    async def resource() -> Any:
        yield
        log.append("closed")

    async def handler(sse: SSE) -> None:
        try:
            await sse.send("x")
            while True:
                await asyncio.sleep(0.01 if how == "error" else 3600)
                await sse.send("y")
        finally:
            log.append(f"over, open: {sse.is_open}")

    async def run() -> None:
        server = Server(app_with(handler, dependencies=[Depends(resource)]))
        if how == "error":
            server.fails_after = 3
        running = asyncio.ensure_future(server.run())
        await until(lambda: len(server.sent) > 1)
        if how == "message":
            server.leaves.set()
        async with asyncio.timeout(5):
            await running
        assert log == ["over, open: False", "closed"]
        assert not running.cancelling()

    asyncio.run(run())


def test_a_handler_that_catches_its_cancellation() -> None:
    told: list[str] = []

    async def handler(sse: SSE) -> None:
        await sse.send("x")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            with pytest.raises(ClientDisconnect):
                await sse.send("y")
            told.append("told")

    async def run() -> None:
        server = Server(app_with(handler))
        running = asyncio.ensure_future(server.run())
        await until(lambda: len(server.sent) > 1)
        server.leaves.set()
        await running
        assert told == ["told"]
        assert not running.cancelling()

    asyncio.run(run())


def test_a_server_that_cancels() -> None:
    async def handler(sse: SSE) -> None:
        await asyncio.sleep(3600)

    async def run() -> None:
        server = Server(app_with(handler))
        running = asyncio.ensure_future(server.run())
        await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_only_while_the_handler_runs() -> None:
    kept: list[SSE] = []

    async def dependency(sse: SSE) -> None:
        with pytest.raises(RuntimeError, match="only while"):
            await sse.send("too early")
        kept.append(sse)

    async def handler(sse: SSE) -> None:
        assert kept == [sse]
        await sse.send("x")

    assert ask(app_with(handler, dependencies=[Depends(dependency)])).text == "data: x\n\n"
    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(kept[0].send("too late"))  # type: ignore[arg-type]


def test_routers_and_their_documents() -> None:
    router = APIRouter(prefix="/rooms", tags=["rooms"])

    @router.sse("/{room}", summary="Listen", response_model=list[int])
    async def room(sse: SSE, room: int, request: Request) -> None:
        """What is said."""
        await sse.send(room)

    app = FasterAPI()
    app.include_router(router, prefix="/v1")
    assert ask(app, "/v1/rooms/7").text == "data: 7\n\n"
    operation = app.openapi()["paths"]["/v1/rooms/{room}"]["get"]
    assert (operation["summary"], operation["tags"]) == ("Listen", ["rooms"])
    item = operation["responses"]["200"]["content"]["text/event-stream"]["itemSchema"]
    data = {"type": "array", "items": {"type": "integer"}}
    assert (
        item["properties"]["data"]["contentSchema"] | data
        == item["properties"]["data"]["contentSchema"]
    )
    assert [each["name"] for each in operation["parameters"]] == ["room"]


def test_handlers_that_cannot_send_events() -> None:
    app = FasterAPI()
    with pytest.raises(RouteError, match="nothing to send events with"):

        @app.sse("/a")
        async def without() -> None: ...

    with pytest.raises(RouteError, match="async def"):

        @app.sse("/b")
        def plain(sse: SSE) -> None: ...

    with pytest.raises(RouteError, match="EventSourceResponse"):

        @app.get("/c", response_class=EventSourceResponse)
        async def both(sse: SSE) -> Any:
            yield ServerSentEvent(data=1)


def test_a_websocket_has_no_events() -> None:
    with pytest.raises(RouteError, match="no server-sent events"):

        @FasterAPI().websocket("/")
        async def handler(websocket: WebSocket, sse: SSE) -> None: ...


def test_names() -> None:
    assert fasterapi.SSE is fasterapi.sse.SSE is SSE
