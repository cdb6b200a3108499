"""What happens between two steps: a connection ends, a pool closes, a server falls silent."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from live_server import own_virtual_environment
from postgres_driver import OURS, in_loop, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Serve
    from postgres_cluster import Cluster

pytestmark = pytest.mark.skipif(not OURS, reason="these are moments of this driver")

SOON_S = 10.0
BRIEFLY_S = 0.2


@contextlib.contextmanager
def silent(pid: int) -> Iterator[None]:
    """A session's process stands still meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def complaints() -> list[str]:
    """What the running loop complains of, from now on."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: told.append(context["message"])
    )
    return told


def timers(kind: str) -> int:
    """How many of the driver's timers of a kind are set in the running loop."""
    loop: Any = asyncio.get_running_loop()
    return sum(kind in type(handle._callback).__name__ for handle in loop._scheduled)


@in_loop
async def test_a_second_try(pg: Any, postgres: Cluster) -> None:
    """A query that is sent once more keeps its connection from who waits for one."""
    async with pg.create_pool(**postgres.arguments("trusting"), min_size=1, max_size=1) as pool:
        await pool.execute("CREATE TABLE tried (a int)")
        try:
            await pool.fetch("SELECT * FROM tried")

            async def in_a_transaction() -> Any:
                async with pool.acquire() as connection, connection.transaction():
                    return await connection.fetchval("SELECT 2 FROM pg_sleep(0.05)")

            async with pool.acquire() as connection:
                await connection.execute("ALTER TABLE tried ADD b int")
                query = asyncio.ensure_future(pool.fetch("SELECT * FROM tried"))
                other = asyncio.ensure_future(in_a_transaction())
                await asyncio.sleep(0.02)
            assert await within(SOON_S, asyncio.gather(query, other)) == [[], 2]
        finally:
            await pool.execute("DROP TABLE tried")


@in_loop
async def test_closing_behind_who_waits(pg: Any, postgres: Cluster) -> None:
    """Whoever waited before the pool was closed has a connection for as long as he wants."""
    pool = await pg.create_pool(**postgres.arguments(), min_size=1, max_size=1)
    first = await pool.acquire()

    async def second() -> Any:
        async with pool.acquire() as connection:
            await asyncio.sleep(BRIEFLY_S)
            return await connection.fetchval("SELECT 2")

    waiting = asyncio.ensure_future(second())
    await asyncio.sleep(0.01)
    closing = asyncio.ensure_future(pool.close())
    await asyncio.sleep(0.01)
    await pool.release(first)
    assert await within(SOON_S, waiting) == 2
    await within(SOON_S, closing)


@in_loop
async def test_an_end_as_it_is_given(pg: Any, postgres: Cluster) -> None:
    """Who was just given a connection that ends gets another one."""
    async with pg.create_pool(**postgres.arguments(), min_size=1, max_size=1) as pool:
        lent = await pool.acquire()
        waiting = asyncio.ensure_future(pool.acquire())
        await asyncio.sleep(0.01)
        connection = lent._con
        await pool.release(lent)
        connection.terminate()
        other = await within(SOON_S, waiting)
        assert await other.fetchval("SELECT 1") == 1
        await pool.release(other)


@in_loop
async def test_listening_after_silence(
    pg: Any, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not answer when nobody listens any more is not waited for."""
    monkeypatch.setattr("fasterapi.pg._notifications.ANSWER_S_MAX", BRIEFLY_S)
    async with pg.create_pool(**postgres.arguments(), min_size=1, max_size=2) as pool:
        async with pool.listen("moments"):
            (pid,) = [it.get_server_pid() for it in pool._connections() if it._listeners]
            os.kill(pid, signal.SIGSTOP)
        with silent(pid):
            await asyncio.sleep(0.01)
            async with asyncio.timeout(SOON_S), pool.listen("moments"):
                pass


@in_loop
async def test_closing_in_silence(
    pg: Any, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not stop what it was asked to stop is not waited for."""
    monkeypatch.setattr("fasterapi.pg.connection.CANCEL_S_MAX", BRIEFLY_S)
    connection = await pg.connect(**postgres.arguments())
    query = asyncio.ensure_future(connection.fetch("SELECT pg_sleep(60)"))
    await asyncio.sleep(0.02)
    with silent(connection.get_server_pid()):
        await within(SOON_S, connection.close())
    with pytest.raises(pg.PostgresConnectionError):
        await within(SOON_S, query)


@pytest.mark.parametrize("bound", ["of commands", "of resets"])
@pytest.mark.parametrize("what", ["reset", "rollback"])
@in_loop
async def test_releasing_in_silence(
    pg: Any, postgres: Cluster, monkeypatch: pytest.MonkeyPatch, what: str, bound: str
) -> None:
    """A session that cannot be reset in time is ended, and its place in the pool is free."""

    async def reset(_: Any) -> None:
        """Nothing: the driver's own part is to end the transaction."""

    more: dict[str, Any] = {}
    if bound == "of commands":
        # On a busy machine what goes before takes a while, too.
        more["command_timeout"] = 5 * BRIEFLY_S
    else:
        monkeypatch.setattr("fasterapi.pg.connection.RESET_S_MAX", BRIEFLY_S)
    if what == "rollback":
        more["reset"] = reset
    async with pg.create_pool(**postgres.arguments(), min_size=1, max_size=1, **more) as pool:
        lent = await pool.acquire()
        complaints()
        await lent.execute("BEGIN" if what == "rollback" else "SET search_path = public")
        with silent(lent.get_server_pid()), pytest.raises(TimeoutError):
            await within(SOON_S, pool.release(lent))
        assert await within(SOON_S, pool.fetchval("SELECT 1", timeout=SOON_S)) == 1


@in_loop
async def test_a_release_that_fails_behind_its_caller(pg: Any, postgres: Cluster) -> None:
    """Nobody is left to be told, and asyncio is not to print it."""
    told = complaints()
    async with pg.create_pool(**postgres.arguments(), min_size=1, max_size=1) as pool:
        lent = await pool.acquire()
        await lent.execute("SET search_path = public")
        connection = lent._con
        releasing = asyncio.ensure_future(pool.release(lent))
        await asyncio.sleep(0)
        releasing.cancel()
        await asyncio.sleep(0)
        connection.terminate()
        with pytest.raises(asyncio.CancelledError):
            await within(SOON_S, releasing)
        await asyncio.sleep(0.02)
        gc.collect()
    assert told == []


@in_loop
async def test_expiring_while_a_session_is_reset(pg: Any, postgres: Cluster) -> None:
    """What is given back after all connections were told to be made anew is made anew."""
    resets, goes_on = asyncio.Event(), asyncio.Event()

    async def reset(_: Any) -> None:
        resets.set()
        await goes_on.wait()

    arguments = postgres.arguments(min_size=1, max_size=1, reset=reset)
    async with pg.create_pool(**arguments) as pool:
        lent = await pool.acquire()
        connection = lent._con
        releasing = asyncio.ensure_future(pool.release(lent))
        await within(SOON_S, resets.wait())
        await pool.expire_connections()
        goes_on.set()
        await within(SOON_S, releasing)
        assert connection.is_closed()


@in_loop
async def test_a_cursor_while_a_request_to_cancel_is_on_its_way(
    pg: Any, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits: the request was meant for what came before."""
    from fasterapi.pg import connection as module

    may_go = asyncio.Event()
    request = module.request_cancel

    async def late(*arguments: Any, **more: Any) -> None:
        await may_go.wait()
        await request(*arguments, **more)

    monkeypatch.setattr(module, "request_cancel", late)
    connection = await pg.connect(**postgres.arguments())
    async with connection.transaction():
        cursor = await connection.cursor("SELECT pg_sleep(0.1) FROM generate_series(1, 9)")
        given_up = asyncio.ensure_future(cursor.fetch(1))
        await asyncio.sleep(0.02)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        fetching = asyncio.ensure_future(cursor.fetch(2))
        # By now the first has been answered.
        await asyncio.sleep(0.15)
        may_go.set()
        assert len(await within(SOON_S, fetching)) == 2
        assert await within(SOON_S, cursor.forward(1)) == 1
    await connection.close()


@in_loop
async def test_a_listener_that_cannot_be_called(pg: Any, postgres: Cluster) -> None:
    """It does not keep the pool from hearing that a connection has ended."""
    told = complaints()

    async def takes_nothing() -> None:
        """What it is called with does not fit."""

    async with pg.create_pool(**postgres.arguments(), min_size=1, max_size=1) as pool:
        async with pool.acquire() as lent:
            lent.add_termination_listener(takes_nothing)
            connection = lent._con
        connection.terminate()
        assert await within(SOON_S, pool.fetchval("SELECT 1", timeout=SOON_S)) == 1
    gc.collect()
    assert told == ["Task exception was never retrieved"]


@in_loop
async def test_a_transaction_that_is_given_up_as_it_begins(pg: Any, postgres: Cluster) -> None:
    """Nobody has left it open, and nobody is blamed for it."""
    told = complaints()
    async with pg.create_pool(**postgres.arguments(), min_size=1, max_size=1) as pool:
        lent = await pool.acquire()
        beginning = asyncio.ensure_future(lent.transaction().start())
        await asyncio.sleep(0)
        # The server has answered by then, and nobody has heard it.
        postgres.sql("SELECT pg_sleep(0.05)")
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        await within(SOON_S, pool.release(lent))
        assert told == []
        lent = await pool.acquire()
        await lent.execute("BEGIN")
        await pool.release(lent)
        assert len(told) == 1


@in_loop
async def test_deadlines_that_cross(pg: Any, postgres: Cluster) -> None:
    """However the timeouts of those who wait are mixed, few timers look at them."""

    async def ask(timeout_s: float) -> None:
        with pytest.raises(TimeoutError):
            await pool.fetchval("SELECT 1", timeout=timeout_s)

    async with pg.create_pool(**postgres.arguments(), min_size=1, max_size=1) as pool:
        async with pool.acquire():
            waiting = asyncio.ensure_future(pool.fetchval("SELECT 1", timeout=SOON_S))
            await asyncio.sleep(0)
            longer = asyncio.ensure_future(ask(0.6))
            await asyncio.sleep(0)
            for _ in range(12):
                await ask(0.01)
            await longer
            # Those that were set for the same moment as this one's.
            await asyncio.sleep(0.05)
            assert timers("PgExpiry") < 6
        assert await within(SOON_S, waiting) == 1


@in_loop
async def test_deadlines_that_cross_on_a_connection(pg: Any, postgres: Cluster) -> None:
    """The same, where they wait for a query that the server works on."""

    async def ask(timeout_s: float) -> None:
        with pytest.raises(TimeoutError):
            await core.simple("SELECT 1", timeout=timeout_s)

    connection = await pg.connect(**postgres.arguments())
    core = connection._core
    core.exclusive = False
    first = asyncio.ensure_future(core.simple("SELECT pg_sleep(1)", timeout=SOON_S))
    await asyncio.sleep(0)
    longer = asyncio.ensure_future(ask(0.5))
    await asyncio.sleep(0)
    for _ in range(12):
        await ask(0.01)
    await longer
    await asyncio.sleep(0.05)
    assert timers("PgCallback") < 7
    await within(SOON_S, first)
    await connection.close()


APP = """
import asyncio
import os

from fasterapi import FasterAPI, pg

app = FasterAPI()
found = {}


@app.get("/begin")
async def begin() -> None:
    found["pool"] = await pg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=1)
    found["held"] = await found["pool"].acquire()


@app.get("/wait/{what}")
async def wait(what: str) -> str:
    pool = found["pool"]
    found["task"] = asyncio.current_task()
    try:
        if what == "connection":
            async with pool.acquire():
                return "went on"
        return await pool.fetchval("SELECT 'went on ' || $1", what)
    except asyncio.CancelledError:
        asyncio.current_task().uncancel()
        return "cancelled"


@app.get("/cancel")
async def cancel() -> tuple[int, int]:
    pool = found["pool"]
    async with asyncio.timeout(10):
        while not pool._core.waiting:
            await asyncio.sleep(0.01)
    found["task"].cancel()
    await pool.release(found["held"])
    await asyncio.sleep(0.05)
    assert await pool.fetchval("SELECT 1") == 1
    size = pool.get_size(), pool.get_idle_size()
    await pool.close()
    return size
"""


@pytest.mark.parametrize("what", ["connection", "query"])
def test_a_request_that_is_cancelled_as_its_turn_comes(
    serve: Serve, postgres: Cluster, what: str
) -> None:
    """It is cancelled, whatever it was given in the same moment, and that goes back."""
    env = own_virtual_environment() | {"DATABASE_URL": postgres.dsn()}
    server = serve(APP, env=env)
    server.get("/begin").raise_for_status()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.get, f"/wait/{what}")
        assert server.get("/cancel").json() == [1, 1]
        assert waiting.result(SOON_S).json() == "cancelled"
    assert "never awaited" not in server.log
