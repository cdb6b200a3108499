"""Through PgBouncer in transaction mode, where each transaction may meet another server session."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from pgbouncer import POOL_SIZE, PREPARES_SINCE, PgBouncer, find_pgbouncer, version
from postgres_driver import in_loop, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres_cluster import Cluster

SOON_S = 10.0
CLIENTS = POOL_SIZE * 3


@pytest.fixture(scope="module")
def bouncer(postgres: Cluster) -> Iterator[PgBouncer]:
    """One that knows nothing of prepared statements."""
    if find_pgbouncer() is None:
        warnings.warn("NOT TESTED with PgBouncer: it is not installed", stacklevel=1)
        pytest.skip("there is no pgbouncer")
    with PgBouncer(postgres) as running:
        yield running


@pytest.fixture(scope="module")
def preparing_bouncer(postgres: Cluster) -> Iterator[PgBouncer]:
    """One that follows prepared statements."""
    if find_pgbouncer() is None or version() < PREPARES_SINCE:
        pytest.skip("this pgbouncer does not follow prepared statements")
    with PgBouncer(postgres, max_prepared_statements=100) as running:
        yield running


async def use(pool: Any, rounds: int) -> None:
    """Queries of all kinds from more clients than the server has sessions for them."""

    async def client(number: int) -> None:
        for turn in range(rounds):
            value = number * 1000 + turn
            assert await pool.fetchval("SELECT $1::int", value) == value
            rows = await pool.fetch("SELECT $1::int, n FROM generate_series(1, 20) n", value)
            assert [tuple(row) for row in rows] == [(value, n) for n in range(1, 21)]
            async with pool.acquire() as connection:
                assert await connection.fetchval("SELECT $1::text", str(value)) == str(value)
                async with connection.transaction():
                    pid = await connection.fetchval("SELECT pg_backend_pid()")
                    await connection.execute("CREATE TEMP TABLE own (value int) ON COMMIT DROP")
                    await connection.executemany("INSERT INTO own VALUES ($1)", [(value,), (-1,)])
                    cursor = connection.cursor("SELECT value FROM own WHERE value = $1", value)
                    assert [row[0] async for row in cursor] == [value]
                    assert await connection.fetchval("SELECT pg_backend_pid()") == pid

    await within(SOON_S * 2, asyncio.gather(*(client(number) for number in range(CLIENTS))))


@in_loop
async def test_pool_without_a_statement_cache(pg: Any, bouncer: PgBouncer) -> None:
    """No query finds or leaves a statement at a session that is not its own."""
    arguments = bouncer.arguments(statement_cache_size=0, min_size=CLIENTS, max_size=CLIENTS)
    async with pg.create_pool(**arguments) as pool:
        await use(pool, 5)
        assert bouncer.cluster.sessions("usename = 'scram'") <= POOL_SIZE


@in_loop
async def test_no_statement_is_left_behind(pg: Any, postgres: Cluster, bouncer: PgBouncer) -> None:
    """At the server, where another client would meet it."""
    arguments = bouncer.arguments("md5", statement_cache_size=0, min_size=9, max_size=9)
    async with pg.create_pool(**arguments) as pool:
        await use(pool, 5)
    left = "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"
    connection = await pg.connect(**bouncer.arguments("md5", statement_cache_size=0))
    for _ in range(POOL_SIZE * 3):
        assert await connection.fetchval(left) == 0
    await connection.close()


@in_loop
async def test_errors_and_types(pg: Any, bouncer: PgBouncer) -> None:
    """Errors stay with their query; types that must be looked up are."""
    connection = await pg.connect(**bouncer.arguments(statement_cache_size=0))
    await connection.execute("DROP TYPE IF EXISTS bounced; CREATE TYPE bounced AS (a int, b text)")
    with pytest.raises(pg.DivisionByZeroError):
        await connection.fetch("SELECT 1 / $1::int", 0)
    assert tuple(await connection.fetchval("SELECT ROW(1, 'x')::bounced")) == (1, "x")
    with pytest.raises(pg.UndefinedColumnError):
        await connection.fetch("SELECT nothing")
    await connection.execute("DROP TYPE bounced")
    await connection.close()


@in_loop
async def test_cancelled(pg: Any, bouncer: PgBouncer) -> None:
    """The request to cancel goes through it too."""
    connection = await pg.connect(**bouncer.arguments(statement_cache_size=0))
    for _ in range(5):
        with pytest.raises(asyncio.TimeoutError):
            await within(SOON_S, connection.fetch("SELECT pg_sleep(20)", timeout=0.1))
        assert await within(SOON_S, connection.fetchval("SELECT 1")) == 1
    await connection.close()
    assert bouncer.cluster.sessions("state = 'active' AND query LIKE 'SELECT pg_sleep(20)%'") == 0


@in_loop
async def test_pool_with_a_statement_cache(pg: Any, preparing_bouncer: PgBouncer) -> None:
    """It translates the names of prepared statements (since 1.21)."""
    others = preparing_bouncer.cluster.sessions("usename = 'scram'")
    arguments = preparing_bouncer.arguments(min_size=CLIENTS, max_size=CLIENTS)
    async with pg.create_pool(**arguments) as pool:
        await use(pool, 5)
        assert preparing_bouncer.cluster.sessions("usename = 'scram'") <= others + POOL_SIZE
