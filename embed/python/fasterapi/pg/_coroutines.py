"""Functions that return awaitables and are no ``async def``, for who asks whether they are."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, TypeVar

from fasterapi._signature import is_marked_coroutine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["marked", "passing_on"]

F = TypeVar("F", bound="Callable[..., Any]")


def marked(function: F) -> F:
    """Mark ``function``, and return it: ``asyncio.iscoroutinefunction`` is true of it.

    ``unittest.mock`` then makes an ``AsyncMock`` of it. From Python 3.12 on
    ``inspect.iscoroutinefunction`` is true of it, too.
    """
    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        mark(function)
    else:
        before_312 = getattr(asyncio.coroutines, "_is_coroutine", None)
        if before_312 is not None:
            function._is_coroutine = before_312  # type: ignore[attr-defined]
    return function


def passing_on(method: Callable[..., Any], function: F) -> F:
    """``function``, which returns what ``method`` does, marked if that is a coroutine."""
    return marked(function) if is_marked_coroutine(method) else function
