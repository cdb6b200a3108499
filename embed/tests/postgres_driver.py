"""The driver under test: `fasterapi.pg`, or what FASTERAPI_PG_DRIVER names, such as asyncpg.

The tests are written against asyncpg's interface. Run them with asyncpg to see whether a failure is
the test's.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

NAME = os.environ.get("FASTERAPI_PG_DRIVER", "fasterapi.pg")
OURS = NAME == "fasterapi.pg"
# Makes a driver that cannot be imported an error instead of a skip.
REQUIRED = os.environ.get("FASTERAPI_PG_REQUIRED") == "1"
# Longest time for what a test does in a loop, in seconds: every wait of the driver is bounded.
LOOP_TIMEOUT_S = 60.0

P = ParamSpec("P")
T = TypeVar("T")


def load() -> Any:
    """The module; skips the test where it cannot be imported."""
    try:
        module = importlib.import_module(NAME)
        if OURS:
            importlib.import_module("fasterapi._core").PgConnection  # noqa: B018
    except (ImportError, AttributeError) as problem:
        if REQUIRED:
            raise
        pytest.skip(f"this Python has no {NAME}: {problem}")
    return module


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Runs an `async def` test in a loop of its own, for a bounded time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(LOOP_TIMEOUT_S):
                await test(*args, **kwargs)

        asyncio.run(bounded())

    return run


async def within(seconds: float, awaitable: Awaitable[T]) -> T:
    """The result, or ``AssertionError`` when it takes longer: a wait that is not bounded."""
    task = asyncio.ensure_future(awaitable)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.cancel()
        raise AssertionError(f"not within {seconds} s: {awaitable}")
    return task.result()


def lost_errors(pg: Any) -> tuple[type[BaseException], ...]:
    """What a query may raise whose connection is lost under it."""
    return (
        *(pg.PostgresConnectionError, pg.InterfaceError, pg.InternalClientError, OSError),
        *(pg.OperatorInterventionError, pg.CannotConnectNowError),
    )
