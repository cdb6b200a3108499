"""Enters ``yield`` dependencies and leaves it to exit stacks to end them."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager, contextmanager

from fasterapi.concurrency import contextmanager_in_threadpool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager, AsyncExitStack
    from typing import Any

    from fasterapi._dependant import Dependant

__all__ = ["enter_generator"]


async def enter_generator(
    dependant: Dependant,
    arguments: dict[str, Any],
    stack: AsyncExitStack,
    request_stack: AsyncExitStack,
) -> Any:
    """Run the generator to its ``yield`` and return what it yields.

    ``stack`` runs the rest, with the error that ends the request, if one does.
    ``request_stack`` is the one that closes last.
    """
    call: Any = dependant.call
    manager: AbstractAsyncContextManager[Any]
    if dependant.is_async_gen_callable:
        manager = asynccontextmanager(call)(**arguments)
        scope = _cleanup_scope(request_stack)
        if scope is not None:
            manager = _shielded_exit(manager, scope)
    else:
        manager = contextmanager_in_threadpool(contextmanager(call)(**arguments))
    if dependant.concurrency is not None:
        manager = _limited(manager, dependant.concurrency.get_semaphore())
    return await stack.enter_async_context(manager)


def _cleanup_scope(request_stack: AsyncExitStack) -> Any:
    """One anyio cancel scope around the dependencies of a request; ``None`` without anyio.

    Inside a cancelled anyio scope every ``await`` is cancelled again, those of a
    dependency's clean-up too, unless a scope shields them. Only a program that uses
    anyio has such scopes. It is entered before the first dependency, because
    scopes, also those of the dependencies themselves, must end in reverse order.
    """
    anyio = sys.modules.get("anyio")
    if anyio is None or not hasattr(anyio, "CancelScope"):
        return None
    scope = getattr(request_stack, "_fasterapi_cleanup_scope", None)
    if scope is None:
        scope = request_stack.enter_context(anyio.CancelScope())
        request_stack._fasterapi_cleanup_scope = scope  # type: ignore[attr-defined]
    return scope


@asynccontextmanager
async def _shielded_exit(
    manager: AbstractAsyncContextManager[Any], scope: Any
) -> AsyncGenerator[Any, None]:
    before = scope.shield
    try:
        async with manager as value:
            try:
                yield value
            finally:
                scope.shield = True
    finally:
        scope.shield = before
    from anyio.lowlevel import checkpoint_if_cancelled

    # What is cancelled outside must not be forgotten inside the shield.
    await checkpoint_if_cancelled()


@asynccontextmanager
async def _limited(
    manager: AbstractAsyncContextManager[Any], semaphore: Any
) -> AsyncGenerator[Any, None]:
    async with semaphore, manager as value:
        yield value
