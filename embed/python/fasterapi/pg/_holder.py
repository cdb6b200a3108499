"""A pool's place for one connection."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import Any

from fasterapi.pg._deadline import Deadline
from fasterapi.pg._proxy import PoolConnectionProxy
from fasterapi.pg.exceptions import InterfaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.pg.connection import Connection
    from fasterapi.pg.pool import Pool

__all__ = ["Holder"]

LIFETIME_JITTER = 0.1
"""Part of the lifetime by which it varies: connections made together do not end together."""
CLOSE_S_MAX = 5.0
"""How long a connection that is not wanted any more may take to close, in seconds."""
RETIRE_TRIES = 100
"""How often a connection that is to be closed is looked at for a moment without queries."""
CHECK_S_MAX = 5.0
"""How long an idle server may take to answer that it is there, in seconds."""


class Holder:
    """One of a pool's places, with a connection or without."""

    __slots__ = (
        "_con",
        "_expires_at",
        "_generation",
        "_in_use",
        "_pool",
        "_proxy",
        "_seen_queries",
        "_used_at",
        "is_connecting",
        "timeout_s",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._con: Connection | None = None
        self._proxy: PoolConnectionProxy | None = None
        self._in_use: asyncio.Future[None] | None = None
        """Done when the connection is given back."""
        self._generation = 0
        self._expires_at: float | None = None
        self._used_at = 0.0
        self._seen_queries = 0
        self.is_connecting = False
        self.timeout_s: float | None = None

    @property
    def is_vacant(self) -> bool:
        """Whether a connection may be made here."""
        return self._con is None and not self.is_connecting

    async def connect(self) -> None:
        """Make a connection. Raises what connecting and ``init`` raise."""
        pool = self._pool
        self.is_connecting = True
        try:
            while True:
                generation = pool._generation
                connection = await pool._get_new_connection()
                if generation == pool._generation or pool.is_closing():
                    break
                # Meanwhile all connections were told to be made anew.
                await connection.close(timeout=CLOSE_S_MAX)
            if pool._closing or pool._closed:
                connection.terminate()
                raise InterfaceError("pool is closing")
            self._con = connection
            self._generation = generation
            self._used_at = time.monotonic()
            self._seen_queries = connection._core.queries
            lifetime = pool._max_lifetime_s
            if lifetime:
                jitter = random.uniform(1 - LIFETIME_JITTER, 1 + LIFETIME_JITTER)
                self._expires_at = self._used_at + lifetime * jitter
            else:
                self._expires_at = None
            connection._on_end = self._on_end
        finally:
            self.is_connecting = False

    def lend(self, timeout_s: float | None) -> PoolConnectionProxy:
        """Give the connection, which the pool has leased, to somebody."""
        if self._con is None:
            raise InterfaceError("the pool's connection is closed")
        self._in_use = self._pool._loop.create_future()
        self.timeout_s = timeout_s
        self._proxy = PoolConnectionProxy(self, self._con)
        return self._proxy

    def _on_end(self, connection: Connection) -> None:
        """The connection is closed: the place is free."""
        if self._con is not connection:
            return
        self._con = None
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            # Whoever has it learns of the end when it is used; it needs no giving back.
            connection._proxy = proxy
        self._given_back()
        self._pool._forget(connection)

    def _given_back(self) -> None:
        in_use, self._in_use = self._in_use, None
        if in_use is not None and not in_use.done():
            in_use.set_result(None)

    def release_at_once(self) -> bool:
        """Take back a connection that needs no attention; false for one that does."""
        connection, pool = self._con, self._pool
        if connection is None:
            return True
        core = connection._core
        if (
            core.is_dirty
            or core.in_flight
            or connection._slow
            or core.is_held
            or core.status != "I"
            or pool._must_reset
            or self._is_worn_out(core.queries)
            or connection._listeners
            or connection._log_listeners
            or connection._top_xact is not None
        ):
            return False
        self._used_at = time.monotonic()
        self._seen_queries = core.queries
        self._proxy = None
        self._given_back()
        pool._core.release(core)
        return True

    def _is_worn_out(self, queries: int) -> bool:
        pool = self._pool
        return (
            queries >= pool._max_queries
            or self._generation != pool._generation
            or (self._expires_at is not None and time.monotonic() >= self._expires_at)
        )

    async def release_anyway(self, timeout_s: float | None) -> None:
        """As ``release``: whatever becomes of the caller, it gets back or is closed."""
        releasing = self._pool._spawn(self.release(timeout_s))
        try:
            await asyncio.shield(releasing)
        except asyncio.CancelledError:
            # Nobody is left to be told of a failure, which has closed the connection.
            releasing.add_done_callback(_hear)
            raise

    async def release(self, timeout_s: float | None) -> None:
        """Take the connection back: as it was lent, or not at all."""
        connection, pool = self._con, self._pool
        if connection is None:
            return
        core = connection._core
        deadline = Deadline(timeout_s)
        try:
            if not self._is_worn_out(core.queries):
                await self._renew(connection, deadline)
            if connection.is_closed():
                return
            if self._is_worn_out(core.queries):
                # Perhaps it was not before it was reset.
                await connection.close(timeout=deadline.left())
                return
        except BaseException:
            # Nobody may get a session whose state is not known.
            connection.terminate()
            raise
        self._used_at = time.monotonic()
        self._seen_queries = core.queries
        self._proxy = None
        core.is_dirty = False
        self._given_back()
        pool._core.release(core)

    async def _renew(self, connection: Connection, deadline: Deadline) -> None:
        """Have the session as a new one, or end it."""
        core, pool = connection._core, self._pool
        await connection._ready(deadline.left())
        if connection.is_closed():
            return
        async with asyncio.timeout(deadline.left()):
            if core.is_stuck:
                await connection._until_quiet()
            if core.in_flight or connection._slow:
                raise InterfaceError(
                    "cannot release a connection while an operation is in progress on it"
                )
            if pool._reset is not None:
                await connection._end_transaction(connection._reset_s())
                await pool._reset(connection)
            elif pool._always_reset or core.is_dirty or core.status != "I":
                await connection.reset()
            else:
                connection._listeners.clear()
                connection._log_listeners.clear()

    def idle_s(self, now: float) -> float:
        """For how long nothing has been asked, as far as was noticed."""
        connection = self._con
        if connection is None or self._in_use is not None:
            return 0.0
        core = connection._core
        if core.in_flight or core.queries != self._seen_queries:
            self._seen_queries = core.queries
            self._used_at = now
        return now - self._used_at

    def is_due(self) -> bool:
        """Whether the connection is to be replaced, now that nobody has it."""
        connection = self._con
        if connection is None or self._in_use is not None:
            return False
        return self._is_worn_out(connection._core.queries)

    def is_inactive(self, now: float) -> bool:
        """Whether the connection was idle for so long that the pool may do without it."""
        lifetime = self._pool._max_inactive_connection_lifetime
        return bool(lifetime) and self.idle_s(now) >= lifetime

    async def retire(self) -> None:
        """Close an idle connection, once nothing is in flight."""
        connection = self._con
        if connection is None or self._in_use is not None:
            return
        for _ in range(RETIRE_TRIES):
            if self._con is not connection or self._in_use is not None:
                return
            if self._pool._core.reserve(connection._core):
                break
            # What is in flight may end; under load the next look-around tries again.
            await connection._until_quiet()
            await asyncio.sleep(0)
        else:
            return
        # Nothing is in flight: it is enough that the server is told.
        connection._releases += 1
        connection._core.close_soon()

    async def clean(self) -> None:
        """Reset a session that nobody holds."""
        connection, pool = self._con, self._pool
        if connection is None or not pool._core.reserve(connection._core):
            return
        self._in_use = pool._loop.create_future()
        with contextlib.suppress(Exception):
            await self.release(CLOSE_S_MAX)

    async def check(self) -> None:
        """Find out whether the server still answers; if not, the connection is closed."""
        connection, pool = self._con, self._pool
        if connection is None or not pool._core.reserve(connection._core):
            return
        self._in_use = pool._loop.create_future()
        try:
            await connection._core.simple("", timeout=CHECK_S_MAX)
        except Exception:
            connection.terminate()
            return
        self._used_at = time.monotonic()
        self._seen_queries = connection._core.queries
        self._given_back()
        pool._core.release(connection._core)
        if self.is_due():
            await self.retire()

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection: Any = self._con
        if connection is not None:
            await connection.close()

    def terminate(self) -> None:
        """Close the connection's socket, if there is one."""
        if self._con is not None:
            self._con.terminate()


def _hear(task: asyncio.Task[None]) -> None:
    """Take note of how a task ended, which asyncio would print otherwise."""
    if not task.cancelled():
        task.exception()
