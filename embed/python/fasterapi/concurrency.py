"""Running blocking functions without blocking the event loop.

No anyio: on a shard's loop Rust's own threads are used, on any other loop a pool
of this module.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Awaitable,
        Callable,
        Iterable,
    )
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import AbstractContextManager
    from typing import Any, ParamSpec, TypeVar

    from fasterapi._core import Wait

    Parameters = ParamSpec("Parameters")
    Result = TypeVar("Result")

__all__ = [
    "asynccontextmanager",
    "contextmanager_in_threadpool",
    "iterate_in_threadpool",
    "run_cleanup_in_threadpool",
    "run_in_threadpool",
    "run_until_first_complete",
]

# As many as FastAPI's own pool has.
THREADS_MAX = 40

_pools: dict[str, ThreadPoolExecutor] = {}


async def run_in_threadpool(
    func: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Run ``func`` in a thread and return its result.

    Context variables are those of the caller. Its errors pass through.
    A thread cannot be stopped: a caller that is cancelled waits for its end.
    """
    in_shard = _shard_runner()
    if in_shard is None:
        return await _run_in(_executor(), func, *args, **kwargs)
    call = in_shard(func, *args, **kwargs)
    try:
        result: Result = await call
    except BaseException:
        if call.cancelled():
            await _to_the_end(call.over)
        raise
    return result


def _shard_runner() -> Callable[..., Wait] | None:
    """``_core.run_in_thread`` when the running loop is a shard's."""
    from asyncio import get_running_loop

    # Whoever made a shard's loop has imported its module.
    serving = sys.modules.get("fasterapi._serve")
    if serving is None or not isinstance(get_running_loop(), serving.ShardEventLoop):
        return None
    from fasterapi import _core

    return getattr(_core, "run_in_thread", None)


async def _run_in(
    pool: ThreadPoolExecutor, func: Callable[..., Result], /, *args: Any, **kwargs: Any
) -> Result:
    from asyncio import get_running_loop, shield, wait, wrap_future
    from contextvars import copy_context

    from fasterapi._anyio_threads import claimed

    context = copy_context()
    loop = get_running_loop()

    def work() -> Result:
        with claimed(loop):
            result: Result = _without_stop_iteration(context.run, func, *args, **kwargs)
        return result

    running = wrap_future(pool.submit(work))
    try:
        return await shield(running)
    except BaseException:
        if not running.done():
            await _to_the_end(lambda: wait((running,)))
        raise


async def _to_the_end(wait: Callable[[], Awaitable[Any]]) -> None:
    """Await ``wait()``, and again after every cancellation."""
    from asyncio import CancelledError

    with shielded():
        while True:
            try:
                await wait()
            except CancelledError:
                continue
            return


def shielded() -> AbstractContextManager[Any]:
    """Inside of it no anyio scope cancels; one would do so at every ``await`` again."""
    from contextlib import nullcontext

    anyio = sys.modules.get("anyio")
    if anyio is None or not hasattr(anyio, "CancelScope"):
        return nullcontext()
    scope: AbstractContextManager[Any] = anyio.CancelScope(shield=True)
    return scope


def _without_stop_iteration(call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """A future refuses ``StopIteration``; its waiter would wait for ever."""
    try:
        return call(*args, **kwargs)
    except StopIteration as error:
        raise RuntimeError("a function in the thread pool raised StopIteration") from error


def _executor(name: str = "fasterapi") -> ThreadPoolExecutor:
    """The pool called ``name``, made when it is first used."""
    pool = _pools.get(name)
    if pool is None:
        from concurrent.futures import ThreadPoolExecutor

        pool = _pools[name] = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix=name)
    return pool


def _executor_for_exits() -> ThreadPoolExecutor:
    """Threads for leaving context managers.

    Were the handlers' own threads used, all of them could wait for something that
    only leaving a context manager sets free (a database connection, mostly).
    """
    return _executor("fasterapi-exit")


async def run_cleanup_in_threadpool(
    func: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """As ``run_in_threadpool``, for ends that other functions in it may be waiting for."""
    return await _run_in(_executor_for_exits(), func, *args, **kwargs)


async def iterate_in_threadpool(iterator: Iterable[Result]) -> AsyncIterator[Result]:
    """Iterate over ``iterator`` in threads; items come as soon as they are made."""
    from fasterapi._iterate import ThreadedIterator

    items = ThreadedIterator(iter(iterator))
    try:
        async for item in items:
            yield item
    finally:
        await items.aclose()


@asynccontextmanager
async def contextmanager_in_threadpool(
    cm: AbstractContextManager[Result],
) -> AsyncGenerator[Result, None]:
    """Enter and leave ``cm`` in threads; it may suppress errors as usual."""
    entered: list[Result] = []

    def leave(error: BaseException | None) -> Awaitable[bool | None]:
        kind, traceback = (None, None) if error is None else (type(error), error.__traceback__)
        return _run_in(_executor_for_exits(), cm.__exit__, kind, error, traceback)

    try:
        await run_in_threadpool(lambda: entered.append(cm.__enter__()))
    except BaseException as error:
        if entered:  # cancelled meanwhile
            with shielded():
                await leave(error)
        raise
    try:
        yield entered[0]
    except BaseException as error:
        with shielded():
            ends_well = await leave(error)
        if not ends_well:
            raise
    else:
        with shielded():
            await leave(None)


async def run_until_first_complete(*args: tuple[Callable[..., Any], dict[str, Any]]) -> None:
    """Run the coroutine functions side by side until one ends; cancel the others."""
    from asyncio import FIRST_COMPLETED, ensure_future, gather, wait

    tasks = [ensure_future(function(**keywords)) for function, keywords in args]
    try:
        done, _ = await wait(tasks, return_when=FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await gather(*tasks, return_exceptions=True)
