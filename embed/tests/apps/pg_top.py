"""What is tested of an application's database over sockets. The DSN comes by PG_TOP_DSN."""

import asyncio
import os
from typing import Annotated, Any

from pydantic import BaseModel

from fasterapi import Depends, FasterAPI
from fasterapi.pg import JsonRows, Pool, PostgresBackplane

app = FasterAPI()
app.postgres(
    os.environ["PG_TOP_DSN"],
    total_connections=int(os.environ.get("PG_TOP_CONNECTIONS", "4")),
    min_size=int(os.environ.get("PG_TOP_MIN_SIZE", "1")),
)
Database = Annotated[Pool, Depends(app.pg)]

if os.environ.get("PG_TOP_BACKPLANE"):
    app.channels.backplane = PostgresBackplane(
        os.environ["PG_TOP_DSN"], long_messages=os.environ["PG_TOP_BACKPLANE"]
    )
received: list[Any] = []


class Row(BaseModel):
    """A row."""

    n: int
    text: str | None


@app.get("/pid")
async def pid() -> int:
    """Which shard this is."""
    return os.getpid()


@app.get("/size")
async def size(pool: Database) -> dict[str, int]:
    """The bounds of this shard's pool."""
    return {"pid": os.getpid(), "max": pool.get_max_size(), "size": pool.get_size()}


@app.get("/json")
async def json(pool: Database, count: int = 3) -> JsonRows:
    """Rows that become no Python objects."""
    return await pool.fetch_json(
        "SELECT n, n::text AS text FROM generate_series(1, $1::int) n", count
    )


@app.get("/models")
async def models(pool: Database) -> list[Row]:
    """Rows that become models."""
    return await pool.fetch_models(Row, "SELECT 1 AS n, NULL AS text")


@app.get("/pipeline")
async def pipeline(pool: Database, mark: str, s: float, value: int) -> list[int]:
    """Several statements at once; they fail where ``value`` is 0."""
    async with pool.pipeline() as batch:
        batch.execute("CREATE TABLE IF NOT EXISTS done (n int)")
        batch.execute(f"SELECT pg_sleep($1) /* {mark} */", s)
        found = [batch.fetchval("SELECT $1::int / $2::int", n, value) for n in (10, 20)]
    return [n.result() for n in found]


@app.get("/sleep")
async def sleep(pool: Database, mark: str, s: float) -> str:
    """A query of the pool that takes long."""
    await pool.fetchval(f"SELECT pg_sleep($1) /* {mark} */", s)
    return mark


@app.get("/sleep-in-transaction")
async def sleep_in_transaction(pool: Database, mark: str, s: float) -> str:
    """The same on a connection of one's own."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetchval(f"SELECT pg_sleep($1) /* {mark} */", s)
    return mark


@app.get("/deadline")
async def deadline(pool: Database, mark: str, s: float) -> str:
    """A query that the handler does not wait for to the end."""
    try:
        async with asyncio.timeout(0.2):
            await pool.fetchval(f"SELECT pg_sleep($1) /* {mark} */", s)
    except TimeoutError:
        return "too late"
    return mark


@app.get("/join/{channel}")
async def join(channel: str) -> int:
    """Collect the messages of a channel on this shard."""
    subscription = app.channels.subscribe(channel)

    async def collect() -> None:
        async for message in subscription:
            received.append(message.data)  # noqa: PERF401 - others read it meanwhile

    app.state.tasks = [*getattr(app.state, "tasks", []), asyncio.create_task(collect())]
    return os.getpid()


@app.get("/received")
async def get_received() -> list[str]:
    """The collected messages, the long ones by their length."""
    return [text if len(text) < 100 else f"{text[0]} * {len(text)}" for text in received]


@app.post("/publish/{channel}")
async def publish(channel: str, text: str, times: int = 1) -> None:
    """Publish a text, or a letter many times over."""
    app.channels.publish(channel, text * times)
