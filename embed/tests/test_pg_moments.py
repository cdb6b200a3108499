"""What happens between two steps: a connection ends, a pool closes, a server falls silent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from live_server import own_virtual_environment
from postgres_driver import OURS, in_loop, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Serve
    from postgres_cluster import Cluster

pytestmark = pytest.mark.skipif(not OURS, reason="these are moments of this driver")

SOON_S = 10.0
BRIEFLY_S = 0.2


@contextlib.contextmanager
def silent(pid: int) -> Iterator[None]:
    """A session's process stands still meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def complaints() -> list[str]:
    """What the running loop complains of, from now on."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: told.append(context["message"])
    )
    return told


@in_loop
async def test_a_second_try(pg: Any, postgres: Cluster) -> None:
    """A query that is sent once more keeps its connection from who waits for one."""
    async with pg.create_pool(**postgres.arguments("trusting"), min_size=1, max_size=1) as pool:
        await pool.execute("CREATE TABLE tried (a int)")
        try:
            await pool.fetch("SELECT * FROM tried")

            async def in_a_transaction() -> Any:
                async with pool.acquire() as connection, connection.transaction():
                    return await connection.fetchval("SELECT 2 FROM pg_sleep(0.05)")

            async with pool.acquire() as connection:
                await connection.execute("ALTER TABLE tried ADD b int")
                query = asyncio.ensure_future(pool.fetch("SELECT * FROM tried"))
                other = asyncio.ensure_future(in_a_transaction())
                await asyncio.sleep(0.02)
            assert await within(SOON_S, asyncio.gather(query, other)) == [[], 2]
        finally:
            await pool.execute("DROP TABLE tried")


APP = """
import asyncio
import os

from fasterapi import FasterAPI, pg

app = FasterAPI()
found = {}


@app.get("/begin")
async def begin() -> None:
    found["pool"] = await pg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=1)
    found["held"] = await found["pool"].acquire()


@app.get("/wait/{what}")
async def wait(what: str) -> str:
    pool = found["pool"]
    found["task"] = asyncio.current_task()
    try:
        if what == "connection":
            async with pool.acquire():
                return "went on"
        return await pool.fetchval("SELECT 'went on ' || $1", what)
    except asyncio.CancelledError:
        asyncio.current_task().uncancel()
        return "cancelled"


@app.get("/cancel")
async def cancel() -> tuple[int, int]:
    pool = found["pool"]
    async with asyncio.timeout(10):
        while not pool._core.waiting:
            await asyncio.sleep(0.01)
    found["task"].cancel()
    await pool.release(found["held"])
    await asyncio.sleep(0.05)
    assert await pool.fetchval("SELECT 1") == 1
    size = pool.get_size(), pool.get_idle_size()
    await pool.close()
    return size
"""


@pytest.mark.parametrize("what", ["connection", "query"])
def test_a_request_that_is_cancelled_as_its_turn_comes(
    serve: Serve, postgres: Cluster, what: str
) -> None:
    """It is cancelled, whatever it was given in the same moment, and that goes back."""
    env = own_virtual_environment() | {"DATABASE_URL": postgres.dsn()}
    server = serve(APP, env=env)
    server.get("/begin").raise_for_status()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.get, f"/wait/{what}")
        assert server.get("/cancel").json() == [1, 1]
        assert waiting.result(SOON_S).json() == "cancelled"
    assert "never awaited" not in server.log
