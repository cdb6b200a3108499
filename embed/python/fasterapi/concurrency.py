"""Running blocking functions without blocking the shard."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    Parameters = ParamSpec("Parameters")
    Result = TypeVar("Result")

__all__ = ["run_in_threadpool"]


async def run_in_threadpool(
    func: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Run ``func`` in the event loop's thread pool and return its result.

    Context variables are those of the caller. Its errors pass through.
    Cancelling the caller does not stop the thread.
    """
    from asyncio import to_thread

    return await to_thread(func, *args, **kwargs)
