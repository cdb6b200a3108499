"""A query that is new to its connection but not to its pool: prepared and run in one round trip."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from postgres_driver import OURS, in_loop, within
from postgres_proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from postgres_cluster import Cluster

SOON_S = 10.0
ours_only = pytest.mark.skipif(not OURS, reason="others ask the server first")


@pytest.fixture
def arguments(postgres: Cluster) -> Iterator[dict[str, Any]]:
    """Arguments of `connect` to a database of the test's own."""
    with postgres.database("first_use") as name:
        yield postgres.arguments(database=name)


@contextlib.asynccontextmanager
async def two(pg: Any, arguments: dict[str, Any], **more: Any) -> AsyncIterator[list[Any]]:
    """Two connections of one pool."""
    async with (
        pg.create_pool(**{**arguments, **more}, min_size=2, max_size=2) as pool,
        pool.acquire() as one,
        pool.acquire() as other,
    ):
        yield [one, other]


def messages(sent: bytes) -> str:
    """The tags of what a client has sent after its log-in."""
    tags, at = "", 0
    while at < len(sent):
        tags += chr(sent[at])
        at += 1 + int.from_bytes(sent[at + 1 : at + 5], "big")
    return tags


@ours_only
@pytest.mark.parametrize(("size", "again"), [(100, "BES"), (0, "PBDES")])
@in_loop
async def test_messages(pg: Any, postgres: Cluster, size: int, again: str) -> None:
    """One Sync, also where no statement may be kept; only the very first use has two."""
    async with Proxy(postgres.port) as proxy:
        arguments = postgres.arguments("trusting", host="127.0.0.1", port=proxy.port, ssl=False)
        async with two(pg, arguments, statement_cache_size=size) as (one, other):

            async def sent(connection: Any) -> str:
                proxy.client_data.clear()
                assert await connection.fetchval("SELECT $1::int + 1", 1) == 2
                return messages(bytes(proxy.client_data))

            assert await sent(one) == ("PDSBES" if size else "PDSPBES")
            assert await sent(other) == "PBDES"
            assert await sent(other) == again
            assert await sent(one) == again
            async with other.transaction():
                assert await other.fetchval("SELECT 1") == 1
                proxy.client_data.clear()
                assert await one.fetchval("SELECT 1") == 1
                assert messages(bytes(proxy.client_data)) == "PBDES"


@ours_only
@in_loop
async def test_evicted_statements_are_closed_along_the_way(pg: Any, postgres: Cluster) -> None:
    """Nobody waits for it."""
    async with Proxy(postgres.port) as proxy:
        arguments = postgres.arguments("trusting", host="127.0.0.1", port=proxy.port, ssl=False)
        async with two(pg, arguments, statement_cache_size=1) as (one, other):
            for query in ("SELECT 1", "SELECT 2"):
                await one.fetch(query)
            await other.fetch("SELECT 1")
            await other.fetch("SELECT 2")
            proxy.client_data.clear()
            assert await other.fetchval("SELECT 1") == 1
            assert messages(bytes(proxy.client_data)) == "CPBDES"
            left = "SELECT count(*) FROM pg_prepared_statements"
            assert await other.fetchval(left) <= 3


@in_loop
async def test_columns_have_changed(pg: Any, arguments: dict[str, Any]) -> None:
    """Rows are read as what they are, and by the names that they have now."""
    async with two(pg, arguments) as (one, other):
        await one.execute("CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 2)")
        assert dict(await one.fetchrow("SELECT * FROM t")) == {"a": 1, "b": 2}
        assert await one.fetchval("SELECT * FROM t WHERE true", column="b") == 2
        await other.execute("ALTER TABLE t DROP a; ALTER TABLE t ALTER b TYPE text, ADD c numeric")
        assert dict(await other.fetchrow("SELECT * FROM t")) == {"b": "2", "c": None}
        assert await other.fetchval("SELECT * FROM t WHERE true", column="b") == "2"
        assert dict(await other.fetchrow("SELECT * FROM t")) == {"b": "2", "c": None}
        await other.execute("ALTER TABLE t DROP b, DROP c")
        assert [len(row) for row in await other.fetch("SELECT * FROM t")] == [0]


@in_loop
async def test_what_has_changed_runs_once(pg: Any, arguments: dict[str, Any]) -> None:
    """An insertion whose answer is not what it was does not happen twice."""
    insert = "INSERT INTO t (a) VALUES ($1) RETURNING *"
    async with two(pg, arguments) as (one, other):
        await one.execute("CREATE TABLE t (a int, b int DEFAULT 7)")
        assert tuple(await one.fetchrow(insert, 1)) == (1, 7)
        await one.execute("ALTER TABLE t ALTER b TYPE text")
        assert tuple(await other.fetchrow(insert, 2)) == (2, "7")
        assert await one.fetchval("SELECT count(*) FROM t") == 2


@ours_only
@in_loop
async def test_a_column_that_cannot_be_read(pg: Any, arguments: dict[str, Any]) -> None:
    """One error, which says so: the query has run, so that it is not run again."""
    insert = "INSERT INTO t (a) VALUES ($1) RETURNING *"
    async with two(pg, arguments) as (one, other):
        await one.execute("CREATE TABLE t (a int, b int)")
        assert tuple(await one.fetchrow(insert, 1)) == (1, None)
        await one.execute(
            "CREATE TYPE pair AS (x int); ALTER TABLE t DROP b; ALTER TABLE t ADD b pair"
        )
        with pytest.raises(pg.OutdatedSchemaCacheError, match="columns"):
            await other.fetchrow(insert, 2)
        assert tuple(await other.fetchrow(insert, 3)) == (3, None)
        assert await one.fetchval("SELECT count(*) FROM t") == 3


@in_loop
async def test_parameters_have_changed(pg: Any, arguments: dict[str, Any]) -> None:
    """The server refuses the types that were; then it is asked for those that are."""
    async with two(pg, arguments) as (one, other):
        await one.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (7)")
        assert await one.fetchval("SELECT a FROM t WHERE a = $1", 7) == 7
        await one.execute("ALTER TABLE t ALTER a TYPE text")
        assert await other.fetchval("SELECT a FROM t WHERE a = $1", "7") == "7"


@in_loop
async def test_search_paths(pg: Any, arguments: dict[str, Any]) -> None:
    """The same text means another table in another session."""
    async with two(pg, arguments) as (one, other):
        for connection, kind in ((one, "int"), (other, "date")):
            await connection.execute(
                f"CREATE SCHEMA of_{kind}; CREATE TABLE of_{kind}.t (a {kind})"
            )
            await connection.execute(f"SET search_path = of_{kind}")
        assert await one.fetch("SELECT a FROM t WHERE a = $1", 1) == []
        assert await other.fetch("SELECT a FROM t WHERE a IS NULL") == []
        async with other.transaction():
            with pytest.raises(pg.DataError):
                await other.fetch("SELECT a FROM t WHERE a = $1", 1)
            assert await one.fetch("SELECT a FROM t WHERE a IS NULL") == []


@in_loop
async def test_errors(pg: Any, arguments: dict[str, Any]) -> None:
    """They are those of the query, and the connection goes on."""
    async with two(pg, arguments) as (one, other):
        await one.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
        for query, good, bad, error in (
            ("SELECT 1 / $1::int", 1, 0, pg.DivisionByZeroError),
            ("SELECT $1::int", 1, "one", pg.DataError),
            ("SELECT $1::mood::text", "good", "odd", pg.InvalidTextRepresentationError),
        ):
            await one.fetch(query, good)
            for _ in range(3):
                with pytest.raises(error):
                    await other.fetch(query, bad)
            assert len(await other.fetch(query, good)) == 1
        with pytest.raises(pg.InterfaceError, match="1 argument"):
            await other.fetch("SELECT $1::int")


@in_loop
async def test_types_that_one_connection_knows(pg: Any, arguments: dict[str, Any]) -> None:
    """Each connection has codecs of its own."""
    async with two(pg, arguments) as (one, other):
        await one.execute("CREATE TYPE pair AS (a int, b text)")
        for connection in (one, other):
            assert tuple(await connection.fetchval("SELECT ROW(1, 'x')::pair")) == (1, "x")
        await other.set_type_codec(
            "int4", schema="pg_catalog", encoder=str, decoder=lambda n: f"n{n}"
        )
        assert await one.fetchval("SELECT 7::int4") == 7
        assert await other.fetchval("SELECT 7::int4") == "n7"
        await other.reset_type_codec("int4", schema="pg_catalog")
        assert await other.fetchval("SELECT 7::int4") == 7


@in_loop
async def test_given_up(pg: Any, arguments: dict[str, Any]) -> None:
    """Whoever gives up leaves a connection that goes on, and all of its statements."""
    async with two(pg, arguments) as (one, other):
        assert await one.fetchval("SELECT 5 FROM pg_sleep($1)", 0) == 5
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await within(SOON_S, other.fetchval("SELECT 5 FROM pg_sleep($1)", 20, timeout=0.1))
            assert await within(SOON_S, other.fetchval("SELECT 5 FROM pg_sleep($1)", 0)) == 5


@in_loop
async def test_all_at_once(pg: Any, arguments: dict[str, Any]) -> None:
    """Many tasks meet connections that know nothing yet: each has its own answer."""
    async with pg.create_pool(**arguments, min_size=4, max_size=4) as pool:
        for turn in range(20):
            query = f"SELECT $1::int * 2 AS twice, {turn} AS turn"
            assert await pool.fetchval(query, 1) == 2
            rows = await asyncio.gather(*(pool.fetchrow(query, number) for number in range(64)))
            assert [tuple(row) for row in rows] == [(number * 2, turn) for number in range(64)]
        left = "SELECT count(*) FROM pg_prepared_statements"
        assert await pool.fetchval(left) < 100
