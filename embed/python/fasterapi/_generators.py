"""Keeps a request's ``yield`` dependencies open, and closes them in the right order.

The same rules as ``contextlib.AsyncExitStack`` over ``asynccontextmanager``, for
generators only and without an object for each.
"""

from __future__ import annotations

from fasterapi._stacks import SWALLOWED
from fasterapi.concurrency import run_cleanup_in_threadpool
from fasterapi.exceptions import FastAPIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from typing import Any, NoReturn, TypeGuard

    AnyGenerator = AsyncGenerator[Any, Any] | Generator[Any, Any, Any]

__all__ = ["GeneratorStack"]

_END = object()


class GeneratorStack:
    """The open generators of one request, the last one to be closed first."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        """Start with none."""
        self._open: list[AnyGenerator] = []

    async def enter(self, generator: AsyncGenerator[Any, Any]) -> Any:
        """Run ``generator`` to its ``yield`` and keep it open."""
        try:
            value = await generator.__anext__()
        except StopAsyncIteration:
            raise RuntimeError("generator didn't yield") from None
        self._open.append(generator)
        return value

    def enter_here(self, generator: Generator[Any, Any, Any]) -> Any:
        """The same for a plain generator, in the caller's thread."""
        try:
            value = next(generator)
        except StopIteration:
            raise RuntimeError("generator didn't yield") from None
        self._open.append(generator)
        return value

    async def close(self) -> None:
        """Run every generator to its end.

        An exception of one is thrown into those that were opened before it, and
        raised in the end unless one of them handles it.
        """
        while self._open:
            try:
                await _run_out(self._open.pop())
            except BaseException as error:
                left = await self._throw(error)
                if left is not None:
                    raise left from left.__cause__

    async def unwind(self, error: BaseException) -> NoReturn:
        """Throw ``error`` into every generator, then raise it.

        A generator may raise another exception in its place. One that handles it
        without raising leaves the request without an answer: ``FastAPIError``.
        """
        left = await self._throw(error)
        if left is not None:
            raise left
        raise FastAPIError(SWALLOWED) from error

    async def _throw(self, error: BaseException) -> BaseException | None:
        """Throw ``error`` into all; what is left of it in the end."""
        left: BaseException | None = error
        while self._open:
            generator = self._open.pop()
            try:
                if left is None:
                    await _run_out(generator)
                else:
                    await _throw_into(generator, left)
                    left = None
            except BaseException as raised:
                left = raised
        return left


def _is_async(generator: AnyGenerator) -> TypeGuard[AsyncGenerator[Any, Any]]:
    return hasattr(generator, "__anext__")


def _is_sync(generator: AnyGenerator) -> TypeGuard[Generator[Any, Any, Any]]:
    return not hasattr(generator, "__anext__")


async def _run_out(generator: AnyGenerator) -> None:
    if _is_async(generator):
        try:
            await generator.__anext__()
        except StopAsyncIteration:
            return
        await generator.aclose()
    elif _is_sync(generator):
        if await run_cleanup_in_threadpool(next, generator, _END) is _END:
            return
        generator.close()
    raise RuntimeError("generator didn't stop")


async def _throw_into(generator: AnyGenerator, error: BaseException) -> None:
    """Throw ``error``; returns if the generator handles it, raises what it raises."""
    if _is_async(generator):
        try:
            await generator.athrow(error)
        except StopAsyncIteration:
            return
        await generator.aclose()
    elif _is_sync(generator):
        if await run_cleanup_in_threadpool(_throw_sync, generator, error):
            return
        generator.close()
    raise RuntimeError("generator didn't stop after throw()")


def _throw_sync(generator: Generator[Any, Any, Any], error: BaseException) -> bool:
    """As ``generator.throw``; whether it ended. A StopIteration cannot cross threads."""
    try:
        generator.throw(error)
    except StopIteration:
        return True
    return False
