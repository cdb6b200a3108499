"""What the driver has beyond asyncpg: pipelines, models, JSON, listening that goes on."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from postgres_driver import OURS, in_loop, within
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from fasterapi.encoders import jsonable_encoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from postgres_cluster import Cluster

# For how long pipelines are cancelled at random, in seconds.
STORM_S = 3.0

pytestmark = [
    pytest.mark.seconds(60),
    pytest.mark.skipif(not OURS, reason="this is not in asyncpg"),
]


@contextlib.asynccontextmanager
async def opened(pg: Any, cluster: Cluster, **options: Any) -> AsyncIterator[Any]:
    """A pool on a database of its own, with a table ``t`` of numbers."""
    with cluster.database() as name:
        options = {"min_size": 1, "max_size": 3, **options}
        async with pg.create_pool(cluster.dsn(database=name), **options) as pool:
            await pool.execute("CREATE TABLE t (n int PRIMARY KEY, text text)")
            yield pool


# Pipelines.


@in_loop
async def test_a_pipeline_gives_each_statement_its_result(pg: Any, postgres: Cluster) -> None:
    """Of every kind, in order, also on a connection and with a cache that is too small."""
    for cache in (100, 2, 0):
        async with (
            opened(pg, postgres, statement_cache_size=cache) as pool,
            pool.acquire() as connection,
        ):
            for source in (pool, connection):
                async with source.pipeline() as batch:
                    done = batch.execute("INSERT INTO t VALUES ($1, $2)", 1, "one")
                    rows = batch.fetch("SELECT * FROM generate_series(1, $1::int) n", 3)
                    row = batch.fetchrow("SELECT * FROM t")
                    value = batch.fetchval("SELECT 1 AS a, 2 AS b", column="b")
                    gone = batch.execute("DELETE FROM t")
                    assert len(batch) == 5
                    with pytest.raises(pg.InterfaceError, match="end of its"):
                        await row
                assert done.result() == "INSERT 0 1"
                assert [n for (n,) in await rows] == [1, 2, 3]
                assert dict(row.result()) == {"n": 1, "text": "one"}
                assert (await value, await gone) == (2, "DELETE 1")
            assert connection._core.status == "I"


@in_loop
async def test_a_pipeline_goes_out_in_one_piece(pg: Any, postgres: Cluster) -> None:
    """From the second time on, it is one exchange with the server."""
    async with opened(pg, postgres) as pool, pool.acquire() as connection:

        async def numbers() -> list[Any]:
            async with connection.pipeline() as batch:
                found = [batch.fetchval("SELECT $1::int", n) for n in range(50)]
            return [value.result() for value in found]

        core = connection._con._core
        assert await numbers() == list(range(50))
        before = core.queries
        task = asyncio.ensure_future(numbers())
        await asyncio.sleep(0)
        # BEGIN and COMMIT too; all of them were sent before any answer was waited for.
        assert core.queries - before == 52
        assert core.in_flight == 52
        assert core.unsent == 0
        assert await task == list(range(50))


@in_loop
async def test_a_failed_pipeline_leaves_nothing(pg: Any, postgres: Cluster) -> None:
    """Whatever fails; the error says where, and the connection is as before."""
    async with opened(pg, postgres, max_size=1) as pool:
        insert = "INSERT INTO t VALUES ($1, $2)"
        await pool.execute(insert, 1, "one")
        for arguments, error in (
            ((1, "again"), pg.UniqueViolationError),
            (("two", "text"), pg.DataError),
            ((2,), pg.InterfaceError),
        ):
            with pytest.raises(error) as caught:  # noqa: PT012 - raised at the end
                async with pool.pipeline() as batch:
                    first = batch.execute(insert, 5, "five")
                    bad = batch.execute(insert, *arguments)
                    last = batch.fetchval("SELECT count(*) FROM t")
            assert any("statement 2 of 3" in note for note in caught.value.__notes__)
            assert bad.exception() is caught.value
            for other in (first, last):
                with pytest.raises(pg.InterfaceError, match="nothing of the pipeline"):
                    other.result()
            assert await pool.fetch("SELECT n FROM t") == [(1,)]
        with pytest.raises(pg.PostgresSyntaxError) as caught:  # noqa: PT012
            async with pool.pipeline() as batch:
                batch.execute(insert, 5, "five")
                batch.execute("SELEC 1")
        assert "statement 2 of 2" in caught.value.__notes__[0]
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with pool.pipeline() as batch:
                batch.execute(insert, 5, "five")
                raise ZeroDivisionError
        assert await pool.fetch("SELECT n FROM t") == [(1,)]


@in_loop
async def test_a_failure_at_commit_undoes_a_pipeline(pg: Any, postgres: Cluster) -> None:
    """A deferred constraint is checked at the end."""
    async with opened(pg, postgres) as pool:
        await pool.execute("CREATE TABLE child (n int REFERENCES t INITIALLY DEFERRED)")
        with pytest.raises(pg.ForeignKeyViolationError) as caught:
            async with pool.pipeline() as batch:
                done = batch.execute("INSERT INTO child VALUES ($1)", 7)
        assert "at the end of the pipeline" in caught.value.__notes__
        assert isinstance(done.exception(), pg.InterfaceError)
        assert await pool.fetchval("SELECT count(*) FROM child") == 0


@in_loop
async def test_a_pipeline_in_a_transaction_is_a_savepoint(pg: Any, postgres: Cluster) -> None:
    """The transaction goes on after a failed one."""
    async with opened(pg, postgres) as pool, pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("INSERT INTO t VALUES (1)")
            with pytest.raises(pg.UniqueViolationError):  # noqa: PT012
                async with connection.pipeline() as batch:
                    batch.execute("INSERT INTO t VALUES (2)")
                    batch.execute("INSERT INTO t VALUES (1)")
            async with connection.pipeline() as batch:
                batch.execute("INSERT INTO t VALUES (3)")
        assert await connection.fetch("SELECT n FROM t ORDER BY n") == [(1,), (3,)]


@in_loop
async def test_a_pipeline_is_no_place_for_commit(pg: Any, postgres: Cluster) -> None:
    """Nor can it be used outside of its block, or twice."""
    async with opened(pg, postgres) as pool:
        batch = pool.pipeline()
        with pytest.raises(pg.InterfaceError):
            batch.execute("SELECT 1")
        async with batch:
            for command in ("COMMIT", " begin", "/* x */ ROLLBACK", "; commit", "savepoint a"):
                with pytest.raises(pg.InterfaceError, match="transaction by itself"):
                    batch.execute(command)
        with pytest.raises(pg.InterfaceError):
            await batch.__aenter__()


@in_loop
async def test_a_pipeline_survives_a_changed_plan(pg: Any, postgres: Cluster) -> None:
    """Its statements are prepared anew when a table has changed under them."""
    async with opened(pg, postgres, max_size=1) as pool:
        for columns in (2, 3):
            async with pool.pipeline() as batch:
                batch.execute("INSERT INTO t (n) VALUES ($1)", columns)
                row = batch.fetchrow("SELECT * FROM t")
            assert len(row.result()) == columns
            async with pool.acquire() as connection:
                await connection.execute("ALTER TABLE t ADD COLUMN IF NOT EXISTS more int")
        assert await pool.fetchval("SELECT count(*) FROM t") == 2


@in_loop
async def test_a_cancelled_pipeline_is_stopped(pg: Any, postgres: Cluster) -> None:
    """By its timeout too; the connection serves on and the server works no longer."""
    async with opened(pg, postgres, max_size=1) as pool:

        async def slow(timeout_s: float | None) -> None:
            async with pool.pipeline(timeout=timeout_s) as batch:
                batch.execute("INSERT INTO t VALUES (1)")
                batch.execute("SELECT pg_sleep(20)")

        with pytest.raises(TimeoutError):
            await within(5, slow(0.3))
        task = asyncio.ensure_future(slow(None))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(5, task)
        assert await within(5, pool.fetchval("SELECT count(*) FROM t")) == 0
        assert await asyncio.to_thread(postgres.sessions, "query LIKE '%pg_sleep(20)%'") == 0


@in_loop
async def test_pipelines_that_are_cancelled_at_any_moment(pg: Any, postgres: Cluster) -> None:
    """Each took effect wholly or not at all, and nobody gets what is another's."""
    async with opened(pg, postgres, max_size=3) as pool:
        await pool.execute("CREATE TABLE entry (id int, amount int)")
        loop = asyncio.get_running_loop()
        end = loop.time() + STORM_S
        numbers = itertools.count(1)
        ended: dict[str, int] = {"done": 0, "cancelled": 0}
        done: set[int] = set()

        async def transfer(number: int) -> None:
            async with pool.pipeline() as batch:
                batch.execute("INSERT INTO entry VALUES ($1, 5)", number)
                same = batch.fetchval("SELECT $1::int FROM pg_sleep(0.001)", number)
                batch.execute("INSERT INTO entry VALUES ($1, -5)", number)
            assert same.result() == number
            done.add(number)

        async def work(seed: int) -> None:
            chance = random.Random(seed)
            while loop.time() < end:
                try:
                    async with asyncio.timeout(chance.uniform(0, 0.03)):
                        await transfer(next(numbers))
                    ended["done"] += 1
                except TimeoutError:
                    ended["cancelled"] += 1

        await within(STORM_S + 10, asyncio.gather(*(work(seed) for seed in range(8))))
        assert min(ended.values()) > 10, ended
        rows = "SELECT id, count(*) AS rows, sum(amount) AS sum FROM entry GROUP BY id"
        found = {row["id"]: (row["rows"], row["sum"]) for row in await pool.fetch(rows)}
        assert set(found.values()) <= {(2, 0)}
        assert done <= set(found)
        assert pool.get_size() <= 3
        assert pool.get_idle_size() == pool.get_size()


# Models.


class Model(BaseModel):
    """A row."""

    n: int
    text: str = "none"


@dataclasses.dataclass
class Data:
    """A row."""

    n: int
    text: str


class Typed(TypedDict):
    """A row."""

    n: int
    text: str


@in_loop
async def test_rows_become_models(pg: Any, postgres: Cluster) -> None:
    """Of every kind, validated."""
    query = "SELECT n, n::text AS text FROM generate_series(1, $1::int) n"
    async with opened(pg, postgres) as pool, pool.acquire() as connection:
        for source in (pool, connection):
            models = await source.fetch_models(Model, query, 2)
            assert models == [Model(n=1, text="1"), Model(n=2, text="2")]
            assert models[0].model_fields_set == {"n", "text"}
            assert await source.fetch_models(Data, query, 1) == [Data(1, "1")]
            assert await source.fetch_models(Typed, query, 1) == [{"n": 1, "text": "1"}]
            assert await source.fetch_models(Model, query, 0) == []
            assert await source.fetch_model(Model, query, 0) is None
            assert await source.fetch_model(Model, "SELECT 7 AS n") == Model(n=7)
            with pytest.raises(ValidationError) as caught:
                await source.fetch_models(Model, "SELECT 1 AS n UNION ALL SELECT NULL")
            assert caught.value.errors()[0]["loc"] == (1, "n")


# JSON.

VALUES = """
    1::int2 AS "a ""quoted"" name", -5::int8 AS b, 1.5::float8 AS c, 12.50::numeric AS d,
    'ä"\\\\\n'::text AS e, NULL::int AS f, true AS g, '{"x": [1, null]}'::jsonb AS h,
    '{1,2,NULL}'::int[] AS i, '2024-02-29'::date AS j, '2024-02-29 12:34:56.7'::timestamp AS k,
    '2024-02-29 12:34:56+02'::timestamptz AS l, '01:02:03'::time AS m, '90 seconds'::interval AS n,
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS o, '10.0.0.1'::inet AS p,
    'text'::bytea AS q, ARRAY[['a','b'],['c','d']] AS r, ROW(1, 'x') AS s
"""


@in_loop
async def test_json_is_that_of_the_objects(pg: Any, postgres: Cluster) -> None:
    """As the framework would write the records."""
    query = f"SELECT {VALUES} FROM generate_series(1, 3)"
    async with opened(pg, postgres) as pool, pool.acquire() as connection:
        records = [dict(record) for record in await pool.fetch(query)]
        for source in (pool, connection):
            rows = await source.fetch_json(query)
            assert json.loads(bytes(rows)) == jsonable_encoder(records)
            assert rows.json() == json.loads(rows.body)
            assert rows.media_type == "application/json"
            assert len(rows) == len(rows.body)
        assert bytes(await pool.fetch_json("SELECT 1 AS n WHERE false")) == b"[]"
        assert bytes(await pool.fetch_json("SELECT $1::text AS n", "x")) == b'[{"n":"x"}]'


@in_loop
async def test_json_of_a_type_of_the_programs_own(pg: Any, postgres: Cluster) -> None:
    """It is what the codec makes of it."""

    async def init(connection: Any) -> None:
        await connection.set_type_codec(
            "int4", schema="pg_catalog", encoder=str, decoder=lambda text: {"number": int(text)}
        )

    async with opened(pg, postgres, init=init) as pool:
        assert bytes(await pool.fetch_json("SELECT 5 AS n, 'x' AS t")) == (
            b'[{"n":{"number":5},"t":"x"}]'
        )


# Listening.


def end_listener(cluster: Cluster) -> None:
    """End the session that listens."""
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")


@in_loop
async def test_notifications_come_in_order(pg: Any, postgres: Cluster) -> None:
    """To all who listen to the channel, by one connection, which goes back at the end."""
    async with opened(pg, postgres) as pool:
        async with pool.listen("one", "two words") as both, pool.listen("one") as one:
            assert postgres.sessions("query LIKE 'LISTEN%'") <= 1
            for n in range(20):
                channel = "one" if n % 2 else "two words"
                await pool.execute("SELECT pg_notify($1, $2)", channel, str(n))
            got = [await within(5, anext(both)) for _ in range(20)]
            assert [n.payload for n in got] == [str(n) for n in range(20)]
            assert {n.channel for n in got} == {"one", "two words"}
            odd = [(await within(5, anext(one))).payload for _ in range(10)]
            assert odd == [str(n) for n in range(1, 20, 2)]
        for _ in range(100):
            if pool.get_idle_size() == pool.get_size():
                break
            await asyncio.sleep(0.02)
        assert pool.get_idle_size() == pool.get_size()
        assert await pool.fetchval("SELECT count(*) FROM pg_listening_channels()") == 0


@in_loop
async def test_a_lost_connection_is_a_gap(pg: Any, own_postgres: Cluster) -> None:
    """Also when the server is away for a while; what comes after it comes."""
    dsn = own_postgres.dsn()
    async with pg.create_pool(dsn, min_size=1, max_size=3) as pool, pool.listen("c") as heard:
        await pool.execute("SELECT pg_notify('c', 'before')")
        assert (await within(5, anext(heard))).payload == "before"
        await asyncio.to_thread(end_listener, own_postgres)
        assert isinstance(await within(10, anext(heard)), pg.Gap)
        await asyncio.to_thread(own_postgres.stop)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(own_postgres.start)
        gap = await within(15, anext(heard))
        assert isinstance(gap, pg.Gap)
        assert gap.lost_s > 0.4
        assert heard.gaps == 2
        own_postgres.sql("NOTIFY c, 'after'")
        assert (await within(5, anext(heard))).payload == "after"


@in_loop
async def test_a_full_queue_drops(pg: Any, postgres: Cluster) -> None:
    """The oldest or the newest, and counts them."""
    async with opened(pg, postgres) as pool:
        for policy, kept in (("drop_oldest", [7, 8, 9]), ("drop_newest", [0, 1, 2])):
            async with (
                pool.listen("c", queue_notifications_max=3, on_full=policy) as heard,
                pool.listen("c") as all_of_them,
            ):
                await pool.execute("SELECT pg_notify('c', n::text) FROM generate_series(0, 9) n")
                for _ in range(10):
                    await within(5, anext(all_of_them))
                assert [int((await anext(heard)).payload) for _ in range(3)] == kept
                assert (heard.dropped, all_of_them.dropped) == (7, 0)


@in_loop
async def test_a_closed_pool_ends_listening(pg: Any, postgres: Cluster) -> None:
    """Iterating ends, and nobody can begin to listen."""
    async with opened(pg, postgres) as pool:
        async with pool.listen("c") as heard:
            waiting = asyncio.ensure_future(anext(heard))
            await asyncio.sleep(0)
            await within(5, pool.close())
            with pytest.raises(StopAsyncIteration):
                await within(5, waiting)
        with pytest.raises(pg.InterfaceError):
            await pool.listen("c").__aenter__()
        for wrong in ((), ("c", 0)):
            with pytest.raises(ValueError):  # noqa: PT011
                pool.listen(*wrong[:1], queue_notifications_max=0)


@in_loop
async def test_listening_where_nobody_answers_raises(pg: Any, own_postgres: Cluster) -> None:
    """The first time: there is nothing to go on with."""
    async with pg.create_pool(own_postgres.dsn(), min_size=0, max_size=2) as pool:
        own_postgres.stop()
        with pytest.raises((OSError, pg.PostgresError, pg.InterfaceError)):
            await within(10, pool.listen("c").__aenter__())
