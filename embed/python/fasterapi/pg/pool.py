"""A pool of connections."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Self

from fasterapi.pg._deadline import seconds
from fasterapi.pg._holder import Holder
from fasterapi.pg._introspect import Catalog
from fasterapi.pg._notifications import QUEUE_NOTIFICATIONS_MAX, ListenHub, Notifications
from fasterapi.pg._pipeline import Pipeline
from fasterapi.pg._pool_arguments import check_arguments, check_record_class
from fasterapi.pg._pool_growth import PoolGrowth
from fasterapi.pg._pool_queries import PoolQueries
from fasterapi.pg._proxy import PoolConnectionProxy
from fasterapi.pg.connection import Connection
from fasterapi.pg.exceptions import InterfaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import TracebackType
    from typing import Literal

    from fasterapi._core import Record
    from fasterapi.pg._connect import Blueprint

    Hook = Callable[[Any], Awaitable[None]]

__all__ = ["Pool", "PoolAcquireContext", "PoolConnectionProxy", "create_pool"]

ACQUIRE_S_MAX = 30.0
"""How long ``acquire`` waits unless told, in seconds."""
LIFETIME_S_MAX = 3600.0
"""How old a connection may become unless told, in seconds."""
PIPELINE_DEPTH_MAX = 16
"""How many queries may be in flight on one connection unless told."""
WAITING_POLL_S = 0.01
"""How often ``close`` looks whether queries still wait for a connection, in seconds."""
SLOW_CLOSE_S = 60.0
"""After so long a warning says what ``close`` waits for, in seconds."""

logger = logging.getLogger(__name__)


class Pool(PoolQueries, PoolGrowth):
    """A pool of connections; made by ``create_pool()``, to be awaited or entered."""

    def __init__(
        self,
        *connect_args: Any,
        init_size: int | None = None,
        min_size: int = 10,
        max_size: int = 10,
        max_queries: int = 50000,
        max_inactive_connection_lifetime: float = 300.0,
        connect: Callable[..., Awaitable[Connection]] | None = None,
        setup: Hook | None = None,
        init: Hook | None = None,
        reset: Hook | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        connection_class: type[Connection] = Connection,
        record_class: type[Record] | None = None,
        max_lifetime: float | None = LIFETIME_S_MAX,
        acquire_timeout: float | None = ACQUIRE_S_MAX,
        pipelining: bool = True,
        pipeline_depth_max: int = PIPELINE_DEPTH_MAX,
        always_reset: bool = False,
        **connect_kwargs: Any,
    ) -> None:
        """See ``create_pool``."""
        init_size = min_size if init_size is None else init_size
        check_arguments(
            init_size, min_size, max_size, max_queries, max_inactive_connection_lifetime
        )
        if pipeline_depth_max < 1:
            raise ValueError("pipeline_depth_max is expected to be greater than zero")
        if not issubclass(connection_class, Connection):
            raise TypeError(
                "connection_class is expected to be a subclass of asyncpg.Connection, "
                f"got {connection_class}"
            )
        check_record_class(record_class)
        self._loop: asyncio.AbstractEventLoop = loop  # type: ignore[assignment]
        self._initsize = init_size
        self._minsize = min_size
        self._maxsize = max_size
        self._max_queries = max_queries
        self._max_inactive_connection_lifetime = max_inactive_connection_lifetime
        self._max_lifetime_s = max_lifetime
        self._acquire_timeout_s = acquire_timeout
        self._pipelining = pipelining
        self._pipeline_depth_max = pipeline_depth_max
        self._connect = connect
        self._setup = setup
        self._init = init
        self._reset = reset
        self._connection_class = connection_class
        self._record_class = record_class
        self._connect_args = connect_args
        self._connect_kwargs = connect_kwargs
        own_reset = connection_class.reset is not Connection.reset
        self._always_reset = always_reset or own_reset
        self._must_reset = self._always_reset or reset is not None
        self._blueprint: Blueprint | None = None
        self._catalog = Catalog()
        self._core: Any = None
        self._holders: list[Holder] = []
        self._oneshots: dict[str, bool] = {}
        self._shares = True
        self._initialized = self._initializing = self._closing = self._closed = False
        self._generation = 0
        self._growing = 0
        self._retry_at = 0.0
        self._retry: asyncio.TimerHandle | None = None
        self._back_off_s = 0.0
        self._growth_error: Exception | None = None
        self._failures = 0
        self._log_at = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._growths: set[asyncio.Task[None]] = set()
        self._upkeep: asyncio.Task[None] | None = None
        self._hub: ListenHub | None = None

    async def _async_init(self) -> Self:
        if self._initialized:
            return self
        if self._initializing:
            raise InterfaceError("pool is being initialized in another task")
        if self._closed:
            raise InterfaceError("pool is closed")
        self._initializing = True
        try:
            await self._initialize()
        finally:
            self._initializing = False
        self._initialized = True
        return self

    async def _initialize(self) -> None:
        from fasterapi._core import PgPool

        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._core = PgPool(
            self._loop,
            size_max=self._maxsize,
            depth_max=self._pipeline_depth_max,
            pipelining=self._pipelining,
            wait_s_max=self._acquire_timeout_s,
        )
        self._core.set_on_demand(self._on_demand)
        self._core.set_on_dirty(self._on_dirty)
        self._holders = [Holder(self) for _ in range(self._maxsize)]
        first = self._holders[: self._initsize]
        try:
            # The first alone: when it cannot be made, neither can the others.
            for group in (first[:1], first[1:]):
                results = await asyncio.gather(
                    *(self._connect_at(holder) for holder in group), return_exceptions=True
                )
                for result in results:
                    if isinstance(result, BaseException):
                        raise result
        except BaseException:
            for holder in self._holders:
                holder.terminate()
            raise
        self._begin_upkeep()

    def __await__(self) -> Generator[Any, None, Self]:
        """Open the pool."""
        return self._async_init().__await__()

    async def __aenter__(self) -> Self:
        """Open the pool."""
        return await self._async_init()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the pool."""
        await self.close()

    def _check_init(self) -> None:
        if not self._initialized:
            if self._initializing:
                raise InterfaceError(
                    "pool is being initialized, but not yet ready: "
                    "likely there is a race between creating a pool and using it"
                )
            raise InterfaceError("pool is not initialized")
        if self._closed:
            raise InterfaceError("pool is closed")

    # Lending.

    def acquire(self, *, timeout: float | None = None) -> PoolAcquireContext:
        """A connection for oneself: ``async with pool.acquire() as connection``, or await it.

        Raises ``TimeoutError`` after ``timeout`` seconds (the pool's ``acquire_timeout``, if that
        is not given).
        """
        return PoolAcquireContext(self, timeout)

    async def _acquire(self, timeout: float | None) -> PoolConnectionProxy:
        self._check_init()
        if self._closing:
            raise InterfaceError("pool is closing")
        core = self._core
        limit_s = self._acquire_timeout_s if timeout is None else seconds(timeout)
        given_s = None if timeout is None else limit_s
        if self._setup is None and core.idle:
            # Nothing to wait for.
            holder: Holder = await core.acquire()
            return holder.lend(given_s)
        is_served = False
        try:
            async with asyncio.timeout(limit_s):
                holder = await core.acquire()
                while holder._con is None:
                    # It has ended since it was given.
                    holder = await core.acquire()
                is_served = True
                proxy = holder.lend(given_s)
                if self._setup is not None:
                    await self._set_up(proxy)
                return proxy
        except TimeoutError:
            if not is_served and self._growth_error is not None:
                raise self._starved() from self._growth_error
            raise

    async def _set_up(self, proxy: PoolConnectionProxy) -> None:
        if self._setup is None:
            return
        try:
            await self._setup(proxy)
        except BaseException:
            proxy.terminate()
            raise

    async def release(
        self, connection: PoolConnectionProxy, *, timeout: float | None = None
    ) -> None:
        """Give a connection back to the pool.

        A session that was changed (settings, listeners, an open transaction) is reset first.
        """
        if type(connection) is not PoolConnectionProxy or connection._holder._pool is not self:
            raise InterfaceError(
                f"Pool.release() received invalid connection: {connection!r} "
                "is not a member of this pool"
            )
        real = connection._con
        if real is None:
            return
        real._warn_of_listeners(stacklevel=3)
        connection._detach()
        holder = connection._holder
        if holder._con is not real or holder.release_at_once():
            return
        timeout_s = holder.timeout_s if timeout is None else seconds(timeout)
        await holder.release_anyway(timeout_s)

    def pipeline(self, *, timeout: float | None = None) -> Pipeline:
        """Statements that are sent together at the end of an ``async with``: all or none.

        A connection is taken for no longer than that. See ``Pipeline``; ``timeout`` is for all
        of it, the wait for a connection too, in seconds.
        """
        return Pipeline(self, None, timeout)

    def listen(
        self,
        *channels: str,
        queue_notifications_max: int = QUEUE_NOTIFICATIONS_MAX,
        on_full: Literal["drop_oldest", "drop_newest"] = "drop_oldest",
    ) -> Notifications:
        """The notifications of ``channels``: an async iterator, in an ``async with``.

        It outlives its connection; see ``Notifications``. All that listen in a pool share one
        connection, which is taken from the pool meanwhile.
        """
        if self._hub is None:
            self._hub = ListenHub(self)
        return Notifications(self._hub, channels, queue_notifications_max, on_full)

    # The pool as a whole.

    async def close(self) -> None:
        """Close the pool, once every connection is given back."""
        if self._closed:
            return
        self._check_init()
        self._closing = True
        self._oneshots = {}
        warning = self._loop.call_later(SLOW_CLOSE_S, self._warn_on_slow_close)
        try:
            self._end_upkeep()
            if self._hub is not None:
                await self._hub.stop()
            await self._until_given_back()
            await asyncio.gather(*(self._close_when_idle(holder) for holder in self._holders))
            if self._core is not None:
                self._core.fail_waiting(InterfaceError("pool is closed"))
        except BaseException:
            self.terminate()
            raise
        finally:
            warning.cancel()
            self._closed = True
            self._closing = False

    async def _until_given_back(self) -> None:
        """Wait until nobody has a connection, and whoever came before has had one."""
        core, waited_s = self._core, 0.0
        while True:
            lent = [holder._in_use for holder in self._holders if holder._in_use is not None]
            if lent:
                await asyncio.wait(lent)
            elif waited_s < SLOW_CLOSE_S and (core.lent or (core.waiting and core.size)):
                await asyncio.sleep(WAITING_POLL_S)
                waited_s += WAITING_POLL_S
            else:
                return

    async def _close_when_idle(self, holder: Holder) -> None:
        connection = holder._con
        if connection is None:
            return
        await connection._until_quiet()
        await holder.close()

    def _warn_on_slow_close(self) -> None:
        logger.warning(
            "Pool.close() is taking over %g seconds to complete. Check if you have any "
            "unreleased connections left. Use asyncio.wait_for() to set a timeout for "
            "Pool.close().",
            SLOW_CLOSE_S,
        )

    def terminate(self) -> None:
        """Close every connection's socket at once."""
        if self._closed or self._core is None:
            return
        self._closing = True
        self._oneshots = {}
        self._end_upkeep()
        if self._hub is not None:
            self._hub.stop_soon()
        for holder in self._holders:
            holder.terminate()
        self._core.fail_waiting(InterfaceError("pool is closed"))
        self._closed = True

    async def expire_connections(self) -> None:
        """Replace every connection: the idle ones now, the others when they are given back."""
        self._generation += 1
        idle = [holder for holder in self._holders if holder._in_use is None]
        await asyncio.gather(*(holder.retire() for holder in idle))

    def set_connect_args(self, dsn: str | None = None, **connect_kwargs: Any) -> None:
        """Set how connections are made from now on, as ``connect`` takes it."""
        self._connect_args = (dsn,)
        self._connect_kwargs = connect_kwargs
        # What was learnt of types and queries may not hold in another database.
        self._blueprint = None
        self._catalog = Catalog()

    def is_closing(self) -> bool:
        """Whether the pool is closed, or about to be."""
        return self._closed or self._closing

    def get_size(self) -> int:
        """How many connections there are."""
        return sum(1 for holder in self._holders if holder._con is not None)

    def get_init_size(self) -> int:
        """How many connections are made at the start."""
        return self._initsize

    def get_min_size(self) -> int:
        """How many connections there are at least, whether they are of use or not."""
        return self._minsize

    def get_max_size(self) -> int:
        """How many connections there may be."""
        return self._maxsize

    def get_idle_size(self) -> int:
        """How many connections are idle."""
        return 0 if self._core is None else int(self._core.idle)


class PoolAcquireContext:
    """What ``Pool.acquire()`` gives, to be awaited or entered."""

    __slots__ = ("_done", "connection", "pool", "timeout")

    def __init__(self, pool: Pool, timeout: float | None) -> None:
        self.pool = pool
        self.timeout = timeout
        self.connection: PoolConnectionProxy | None = None
        self._done = False

    async def __aenter__(self) -> PoolConnectionProxy:
        """Take a connection."""
        if self.connection is not None or self._done:
            raise InterfaceError("a connection is already acquired")
        self.connection = await self.pool._acquire(self.timeout)
        return self.connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give it back."""
        self._done = True
        connection, self.connection = self.connection, None
        if connection is not None:
            await self.pool.release(connection)

    def __await__(self) -> Generator[Any, None, PoolConnectionProxy]:
        """Take a connection, to be given back by ``Pool.release``."""
        self._done = True
        return self.pool._acquire(self.timeout).__await__()


def create_pool(
    dsn: str | None = None,
    *,
    init_size: int | None = None,
    min_size: int = 10,
    max_size: int = 10,
    max_queries: int = 50000,
    max_inactive_connection_lifetime: float = 300.0,
    connect: Callable[..., Awaitable[Connection]] | None = None,
    setup: Hook | None = None,
    init: Hook | None = None,
    reset: Hook | None = None,
    loop: asyncio.AbstractEventLoop | None = None,
    connection_class: type[Connection] = Connection,
    record_class: type[Record] | None = None,
    max_lifetime: float | None = LIFETIME_S_MAX,
    acquire_timeout: float | None = ACQUIRE_S_MAX,
    pipelining: bool = True,
    pipeline_depth_max: int = PIPELINE_DEPTH_MAX,
    always_reset: bool = False,
    **connect_kwargs: Any,
) -> Pool:
    """Make a pool, which is opened by ``await`` or ``async with``.

    Of ``init_size`` connections at the start (``min_size``, unless that is given) it grows to
    ``max_size``. A connection is replaced after ``max_queries`` queries and ``max_lifetime``
    seconds, and closed when it was idle for ``max_inactive_connection_lifetime`` seconds, unless
    there are only ``min_size``. When there are fewer, more are made. ``init`` is called with each
    new connection, ``setup`` with each that is acquired, ``reset`` in place of
    ``Connection.reset`` with each that is given back. Without it only a session that was changed
    is reset; ``always_reset=True`` does so every time, as asyncpg.

    The pool's own queries (``pool.fetch(...)``) go to an idle connection; where all are busy the
    next idle one takes several of those that wait, ``pipeline_depth_max`` at most.
    ``pipelining=False`` has it take one, for poolers that do not bear more.

    ``acquire_timeout`` bounds each wait for a connection, a query's too, in seconds. The other
    arguments are those of ``connect``.
    """
    return Pool(
        dsn,
        init_size=init_size,
        min_size=min_size,
        max_size=max_size,
        max_queries=max_queries,
        max_inactive_connection_lifetime=max_inactive_connection_lifetime,
        connect=connect,
        setup=setup,
        init=init,
        reset=reset,
        loop=loop,
        connection_class=connection_class,
        record_class=record_class,
        max_lifetime=max_lifetime,
        acquire_timeout=acquire_timeout,
        pipelining=pipelining,
        pipeline_depth_max=pipeline_depth_max,
        always_reset=always_reset,
        **connect_kwargs,
    )
