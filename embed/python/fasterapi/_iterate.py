"""Makes every kind of iterable asynchronous, without blocking the shard."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
    from typing import Any, TypeVar

    Item = TypeVar("Item")

# How many items an iterator may be ahead of whoever takes them, and how long one visit to its
# thread makes more of them, in seconds.
AHEAD_MAX = 32
VISIT_S = 0.002
# What `next` returns at the end: StopIteration cannot pass through a future.
_END: Any = object()


def as_async_iterator(content: AsyncIterable[Item] | Iterable[Item]) -> AsyncIterator[Item]:
    """An asynchronous iterator over ``content``.

    Raises ``TypeError`` when ``content`` cannot be iterated, or is text or bytes,
    which would be sent one character at a time.
    """
    if hasattr(content, "__aiter__"):
        return content.__aiter__()
    if isinstance(content, str | bytes | bytearray | memoryview):
        raise TypeError(f"content is {type(content).__name__}, not an iterable of chunks")
    if isinstance(content, list | tuple):
        return ReadyIterator(iter(content))
    return ThreadedIterator(iter(content))


class ReadyIterator:
    """Over items that are already in memory: no thread is needed."""

    __slots__ = ("_iterator",)

    def __init__(self, iterator: Iterator[Any]) -> None:
        """Keep the iterator."""
        self._iterator = iterator

    def __aiter__(self) -> ReadyIterator:
        """Itself."""
        return self

    async def __anext__(self) -> Any:
        """The next item."""
        item = next(self._iterator, _END)
        if item is _END:
            raise StopAsyncIteration
        return item


class _Failure:
    """What an iterator has raised, on its way to the loop's thread."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class ThreadedIterator:
    """Over an iterator that may block: it runs in the thread pool.

    Each item is given out as soon as there is one. A fast iterator makes some more
    during the same visit to the thread, which costs more than most items.
    """

    __slots__ = ("_is_closed", "_iterator", "_ready", "_visit", "_waiter")

    def __init__(self, iterator: Iterator[Any]) -> None:
        """Keep the iterator."""
        from collections import deque

        self._iterator = iterator
        self._ready: deque[Any] = deque()
        self._visit: Future[None] | None = None
        self._waiter: Future[None] | None = None
        self._is_closed = False

    def __aiter__(self) -> ThreadedIterator:
        """Itself."""
        return self

    async def __anext__(self) -> Any:
        """The next item, made in a thread."""
        while not self._ready:
            await self._wait()
        item = self._ready.popleft()
        if item is _END:
            self._ready.append(_END)
            raise StopAsyncIteration
        if type(item) is _Failure:
            self._ready.append(_END)
            raise item.error
        return item

    async def _wait(self) -> None:
        """Wait for an item; start a visit to the thread if there is none."""
        from asyncio import ensure_future, get_running_loop

        from fasterapi.concurrency import run_in_threadpool

        loop = get_running_loop()
        self._waiter = loop.create_future()
        if self._visit is None or self._visit.done():
            # A task of its own: a cancelled waiter cannot stop the thread, and
            # `aclose` must know when the thread has left the generator.
            self._visit = ensure_future(run_in_threadpool(self._make, loop))
            # The thread may have left before the waiter came: then a new visit is due.
            self._visit.add_done_callback(self._tell)
        if not self._ready:  # else it came before there was anybody to tell
            await self._waiter
        self._waiter = None

    def _make(self, loop: AbstractEventLoop) -> None:
        """In a thread: make items, as long as they are made quickly and not too many."""
        from time import monotonic

        until = monotonic() + VISIT_S
        while True:
            try:
                item = next(self._iterator, _END)
            except BaseException as error:
                item = _Failure(error)
            self._ready.append(item)
            if self._waiter is not None:
                loop.call_soon_threadsafe(self._tell)
            if item is _END or type(item) is _Failure or self._is_closed:
                return
            if len(self._ready) >= AHEAD_MAX or monotonic() > until:
                return

    def _tell(self, _: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def aclose(self) -> None:
        """Close the iterator (``finally`` blocks run), after a running ``next()``."""
        from asyncio import wait

        from fasterapi.concurrency import run_in_threadpool

        self._is_closed = True
        visit, self._visit = self._visit, None
        if visit is not None:
            await wait([visit])
            if not visit.cancelled():
                visit.exception()  # fetched, so that asyncio does not log it
        close = getattr(self._iterator, "close", None)
        if close is not None:
            await run_in_threadpool(close)
