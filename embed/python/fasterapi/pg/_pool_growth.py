"""How a pool gets its connections, and looks after them."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import logging
import time
import weakref
from typing import Any

from fasterapi.pg._connect import Blueprint, check_alive, establish, make_blueprint
from fasterapi.pg.connection import Connection, connect
from fasterapi.pg.exceptions import InterfaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fasterapi._core import PgPool, Record
    from fasterapi.pg._holder import Holder
    from fasterapi.pg._introspect import Catalog

__all__ = ["PoolGrowth"]

CHECK_AFTER_S = 30.0
"""An idle connection is asked now and then whether it is there, in seconds."""
TICK_S_MIN = 0.01
TICK_S_MAX = 10.0
"""How often the pool looks after its idle connections, in seconds."""
BACK_OFF_S_MIN = 0.1
BACK_OFF_S_MAX = 10.0
"""How long the pool waits after a failure before it connects again by itself, in seconds."""
LOG_S_MIN = 10.0
"""After a failure was logged the next ones are counted, for so long, in seconds."""

logger = logging.getLogger("fasterapi.pg")

DEFAULTS: dict[str, Any] = {
    name: parameter.default for name, parameter in inspect.signature(connect).parameters.items()
}


class PoolGrowth:
    """The connections of a pool, as they come and go."""

    _loop: asyncio.AbstractEventLoop
    _core: PgPool
    _holders: list[Holder]
    _catalog: Catalog
    _blueprint: Blueprint | None
    _connect: Callable[..., Awaitable[Connection]] | None
    _connect_args: tuple[Any, ...]
    _connect_kwargs: dict[str, Any]
    _connection_class: type[Connection]
    _record_class: type[Record] | None
    _init: Callable[[Any], Awaitable[None]] | None
    _initialized: bool
    _shares: bool
    _closing: bool
    _minsize: int
    _growing: int
    _retry_at: float
    _retry: asyncio.TimerHandle | None
    _back_off_s: float
    _growth_error: Exception | None
    """Why the pool could not grow, the last time that it was to."""
    _failures: int
    """How many times since that was last told."""
    _log_at: float
    _max_inactive_connection_lifetime: float
    _tasks: set[asyncio.Task[Any]]
    _growths: set[asyncio.Task[None]]
    """Those that make connections."""
    _upkeep: asyncio.Task[None] | None
    _checked_at: float

    async def _get_new_connection(self) -> Connection:
        if self._connect is None:
            if self._blueprint is None:
                self._blueprint = self._make_blueprint()
            connection = await establish(self._loop, self._blueprint)
        else:
            arguments, catalog = dict(self._connect_kwargs), self._catalog
            if self._record_class is not None:
                arguments["record_class"] = self._record_class
            connection = await self._connect(
                *self._connect_args,
                loop=self._loop,
                connection_class=self._connection_class,
                **arguments,
            )
            if not isinstance(connection, self._connection_class):
                wanted, got = self._connection_class, type(connection)
                raise InterfaceError(
                    "expected pool connect callback to return an instance of "
                    f"'{wanted.__module__}.{wanted.__name__}', got '{_class_name(got)}'"
                )
            connection._catalog = catalog
        connection._owner = self
        if self._init is not None:
            try:
                await self._init(connection)
            except BaseException:
                # The pool has no use for it, and its user may.
                connection.terminate()
                raise
        check_alive(connection)
        if connection._query_loggers:
            # They are told of queries that the connection is asked, which shared ones are not.
            self._shares = False
        connection._core.is_dirty = False
        return connection

    def _make_blueprint(self) -> Blueprint:
        arguments = {name: value for name, value in DEFAULTS.items() if name != "loop"}
        arguments.update(self._connect_kwargs)
        if self._connect_args:
            arguments["dsn"] = self._connect_args[0]
        arguments["connection_class"] = self._connection_class
        arguments["record_class"] = self._record_class
        made = make_blueprint(**arguments)
        return made._replace(catalog=self._catalog)

    async def _connect_at(self, holder: Holder) -> None:
        await holder.connect()
        connection = holder._con
        if connection is not None:
            self._core.add(connection._core, holder)

    def _connections(self) -> list[Connection]:
        return [holder._con for holder in self._holders if holder._con is not None]

    def _forget(self, connection: Connection) -> None:
        self._core.remove(connection._core)
        self._fail_the_hopeless()
        if not self._closing:
            self._on_demand()
            self._keep_floor()

    def _on_dirty(self, holder: Holder) -> None:
        """A query of the pool has left something behind in its session."""
        if not self._closing and holder._con is not None:
            self._spawn(holder.clean())

    def _on_demand(self) -> None:
        """Somebody waits: make more connections, if there is room."""
        core = self._core
        if self._closing or core is None or not self._initialized:
            return
        waiting = core.waiting
        if not waiting and (core.idle or not core.size):
            # A connection has ended that nobody misses.
            return
        if core.size and time.monotonic() < self._retry_at:
            # A failure a moment ago, and somebody may give something back.
            self._demand_later()
            return
        self._grow_by(max(1, waiting) - self._growing)

    def _keep_floor(self) -> None:
        """Make those connections that there are to be although nobody waits for them."""
        if self._closing or not self._initialized or time.monotonic() < self._retry_at:
            return
        self._grow_by(self._minsize - len(self._connections()) - self._growing)

    def _grow_by(self, count: int) -> None:
        """Begin to make so many connections, as far as there are places for them."""
        vacant = (holder for holder in self._holders if holder.is_vacant)
        for holder in itertools.islice(vacant, max(count, 0)):
            holder.is_connecting = True
            self._set_growing(1)
            growth = self._spawn(self._grow(holder))
            self._growths.add(growth)
            growth.add_done_callback(self._growths.discard)

    async def _grow(self, holder: Holder) -> None:
        core = self._core
        try:
            is_enough = core.size >= self._minsize
            if not core.waiting and core.size and core.idle and is_enough:
                # The need is over before this began.
                holder.is_connecting = False
                return
            await self._connect_at(holder)
            self._back_off_s = 0.0
            self._set_growth_error(None)
        except Exception as error:
            self._back_off_s = min(max(self._back_off_s * 2, BACK_OFF_S_MIN), BACK_OFF_S_MAX)
            self._retry_at = time.monotonic() + self._back_off_s
            # Where there is no other, nobody gives anything back that could help who waits.
            if core.size or not core.fail_first(error):
                self._note_failed_growth(error)
        finally:
            holder.is_connecting = False
            self._set_growing(-1)
            if core.waiting:
                # Those who came meanwhile; one more of them learns of the next failure.
                self._on_demand()

    def _set_growing(self, more: int) -> None:
        self._growing += more
        self._core.set_growing(self._growing)

    def _note_failed_growth(self, error: Exception) -> None:
        """Keep for who waits, and say in the log, what else nobody would hear of."""
        if self._closing:
            return
        self._set_growth_error(error)
        self._failures += 1
        now = time.monotonic()
        if now >= self._log_at:
            self._log_at = now + LOG_S_MIN
            failures, self._failures = self._failures, 0
            logger.warning(
                "a pool of %d connections could not make another one (%d times): %s: %s",
                *(self._core.size, failures, type(error).__name__, error),
            )

    def _set_growth_error(self, error: Exception | None) -> None:
        if error is not self._growth_error:
            self._growth_error = error
            self._core.set_growth_error(error)

    def _starved(self) -> TimeoutError:
        """What who waited in vain is told, after a growth that failed."""
        error = self._growth_error
        return TimeoutError(
            "no connection became free in time, and another one could not be made: "
            f"{type(error).__name__}: {error}"
        )

    def _demand_later(self) -> None:
        if self._retry is None:
            self._retry = self._loop.call_later(self._back_off_s, self._retry_now)

    def _retry_now(self) -> None:
        self._retry = None
        self._on_demand()

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _begin_upkeep(self) -> None:
        idle_max = self._max_inactive_connection_lifetime
        tick_s = min(max(idle_max / 8, TICK_S_MIN), TICK_S_MAX) if idle_max else TICK_S_MAX
        self._checked_at = time.monotonic()
        self._upkeep = self._loop.create_task(_keep_up(weakref.ref(self), tick_s))

    def _end_upkeep(self) -> None:
        """Make no more connections, and look after none."""
        if self._retry is not None:
            self._retry.cancel()
        upkeep, self._upkeep = self._upkeep, None
        if upkeep is not None:
            upkeep.cancel()
        for growth in self._growths:
            growth.cancel()
        self._fail_the_hopeless()

    def _fail_the_hopeless(self) -> None:
        """Fail who waits for a connection of a closing pool that has none, and makes none."""
        if self._closing and not self._core.size:
            self._core.fail_waiting(InterfaceError("pool is closed"))

    def _look_after(self) -> None:
        """Close what is idle for too long or too old, ask what is idle whether it is there."""
        now = time.monotonic()
        is_time_to_check = now - self._checked_at >= CHECK_AFTER_S
        spare = len(self._connections()) - self._minsize
        for holder in self._holders:
            if holder.is_due():
                self._spawn(holder.retire())
            elif spare > 0 and holder.is_inactive(now):
                spare -= 1
                self._spawn(holder.retire())
            elif is_time_to_check and holder.idle_s(now) >= CHECK_AFTER_S:
                self._spawn(holder.check())
        if is_time_to_check:
            self._checked_at = now
        if self._core.waiting:
            self._on_demand()
        self._keep_floor()


async def _keep_up(weak: weakref.ref[PoolGrowth], tick_s: float) -> None:
    """Look after a pool as long as somebody has it, now and then."""
    while True:
        await asyncio.sleep(tick_s)
        pool = weak()
        if pool is None:
            return
        pool._look_after()
        del pool


def _class_name(kind: type) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
