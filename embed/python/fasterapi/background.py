"""Work that is done after the answer has been sent."""

from __future__ import annotations

from fasterapi._signature import is_coroutine_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, ParamSpec

    Parameters = ParamSpec("Parameters")

__all__ = ["BackgroundTask", "BackgroundTasks"]


class BackgroundTask:
    """One call, made after the answer; a ``def`` function runs in the thread pool."""

    def __init__(
        self, func: Callable[Parameters, Any], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> None:
        """Keep the function and its arguments."""
        self.func = func
        self.args = args
        self.kwargs = kwargs
        self.is_async = is_coroutine_function(func)

    async def __call__(self) -> None:
        """Make the call; the function's errors pass through."""
        if self.is_async:
            await self.func(*self.args, **self.kwargs)
            return
        from fasterapi.concurrency import run_in_threadpool

        await run_in_threadpool(self.func, *self.args, **self.kwargs)

    def __repr__(self) -> str:
        """The function."""
        return f"BackgroundTask({self.func!r})"


class BackgroundTasks(BackgroundTask):
    """Calls that are made after the answer, one after the other.

    A handler or dependency that has a parameter of this type adds to the same list.
    The first error ends the list.
    """

    def __init__(self, tasks: Sequence[BackgroundTask] | None = None) -> None:
        """Start with ``tasks``, or with none."""
        self.tasks: list[BackgroundTask] = list(tasks or ())

    def add_task(
        self, func: Callable[Parameters, Any], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> None:
        """Call ``func(*args, **kwargs)`` after the answer has been sent."""
        self.tasks.append(BackgroundTask(func, *args, **kwargs))

    async def __call__(self) -> None:
        """Make the calls in their order."""
        for task in self.tasks:
            await task()

    def __repr__(self) -> str:
        """The tasks."""
        return f"BackgroundTasks({self.tasks!r})"
