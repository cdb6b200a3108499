"""What is given up half-way, by its task or its time: it ends soon, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from postgres_driver import OURS, in_loop, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from postgres_cluster import Cluster

pytestmark = pytest.mark.seconds(120)
ours_only = pytest.mark.skipif(not OURS, reason="asyncpg waits, or raises InterfaceError")

# What a wait of a moment may take on a busy machine.
SOON_S = 10.0
# A log-in over TLS takes longer than one of these, and not so long as all of them.
STEP_S = 0.0005
STEPS = 80


def careless() -> ssl.SSLContext:
    """A context of the program's own, which makes Python do TLS."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def turn(turns: int) -> None:
    """Let the loop do so many turns."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def can_connect(pg: Any, postgres: Cluster) -> None:
    """No descriptor is taken that is free: new sockets get the lowest numbers."""
    new = (pg.connect(**postgres.arguments("trusting"), ssl=False) for _ in range(3))
    for connection in await within(SOON_S, asyncio.gather(*new)):
        connection.terminate()


@in_loop
async def test_connecting_over_tls(pg: Any, postgres: Cluster) -> None:
    """Cancelled at any moment of it: the next one connects."""
    context = careless()
    is_connected = False
    for step in range(STEPS):
        task = asyncio.create_task(pg.connect(**postgres.arguments("trusting"), ssl=context))
        await asyncio.sleep(step * STEP_S)
        await turn(step % 4)
        if not task.cancel():
            is_connected = True
            task.result().terminate()
        with contextlib.suppress(asyncio.CancelledError):
            await within(SOON_S, task)
        await can_connect(pg, postgres)
    assert is_connected
    # Nothing goes on by itself.
    await asyncio.sleep(0.2)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("answer", [b"S", b"Sgarbage", b""])
@in_loop
async def test_a_server_that_goes_when_asked_for_tls(pg: Any, answer: bytes) -> None:
    """Its end is noticed at once, also in the moment before the handshake."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for _ in range(5):
            with pytest.raises((OSError, pg.PostgresConnectionError)):
                await within(
                    SOON_S, pg.connect(host="127.0.0.1", port=port, user="u", ssl=careless())
                )


def test_loops_that_end_under_tls(pg: Any, postgres: Cluster) -> None:
    """A loop that ends at any time leaves no socket open."""

    async def connect(turns: int) -> None:
        connection = await pg.connect(**postgres.arguments("trusting"), ssl=careless())
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        await turn(turns)

    gc.collect()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for turns in range(6):
            asyncio.run(connect(turns))
        gc.collect()
    assert [str(one.message) for one in told if one.category is ResourceWarning] == []


@pytest.mark.parametrize("kind", ["driver", "python"])
@in_loop
async def test_a_request_to_cancel_over_tls(pg: Any, postgres: Cluster, kind: str) -> None:
    """The connection is cut while the request is on its way: the next one connects."""
    encryption = careless() if kind == "python" else "require"
    for turns in range(60):
        connection = await pg.connect(**postgres.arguments("trusting"), ssl=encryption)
        query = asyncio.create_task(connection.fetch("SELECT pg_sleep(0.5)"))
        await asyncio.sleep(0.005)
        query.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await within(SOON_S, query)
        await turn(turns)
        connection.terminate()
        await turn(2)
        await can_connect(pg, postgres)


def slow_arguments() -> Iterator[tuple[float, str]]:
    """More than a batch sends before it looks round; the first alone takes long."""
    for _ in range(10**6):
        yield 30.0, "x" * 5000


@ours_only
@pytest.mark.parametrize("where", ["outside", "in a transaction"])
@pytest.mark.parametrize("way", ["executemany", "fetchmany"])
@in_loop
async def test_a_long_batch(pg: Any, postgres: Cluster, way: str, where: str) -> None:
    """It ends with its task, and the server stops."""
    connection = await pg.connect(**postgres.arguments())
    query = f"SELECT pg_sleep($1), length($2::text) /* {way} {where} */"

    async def run() -> None:
        async with asyncio.timeout(0.3):
            if where == "outside":
                await getattr(connection, way)(query, slow_arguments())
                return
            async with connection.transaction():
                await getattr(connection, way)(query, slow_arguments())

    with pytest.raises(TimeoutError):
        await within(SOON_S / 2, run())
    assert await within(SOON_S / 2, connection.fetchval("SELECT 1")) == 1
    assert not connection.is_in_transaction()
    assert postgres.sessions(f"query LIKE '%/* {way} {where}%' AND state = 'active'") == 0
    await connection.close()


@ours_only
@in_loop
async def test_nothing_of_a_batch_that_is_given_up(pg: Any, postgres: Cluster) -> None:
    """Cancelled at any moment, it has not taken effect."""
    connection = await pg.connect(**postgres.arguments())
    await connection.execute("CREATE TEMPORARY TABLE kept (n int, filler text)")

    def endless() -> Iterator[tuple[int, str]]:
        while True:
            yield 1, "x" * 3000

    for step in range(20):
        task = asyncio.create_task(
            connection.executemany("INSERT INTO kept VALUES ($1, $2)", endless())
        )
        await asyncio.sleep(0.02 + step * 0.003)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(SOON_S, task)
        assert await within(SOON_S, connection.fetchval("SELECT count(*) FROM kept")) == 0
    await connection.close()


async def records() -> AsyncIterator[tuple[str]]:
    """Without an end."""
    while True:
        await asyncio.sleep(0.001)
        yield ("x" * 2000,)


async def copy(connection: Any, stopped: asyncio.Event) -> None:
    """COPY whose time is over."""
    await connection.copy_records_to_table("frozen", records=records(), timeout=1.0)


async def batch(connection: Any, stopped: asyncio.Event) -> None:
    """A batch whose task is cancelled."""
    async with asyncio.timeout(1.0):
        rows = (("x" * 2000,) for _ in range(10**7))
        await connection.executemany("INSERT INTO frozen VALUES ($1)", rows)


async def transaction(connection: Any, stopped: asyncio.Event) -> None:
    """A block whose time is over: its rollback is not possible any more."""
    async with asyncio.timeout(1.0), connection.transaction():
        await stopped.wait()
        await connection.fetch("SELECT 1")


@ours_only
@pytest.mark.parametrize("work", [copy, batch, transaction])
@in_loop
async def test_a_server_that_stands_still(
    pg: Any, own_postgres: Cluster, work: Callable[[Any, asyncio.Event], Awaitable[None]]
) -> None:
    """Whatever goes on ends soon after its time, with ``TimeoutError``, and is cut off."""
    connection = await pg.connect(**own_postgres.arguments())
    await connection.execute("CREATE TEMPORARY TABLE frozen (filler text)")
    stopped = asyncio.Event()
    task = asyncio.create_task(work(connection, stopped))
    await asyncio.sleep(0.3)
    own_postgres.pause()
    stopped.set()
    try:
        with pytest.raises(TimeoutError):
            await within(SOON_S + 3, task)
        with pytest.raises((TimeoutError, pg.InterfaceError)):
            await within(SOON_S + 3, connection.fetch("SELECT 1", timeout=SOON_S + 2))
        assert connection.is_closed()
    finally:
        own_postgres.resume()


@ours_only
@in_loop
async def test_closing_where_nobody_hangs_up(pg: Any, own_postgres: Cluster) -> None:
    """`close` without a timeout is bounded as well."""
    connection = await pg.connect(**own_postgres.arguments())
    own_postgres.pause()
    try:
        await within(SOON_S, connection.close())
        assert connection.is_closed()
    finally:
        own_postgres.resume()


@ours_only
@in_loop
async def test_a_lost_connection_hides_no_error(pg: Any, postgres: Cluster) -> None:
    """A block raises what it has raised, though its rollback is not possible."""
    connection = await pg.connect(**postgres.arguments())

    async def block() -> None:
        async with connection.transaction():
            connection.terminate()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await block()
