"""Callbacks of a connection: notifications, messages, its end, its queries."""

from __future__ import annotations

import contextlib
import inspect
import time
import warnings
from typing import Any, NamedTuple

from fasterapi.pg._parts import ConnectionParts
from fasterapi.pg.exceptions import (
    InterfaceError,
    InterfaceWarning,
    PostgresLogMessage,
    notice_from_fields,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    Callback = Callable[..., Any]

__all__ = ["Listener", "ListenerMixin", "LoggedQuery", "quote_identifier"]


def quote_identifier(name: str) -> str:
    """``name`` as SQL takes it literally."""
    return '"' + name.replace('"', '""') + '"'


class Listener(NamedTuple):
    """A callback, which may be a coroutine function."""

    callback: Callback
    is_async: bool

    @classmethod
    def of(cls, callback: Callback) -> Listener:
        """The listener of ``callback``; raises ``InterfaceError`` for what cannot be called."""
        if inspect.iscoroutinefunction(callback):
            return cls(callback, is_async=True)
        if not callable(callback):
            raise InterfaceError(f"expected a callable or a coroutine function, got {callback!r}")
        return cls(callback, is_async=False)


class LoggedQuery(NamedTuple):
    """What a query logger is told."""

    query: str
    args: tuple[Any, ...]
    timeout: float | None
    elapsed: float
    """Seconds."""
    exception: BaseException | None
    conn_addr: Any
    conn_params: Any


# Tasks of callbacks: a loop holds them weakly.
_tasks: set[asyncio.Task[Any]] = set()


class ListenerMixin(ConnectionParts):
    """The callbacks of a connection."""

    __slots__ = ()

    async def add_listener(self, channel: str, callback: Callback) -> None:
        """Call ``callback(connection, pid, channel, payload)`` on each notification."""
        self._check_open()
        listener = Listener.of(callback)
        if channel not in self._listeners:
            await self._fetch_script(f"LISTEN {quote_identifier(channel)}")
            self._listeners[channel] = {}
        self._listeners[channel][listener] = None

    async def remove_listener(self, channel: str, callback: Callback) -> None:
        """Undo ``add_listener``."""
        if self.is_closed():
            return
        listeners = self._listeners.get(channel)
        if listeners is None or listeners.pop(Listener.of(callback), self) is self:
            return
        if not listeners:
            del self._listeners[channel]
            await self._fetch_script(f"UNLISTEN {quote_identifier(channel)}")

    def add_log_listener(self, callback: Callback) -> None:
        """Call ``callback(connection, message)`` on each message of the server."""
        if self.is_closed():
            raise InterfaceError("connection is closed")
        self._log_listeners[Listener.of(callback)] = None

    def remove_log_listener(self, callback: Callback) -> None:
        """Undo ``add_log_listener``."""
        self._log_listeners.pop(Listener.of(callback), None)

    def add_termination_listener(self, callback: Callback) -> None:
        """Call ``callback(connection)`` when the connection ends, however it does."""
        self._termination_listeners[Listener.of(callback)] = None

    def remove_termination_listener(self, callback: Callback) -> None:
        """Undo ``add_termination_listener``."""
        self._termination_listeners.pop(Listener.of(callback), None)

    def add_query_logger(self, callback: Callback) -> None:
        """Call ``callback(record)`` after each query, see ``LoggedQuery``."""
        self._query_loggers[Listener.of(callback)] = None
        self._find_direct()

    def remove_query_logger(self, callback: Callback) -> None:
        """Undo ``add_query_logger``."""
        self._query_loggers.pop(Listener.of(callback), None)
        self._find_direct()

    @contextlib.contextmanager
    def query_logger(self, callback: Callback) -> Iterator[None]:
        """Log the queries of a ``with`` block."""
        self.add_query_logger(callback)
        try:
            yield
        finally:
            self.remove_query_logger(callback)

    async def _logged(
        self, query: str, args: tuple[Any, ...], timeout: float | None, work: Awaitable[Any]
    ) -> Any:
        """Do ``work`` and tell the query loggers."""
        began = time.monotonic()
        failure: BaseException | None = None
        try:
            return await work
        except BaseException as error:
            failure = error
            raise
        finally:
            record = LoggedQuery(
                query=query,
                args=args,
                timeout=timeout,
                elapsed=time.monotonic() - began,
                exception=failure,
                conn_addr=self._addr,
                conn_params=self._params,
            )
            self._tell(self._query_loggers, record)

    def _tell(self, listeners: Iterable[Listener], *args: Any) -> None:
        for listener in list(listeners):
            if listener.is_async:
                task = self._loop.create_task(_await(listener.callback, args))
                _tasks.add(task)
                task.add_done_callback(_tasks.discard)
            else:
                self._loop.call_soon(_call, self._loop, listener.callback, args)

    def _on_notification(self, pid: int, channel: str, payload: str) -> None:
        listeners = self._listeners.get(channel)
        if listeners:
            self._tell(listeners, self._face(), pid, channel, payload)

    def _on_notice(self, fields: dict[str, str]) -> None:
        if self._log_listeners:
            message: PostgresLogMessage = notice_from_fields(fields)
            self._tell(self._log_listeners, self._face(), message)

    def _face(self) -> Any:
        """The connection as its user knows it."""
        return self if self._proxy is None else self._proxy

    def _tell_termination(self) -> None:
        listeners, self._termination_listeners = self._termination_listeners, {}
        self._tell(listeners, self._face())

    def _warn_of_listeners(self, stacklevel: int) -> None:
        """Warn when callbacks are left where nobody expects them."""
        count = sum(map(len, self._listeners.values()))
        for kind, number in (("notification", count), ("log", len(self._log_listeners))):
            if number:
                plural = "" if number == 1 else "s"
                warnings.warn(
                    InterfaceWarning(
                        f"{self!r} is being released to the pool but has {number} active "
                        f"{kind} listener{plural}"
                    ),
                    stacklevel=stacklevel,
                )


async def _await(callback: Callback, args: tuple[Any, ...]) -> None:
    # Called in the task, whose failure it is when the callback does not take these arguments.
    await callback(*args)


def _call(loop: asyncio.AbstractEventLoop, callback: Callback, args: tuple[Any, ...]) -> None:
    try:
        callback(*args)
    except Exception as error:
        loop.call_exception_handler(
            {
                "message": f"Unhandled exception in asyncpg callback {callback!r}",
                "exception": error,
            }
        )
