"""The asyncio side of a shard, with a reactor that only waits."""

from __future__ import annotations

import asyncio
import importlib
import signal
import socket
import sys
import threading
import time
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from fasterapi import FasterAPI, StreamingResponse


class Core(types.ModuleType):
    """`_core` without Rust: the reactor waits for the epoll set with a thread's help."""

    def __init__(self) -> None:
        super().__init__("fasterapi._core")
        self.timeouts: list[float | None] = []
        self.states: list[Any] = []
        self.errors: list[str] = []

    def install_loop(self, loop: asyncio.AbstractEventLoop, epoll_fd: int) -> None:
        self.loop = loop

    def log_error(self, message: str) -> None:
        self.errors.append(message)

    def run_reactor(self, timeout: float | None) -> bool:
        self.timeouts.append(timeout)
        time.sleep(0.001 if timeout is None else min(timeout, 0.001))
        return True

    class RequestTask:
        """No task here is one."""

    def drain_left_s(self) -> float:
        return 1.0

    def set_drain_future(self, drained: asyncio.Future[None]) -> None:
        self.drained = drained

    def ready(self, state: Any, changed: bool) -> None:
        self.states.append(state)
        self.changed = changed
        loop = self.drained.get_loop()
        loop.call_later(0.01, self.drained.set_result, None)


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    core = Core()
    monkeypatch.setitem(sys.modules, "fasterapi._core", core)
    monkeypatch.setattr("fasterapi._core", core, raising=False)
    yield core
    sys.modules.pop("fasterapi._serve", None)


@pytest.fixture
def serve(core: Core) -> Any:
    sys.modules.pop("fasterapi._serve", None)
    return importlib.import_module("fasterapi._serve")


def test_the_loop_runs_over_the_reactor(core: Core, serve: Any) -> None:
    async def use() -> list[bytes]:
        await asyncio.sleep(0.01)
        assert await asyncio.to_thread(lambda: 3) == 3
        a, b = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=a)
        threading.Timer(0.01, b.send, (b"x",)).start()
        got = [await reader.read(1)]
        writer.close()
        b.close()
        return got

    with asyncio.Runner(loop_factory=serve.new_event_loop) as runner:
        assert runner.run(use()) == [b"x"]
    assert core.timeouts


def test_the_epoll_set_is_not_asked_without_need(core: Core, serve: Any) -> None:
    core.run_reactor = lambda timeout: False  # type: ignore[method-assign]
    selector = serve.ReactorSelector()
    a, b = socket.socketpair()
    selector.register(a, 1)
    b.send(b"x")
    assert selector.select(0) == []
    core.run_reactor = lambda timeout: True  # type: ignore[method-assign]
    assert [key.fileobj for key, _ in selector.select(None)] == [a]
    selector.close()
    a.close()
    b.close()


def test_serving(core: Core, serve: Any) -> None:
    log = []

    async def lifespan(app: FasterAPI) -> AsyncIterator[dict[str, int]]:
        log.append("up")
        yield {"a": 1}
        log.append("down")

    app = FasterAPI(lifespan=lifespan)
    before = signal.getsignal(signal.SIGINT)
    found = []
    app.on_startup.clear()
    core.run_reactor = lambda timeout: not found.append(signal.getsignal(signal.SIGINT))  # type: ignore
    serve.run(app)
    assert log == ["up", "down"]
    assert core.states == [{"a": 1}]
    assert not core.changed
    assert app._lifespan_state == {"a": 1}
    assert set(found) == {before}


def test_what_a_lifespan_changes_is_noticed(core: Core, serve: Any) -> None:
    def adds() -> None:
        app.add_api_route("/added", lambda: None)

    app = FasterAPI(on_startup=[adds])
    serve.run(app)
    assert core.changed


def test_changes_have_another_snapshot() -> None:
    from fasterapi._snapshot import snapshot_of

    def handler() -> None: ...

    app, mounted = FasterAPI(), FasterAPI()
    app.mount("/mounted", mounted)
    known = [snapshot_of(app)]
    assert snapshot_of(app) == known[0]
    changes: list[Callable[[], object]] = [
        lambda: app.add_api_route("/a", handler),
        lambda: mounted.add_api_route("/a", handler),
        lambda: app.add_exception_handler(LookupError, print),
        lambda: mounted.add_exception_handler(LookupError, print),
        lambda: app.add_middleware(print),
        lambda: app.dependency_overrides.update({print: repr}),
        lambda: setattr(app, "debug", True),
        lambda: app.router.routes.pop(),
    ]
    for change in changes:
        change()
        assert snapshot_of(app) not in known
        known.append(snapshot_of(app))


def test_errors_of_the_lifespan_end_the_run(core: Core, serve: Any) -> None:
    def fails() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        serve.run(FasterAPI(on_startup=[fails]))
    assert core.states == []


class Sink:
    """A client that may be slow."""

    def __init__(self, slow: bool = False) -> None:
        self.got: list[bytes] = []
        self.slow = slow

    def __call__(self, data: bytes) -> Any:
        assert type(data) is bytes
        self.got.append(data)
        return asyncio.sleep(0.001) if self.slow else None


@pytest.mark.parametrize("slow", [True, False])
def test_driving_a_stream(serve: Any, slow: bool) -> None:
    log = []

    async def chunks() -> Any:
        try:
            yield "é"
            yield b""
            yield bytearray(b"b")
            yield memoryview(b"c")
        finally:
            log.append("closed")

    sink = Sink(slow)
    asyncio.run(serve.drive_stream(StreamingResponse(chunks()), sink))
    assert sink.got == ["é".encode(), b"b", b"c"]
    assert log == ["closed"]


def test_chunks_of_another_type(serve: Any) -> None:
    with pytest.raises(TypeError, match="not int"):
        asyncio.run(serve.drive_stream(StreamingResponse([3]), Sink()))  # type: ignore[list-item]


@pytest.mark.parametrize("synchronous", [True, False])
def test_cancelling_a_stream_closes_it(serve: Any, synchronous: bool) -> None:
    log = []

    def blocking() -> Any:
        try:
            while True:
                time.sleep(0.02)
                yield b"x"
        finally:
            log.append("closed")

    async def waiting() -> Any:
        try:
            while True:
                await asyncio.sleep(0.02)
                yield b"x"
        finally:
            log.append("closed")

    async def use() -> None:
        response = StreamingResponse(blocking() if synchronous else waiting())
        task = asyncio.ensure_future(serve.drive_stream(response, Sink()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log == ["closed"]

    asyncio.run(use())


def test_an_error_of_the_client_closes_the_stream(serve: Any) -> None:
    log = []

    async def chunks() -> Any:
        try:
            yield b"x"
        finally:
            log.append("closed")

    def send(data: bytes) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(serve.drive_stream(StreamingResponse(chunks()), send))
    assert log == ["closed"]
