"""Connections that are cut, held, delayed and split at every byte that the server sends."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from postgres_driver import in_loop, lost_errors, within
from postgres_proxy import Proxy, Rule

if TYPE_CHECKING:
    from postgres_cluster import Cluster

pytestmark = pytest.mark.seconds(120)
SOON_S = 10.0
# Sessions under way at once, where every byte has one of its own.
AT_ONCE = 20
# Nobody needs TLS and a password for every byte: they have tests of their own.
PLAIN = {"ssl": False, "timeout": 10}


def through(proxy: Proxy, cluster: Cluster, user: str = "trusting", **more: Any) -> dict[str, Any]:
    """Arguments of `connect`."""
    return cluster.arguments(user, port=proxy.port, **more)


async def session(pg: Any, arguments: dict[str, Any]) -> list[Any]:
    """What a short session with every kind of message gives; it takes a kilobyte or so."""
    connection = await pg.connect(**arguments)
    try:
        answers = [
            await connection.fetchval("SELECT $1::int + 1", 41),
            [
                tuple(row)
                for row in await connection.fetch("SELECT n, 'x' FROM generate_series(1, 3) n")
            ],
            await connection.execute("SET application_name = 'cut'"),
        ]
        try:
            await connection.fetch("SELECT 1 / $1::int", 0)
        except pg.DivisionByZeroError as error:
            answers.append(error.sqlstate)
        async with connection.transaction():
            answers.append([row[0] async for row in connection.cursor("SELECT 1 UNION SELECT 2")])
        received = bytearray()

        async def take(data: bytes) -> None:
            received.extend(data)

        await connection.copy_from_query("SELECT 7", output=take)
        answers.append(bytes(received))
        answers.append(await connection.fetchval("SELECT NULL"))
        await connection.close()
    except BaseException:
        connection.terminate()
        raise
    return answers


ANSWERS = [42, [(1, "x"), (2, "x"), (3, "x")], "SET", "22012", [1, 2], b"7\n", None]


async def for_every_byte(count: int, one: Any, step: int = 1) -> None:
    """Runs `one(byte)` for every byte, some at once; the first that fails ends it."""
    waiting = iter(range(1, count + 1, step))

    async def worker() -> None:
        for byte in waiting:
            await one(byte)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())


async def length_of_session(pg: Any, cluster: Cluster) -> int:
    """How many bytes the server sends in one."""
    async with Proxy(cluster.port) as proxy:
        assert await session(pg, through(proxy, cluster, **PLAIN)) == ANSWERS
        return max(proxy.server_bytes)


@in_loop
async def test_byte_by_byte(pg: Any, postgres: Cluster) -> None:
    """Every message arrives in as many pieces as it has bytes."""
    async with Proxy(postgres.port, Rule(piece_bytes=1)) as proxy:
        assert await within(SOON_S, session(pg, through(proxy, postgres, **PLAIN))) == ANSWERS
        # With log-in and TLS too.
        arguments = through(proxy, postgres, "scram", ssl="require")
        assert await within(SOON_S * 3, session(pg, arguments)) == ANSWERS


@in_loop
async def test_split_at_every_byte(pg: Any, postgres: Cluster) -> None:
    """A pause after the first, second ... byte changes nothing."""

    async def one(byte: int) -> None:
        async with Proxy(
            postgres.port, Rule(server_bytes=byte, then="pause", pause_s=0.01)
        ) as proxy:
            assert await session(pg, through(proxy, postgres, **PLAIN)) == ANSWERS

    await for_every_byte(await length_of_session(pg, postgres), one)


@pytest.mark.parametrize(("how", "step"), [("close", 1), ("reset", 3)])
@in_loop
async def test_cut_at_every_byte(pg: Any, postgres: Cluster, how: str, step: int) -> None:
    """A connection that ends in the middle of anything is an error, at once."""
    errors = lost_errors(pg)

    async def one(byte: int) -> None:
        async with Proxy(postgres.port, Rule(server_bytes=byte, then=how)) as proxy:
            try:
                answers = await within(SOON_S, session(pg, through(proxy, postgres, **PLAIN)))
            except errors:
                return
            # The last bytes may be those that nobody waits for.
            assert answers == ANSWERS
            assert byte > length - 40

    length = await length_of_session(pg, postgres)
    await for_every_byte(length, one, step)


@in_loop
async def test_held_at_every_byte(pg: Any, postgres: Cluster) -> None:
    """Silence in the middle of anything ends with the timeout."""
    errors = (*lost_errors(pg), asyncio.TimeoutError)
    quick = {"ssl": False, "timeout": 0.3, "command_timeout": 0.3}

    async def one(byte: int) -> None:
        async with Proxy(postgres.port, Rule(server_bytes=byte, then="hold")) as proxy:
            with pytest.raises(errors):
                await within(SOON_S, session(pg, through(proxy, postgres, **quick)))

    # Without the last bytes, which nobody waits for.
    await for_every_byte(await length_of_session(pg, postgres) - 40, one, step=13)


@in_loop
async def test_late(pg: Any, postgres: Cluster) -> None:
    """Everything comes 40 ms late: many queries at once still get their own answers."""
    async with (
        Proxy(postgres.port, Rule(delay_s=0.04)) as proxy,
        pg.create_pool(**through(proxy, postgres), ssl=False, min_size=3, max_size=3) as pool,
    ):
        began = time.monotonic()
        asked = range(30)
        answers = await asyncio.gather(*(pool.fetchval("SELECT $1::int", n) for n in asked))
        assert answers == list(asked)
        assert time.monotonic() - began < 10


@in_loop
async def test_pool_whose_connections_are_cut(pg: Any, postgres: Cluster) -> None:
    """Again and again; the pool stays right, and the server keeps no session of it."""
    errors = lost_errors(pg)
    before = postgres.sessions("usename = 'md5'")
    async with Proxy(postgres.port) as proxy:
        arguments = through(proxy, postgres, "md5", ssl=False, min_size=3, max_size=3)
        async with pg.create_pool(**arguments) as pool:
            failed = 0
            for number in range(20):
                queries = [pool.fetchval("SELECT $1::int FROM pg_sleep(0.01)", n) for n in range(6)]
                cutting = asyncio.get_running_loop().call_later(0.002 * number, proxy.cut)
                outcomes = await within(SOON_S, asyncio.gather(*queries, return_exceptions=True))
                cutting.cancel()
                for n, outcome in enumerate(outcomes):
                    assert outcome == n or isinstance(outcome, errors), outcome
                    failed += outcome != n
            assert failed > 0
            deadline = time.monotonic() + SOON_S
            while True:
                try:
                    values = [pool.fetchval("SELECT $1::int", n) for n in range(9)]
                    assert await asyncio.gather(*values) == list(range(9))
                    break
                except errors:
                    assert time.monotonic() < deadline
            assert 1 <= pool.get_size() <= 3
            assert pool.get_idle_size() == pool.get_size()
    deadline = time.monotonic() + SOON_S
    while postgres.sessions("usename = 'md5'") > before:
        assert time.monotonic() < deadline, "sessions are left over"
        await asyncio.sleep(0.05)


@in_loop
async def test_network_gone_and_back(pg: Any, postgres: Cluster) -> None:
    """Nothing passes for a while: what waits times out, and then the pool works again."""
    errors = (*lost_errors(pg), asyncio.TimeoutError)
    async with Proxy(postgres.port) as proxy:
        arguments = through(proxy, postgres, ssl=False, min_size=2, max_size=2, timeout=0.5)
        async with pg.create_pool(**arguments, command_timeout=0.3) as pool:
            assert await pool.fetchval("SELECT 1") == 1
            proxy.hold()
            outcomes = await within(
                SOON_S * 2,
                asyncio.gather(
                    *(pool.fetchval("SELECT 1") for _ in range(4)), return_exceptions=True
                ),
            )
            assert all(isinstance(outcome, errors) for outcome in outcomes), outcomes
            proxy.flow()
            deadline = time.monotonic() + SOON_S
            while True:
                try:
                    assert await within(SOON_S, pool.fetchval("SELECT 2")) == 2
                    break
                except errors:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.02)
            assert pool.get_size() <= 2
