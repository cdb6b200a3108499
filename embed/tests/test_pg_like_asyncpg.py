"""What programs written for asyncpg meet with now and then, and rely on."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import copy
import gc
import json
import operator
import warnings
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from postgres_driver import OURS, in_loop, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from postgres_cluster import Cluster

SOON_S = 10.0
ours_only = pytest.mark.skipif(not OURS, reason="asyncpg waits for ever, or gives texts")


@contextlib.asynccontextmanager
async def connected(pg: Any, postgres: Cluster) -> AsyncIterator[Any]:
    """A connection with a temporary table of two rows."""
    connection = await pg.connect(postgres.dsn())
    try:
        await connection.execute(
            "CREATE TEMP TABLE numbers (n int); INSERT INTO numbers VALUES (1), (2)"
        )
        yield connection
    finally:
        await connection.close()


@in_loop
async def test_arrays_of_records(pg: Any, postgres: Cluster) -> None:
    """The catalogue calls `record[]` a pseudo-type, as it does `cstring[]`."""
    async with connected(pg, postgres) as connection:
        rows = await connection.fetchval("SELECT array(SELECT row(n, 'a') FROM numbers ORDER BY n)")
        assert rows == [(1, "a"), (2, "a")]
        within_row = await connection.fetchval("SELECT row(row(1, NULL), array[row(2)])")
        assert within_row == ((1, None), [(2,)])
        nested = "SELECT array[array[row(1)], array[row(2)]] AS a, '{}'::int[] AS b"
        assert tuple(await connection.fetchrow(nested)) == ([[(1,)], [(2,)]], [])
        assert await connection.fetchval("SELECT '{a,NULL}'::cstring[]") == ["a", None]
        if OURS:
            made = await connection.fetch_json("SELECT array[row(1, 'a'), NULL] AS a")
            assert json.loads(bytes(made)) == [{"a": [[1, "a"], None]}]


@ours_only
@in_loop
async def test_json_that_only_python_reads(pg: Any, postgres: Cluster) -> None:
    """One value must not keep all others from whoever asks."""
    deep = "[" * 500 + "]" * 500
    for text in (deep, '"\\ud800"', '{"\\udfff": ["\\ud800x"]}'):
        async with connected(pg, postgres) as connection:
            sql = f"SELECT n, '{text}'::json AS j FROM numbers ORDER BY n"
            rows = await connection.fetch(sql)
            assert [tuple(row) for row in rows] == [(n, json.loads(text)) for n in (1, 2)]
            made = await connection.fetch_json(sql)
            assert bytes(made) == f'[{{"n":1,"j":{text}}},{{"n":2,"j":{text}}}]'.encode()


TO_STDOUT = "COPY numbers TO STDOUT"
FROM_STDIN = "COPY numbers FROM STDIN"


@in_loop
async def test_copy_to_stdout_as_a_query(pg: Any, postgres: Cluster) -> None:
    """Nobody takes its data, and the connection is of use after it."""
    async with connected(pg, postgres) as connection:
        assert await connection.execute(TO_STDOUT) == "COPY 2"
        assert await connection.execute(f"{TO_STDOUT}; SELECT 1") == "SELECT 1"
        assert await connection.fetch(TO_STDOUT) == []
        assert await connection.fetchrow(TO_STDOUT) is None
        assert await connection.fetchval(TO_STDOUT) is None
        assert await (await connection.prepare(TO_STDOUT)).fetch() == []
        await connection.executemany(TO_STDOUT, [(), ()])
        async with connection.transaction():
            assert [row async for row in connection.cursor(TO_STDOUT)] == []
        assert await connection.fetchval("SELECT count(*) FROM numbers") == 2


@ours_only
@in_loop
async def test_copy_from_stdin_as_a_query(pg: Any, postgres: Cluster) -> None:
    """It says what to use instead, and nothing else comes to harm."""

    async def with_cursor(connection: Any) -> None:
        async with connection.transaction():
            async for _ in connection.cursor(FROM_STDIN):
                pass

    async def with_statement(connection: Any) -> None:
        await (await connection.prepare(FROM_STDIN)).fetch()

    ways = {
        "execute": lambda connection: connection.execute(FROM_STDIN),
        "script": lambda connection: connection.execute(
            f"INSERT INTO numbers VALUES (3); {FROM_STDIN}; INSERT INTO numbers VALUES (4)"
        ),
        "fetch": lambda connection: connection.fetch(FROM_STDIN),
        "fetchval": lambda connection: connection.fetchval(FROM_STDIN),
        "executemany": lambda connection: connection.executemany(FROM_STDIN, [()]),
        "cursor": with_cursor,
        "statement": with_statement,
    }
    for name, way in ways.items():
        async with connected(pg, postgres) as connection:
            for _ in range(2):
                with pytest.raises(pg.InterfaceError, match="copy_records_to_table"):
                    await within(SOON_S, way(connection))
                assert not connection.is_closed(), name
                assert not connection.is_in_transaction(), name
                # The answer to this question and to no other.
                assert await within(SOON_S, connection.fetchval("SELECT 5")) == 5, name
                assert await connection.fetchval("SELECT count(*) FROM numbers") == 2, name


@ours_only
@in_loop
async def test_copy_from_stdin_before_others(pg: Any, postgres: Cluster) -> None:
    """What others have asked is answered; a pipeline is taken back as a whole."""
    async with pg.create_pool(postgres.dsn(), min_size=1, max_size=1) as pool:
        await pool.execute("DROP TABLE IF EXISTS shared; CREATE TABLE shared (n int)")
        asked = [pool.fetchval("SELECT $1::int", n) for n in range(5)]
        both = [*asked[:2], pool.fetch("COPY shared FROM STDIN"), *asked[2:]]
        got = await within(SOON_S, asyncio.gather(*both, return_exceptions=True))
        assert isinstance(got.pop(2), pg.InterfaceError)
        assert got == [0, 1, 2, 3, 4]
        assert await within(SOON_S, pool.fetchval("SELECT 7")) == 7

        async def in_pipeline() -> None:
            async with pool.pipeline() as batch:
                batch.execute("INSERT INTO shared VALUES (1)")
                batch.fetch("COPY shared FROM STDIN")
                batch.execute("INSERT INTO shared VALUES (2)")

        with pytest.raises(pg.InterfaceError, match="copy_to_table"):
            await within(SOON_S, in_pipeline())
        assert await within(SOON_S, pool.fetchval("SELECT count(*) FROM shared")) == 0
        async with pool.pipeline() as batch:
            count = batch.execute("COPY shared TO STDOUT")
            one = batch.fetchval("SELECT 1")
        assert (count.result(), one.result()) == ("COPY 0", 1)


def forgotten(make: Any) -> list[str]:
    """The warnings when what ``make`` gives is dropped."""
    # What others have left may have something to say, too.
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make()
        gc.collect()
    assert all(one.category is RuntimeWarning for one in caught)
    return [str(one.message) for one in caught]


@in_loop
async def test_a_forgotten_await_is_told(pg: Any, postgres: Cluster) -> None:
    """Nothing was sent then, which is hard to find otherwise."""
    async with connected(pg, postgres) as connection:
        sql = "INSERT INTO numbers VALUES (3)"
        for make, name in (
            (lambda: connection.execute(sql), "Connection.execute"),
            (
                lambda: connection.execute("INSERT INTO numbers VALUES ($1)", 3),
                "Connection.execute",
            ),
            (lambda: connection.fetch(sql), "Connection.fetch"),
            (lambda: connection.fetchrow(sql), "Connection.fetchrow"),
            (lambda: connection.fetchval(sql), "Connection.fetchval"),
            (lambda: connection.executemany(sql, []), "executemany"),
        ):
            (told,) = forgotten(make)
            assert told.startswith("coroutine '"), told
            assert told.endswith(f"{name}' was never awaited"), told
        assert await connection.fetchval("SELECT count(*) FROM numbers") == 2
        # What was closed or thrown away on purpose was not forgotten.
        assert forgotten(lambda: connection.fetch(sql).close()) == []
        task = asyncio.ensure_future(connection.fetch(sql))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        assert forgotten(lambda: None) == []
        assert await connection.fetchval("SELECT count(*) FROM numbers") == 2


@in_loop
async def test_a_forgotten_await_under_a_strict_filter(pg: Any, postgres: Cluster) -> None:
    """An exception that is on its way arrives; the warning itself cannot be raised."""
    async with pg.create_pool(postgres.dsn(), min_size=1, max_size=1) as pool:
        with (
            warnings.catch_warnings(),
            mock.patch("sys.unraisablehook") as hook,
        ):
            warnings.simplefilter("error", RuntimeWarning)

            def lose() -> None:
                kept = pool.fetch("SELECT 1")
                raise KeyError(type(kept).__name__)

            with pytest.raises(KeyError):
                lose()
            gc.collect()
        (call,) = hook.call_args_list
        assert str(call.args[0].exc_value).endswith("fetch' was never awaited")


@in_loop
async def test_records_as_sequences(pg: Any, postgres: Cluster) -> None:
    """They can be reversed; they are no tuples and match no patterns."""
    async with connected(pg, postgres) as connection:
        row = await connection.fetchrow("SELECT 1 AS a, 'x' AS b")
        assert list(reversed(row)) == ["x", 1]
        assert row in [None, (1, "x")]
        assert dict(row) == {"a": 1, "b": "x"}
        for kind in (collections.abc.Sequence, collections.abc.Mapping, tuple):
            assert not isinstance(row, kind)
        match row:
            case [_, _]:
                pytest.fail("it is a sequence")
            case {"a": _}:
                pytest.fail("it is a mapping")
        with pytest.raises(TypeError, match="concatenated"):
            operator.concat(row, ())
        with pytest.raises(TypeError, match="cannot pickle"):
            copy.copy(row)


@in_loop
async def test_a_session_changed_by_cursors_and_copies(pg: Any, postgres: Cluster) -> None:
    """The next who borrows the connection does not see it."""
    change = "SELECT set_config('fasterapi.mark', $1, false)"

    async def drop(data: bytes) -> None:
        """Take it."""

    async def iterate(connection: Any) -> None:
        async with connection.transaction():
            async for _ in connection.cursor(change, "seen"):
                pass

    async def take(connection: Any) -> None:
        async with connection.transaction():
            await (await connection.cursor(change, "seen")).fetchrow()

    async def copied(connection: Any) -> None:
        await connection.copy_from_query(change, "seen", output=drop)

    async with pg.create_pool(postgres.dsn(), min_size=1, max_size=1) as pool:
        for act in (iterate, take, copied):
            async with pool.acquire() as connection:
                await act(connection)
                mark = await connection.fetchval("SELECT current_setting('fasterapi.mark', true)")
                assert mark == "seen"
            async with pool.acquire() as connection:
                mark = await connection.fetchval("SELECT current_setting('fasterapi.mark', true)")
            assert not mark, act.__name__


@in_loop
async def test_mocks(pg: Any) -> None:
    """`unittest.mock` asks which methods are coroutines."""
    names = ["fetch", "fetchrow", "fetchval", "execute", "executemany"]
    proxies = [pg.pool.PoolConnectionProxy] if OURS else []
    for kind in (pg.Connection, pg.Pool, *proxies):
        for double in (mock.AsyncMock(spec=kind), mock.create_autospec(kind, instance=True)):
            for name in names:
                assert asyncio.iscoroutinefunction(getattr(kind, name)), name
                method = getattr(double, name)
                method.return_value = [name]
                assert await method("SELECT 1", []) == [name]


@in_loop
async def test_an_iteration_ends_with_its_loan(pg: Any, postgres: Cluster) -> None:
    """Also in the midst of the rows that it has."""
    async with pg.create_pool(postgres.dsn(), min_size=1, max_size=1) as pool:
        async with pool.acquire() as connection, connection.transaction():
            rows = aiter(connection.cursor("SELECT generate_series(1, 9)", prefetch=5))
            assert (await anext(rows))[0] == 1
        with pytest.raises(pg.InterfaceError, match="released back to the pool"):
            await anext(rows)
        async with pool.acquire() as connection, connection.transaction():
            statement = await connection.prepare("SELECT generate_series(1, 9)")
            got = [row[0] async for row in statement.cursor(prefetch=2)]
            assert got == list(range(1, 10))
