"""What kind of callable a dependency or a handler is."""

from __future__ import annotations

from types import FunctionType, MethodType

from fasterapi._signature import ASYNC_GENERATOR, GENERATOR, is_marked_coroutine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["is_async_generator", "is_coroutine", "is_generator", "unwrapped"]

# How many wrappers around a function are looked through.
WRAPPERS_MAX = 100


def without_partials(call: Any) -> Any:
    """The function inside ``functools.partial``."""
    while hasattr(call, "func") and hasattr(call, "keywords") and not isinstance(call, type):
        call = call.func
    return call


def unwrapped(call: Any) -> Any:
    """The function inside partials and ``functools.wraps``."""
    call = without_partials(call)
    for _ in range(WRAPPERS_MAX):
        inner = getattr(call, "__wrapped__", None)
        if inner is None or isinstance(call, type):
            break
        call = inner
    return call


def _candidates(call: Any) -> list[Any]:
    """The functions that may say what a call of ``call`` gives."""
    found = []
    for outer in (without_partials(call), unwrapped(call)):
        if isinstance(outer, type):
            continue  # a call makes an instance
        found.append(outer)
        if not isinstance(outer, FunctionType | MethodType):
            method = getattr(outer, "__call__", None)  # noqa: B004 - the function itself
            found += [without_partials(method), unwrapped(method)]
    return found


def _flags(function: Any) -> int:
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None) if isinstance(function, FunctionType) else None
    return 0 if code is None else code.co_flags


def is_generator(call: Any) -> bool:
    """Whether a call gives a generator."""
    return any(_flags(found) & GENERATOR for found in _candidates(call))


def is_async_generator(call: Any) -> bool:
    """Whether a call gives an asynchronous generator."""
    return any(_flags(found) & ASYNC_GENERATOR for found in _candidates(call))


def is_coroutine(call: Any) -> bool:
    """Whether a call gives a coroutine to await."""
    return any(map(is_marked_coroutine, _candidates(call)))
