"""Everything that runs on asyncio runs inside a handler."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from live_server import APPS, UNDER_LOAD, own_virtual_environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Serve
    from live_server import Server


def checks(name: str) -> list[str]:
    """The checks of an application, from its text: it imports what only the server has."""
    text = (APPS / f"{name}.py").read_text()
    return [part.partition('"')[0] for part in text.split('@app.get("/check/')[1:]]


@pytest.fixture(scope="module")
def server(serve_for_module: Serve) -> Server:
    """The application that checks asyncio, on one shard."""
    return serve_for_module("asynchronous")


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of it."""
    with server.client() as made:
        yield made


@pytest.fixture(scope="module")
def debug_server(serve_for_module: Serve) -> Server:
    """The same in asyncio's debug mode."""
    return serve_for_module("asynchronous", env={"PYTHONASYNCIODEBUG": "1"})


@pytest.fixture(scope="module")
def library_server(serve_for_module: Serve) -> Server:
    """The application that checks libraries."""
    return serve_for_module("libraries", env=own_virtual_environment())


def assert_true(server: Server, path: str) -> None:
    """The handler of ``path`` is content; else show what it said."""
    before = len(server.log)
    response = server.get(path)
    assert (response.status_code, response.text) == (200, "true"), server.log[before:]


@pytest.mark.parametrize("name", checks("asynchronous"))
def test_asyncio(server: Server, name: str) -> None:
    """The handler's own assertions hold."""
    assert_true(server, f"/check/{name}")


@pytest.mark.parametrize("name", checks("asynchronous"))
def test_asyncio_in_debug_mode(debug_server: Server, name: str) -> None:
    """The same with ``PYTHONASYNCIODEBUG=1``."""
    assert_true(debug_server, f"/check/{name}")


def test_debug_mode(debug_server: Server, client: httpx.Client) -> None:
    """Is on when asked for, and says what blocks."""
    assert client.get("/debug").json() is False
    assert debug_server.get("/debug").json() is True
    debug_server.get("/slow")
    debug_server.wait_log("took 0.1")


@pytest.mark.parametrize("name", checks("libraries"))
def test_libraries(library_server: Server, name: str) -> None:
    """aiohttp, httpx, anyio and sniffio inside of handlers."""
    assert_true(library_server, f"/check/{name}")


def test_libraries_many_times_at_once(library_server: Server) -> None:
    """Handlers that call their own server, side by side."""
    paths = [f"/check/{name}" for name in ("httpx", "aiohttp", "anyio_cancel_scopes")] * 6
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda path: library_server.get(path).text, paths))
    assert answers == ["true"] * len(paths), library_server.log


class TestContextVariables:
    """Each request has its own."""

    def test_alone(self, client: httpx.Client) -> None:
        """Nothing of an earlier request on the same connection is left."""
        for name in ("ann", "bob"):
            assert client.get(f"/context/{name}").json() == ["nobody", *[name] * 5]

    def test_side_by_side(self, server: Server) -> None:
        """Forty handlers that wait at the same time."""

        async def ask_all() -> list[Any]:
            limits = httpx.Limits(max_connections=40)
            async with httpx.AsyncClient(
                base_url=server.url, limits=limits, trust_env=False
            ) as client:
                asked = (client.get(f"/context/n{n}?wait=0.05") for n in range(40))
                return [answer.json() for answer in await asyncio.gather(*asked)]

        expected = [["nobody", *[f"n{n}"] * 5] for n in range(40)]
        assert asyncio.run(ask_all()) == expected

    @pytest.mark.parametrize("kind", ["context_def", "context_inline"])
    def test_ordinary_handlers(self, client: httpx.Client, kind: str) -> None:
        """A thread is used again, its context is not."""
        for n in range(10):
            assert client.get(f"/{kind}/n{n}").json() == ["nobody", f"n{n}"]

    def test_inline_and_async_after_each_other(self, client: httpx.Client) -> None:
        """An inline handler leaves nothing for those that come after."""
        client.get("/context_inline/left")
        assert client.get("/context/ann").json()[0] == "nobody"
        assert client.get("/context_def/ann").json()[0] == "nobody"

    def test_those_of_the_import(self, client: httpx.Client) -> None:
        """Are seen by every kind of handler."""
        assert client.get("/imported").json() == ["at import", "at import"]
        assert client.get("/imported_def").json() == ["at import"]
        assert client.get("/imported_inline").json() == ["at import"]

    @pytest.mark.parametrize("kind", ["context_stream", "context_stream_sync"])
    def test_streams(self, client: httpx.Client, kind: str) -> None:
        """What the handler set is seen by the generator it returns."""
        assert client.get(f"/{kind}/ann").text == "annann"


def test_a_watcher_sees_the_request_end(client: httpx.Client) -> None:
    """``asyncio.wait`` and done callbacks on the request's task."""
    assert client.get("/check/await_own_request").json() is True
    wait_until(lambda: client.get("/notes/watched").json() == [True, False], 2.0)
    assert client.get("/check/done_callback").json() is True
    wait_until(lambda: client.get("/notes/called").json() is not None, 2.0)
    assert client.get("/notes/called").json() == [True, "at registration"]


def test_an_uncaught_cancellation(client: httpx.Client) -> None:
    """500, and the connection goes on."""
    assert client.get("/cancelled").status_code == 500
    assert client.get("/debug").json() is False


def test_a_gathered_request_is_cancelled(client: httpx.Client) -> None:
    """``gather`` makes its result of the cancelled request's task."""
    assert client.get("/gather_a_request").status_code == 500
    wait_until(lambda: client.get("/notes/gathered").json() is not None, 2.0)


def test_anyio_threads_in_many_requests(serve: Serve) -> None:
    """``anyio.to_thread`` looks at every task that there is."""
    server = serve("libraries", env=own_virtual_environment())
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: server.get("/thread").text, range(24)))
    assert answers == ["3"] * 24, server.log


def test_a_background_task_outlives_its_request(client: httpx.Client) -> None:
    """Also on an idle shard."""
    assert client.get("/background/bg").json() is True
    time.sleep(0.3)
    assert client.get("/notes/bg").json() == "done"


def test_a_background_task_that_fails(server: Server, client: httpx.Client) -> None:
    """Asyncio says so in the log."""
    assert client.get("/background_fails").json() is True
    server.wait_log("nobody fetched this")
    server.wait_log("Task exception was never retrieved")


def test_a_generator_that_is_open_at_the_end(serve: Serve) -> None:
    """Is closed when the shard ends, awaits in its ``finally`` included."""
    server = serve("asynchronous")
    assert_true(server, "/left_open")
    assert server.stop() == 0
    assert "the generator is closed" in server.log


def test_a_task_that_is_open_at_the_end(serve: Serve) -> None:
    """Is cancelled when the shard ends."""
    server = serve(
        """
import asyncio
from fasterapi import FasterAPI
app = FasterAPI()
tasks = []

async def work():
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.01)
        print("the task is cancelled")

@app.get("/")
async def root():
    tasks.append(asyncio.create_task(work()))
    await asyncio.sleep(0.01)
"""
    )
    server.get("/")
    assert server.stop() == 0
    assert "the task is cancelled" in server.log


def test_two_requests_meet(server: Server, client: httpx.Client) -> None:
    """One waits for an event that the other sets."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: server.get("/event/wait/meet").json())
        wait_until(lambda: client.get("/event/waiting/meet").json())
        assert not waiting.done()
        assert client.get("/event/set/meet").json() == "set"
        assert waiting.result(30) == "woken"


def test_a_queue_between_requests(server: Server) -> None:
    """Bounded: putters wait for getters."""
    with ThreadPoolExecutor(8) as pool:
        puts = [pool.submit(lambda n=n: server.get(f"/queue/put/{n}").json()) for n in range(4)]
        gets = [pool.submit(lambda: server.get("/queue/get").json()) for _ in range(4)]
        assert {future.result(30) for future in gets} == {"0", "1", "2", "3"}
        assert [future.result(30) for future in puts] == ["0", "1", "2", "3"]


def test_a_lock_between_requests(server: Server) -> None:
    """One at a time."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.get("/locked").json(), range(30)))
    assert answers == [1] * 30


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.02, 0.3])
def test_a_sleep_takes_its_time(client: httpx.Client, seconds: float) -> None:
    """Never less, and to 50 ms where the machine lets it."""
    took = [client.get(f"/sleep/{seconds}").json() for _ in range(5)]
    assert seconds - 0.002 <= min(took) < seconds + 0.05


def check_timers(late: list[float]) -> None:
    """To 50 ms; a machine that has other work to do may hold up some of them."""
    assert len(late) == 10
    assert statistics.median(late) < 0.05
    assert max(late) < 0.05 * UNDER_LOAD**2
    assert min(late) > -0.05


def test_timers_on_an_otherwise_idle_shard(client: httpx.Client) -> None:
    """They fire although nothing else happens."""
    check_timers(client.get("/timers").json())


def test_timers_while_requests_are_served(server: Server, client: httpx.Client) -> None:
    """They fire between the requests."""
    stop = False

    def load() -> None:
        with server.client() as mine:
            while not stop:
                mine.get("/debug")

    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(load) for _ in range(2)]
        try:
            late = client.get("/timers").json()
        finally:
            stop = True
        for done in loads:
            done.result()
    check_timers(late)


def test_a_timer_after_its_request(client: httpx.Client) -> None:
    """Fires while nobody is connected to anything."""
    client.get("/idle_timer/idle?seconds=0.25")
    time.sleep(0.6)
    # No sooner, and not only with the next request.
    assert -0.05 < client.get("/notes/idle").json() < 0.3


def test_an_idle_shard_uses_no_cpu(serve: Serve) -> None:
    """After requests of every kind have been answered."""
    server = serve("asynchronous")
    for path in ("/debug", "/context/x", "/context_def/x", "/check/to_thread", "/check/streams"):
        server.get(path)
    time.sleep(0.3)

    def ticks() -> int:
        with open(f"/proc/{server.shard_pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(1.5)
    assert ticks() - before <= 3


@pytest.mark.parametrize("first", [[], ["/check/loop_signal_handler"]])
def test_a_signal_on_an_idle_shard(serve: Serve, first: list[str]) -> None:
    """A ``signal.signal`` handler runs at once, not at the next request.

    Also after ``loop.remove_signal_handler``, which takes asyncio's wake-up descriptor away.
    """
    server = serve("asynchronous")
    for path in first:
        assert_true(server, path)
    pid = server.get("/install_signal").json()
    time.sleep(0.2)
    sent = time.time()
    os.kill(pid, signal.SIGUSR2)
    time.sleep(0.5)
    assert server.get("/notes/idle_signal").json() - sent < 0.2


def test_a_client_that_goes_cancels_its_handler(server: Server, client: httpx.Client) -> None:
    """``CancelledError`` inside, and no trace of it in the log."""
    with server.connect() as connection:
        connection.sendall(b"GET /disconnect/gone HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(0.2)
    wait_until(lambda: client.get("/notes/gone").json() == "cancelled", 1.0)
    assert "/disconnect/" not in server.log
