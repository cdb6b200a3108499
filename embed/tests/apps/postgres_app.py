"""Handlers that ask PostgreSQL; `PG_DRIVER` names the driver, `DATABASE_URL` the server."""

import asyncio
import importlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fasterapi import FasterAPI, Request
from fasterapi.responses import JSONResponse

pg: Any = importlib.import_module(os.environ["PG_DRIVER"])
POOL_SIZE = 4
ERRORS = (pg.PostgresError, pg.InterfaceError, OSError, asyncio.TimeoutError)


@asynccontextmanager
async def lifespan(app: FasterAPI) -> AsyncIterator[dict[str, Any]]:
    """A pool for the shard. Nothing takes longer than a second, but /slow."""
    pool = await pg.create_pool(
        os.environ["DATABASE_URL"],
        min_size=1,
        max_size=POOL_SIZE,
        command_timeout=1.0,
        timeout=2.0,
    )
    yield {"pool": pool}
    await asyncio.wait_for(pool.close(), 5)


app = FasterAPI(lifespan=lifespan)


@app.exception_handler(Exception)
async def failed(request: Request, error: Exception) -> JSONResponse:
    """What the database says, as an answer."""
    status = 503 if isinstance(error, ERRORS) else 500
    return JSONResponse({"error": type(error).__name__, "text": str(error)}, status)


@app.get("/one/{number}")
async def one(request: Request, number: int) -> int:
    """One query of the pool's."""
    value: int = await request.state.pool.fetchval("SELECT $1::int", number)
    return value


@app.get("/rows/{number}")
async def rows(request: Request, number: int, count: int = 100) -> list[list[int]]:
    """Many rows, each with the number."""
    query = "SELECT $1::int, n FROM generate_series(1, $2::int) n"
    return [list(row) for row in await request.state.pool.fetch(query, number, count)]


@app.get("/own/{number}")
async def own(request: Request, number: int) -> list[int]:
    """Several queries on a connection of the request's own, in a transaction."""
    async with request.state.pool.acquire(timeout=3) as connection, connection.transaction():
        values = [await connection.fetchval("SELECT $1::int", number + n) for n in range(3)]
        cursor = connection.cursor("SELECT $1::int + n FROM generate_series(0, 9) n", number)
        return values + [row[0] async for row in cursor]


@app.get("/many/{number}")
async def many(request: Request, number: int) -> list[int]:
    """Queries at once, as one handler's gather has them."""
    pool = request.state.pool
    queries = (pool.fetchval("SELECT $1::int", number + n) for n in range(20))
    return list(await asyncio.gather(*queries))


@app.get("/slow/{number}")
async def slow(request: Request, number: int) -> int:
    """For those who do not wait for the answer."""
    query = "SELECT $1::int FROM pg_sleep(20)"
    value: int = await request.state.pool.fetchval(query, number, timeout=30)
    return value


@app.get("/pool")
async def pool_state(request: Request) -> dict[str, int]:
    """Its size now, how many of its connections are idle, and its bound."""
    pool = request.state.pool
    return {"size": pool.get_size(), "idle": pool.get_idle_size(), "max": pool.get_max_size()}
