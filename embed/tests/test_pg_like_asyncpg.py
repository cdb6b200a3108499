"""What programs written for asyncpg meet with now and then, and rely on."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from postgres_driver import OURS, in_loop

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
