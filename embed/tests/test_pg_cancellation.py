"""Queries that are cancelled at random moments: no row reaches another query, nothing is lost.

FASTERAPI_PG_STORM_S says for how many seconds the storm blows, and FASTERAPI_PG_SEED repeats one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from typing import TYPE_CHECKING, Any

import pytest
from postgres_driver import LOOP_TIMEOUT_S, in_loop, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from postgres_cluster import Cluster

STORM_S = float(os.environ.get("FASTERAPI_PG_STORM_S", "4"))
SEED = int(os.environ.get("FASTERAPI_PG_SEED", random.randrange(1 << 32)))
POOL_SIZE = 6
WORKERS = 24
SOON_S = 10.0
# Of the queries, in which the storm decides to interfere.
CANCELLED_SHARE = 0.5

pytestmark = pytest.mark.seconds(int(STORM_S + LOOP_TIMEOUT_S) + 30)


class Storm:
    """Workers whose every query has an id of its own, which each of its rows must carry."""

    def __init__(self, pg: Any, pool: Any, seed: int) -> None:
        self.pg, self.pool = pg, pool
        self.random = random.Random(seed)
        self.asked = self.answered = self.cancelled = self.timed_out = 0
        self._id = 0
        self.kinds: list[Callable[[Any, int], Any]] = [
            self.rows,
            self.slow,
            self.value,
            self.wrong,
            self.transaction,
            self.cursor,
            self.copy,
            self.many,
        ]

    async def rows(self, connection: Any, query_id: int) -> None:
        """Many rows."""
        count = self.random.choice([1, 3, 50, 2000])
        query = "SELECT $1::int AS id, n FROM generate_series(1, $2::int) n"
        found = await connection.fetch(query, query_id, count)
        assert [tuple(row) for row in found] == [(query_id, n) for n in range(1, count + 1)]

    async def slow(self, connection: Any, query_id: int) -> None:
        """One that is likely to be cancelled at the server."""
        pause = self.random.uniform(0, 0.02)
        row = await connection.fetchrow("SELECT $1::int, pg_sleep($2) IS NULL", query_id, pause)
        assert row[0] == query_id

    async def value(self, connection: Any, query_id: int) -> None:
        """A text that no other query has, so that it must be prepared."""
        value = await connection.fetchval(f"SELECT {query_id} + $1::int", query_id)
        assert value == 2 * query_id

    async def wrong(self, connection: Any, query_id: int) -> None:
        """An error of its own."""
        with pytest.raises(self.pg.DivisionByZeroError):
            await connection.fetch(
                "SELECT n / (n - n) FROM generate_series($1::int, $1) n", query_id
            )

    async def transaction(self, connection: Any, query_id: int) -> None:
        """Several queries on one connection; all or none of its rows are kept."""
        if connection is self.pool:
            return await self.rows(connection, query_id)
        async with connection.transaction():
            for part in (1, 2):
                await connection.execute("INSERT INTO stored VALUES ($1, $2)", query_id, part)
            async with connection.transaction():
                value = await connection.fetchval("SELECT $1::int", query_id)
                assert value == query_id
        return None

    async def cursor(self, connection: Any, query_id: int) -> None:
        """Rows in portions."""
        if connection is self.pool:
            return await self.value(connection, query_id)
        async with connection.transaction():
            query = "SELECT $1::int, n FROM generate_series(1, 60) n"
            number = 0
            async for row in connection.cursor(query, query_id, prefetch=7):
                number += 1
                assert tuple(row) == (query_id, number)
            assert number == 60
        return None

    async def copy(self, connection: Any, query_id: int) -> None:
        """COPY out."""
        received = bytearray()

        async def take(data: bytes) -> None:
            received.extend(data)

        query = "SELECT $1::int, n FROM generate_series(1, 300) n"
        await connection.copy_from_query(query, query_id, output=take)
        assert received.decode() == "".join(f"{query_id}\t{n}\n" for n in range(1, 301))

    async def many(self, connection: Any, query_id: int) -> None:
        """A batch, all or nothing."""
        rows = [(query_id, part) for part in range(3, 33)]
        await connection.executemany("INSERT INTO stored VALUES ($1, $2)", rows)

    async def one(self) -> None:
        """One query by a random way, in time."""
        self._id += 1
        query_id = self._id
        kind = self.random.choice(self.kinds)
        if self.random.random() < 0.5:
            await kind(self.pool, query_id)
            return
        async with self.pool.acquire() as connection:
            await kind(connection, query_id)
            value = await connection.fetchval("SELECT -$1::int", query_id)
            assert value == -query_id

    async def worker(self, until: float) -> None:
        """Queries one after the other, some of which are cancelled."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            self.asked += 1
            task = asyncio.create_task(self.one())
            if self.random.random() > CANCELLED_SHARE:
                await within(SOON_S * 2, task)
                self.answered += 1
                continue
            moment = self.random.choice(
                [0, self.random.uniform(0, 0.002), self.random.random() / 50]
            )
            if self.random.random() < 0.3:
                try:
                    await asyncio.wait_for(task, moment)
                    self.answered += 1
                except TimeoutError:
                    self.timed_out += 1
                continue
            await asyncio.sleep(moment)
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=SOON_S)
            assert done, "a cancelled query does not end"
            if task.cancelled():
                self.cancelled += 1
            else:
                task.result()
                self.answered += 1


async def settled(pool: Any, cluster: Cluster) -> None:
    """All connections are idle and good, and the server has no other sessions of this pool."""
    deadline = asyncio.get_running_loop().time() + SOON_S
    while pool.get_idle_size() != pool.get_size():
        assert asyncio.get_running_loop().time() < deadline, "a connection does not come back"
        await asyncio.sleep(0.01)
    assert pool.get_size() <= POOL_SIZE
    held = [await within(SOON_S, pool.acquire()) for _ in range(POOL_SIZE)]
    assert len({connection.get_server_pid() for connection in held}) == POOL_SIZE
    for number, connection in enumerate(held):
        assert not connection.is_in_transaction()
        assert await within(SOON_S, connection.fetchval("SELECT $1::int", number)) == number
    for connection in held:
        await within(SOON_S, pool.release(connection))
    assert pool.get_size() == POOL_SIZE
    deadline = asyncio.get_running_loop().time() + SOON_S
    # A session that was terminated ends a moment later.
    while cluster.sessions("usename = 'scram'") != POOL_SIZE:
        assert asyncio.get_running_loop().time() < deadline, "sessions are left over"
        await asyncio.sleep(0.05)
    state = "usename = 'scram' AND state <> 'idle'"
    assert cluster.sessions(state) == 0


def test_storm(pg: Any, own_postgres: Cluster) -> None:
    """Every kind of query, cancelled or timed out at any moment, on a pool that is too small."""
    print(f"FASTERAPI_PG_SEED={SEED}")

    async def blow() -> None:
        own_postgres.sql("CREATE TABLE stored (id int, part int); GRANT ALL ON stored TO PUBLIC")
        arguments = own_postgres.arguments(min_size=POOL_SIZE, max_size=POOL_SIZE)
        async with pg.create_pool(**arguments) as pool:
            storm = Storm(pg, pool, SEED)
            until = asyncio.get_running_loop().time() + STORM_S
            await asyncio.gather(*(storm.worker(until) for _ in range(WORKERS)))
            assert storm.answered > STORM_S * 10
            assert storm.cancelled > STORM_S
            assert storm.timed_out > 0
            assert storm.asked == storm.answered + storm.cancelled + storm.timed_out
            await settled(pool, own_postgres)
            parts = await pool.fetch(
                "SELECT id, array_agg(part ORDER BY part) FROM stored GROUP BY id"
            )
            whole = [[1, 2], list(range(3, 33))]
            assert all(parts_of_one in whole for _, parts_of_one in parts)
            print(f"{storm.asked} asked, {storm.answered} answered, {storm.cancelled} cancelled")

    async def bounded() -> None:
        async with asyncio.timeout(STORM_S + LOOP_TIMEOUT_S):
            await blow()

    asyncio.run(bounded())


@in_loop
async def test_cancelled_at_every_await(pg: Any, postgres: Cluster) -> None:
    """A query that is cancelled after its first, second, third ... turn of the loop."""
    async with pg.create_pool(**postgres.arguments(), min_size=1, max_size=1) as pool:
        for turns in range(60):
            task = asyncio.create_task(pool.fetch("SELECT 1 FROM generate_series(1, 500)"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await within(SOON_S, task)
            assert await within(SOON_S, pool.fetchval("SELECT $1::int", turns)) == turns
            assert pool.get_size() == 1
        assert pool.get_idle_size() == 1


@in_loop
async def test_cancelled_while_it_waits_for_a_connection(pg: Any, postgres: Cluster) -> None:
    """Waiting in vain costs nobody a connection, and who waits longest is next."""
    async with pg.create_pool(**postgres.arguments(), min_size=1, max_size=1) as pool:
        held = await pool.acquire()
        waiting = [asyncio.ensure_future(pool.acquire()) for _ in range(4)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        waiting[2].cancel()
        with pytest.raises(asyncio.TimeoutError):
            await within(SOON_S, pool.acquire(timeout=0.05))
        await pool.release(held)
        first = await within(SOON_S, waiting[1])
        assert not waiting[3].done()
        # Cancelled in the very moment in which the connection is given to it.
        release = asyncio.ensure_future(pool.release(first))
        await asyncio.sleep(0)
        waiting[3].cancel()
        await within(SOON_S, release)
        with contextlib.suppress(asyncio.CancelledError):
            await pool.release(await within(SOON_S, waiting[3]))
        assert await within(SOON_S, pool.fetchval("SELECT 1")) == 1


@pytest.mark.parametrize("how", ["task", "timeout"])
@in_loop
async def test_the_server_stops_working(pg: Any, postgres: Cluster, how: str) -> None:
    """A cancelled query does not go on at the server, and the connection can be used again."""
    connection = await pg.connect(**postgres.arguments())
    mark = f"cancelled by {how}"
    if how == "task":
        task = asyncio.create_task(connection.fetch(f"SELECT pg_sleep(30) /* {mark} */"))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(SOON_S, task)
    else:
        with pytest.raises(asyncio.TimeoutError):
            await within(SOON_S, connection.fetch(f"SELECT pg_sleep(30) /* {mark} */", timeout=0.2))
    assert await within(SOON_S, connection.fetchval("SELECT 1")) == 1
    assert postgres.sessions(f"query LIKE '%{mark}%' AND state = 'active'") == 0
    await connection.close()


@in_loop
async def test_a_cancel_request_hits_its_own_query_only(pg: Any, postgres: Cluster) -> None:
    """The next query on the connection never dies of the last one's cancellation."""
    connection = await pg.connect(**postgres.arguments())
    for number in range(100):
        task = asyncio.create_task(connection.fetch("SELECT pg_sleep(0.005)"))
        await asyncio.sleep(random.Random(number).uniform(0.003, 0.008))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await within(SOON_S, task)
        found = await within(SOON_S, connection.fetchval("SELECT $1::int", number))
        assert found == number
    await connection.close()
