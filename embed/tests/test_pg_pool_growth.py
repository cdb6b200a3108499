"""A pool that cannot grow says why, and one that is sent elsewhere takes nothing along."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

import pytest
from postgres_driver import OURS, in_loop, within

if TYPE_CHECKING:
    from postgres_cluster import Cluster

ours_only = pytest.mark.skipif(not OURS, reason="other pools grow otherwise")

SOON_S = 10.0


@ours_only
@in_loop
async def test_why_a_pool_cannot_grow(
    pg: Any, own_postgres: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Who waits in vain is told, and so is the log; what worked afterwards clears it."""
    own_postgres.sql("ALTER ROLE scram CONNECTION LIMIT 1")
    async with pg.create_pool(**own_postgres.arguments(), min_size=1, max_size=3) as pool:
        held = await pool.acquire()
        with caplog.at_level(logging.WARNING, "fasterapi.pg"):
            for _ in range(2):
                with pytest.raises(TimeoutError, match="too many connections for role") as told:
                    await within(SOON_S, pool.acquire(timeout=0.6))
                assert isinstance(told.value.__cause__, pg.TooManyConnectionsError)
        # It was tried more often than it was told.
        assert ["too many connections" in one.getMessage() for one in caplog.records] == [True]
        own_postgres.sql("ALTER ROLE scram CONNECTION LIMIT 2")
        second = await within(SOON_S, pool.acquire(timeout=SOON_S))
        await pool.release(second)
        await pool.release(held)
    # A wait without a failure is a wait.
    async with pg.create_pool(**own_postgres.arguments(), min_size=1, max_size=1) as pool:
        async with pool.acquire():
            with pytest.raises(TimeoutError) as plain:
                await within(SOON_S, pool.acquire(timeout=0.1))
        assert "could not be made" not in str(plain.value)


@ours_only
@in_loop
async def test_an_init_that_fails(
    pg: Any, postgres: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """It keeps the pool from growing, and is named."""
    calls = 0

    async def init(_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise ZeroDivisionError("no second one")

    arguments = postgres.arguments()
    arguments |= {"min_size": 1, "max_size": 2, "init": init, "acquire_timeout": 0.4}
    async with pg.create_pool(**arguments) as pool:
        async with pool.acquire():
            for ask in (pool.acquire, lambda: pool.fetch("SELECT 1")):
                with pytest.raises(TimeoutError, match="ZeroDivisionError: no second one") as told:
                    await within(SOON_S, ask())
                assert isinstance(told.value.__cause__, ZeroDivisionError)
        # Who needs no other connection notices nothing.
        assert await within(SOON_S, pool.fetchval("SELECT 1")) == 1
    assert "no second one" in caplog.text


@ours_only
@in_loop
async def test_a_connection_that_is_dead_already(pg: Any, postgres: Cluster) -> None:
    """One that ends before the pool has it keeps no place; its end is why the pool cannot grow."""
    are_shot = False

    async def init(connection: Any) -> None:
        if are_shot:
            with contextlib.suppress(pg.PostgresError):
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    arguments = postgres.arguments(min_size=1, max_size=2, init=init)
    async with pg.create_pool(**arguments) as pool:
        async with pool.acquire():
            are_shot = True
            with pytest.raises(TimeoutError, match="ended as soon as it was made"):
                await within(SOON_S, pool.acquire(timeout=0.6))
            assert (pool.get_size(), pool.get_idle_size()) == (1, 0)
            # Its place is free for one that lives.
            are_shot = False
            assert await within(SOON_S, pool.fetchval("SELECT 1")) == 1
        assert (pool.get_size(), pool.get_idle_size()) == (2, 2)


@ours_only
@in_loop
async def test_a_cancelled_wait_is_no_timeout(pg: Any, postgres: Cluster) -> None:
    """A failure to grow makes nothing else of a cancellation."""
    made = 0
    has_failed = asyncio.Event()

    async def connect(*arguments: Any, **more: Any) -> Any:
        nonlocal made
        made += 1
        if made > 1:
            has_failed.set()
            raise OSError("nobody there")
        return await pg.connect(*arguments, **more)

    arguments = postgres.arguments(min_size=1, max_size=2, connect=connect)
    async with pg.create_pool(**arguments) as pool, pool.acquire():
        waiting = asyncio.ensure_future(pool.acquire(timeout=SOON_S))
        await within(SOON_S, has_failed.wait())
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(SOON_S, waiting)


@pytest.mark.parametrize("how", ["by itself", "by a function"])
@in_loop
async def test_another_database_has_other_types(pg: Any, postgres: Cluster, how: str) -> None:
    """After `set_connect_args` types and queries are learnt anew: the oids are the same."""

    async def connect(*arguments: Any, **more: Any) -> Any:
        return await pg.connect(*arguments, **more)

    arguments = postgres.arguments("trusting")
    more = {"connect": connect} if how == "by a function" else {}
    with postgres.database("here") as here:
        postgres.sql("CREATE TYPE pair AS (x int, y text)", here)
        postgres.sql("DROP DATABASE IF EXISTS there")
        postgres.sql("CREATE DATABASE there TEMPLATE here")
        postgres.sql("ALTER TYPE pair ADD ATTRIBUTE z int", "there")
        try:
            known = arguments | {"database": here}
            async with pg.create_pool(**known, min_size=1, max_size=2, **more) as pool:
                assert tuple(await pool.fetchval("SELECT ROW(1, 'a')::pair")) == (1, "a")
                assert await pool.fetchval("SELECT ($1::pair).y", (1, "b")) == "b"
                pool.set_connect_args(**arguments | {"database": "there"})
                await pool.expire_connections()
                found = await within(SOON_S, pool.fetchval("SELECT ROW(1, 'a', 3)::pair"))
                assert tuple(found) == (1, "a", 3)
                assert await within(SOON_S, pool.fetchval("SELECT ($1::pair).z", (1, "b", 4))) == 4
        finally:
            postgres.sql("DROP DATABASE there WITH (FORCE)")


async def until(pool: Any, size: int) -> None:
    """Wait until the pool has as many connections."""
    for _ in range(int(SOON_S / 0.02)):
        if pool.get_size() == size:
            return
        await asyncio.sleep(0.02)
    assert pool.get_size() == size


@ours_only
@in_loop
async def test_the_floor(pg: Any, postgres: Cluster) -> None:
    """As many connections as are asked for at least, without a query that wants them."""
    arguments = postgres.arguments("md5", init_size=3, min_size=2, max_size=4)
    arguments["max_inactive_connection_lifetime"] = 0.3
    async with pg.create_pool(**arguments) as pool:
        assert (pool.get_init_size(), pool.get_min_size(), pool.get_size()) == (3, 2, 3)
        await until(pool, 2)
        await asyncio.gather(*(pool.fetch("SELECT pg_sleep(0.2)") for _ in range(4)))
        assert pool.get_size() == 4
        await until(pool, 2)
        await asyncio.sleep(1)
        assert pool.get_size() == 2
        mine = "FROM pg_stat_activity WHERE usename = 'md5'"
        before = set(postgres.sql(f"SELECT pid {mine}").split())
        postgres.sql(f"SELECT pg_terminate_backend(pid) {mine}")
        for _ in range(int(SOON_S / 0.05)):
            after = set(postgres.sql(f"SELECT pid {mine}").split())
            if len(after) == 2 and not after & before:
                break
            await asyncio.sleep(0.05)
        assert len(after) == 2
        assert not after & before
        await until(pool, 2)


@ours_only
@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"init_size": -1, "min_size": 0}, "greater or equal to zero"),
        ({"init_size": 11}, "greater than max_size"),
        ({"init_size": 1, "min_size": 2}, "smaller than min_size"),
    ],
)
def test_sizes_that_make_no_sense(pg: Any, sizes: dict[str, int], words: str) -> None:
    """They are refused before anything is connected."""
    with pytest.raises(ValueError, match=f"init_size is .*{words}"):
        pg.create_pool("postgresql://nowhere", **sizes)
