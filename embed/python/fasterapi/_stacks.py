"""The exit stacks of one request: what ``yield`` dependencies leave to be closed.

Those of the scope "function" are closed before the answer is sent, those of the
scope "request" after it. They stand in the ASGI scope under FastAPI's names.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager

from fasterapi.exceptions import FastAPIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fasterapi.requests import HTTPConnection, Scope

__all__ = ["FUNCTION_STACK", "REQUEST_STACK", "exit_stacks", "stacks_of"]

REQUEST_STACK = "fastapi_inner_astack"
FUNCTION_STACK = "fastapi_function_astack"

SWALLOWED = (
    "The answer was never sent. Most likely the application is raising an exception and a "
    "dependency with yield swallows it, with a bare `except` or `except Exception` that does "
    "not raise the exception again."
)


@asynccontextmanager
async def exit_stacks(scope: Scope, must_answer: bool = True) -> AsyncIterator[AsyncExitStack]:
    """Open the request's stack; gives the function's, which the caller closes.

    With ``must_answer`` it raises ``FastAPIError`` when a dependency swallows the
    error that ended the block, because then there is no answer.
    """
    finished = False
    async with AsyncExitStack() as request_stack:
        function_stack = AsyncExitStack()
        scope[REQUEST_STACK] = request_stack
        scope[FUNCTION_STACK] = function_stack
        yield function_stack
        finished = True
    if must_answer and not finished:
        raise FastAPIError(SWALLOWED)


def stacks_of(connection: HTTPConnection) -> tuple[AsyncExitStack, AsyncExitStack]:
    """The stacks for the request's scope and for the function's.

    Raises ``AssertionError`` outside a route.
    """
    stacks: tuple[AsyncExitStack, AsyncExitStack] | None = connection.__dict__.get("_stacks")
    if stacks is not None:
        return stacks
    scope = connection.scope
    if REQUEST_STACK not in scope:
        raise AssertionError(f"{REQUEST_STACK} not found in request scope")
    return scope[REQUEST_STACK], scope[FUNCTION_STACK]
