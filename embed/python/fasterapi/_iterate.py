"""Makes every kind of iterable asynchronous, without blocking the shard."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
    from typing import Any, TypeVar

    Item = TypeVar("Item")

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


class ThreadedIterator:
    """Over an iterator that may block: each ``next()`` runs in the thread pool."""

    __slots__ = ("_iterator", "_pending")

    def __init__(self, iterator: Iterator[Any]) -> None:
        """Keep the iterator."""
        self._iterator = iterator
        self._pending: Future[Any] | None = None

    def __aiter__(self) -> ThreadedIterator:
        """Itself."""
        return self

    async def __anext__(self) -> Any:
        """The next item, made in a thread."""
        from asyncio import ensure_future, shield, to_thread

        # Shielded: a cancelled waiter cannot stop the thread, and `aclose` must
        # know when the thread has left the generator.
        self._pending = ensure_future(to_thread(next, self._iterator, _END))
        item = await shield(self._pending)
        self._pending = None
        if item is _END:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Close the iterator (``finally`` blocks run), after a running ``next()``."""
        from asyncio import to_thread, wait

        pending, self._pending = self._pending, None
        if pending is not None:
            await wait([pending])
            if not pending.cancelled():
                pending.exception()  # fetched, so that asyncio does not log it
        close = getattr(self._iterator, "close", None)
        if close is not None:
            await to_thread(close)
