"""Event loops on threads of their own, and the door into them from synchronous tests.

A ``with TestClient(app)`` block owns one portal for its length; a request outside
of a block borrows one from the process's few idle ones. A portal on whose loop
something is left running is stopped, never lent again.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from concurrent.futures import Future
from contextvars import copy_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import Any, TypeVar

    Result = TypeVar("Result")

__all__ = ["WAIT_MAX_S", "Portal", "PortalPool", "Running"]

_on_portal = threading.local()

WAIT_MAX_S = 600.0
"""The longest that a test waits for one thing of its application."""

START_MAX_S = 30.0
"""The longest that a new thread may take until its loop runs."""

STOP_MAX_S = 5.0
"""The longest that cancelled tasks and threads may take to end."""

IDLE_PORTALS_MAX = 4
"""How many loops without work a process keeps for its next requests."""


class Running:
    """A coroutine that a portal runs."""

    __slots__ = ("_cancelled", "_future", "_loop", "_task")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing runs yet."""
        self._loop = loop
        self._future: Future[Any] = Future()
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False

    def begin(self, function: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...]) -> None:
        """Make the task; called on the loop."""
        self._task = self._loop.create_task(self._run(function, arguments))

    async def _run(
        self, function: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...]
    ) -> None:
        try:
            result = await function(*arguments)
        except asyncio.CancelledError as error:
            # Who asked for the end is not told about it as an error.
            if self._cancelled:
                self._future.set_result(None)
            else:
                self._future.set_exception(error)
        except BaseException as error:  # SystemExit too: it is the test's, not this thread's
            self._future.set_exception(error)
        else:
            self._future.set_result(result)

    def done(self) -> bool:
        """Whether it has ended."""
        return self._future.done()

    def cancel(self) -> None:
        """Ask for its end; thread-safe, without effect after the end."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: so it has ended
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None and not self._future.done():
            self._cancelled = True
            self._task.cancel()

    def result(self, timeout_s: float = WAIT_MAX_S) -> Any:
        """Wait for what it returns; raises what it raised, or ``TimeoutError``."""
        return self._future.result(timeout_s)

    def wait(self, timeout_s: float = WAIT_MAX_S) -> bool:
        """Wait for its end; false when that takes longer than ``timeout_s``."""
        try:
            self._future.exception(timeout_s)
        except TimeoutError:
            return self._future.done()
        except asyncio.CancelledError:
            pass
        return True


class Portal:
    """An asyncio loop on a thread of its own."""

    def __init__(self) -> None:
        """Start the thread; returns when the loop runs.

        What making the loop raises passes through. Raises ``TimeoutError`` after
        ``START_MAX_S``.
        """
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._main, name="fasterapi-testclient", daemon=True)
        self._thread.start()
        self.loop = self._ready.result(START_MAX_S)

    def start(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Running:
        """Begin ``function(*arguments)`` as a task in a copy of the caller's context."""
        running = Running(self.loop)
        self.loop.call_soon_threadsafe(running.begin, function, arguments, context=copy_context())
        return running

    def call(self, function: Callable[..., Awaitable[Result]], *arguments: Any) -> Result:
        """Run ``function(*arguments)`` to its end; raises what it raises."""
        result: Result = self.start(function, *arguments).result()
        return result

    @staticmethod
    def is_current() -> bool:
        """Whether the caller runs on a portal's thread, which must not wait for a portal.

        A handler may well use a test client; but the loops of others may be waiting
        for its own, so it needs one of which nobody waits.
        """
        return getattr(_on_portal, "portal", None) is not None

    def is_tidy(self) -> bool:
        """Whether nothing is left on the loop that a later user could notice."""
        if not self._thread.is_alive() or self.loop.is_closed():
            return False
        return not self.call(_leftovers)

    def stop(self) -> None:
        """Cancel what runs and end the thread; waits for at most ``STOP_MAX_S`` more or less."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(2 * STOP_MAX_S)

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Make the loop; called on the portal's own thread."""
        return asyncio.new_event_loop()

    def after_loop(self) -> None:
        """What is to be done on the portal's own thread when its loop is closed."""

    def _main(self) -> None:
        try:
            loop = self.new_loop()
        except BaseException as error:
            self._ready.set_exception(error)
            return
        _on_portal.portal = self
        asyncio.set_event_loop(loop)
        loop.call_soon(self._ready.set_result, loop)
        try:
            loop.run_forever()
            with contextlib.suppress(TimeoutError):
                loop.run_until_complete(_wind_up(loop))
        finally:
            asyncio.set_event_loop(None)
            loop.close()
            self.after_loop()


async def _leftovers() -> bool:
    """Whether other tasks or unfinished asynchronous generators are on this loop."""
    loop = asyncio.get_running_loop()
    if len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0)  # some tasks need one more turn to be seen as ended
    return len(asyncio.all_tasks()) > 1 or bool(getattr(loop, "_asyncgens", ()))


async def _wind_up(loop: asyncio.AbstractEventLoop) -> None:
    """End everything on ``loop``, as ``asyncio.run`` does; raises ``TimeoutError``."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    # Not `wait_for`, whose own task would be among those that are cancelled.
    async with asyncio.timeout(STOP_MAX_S):
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, Exception):
                loop.call_exception_handler(
                    {"message": "a task failed while its test client ended", "exception": error}
                )
        await loop.shutdown_asyncgens()
    executor = getattr(loop, "_default_executor", None)
    if executor is not None:  # asyncio's own way of waiting for it has no bound
        executor.shutdown(wait=False, cancel_futures=True)


class PortalPool:
    """The idle portals of this process."""

    def __init__(self, make: Callable[[], Portal] = Portal) -> None:
        """Nothing starts before the first ``take``; ``make`` starts one."""
        self._make = make
        self._idle: list[Portal] = []
        self._lock = threading.Lock()
        atexit.register(self.close)
        os.register_at_fork(after_in_child=self._forget)

    def take(self) -> Portal:
        """An idle portal, or a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._make()

    def give_back(self, portal: Portal) -> None:
        """Keep ``portal`` for the next taker, or stop it."""
        if portal.is_tidy():
            with self._lock:
                if len(self._idle) < IDLE_PORTALS_MAX:
                    self._idle.append(portal)
                    return
        portal.stop()

    @contextlib.contextmanager
    def lend(self) -> Iterator[Portal]:
        """A portal for the length of a block."""
        portal = self.take()
        try:
            yield portal
        finally:
            self.give_back(portal)

    def close(self) -> None:
        """Stop every idle portal."""
        with self._lock:
            idle, self._idle = self._idle, []
        for portal in idle:
            portal.stop()

    def _forget(self) -> None:
        """In a forked child, where the threads are not."""
        self._lock = threading.Lock()
        self._idle = []
