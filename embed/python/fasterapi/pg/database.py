"""An application's databases: pools that are there while it serves."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Any, TypedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from fasterapi.pg.pool import Pool

    Hook = Callable[[Any], Awaitable[None]]

__all__ = ["Database", "DatabaseOptions", "Databases", "share_of"]

TOTAL_CONNECTIONS = 20
"""Connections of a whole server to a database unless told; PostgreSQL takes 100 by default."""
CLOSE_S_MAX = 5.0
"""How long the end of the application waits for who still has a connection, in seconds."""

logger = logging.getLogger(__name__)


class DatabaseOptions(TypedDict, total=False):
    """What ``app.postgres`` takes beside the DSN; see ``Database`` and ``create_pool``."""

    total_connections: int
    max_size: int
    init_size: int
    min_size: int
    processes: int
    max_queries: int
    max_inactive_connection_lifetime: float
    max_lifetime: float | None
    acquire_timeout: float | None
    pipelining: bool
    pipeline_depth_max: int
    always_reset: bool
    setup: Hook
    init: Hook
    reset: Hook
    host: Any
    port: Any
    user: str
    password: Any
    passfile: Any
    service: str
    servicefile: Any
    database: str
    timeout: float
    command_timeout: float
    statement_cache_size: int
    max_cached_statement_lifetime: float
    max_cacheable_statement_size: int
    ssl: Any
    direct_tls: bool
    server_settings: dict[str, str]
    target_session_attrs: Any
    connection_class: Any
    record_class: Any
    json_as_text: bool
    extensions: bool
    message_bytes_max: int


def share_of(total_connections: int, index: int, shards: int) -> int:
    """How many of a server's connections the shard ``index``, counted from 0, may have.

    What is left over goes to the first shards, one each. Raises ``ValueError`` when there is not
    one for each shard.
    """
    if total_connections < shards:
        raise ValueError(
            f"total_connections={total_connections} is not enough for {shards} shards: each needs "
            "one connection at least; raise it, or serve with fewer shards (--shards)"
        )
    share, left_over = divmod(total_connections, shards)
    return share + (index < left_over)


class Database:
    """A database of an application: a dependency that gives the pool of this shard.

    ``total_connections`` is the budget of the whole server. Each shard's pool gets an equal share
    of it, the first shards one more when there is a remainder. Without ``total_connections`` and
    ``max_size`` (the size of each shard's pool) it is 20, or one for each shard if there are more
    of them. ``min_size`` connections are made at the start, 1 unless told: an application whose
    database cannot be reached does not start, and with ``min_size=0`` it does.

    Other servers do not say how many processes they have started: give ``processes`` there, or
    reckon that the budget is for each of them.
    """

    def __init__(
        self,
        dsn: str | None = None,
        *,
        name: str = "default",
        total_connections: int | None = None,
        max_size: int | None = None,
        min_size: int | None = None,
        processes: int | None = None,
        **options: Any,
    ) -> None:
        """Nothing is connected yet. Raises ``ValueError`` for sizes that do not fit together."""
        if total_connections is not None and max_size is not None:
            raise ValueError(
                "give total_connections, for the whole server, or max_size, for each shard"
            )
        for option, value in (("total_connections", total_connections), ("processes", processes)):
            if value is not None and value < 1:
                raise ValueError(f"{option} must be at least 1")
        self.name = name
        self._dsn = dsn
        self._total_connections = total_connections
        self._max_size = max_size
        self._min_size = min_size
        self._processes = processes
        self._options = options
        self._pool: Pool | None = None

    @property
    def pool(self) -> Pool:
        """The pool of this shard; raises ``RuntimeError`` where the application does not serve."""
        if self._pool is None:
            raise RuntimeError(
                f"the database {self.name!r} is not open: its pool is there from the start of the "
                "lifespan to its end (in tests: `with TestClient(app) as client`)"
            )
        return self._pool

    async def __call__(self) -> Pool:
        """The pool, as a dependency."""
        return self.pool

    def size_max(self) -> int:
        """How many connections the pool of this shard may have."""
        if self._max_size is not None:
            return self._max_size
        index, shards = _place()
        if shards == 1 and self._processes is not None:
            # Nobody says which of them this one is: what is left over is not used.
            index, shards = self._processes - 1, self._processes
        total = self._total_connections
        if total is None:
            total = max(TOTAL_CONNECTIONS, shards)
        return share_of(total, index, shards)

    async def open(self) -> None:
        """Open this shard's pool. Raises what connecting raises."""
        from fasterapi.pg.pool import create_pool

        size_max = self.size_max()
        size_min = min(1, size_max) if self._min_size is None else self._min_size
        if size_min > size_max:
            raise ValueError(
                f"min_size={size_min} is more than the {size_max} connections of this shard"
            )
        pool = create_pool(self._dsn, min_size=size_min, max_size=size_max, **self._options)
        await pool
        self._pool = pool

    async def close(self) -> None:
        """Close this shard's pool; who keeps a connection for too long loses it."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(CLOSE_S_MAX):
                await pool.close()
        except TimeoutError:
            logger.warning(
                "connections of the database %r were not given back in time: they are cut",
                self.name,
            )

    def __repr__(self) -> str:
        """The name, and whether it is open; the DSN may have a password."""
        state = "closed" if self._pool is None else "open"
        return f"<Database {self.name!r} {state}>"


def _place() -> tuple[int, int]:
    """Which shard this is, and how many there are."""
    try:
        from fasterapi._core import shard_place
    except ImportError:
        return 0, 1
    return shard_place()


class Databases:
    """All databases of an application, as an async context manager around its lifespan."""

    def __init__(self) -> None:
        """There is none yet."""
        self._by_name: dict[str, Database] = {}
        self._opened = AsyncExitStack()

    def add(self, database: Database) -> Database:
        """Take one more; raises ``ValueError`` when there is one of its name."""
        if database.name in self._by_name:
            raise ValueError(
                f"there is a database {database.name!r} already: give this one another name"
            )
        self._by_name[database.name] = database
        return database

    def __getitem__(self, name: str) -> Database:
        """The database of that name; raises ``RuntimeError`` when there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(map(repr, self._by_name))
            raise RuntimeError(f"there is no database {name!r}, but {known}") from None

    async def __aenter__(self) -> None:
        """Open all of them; when one cannot be opened, close those that were."""
        async with AsyncExitStack() as stack:
            for database in self._by_name.values():
                await database.open()
                stack.push_async_callback(database.close)
            self._opened = stack.pop_all()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all of them."""
        await self._opened.aclose()
