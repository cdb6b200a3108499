"""Who gets which connection of a pool, and when."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from postgres_driver import OURS, in_loop, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres_cluster import Cluster

SOON_S = 10.0
ours_only = pytest.mark.skipif(not OURS, reason="others have no such option")


@pytest.fixture
def arguments(postgres: Cluster) -> Iterator[dict[str, Any]]:
    """Arguments of `connect` to a database of the test's own, with a table of ten rows."""
    with postgres.database("pool") as name:
        table = "CREATE TABLE t AS SELECT n AS id, 0 AS v FROM generate_series(0, 9) n"
        postgres.sql(f"{table}; GRANT ALL ON t TO PUBLIC", database=name)
        yield postgres.arguments(database=name)


async def sleep_on(pool: Any, count: int, seconds: float) -> float:
    """How long as many queries take at once that each take so many seconds."""
    began = time.perf_counter()
    sleeps = (pool.fetchval("SELECT pg_sleep($1)", seconds) for _ in range(count))
    await within(SOON_S, asyncio.gather(*sleeps))
    return time.perf_counter() - began


@in_loop
async def test_a_pool_grows_rather_than_lets_wait(pg: Any, arguments: dict[str, Any]) -> None:
    """A quick query does not wait for a slow one while there may be more connections."""
    async with pg.create_pool(**arguments, min_size=1, max_size=10) as pool:
        slow = asyncio.create_task(pool.fetch("SELECT pg_sleep(20)"))
        await asyncio.sleep(0.1)
        assert await within(SOON_S, pool.fetchval("SELECT 1")) == 1
        slow.cancel()
        assert await sleep_on(pool, 8, 1.0) < 6.0
        assert pool.get_size() >= 8


@in_loop
async def test_every_connection_works(pg: Any, arguments: dict[str, Any]) -> None:
    """None is idle while queries wait for another, whatever was new to whom before."""
    async with pg.create_pool(**arguments, min_size=4, max_size=4) as pool:
        for turn in range(5):
            query = f"SELECT $1::int + {turn}"
            await asyncio.gather(*(pool.fetchval(query, n) for n in range(8 * turn)))
            assert await sleep_on(pool, 4, 0.5) < 1.0


@pytest.mark.parametrize(("smallest", "largest"), [(1, 10), (3, 3)])
@in_loop
async def test_who_holds_a_lock_gets_on(
    pg: Any, arguments: dict[str, Any], smallest: int, largest: int
) -> None:
    """The query of a lock's holder never goes behind one that waits for the lock."""
    update = "UPDATE t SET v = v + 1 WHERE id = $1"
    async with pg.create_pool(**arguments, min_size=smallest, max_size=largest) as pool:
        await asyncio.gather(*(pool.execute(update, 9) for _ in range(5)))
        for _ in range(5):
            async with pool.acquire() as holder, holder.transaction():
                await holder.execute(update, 1)
                # Everything is busy for a moment; then what waits is taken along together.
                busy = [asyncio.create_task(pool.fetch("SELECT pg_sleep(0.2)")) for _ in range(3)]
                await asyncio.sleep(0.05)
                blocked = asyncio.create_task(pool.execute(update, 1))
                await asyncio.sleep(0)
                for number in range(3):
                    assert await within(SOON_S, pool.fetchval("SELECT $1::int", number)) == number
            assert await within(SOON_S, blocked) == "UPDATE 1"
            await asyncio.gather(*busy)
    connection = await pg.connect(**arguments)
    assert await connection.fetchval("SELECT v FROM t WHERE id = 1") == 10
    await connection.close()


@ours_only
@in_loop
async def test_waiting_ends(pg: Any, arguments: dict[str, Any]) -> None:
    """By `acquire_timeout`, or the query's own timeout where that is shorter."""
    async with pg.create_pool(**arguments, min_size=1, max_size=1, acquire_timeout=0.5) as pool:
        held = await pool.acquire()
        began = time.perf_counter()
        results = await asyncio.gather(
            pool.fetch("SELECT 1"),
            pool.fetch("SELECT 1", timeout=20),
            pool.fetch("SELECT 1", timeout=0.1),
            return_exceptions=True,
        )
        assert 0.4 < time.perf_counter() - began < 5.0
        assert [type(one) for one in results] == [TimeoutError] * 3
        assert [str(one) for one in results] == [
            "no connection of the pool was free within 0.5 s"
        ] * 2 + [""]
        waiting = asyncio.create_task(pool.fetchval("SELECT 1", timeout=20))
        await asyncio.sleep(0.1)
        await pool.release(held)
        assert await within(SOON_S, waiting) == 1


@ours_only
@in_loop
async def test_the_wait_counts_for_the_timeout(pg: Any, arguments: dict[str, Any]) -> None:
    """What waited for its connection has less time there."""
    async with pg.create_pool(**arguments, min_size=1, max_size=1) as pool:
        first = asyncio.create_task(pool.fetch("SELECT pg_sleep(1)"))
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        with pytest.raises(TimeoutError):
            await pool.fetch("SELECT pg_sleep(20)", timeout=1.5)
        assert time.perf_counter() - began < 2.4
        await first


@in_loop
async def test_released_while_something_goes_on(pg: Any, arguments: dict[str, Any]) -> None:
    """The connection is ended: nobody's query goes into a transaction of somebody else's."""
    async with pg.create_pool(**arguments, min_size=1, max_size=1) as pool:
        held = await pool.acquire()
        running = asyncio.create_task(held.execute("SELECT pg_sleep(0.3); BEGIN"))
        await asyncio.sleep(0.1)
        with pytest.raises(pg.InterfaceError, match="in progress"):
            await pool.release(held)
        assert await within(SOON_S, pool.execute("INSERT INTO t VALUES ($1)", 77)) == "INSERT 0 1"
        with pytest.raises((pg.PostgresConnectionError, pg.InterfaceError)):
            await within(SOON_S, running)
        assert await pool.fetchval("SELECT count(*) FROM t WHERE id = 77") == 1


@in_loop
async def test_many_wait_their_turn(pg: Any, arguments: dict[str, Any]) -> None:
    """Queries and leases, more than there are connections: all are served."""
    async with pg.create_pool(**arguments, min_size=2, max_size=2) as pool:

        async def lease(number: int) -> int:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("UPDATE t SET v = v + 1 WHERE id = $1", number % 10)
                return number

        async def query(number: int) -> Any:
            return await pool.fetchval("SELECT $1::int", number)

        tasks = [(lease if number % 7 == 0 else query)(number) for number in range(500)]
        assert await within(SOON_S * 2, asyncio.gather(*tasks)) == list(range(500))
        assert await pool.fetchval("SELECT sum(v) FROM t") == len(range(0, 500, 7))


@ours_only
@pytest.mark.parametrize("how", ["close", "terminate", "forget"])
@in_loop
async def test_nothing_keeps_a_pool(pg: Any, arguments: dict[str, Any], how: str) -> None:
    """It goes when nobody has it, and so do its connections, with a warning if it was open."""
    pool = await pg.create_pool(**arguments, min_size=2, max_size=3)
    assert await pool.fetchval("SELECT 1") == 1
    weak = weakref.ref(pool)
    connections = [weakref.ref(one) for one in pool._connections()]
    if how == "close":
        await pool.close()
    elif how == "terminate":
        pool.terminate()
    del pool
    # What the loop has still to do for it.
    await asyncio.sleep(0.05)
    if how == "forget":
        with pytest.warns(ResourceWarning, match="unclosed connection"):
            gc.collect()
    else:
        gc.collect()
    assert weak() is None
    assert [one() for one in connections] == [None, None]


@ours_only
@in_loop
async def test_a_failure_does_not_keep_its_pool(
    pg: Any, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why it could not grow, which is kept for who waits, leads back to it."""
    # The log of a test would keep it, too.
    monkeypatch.setattr(logging.getLogger("fasterapi.pg"), "disabled", True)
    made: list[Any] = []

    async def init(connection: Any) -> None:
        made.append(id(connection))
        if len(made) > 1:
            raise LookupError

    pool = await pg.create_pool(**arguments, min_size=1, max_size=2, init=init)
    async with pool.acquire():
        query = asyncio.ensure_future(pool.fetchval("SELECT 1"))
        for _ in range(1000):
            if pool._growth_error is None:
                await asyncio.sleep(0.01)
        assert isinstance(pool._growth_error, LookupError)
    assert await within(SOON_S, query) == 1
    await pool.close()
    weak = weakref.ref(pool)
    del pool, query
    await asyncio.sleep(0.05)
    gc.collect()
    assert weak() is None


@in_loop
async def test_a_query_keeps_its_pool(pg: Any, arguments: dict[str, Any]) -> None:
    """The program need not have it any more."""

    async def sleeper() -> Any:
        pool = await pg.create_pool(**arguments, min_size=1, max_size=1)
        return pool.fetchval("SELECT 1 FROM pg_sleep(0.5)")

    query = asyncio.ensure_future(await sleeper())
    await asyncio.sleep(0.1)
    gc.collect()
    assert await within(SOON_S, query) == 1
    del query
    if OURS:
        with pytest.warns(ResourceWarning, match="unclosed connection"):
            gc.collect()


@ours_only
@in_loop
async def test_a_pool_closes_without_its_server(pg: Any, arguments: dict[str, Any]) -> None:
    """Who waits for a connection, a listener too, is told at once that none comes any more."""
    made = 0

    async def connect(*args: Any, **more: Any) -> Any:
        nonlocal made
        made += 1
        if made > 1:
            await asyncio.sleep(60)
        return await pg.connect(*args, **more)

    pool = await pg.create_pool(**arguments, min_size=1, max_size=1, connect=connect)
    async with pool.listen("channel"):
        waits = asyncio.ensure_future(pool.fetch("SELECT 1"))
        pool._connections()[0].terminate()
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await within(SOON_S, pool.close())
        assert time.monotonic() - began < 3.0
    with pytest.raises(pg.InterfaceError, match="pool is closed"):
        await waits


@ours_only
@pytest.mark.parametrize("how", ["close", "terminate"])
@in_loop
async def test_a_closed_pool_makes_no_connections(
    pg: Any, arguments: dict[str, Any], how: str
) -> None:
    """Those that are being made are given up."""
    made, given_up = 0, asyncio.Event()
    is_begun = asyncio.Event()

    async def connect(*args: Any, **more: Any) -> Any:
        nonlocal made
        made += 1
        if made > 1:
            is_begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                given_up.set()
        return await pg.connect(*args, **more)

    pool = await pg.create_pool(**arguments, min_size=1, max_size=2, connect=connect)
    held = await pool.acquire()
    waits = asyncio.ensure_future(pool.acquire())
    await within(SOON_S, is_begun.wait())
    if how == "terminate":
        pool.terminate()
        with pytest.raises(pg.InterfaceError, match="pool is closed"):
            await within(SOON_S, waits)
    else:
        closing = asyncio.ensure_future(pool.close())
        await within(SOON_S, given_up.wait())
        await pool.release(held)
        # Who came before has his turn.
        await pool.release(await within(SOON_S, waits))
        await within(SOON_S, closing)
    await within(SOON_S, given_up.wait())
    assert pool.get_size() == 0
    assert made == 2
