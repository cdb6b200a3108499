"""The drivers of the comparison, behind the few calls that the rows need.

Each is opened with what its documentation recommends for speed: asyncpg and psycopg on uvloop,
psycopg in its C implementation with binary results, prepared statements and autocommit.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, Protocol

Rows = Sequence[Any]
PLACEHOLDER = re.compile(r"\$\d+")


class Session(Protocol):
    """A connection of one's own, or a pool that finds one for each query."""

    def fetch(self, query: str, *args: Any) -> Awaitable[Rows]:
        """All rows."""
        ...

    def fetchrow(self, query: str, *args: Any) -> Awaitable[Any]:
        """The first row."""
        ...

    def executemany(self, query: str, args: Iterable[Sequence[Any]]) -> Awaitable[Any]:
        """The statement once for each."""
        ...

    def copy_in(self, table: str, records: Iterable[Sequence[Any]]) -> Awaitable[Any]:
        """COPY records into a table, binary."""
        ...

    def copy_out(self, query: str) -> Awaitable[int]:
        """COPY a query out as text; how many bytes."""
        ...


class Driver(Session, Protocol):
    """An open driver: its queries take a connection of the pool each."""

    def acquire(self) -> AbstractAsyncContextManager[Session]:
        """A connection of one's own."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Session]:
        """The same, in a transaction."""
        ...

    async def close(self) -> None:
        """Close everything."""
        ...


class AsyncpgSession:
    """A connection or pool of asyncpg's, or of ours, which has the same interface."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self.fetch = target.fetch
        self.fetchrow = target.fetchrow
        self.executemany = target.executemany

    def copy_in(self, table: str, records: Iterable[Sequence[Any]]) -> Any:
        """See Session."""
        return self._target.copy_records_to_table(table, records=records)

    async def copy_out(self, query: str) -> int:
        """See Session."""
        count = 0

        async def take(data: bytes) -> None:
            nonlocal count
            count += len(data)

        await self._target.copy_from_query(query, output=take)
        return count


class AsyncpgPool(AsyncpgSession):
    """A pool."""

    @asynccontextmanager
    async def acquire(self) -> Any:
        """See Driver."""
        async with self._target.acquire() as connection:
            yield AsyncpgSession(connection)

    @asynccontextmanager
    async def transaction(self) -> Any:
        """See Driver."""
        async with self._target.acquire() as connection, connection.transaction():
            yield AsyncpgSession(connection)

    async def close(self) -> None:
        """See Driver."""
        await self._target.close()


class PreparedConnection(AsyncpgSession):
    """One connection whose statements are prepared by hand; nothing is given back or reset."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._prepared: dict[str, Any] = {}
        self.fetch = self._fetch
        self.fetchrow = self._fetchrow

    async def _statement(self, query: str) -> Any:
        self._prepared[query] = await self._target.prepare(query)
        return self._prepared[query]

    async def _fetch(self, query: str, *args: Any) -> Any:
        statement = self._prepared.get(query) or await self._statement(query)
        return await statement.fetch(*args)

    async def _fetchrow(self, query: str, *args: Any) -> Any:
        statement = self._prepared.get(query) or await self._statement(query)
        return await statement.fetchrow(*args)

    @asynccontextmanager
    async def acquire(self) -> Any:
        """See Driver."""
        yield self

    @asynccontextmanager
    async def transaction(self) -> Any:
        """See Driver."""
        async with self._target.transaction():
            yield self

    async def close(self) -> None:
        """See Driver."""
        await self._target.close()


class PsycopgSession:
    """A connection of psycopg's."""

    texts: ClassVar[dict[str, str]] = {}

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @classmethod
    def text(cls, query: str) -> str:
        """The query with psycopg's own placeholders for binary values."""
        found = cls.texts.get(query)
        if found is None:
            found = cls.texts[query] = PLACEHOLDER.sub("%b", query)
        return found

    async def fetch(self, query: str, *args: Any) -> Rows:
        """See Session."""
        cursor = self._connection.cursor(binary=True)
        await cursor.execute(self.text(query), args, prepare=True)
        rows: Rows = await cursor.fetchall()
        return rows

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """See Session."""
        cursor = self._connection.cursor(binary=True)
        await cursor.execute(self.text(query), args, prepare=True)
        return await cursor.fetchone()

    async def executemany(self, query: str, args: Iterable[Sequence[Any]]) -> None:
        """See Session."""
        async with self._connection.cursor(binary=True) as cursor:
            await cursor.executemany(self.text(query), args)

    async def copy_in(self, table: str, records: Iterable[Sequence[Any]]) -> None:
        """See Session."""
        query = f"COPY {table} FROM STDIN (FORMAT BINARY)"
        async with self._connection.cursor() as cursor, cursor.copy(query) as copy:
            copy.set_types(["int4", "text"])
            for record in records:
                await copy.write_row(record)

    async def copy_out(self, query: str) -> int:
        """See Session."""
        count = 0
        text = f"COPY ({query}) TO STDOUT"
        async with self._connection.cursor() as cursor, cursor.copy(text) as copy:
            async for data in copy:
                count += len(data)
        return count


class PsycopgPool:
    """A pool of psycopg's, which has no queries of its own."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @asynccontextmanager
    async def acquire(self) -> Any:
        """See Driver."""
        async with self._pool.connection() as connection:
            yield PsycopgSession(connection)

    @asynccontextmanager
    async def transaction(self) -> Any:
        """See Driver."""
        async with self._pool.connection() as connection, connection.transaction():
            yield PsycopgSession(connection)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any) -> Any:
            async with self._pool.connection() as connection:
                return await getattr(PsycopgSession(connection), name)(*args)

        # Looked up once.
        self.__dict__[name] = call
        return call

    async def close(self) -> None:
        """See Driver."""
        await self._pool.close()


async def asyncpg_pool(dsn: str, size: int) -> AsyncpgPool:
    """As `create_pool` makes it."""
    import asyncpg

    return AsyncpgPool(await asyncpg.create_pool(dsn, min_size=size, max_size=size))


async def asyncpg_no_reset(dsn: str, size: int) -> AsyncpgPool:
    """The same, without the statements that every release sends."""
    import asyncpg

    async def nothing(_connection: Any) -> None:
        pass

    pool = await asyncpg.create_pool(dsn, min_size=size, max_size=size, reset=nothing)
    return AsyncpgPool(pool)


async def asyncpg_prepared(dsn: str, _size: int) -> PreparedConnection:
    """One connection."""
    import asyncpg

    return PreparedConnection(await asyncpg.connect(dsn))


async def psycopg_pool(dsn: str, size: int) -> PsycopgPool:
    """Its C implementation; `kwargs` go to `connect`."""
    import psycopg
    from psycopg_pool import AsyncConnectionPool

    if psycopg.pq.__impl__ == "python":
        raise RuntimeError("psycopg has no C implementation here")
    settings = {"autocommit": True, "prepare_threshold": 0}
    pool = AsyncConnectionPool(dsn, min_size=size, max_size=size, kwargs=settings, open=False)
    await pool.open(wait=True)
    return PsycopgPool(pool)


async def ours(dsn: str, size: int, *, pipelining: bool) -> AsyncpgPool:
    """Ours."""
    import fasterapi.pg

    pool = await fasterapi.pg.create_pool(dsn, min_size=size, max_size=size, pipelining=pipelining)
    return AsyncpgPool(pool)


async def ours_pipelined(dsn: str, size: int) -> AsyncpgPool:
    """As `create_pool` makes it."""
    return await ours(dsn, size, pipelining=True)


async def ours_one_by_one(dsn: str, size: int) -> AsyncpgPool:
    """With one query at a time on each connection."""
    return await ours(dsn, size, pipelining=False)


async def ours_prepared(dsn: str, _size: int) -> PreparedConnection:
    """One connection, like asyncpg's."""
    import fasterapi.pg

    return PreparedConnection(await fasterapi.pg.connect(dsn))


OPEN: dict[str, Callable[[str, int], Awaitable[Any]]] = {
    "asyncpg pool": asyncpg_pool,
    "asyncpg pool, no reset": asyncpg_no_reset,
    "asyncpg prepared": asyncpg_prepared,
    "psycopg pool": psycopg_pool,
    "fasterapi pool": ours_pipelined,
    "fasterapi pool, no pipelining": ours_one_by_one,
    "fasterapi prepared": ours_prepared,
}
# One task asks them: they do one thing at a time.
ONE_CONNECTION = ("asyncpg prepared", "fasterapi prepared")


def new_loop() -> asyncio.AbstractEventLoop:
    """The same loop for all of them."""
    import uvloop

    return uvloop.new_event_loop()
