"""Notifications that go on when their connection does not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from typing import Any, NamedTuple, Self

from fasterapi.pg._listeners import Listener, quote_identifier
from fasterapi.pg.exceptions import InterfaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Literal

    from fasterapi.pg.connection import Connection
    from fasterapi.pg.pool import Pool

__all__ = ["Gap", "Notification", "Notifications"]

QUEUE_NOTIFICATIONS_MAX = 10_000
"""How many notifications wait for who listens unless told."""
BACK_OFF_S_MIN = 0.1
BACK_OFF_S_MAX = 10.0
"""How long to wait before listening is tried again, in seconds; it doubles up to the second."""
QUIET_S_MAX = 15.0
"""After so long without a word the server is asked whether it is there, in seconds."""
ANSWER_S_MAX = 5.0
"""How long it may take to answer that, and LISTEN, in seconds."""

logger = logging.getLogger(__name__)


class Notification(NamedTuple):
    """What NOTIFY sent."""

    channel: str
    payload: str
    pid: int
    """The process id of the session that sent it."""


class Gap(NamedTuple):
    """The connection was lost in between: what was notified meanwhile never comes.

    It comes when notifications do again, ahead of the first of them. Whoever keeps something up
    to date by them reads it anew now.
    """

    lost_s: float
    """For how long nobody listened, in seconds, as far as was noticed."""


class Notifications:
    """The notifications of some channels, as an async iterator.

    ``async with pool.listen("orders") as notifications`` returns when the server listens. From
    then on come ``Notification``s in the server's order, and a ``Gap`` each time that the
    connection was lost: it is made again by itself, for as long as it takes. Iterating may be
    cancelled without losing anything; it ends when the pool is closed.

    At most ``queue_notifications_max`` wait. Then the oldest are dropped, or with
    ``on_full="drop_newest"`` what comes; ``dropped`` counts them.
    """

    def __init__(
        self,
        hub: ListenHub,
        channels: Iterable[str],
        queue_notifications_max: int,
        on_full: Literal["drop_oldest", "drop_newest"],
    ) -> None:
        self.channels = frozenset(channels)
        self.dropped = 0
        """How many notifications were dropped because nobody took them in time."""
        self.gaps = 0
        """How many times the connection was lost."""
        if not self.channels:
            raise ValueError("there is no channel to listen to")
        if queue_notifications_max < 1:
            raise ValueError("queue_notifications_max must be at least 1")
        if on_full not in ("drop_oldest", "drop_newest"):
            raise ValueError('on_full must be "drop_oldest" or "drop_newest"')
        self._hub = hub
        self._max = queue_notifications_max
        self._drops_newest = on_full == "drop_newest"
        self._queue: deque[Notification] = deque()
        self._gap: Gap | None = None
        self._before_gap = 0
        self._arrival: asyncio.Future[None] | None = None
        self._is_over = False
        self._listens = False

    def _put(self, notification: Notification) -> None:
        if len(self._queue) >= self._max:
            self.dropped += 1
            if self._drops_newest:
                return
            self._queue.popleft()
            self._before_gap = max(self._before_gap - 1, 0)
        self._queue.append(notification)
        self._wake()

    def _put_gap(self, gap: Gap) -> None:
        """It is told at its place in the queue; two that nobody took are one, at the later's."""
        self.gaps += 1
        lost_s = gap.lost_s + (self._gap.lost_s if self._gap is not None else 0.0)
        self._gap = Gap(lost_s)
        self._before_gap = len(self._queue)
        self._wake()

    def _end(self) -> None:
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        arrival, self._arrival = self._arrival, None
        if arrival is not None and not arrival.done():
            arrival.set_result(None)

    async def __aenter__(self) -> Self:
        """Listen. Raises what connecting raises, the first time."""
        await self._hub.join(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop to listen."""
        self._end()
        self._hub.leave(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Notification | Gap:
        """The next one; ``StopAsyncIteration`` once the pool is closed."""
        while True:
            if self._gap is not None and self._before_gap == 0:
                gap, self._gap = self._gap, None
                return gap
            if self._queue:
                self._before_gap = max(self._before_gap - 1, 0)
                return self._queue.popleft()
            if self._is_over:
                raise StopAsyncIteration
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival


class ListenHub:
    """The one connection of a pool that listens, for all who do; there while anybody does."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._members: list[Notifications] = []
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._heard_at = 0.0
        self._lost_at: float | None = None
        self._listening: set[str] = set()
        self._waiting: list[tuple[Notifications, asyncio.Future[None]]] = []
        self._is_over = False

    async def join(self, member: Notifications) -> None:
        """Listen to the channels of ``member`` too; returns when the server does."""
        self._pool._check_init()
        if self._is_over or self._pool._closing:
            raise InterfaceError("pool is closing")
        listens = asyncio.get_running_loop().create_future()
        self._members.append(member)
        self._waiting.append((member, listens))
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = self._pool._loop.create_task(self._run())
        try:
            await listens
        except BaseException:
            self.leave(member)
            raise

    def leave(self, member: Notifications) -> None:
        """Listen no more to what nobody else listens to."""
        with contextlib.suppress(ValueError):
            self._members.remove(member)
        self._waiting = [entry for entry in self._waiting if entry[0] is not member]
        self._changed.set()

    def stop_soon(self) -> None:
        """End, without waiting for it."""
        self._is_over = True
        self._fail_waiting(InterfaceError("pool is closed"))
        for member in self._members:
            member._end()
        self._members.clear()
        self._changed.set()

    async def stop(self) -> None:
        """End, and give the connection back."""
        self.stop_soon()
        if self._task is not None:
            done, _ = await asyncio.wait([self._task], timeout=ANSWER_S_MAX)
            if not done:
                self._task.cancel()
                await asyncio.wait([self._task])

    def _fail_waiting(self, error: BaseException) -> None:
        waiting, self._waiting = self._waiting, []
        for member, listens in waiting:
            with contextlib.suppress(ValueError):
                self._members.remove(member)
            if not listens.done():
                listens.set_exception(error)

    async def _run(self) -> None:
        back_off_s = 0.0
        while self._members:
            began = time.monotonic()
            try:
                async with self._pool.acquire() as proxy:
                    connection: Any = proxy._con
                    if connection is None:
                        raise InterfaceError("the pool's connection is closed")
                    await self._listen_on(connection)
            except Exception as error:
                # Who has just come is told; who listened already waits for better times.
                self._fail_waiting(error)
                if self._members:
                    logger.warning("listening was interrupted: %r", error)
            finally:
                if self._listening and self._lost_at is None:
                    self._lost_at = time.monotonic()
                self._listening = set()
            if not self._members:
                break
            if time.monotonic() - began > BACK_OFF_S_MAX:
                back_off_s = 0.0
            back_off_s = min(max(back_off_s * 2, BACK_OFF_S_MIN), BACK_OFF_S_MAX)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(back_off_s * random.uniform(0.5, 1.0)):
                    while self._members:
                        self._changed.clear()
                        await self._changed.wait()
        self._lost_at = None

    async def _listen_on(self, connection: Connection) -> None:
        """Listen for as long as the connection is there and anybody listens."""
        self._heard_at = time.monotonic()
        connection.add_termination_listener(self._on_end)
        try:
            while self._members and not connection.is_closed():
                self._changed.clear()
                await self._agree(connection)
                self._tell_ready()
                if self._changed.is_set():
                    continue
                quiet_s = QUIET_S_MAX - (time.monotonic() - self._heard_at)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(quiet_s, 0.0)):
                        await self._changed.wait()
                if time.monotonic() - self._heard_at >= QUIET_S_MAX:
                    await self._ask(connection, "")
            if connection.is_closed() and self._members:
                raise InterfaceError("the connection was lost")
        finally:
            connection.remove_termination_listener(self._on_end)
            if connection._listeners:
                connection._listeners.clear()
                with contextlib.suppress(Exception):
                    await self._ask(connection, "UNLISTEN *")

    async def _ask(self, connection: Connection, sql: str) -> None:
        try:
            await connection._core.simple(sql, timeout=ANSWER_S_MAX)
        except TimeoutError:
            # Perhaps its machine is gone, and nobody would ever say so.
            connection.terminate()
            raise
        self._heard_at = time.monotonic()

    async def _agree(self, connection: Connection) -> None:
        """Have the server listen to what somebody listens to, and to nothing else."""
        wanted = {channel for member in self._members for channel in member.channels}
        new, old = wanted - self._listening, self._listening - wanted
        if not new and not old:
            return
        listener = Listener.of(self._on_notification)
        for channel in new:
            # Before the server listens: a notification may come along with its answer.
            connection._listeners[channel] = {listener: None}
        commands = [f"LISTEN {quote_identifier(channel)}" for channel in sorted(new)]
        commands += [f"UNLISTEN {quote_identifier(channel)}" for channel in sorted(old)]
        await self._ask(connection, "; ".join(commands))
        for channel in old:
            connection._listeners.pop(channel, None)
        self._listening = wanted

    def _tell_ready(self) -> None:
        """The server listens: to who waited for it, and to who has missed something."""
        if self._lost_at is not None:
            gap = Gap(time.monotonic() - self._lost_at)
            self._lost_at = None
            for member in self._members:
                if member._listens:
                    member._put_gap(gap)
        still_waiting = []
        for member, listens in self._waiting:
            if not member.channels <= self._listening:
                still_waiting.append((member, listens))
            elif not listens.done():
                member._listens = True
                listens.set_result(None)
        self._waiting = still_waiting

    def _on_end(self, connection: Any) -> None:
        self._lost_at = time.monotonic()
        self._changed.set()

    def _on_notification(self, connection: Any, pid: int, channel: str, payload: str) -> None:
        self._heard_at = time.monotonic()
        notification = Notification(channel, payload, pid)
        for member in self._members:
            if member._listens and channel in member.channels:
                member._put(notification)
