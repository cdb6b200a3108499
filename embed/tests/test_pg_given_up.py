"""What is given up half-way, by its task or its time: it ends soon, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from postgres_driver import in_loop, within

if TYPE_CHECKING:
    from postgres_cluster import Cluster

pytestmark = pytest.mark.seconds(120)

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
