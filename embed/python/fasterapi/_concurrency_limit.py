"""Bounds how many calls of one dependency run at once (``Depends(max_concurrency=)``)."""

from __future__ import annotations

from asyncio import Semaphore, get_running_loop
from weakref import WeakKeyDictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["DependencyConcurrency", "LimitStatistics"]


class LimitStatistics:
    """``tasks_waiting``: how many callers wait for their turn."""

    __slots__ = ("tasks_waiting",)

    def __init__(self, tasks_waiting: int) -> None:
        """Keep the number."""
        self.tasks_waiting = tasks_waiting


class _Limit(Semaphore):
    """A semaphore that can be looked at."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self._waiting = 0

    @property
    def value(self) -> int:
        """How many more may enter now."""
        return self._value

    def statistics(self) -> LimitStatistics:
        """How many wait."""
        return LimitStatistics(self._waiting)

    async def acquire(self) -> bool:  # type: ignore[override]
        """Enter, when there is room."""
        self._waiting += 1
        try:
            return await super().acquire()
        finally:
            self._waiting -= 1


class DependencyConcurrency:
    """The limit of one declaration; each event loop counts for itself."""

    __slots__ = ("__weakref__", "_limits", "max_concurrency")

    def __init__(self, max_concurrency: int) -> None:
        """Nothing is counted yet."""
        self.max_concurrency = max_concurrency
        self._limits: WeakKeyDictionary[AbstractEventLoop, _Limit] = WeakKeyDictionary()

    def get_semaphore(self) -> _Limit:
        """The semaphore of the running loop."""
        loop = get_running_loop()
        limit = self._limits.get(loop)
        if limit is None:
            limit = self._limits[loop] = _Limit(self.max_concurrency)
        return limit
