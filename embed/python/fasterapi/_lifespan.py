"""What runs around serving: the lifespan, or the startup and shutdown functions."""

from __future__ import annotations

from fasterapi._signature import is_coroutine_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from types import TracebackType
    from typing import Any

    from fasterapi.applications import FasterAPI

    Lifespan = Callable[
        [Any],
        AbstractAsyncContextManager[Any] | AsyncIterator[Any] | Iterator[Any],
    ]

__all__ = ["LifespanContext"]


class LifespanContext:
    """Entered when a shard starts, exited when it has drained.

    ``__aenter__`` returns what the lifespan yielded, a mapping for
    ``request.state``, or an empty one. A lifespan may be a function that returns
    an async context manager, an async generator function or a generator function.
    """

    __slots__ = ("_app", "_manager")

    def __init__(self, app: FasterAPI) -> None:
        """Nothing runs yet."""
        self._app = app
        self._manager: AbstractAsyncContextManager[Any] | None = None

    async def __aenter__(self) -> Mapping[str, Any]:
        """Start up; errors of the user's functions pass through.

        Raises ``TypeError`` when the lifespan yields neither a mapping nor
        ``None``, or is no lifespan at all.
        """
        app = self._app
        if app.lifespan is None:
            for function in app.on_startup:
                await _call(function)
            return {}
        if app.on_startup or app.on_shutdown:
            import warnings

            warnings.warn(
                "The application has a lifespan, so its startup and shutdown "
                "functions do not run. Move them into the lifespan.",
                stacklevel=2,
            )
        self._manager = _as_context_manager(app.lifespan(app))
        state = await self._manager.__aenter__()
        if state is None:
            return {}
        if not hasattr(state, "keys"):
            kind = type(state).__name__
            error = TypeError(f"lifespan must yield a mapping or nothing, not {kind}")
            await self._manager.__aexit__(type(error), error, None)
            raise error
        return dict(state)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Shut down; every shutdown function runs, then the first error passes."""
        if self._manager is not None:
            return await self._manager.__aexit__(kind, error, traceback)
        first: Exception | None = None
        for function in self._app.on_shutdown if self._app.lifespan is None else ():
            try:
                await _call(function)
            except Exception as failure:  # the others must still run
                if first is None:
                    first = failure
                else:
                    first.add_note(f"A later shutdown function failed too: {failure!r}")
        if first is not None:
            raise first
        return None


async def _call(function: Callable[[], Any]) -> None:
    result = function()
    if is_coroutine_function(function) or hasattr(result, "__await__"):
        await result


def _as_context_manager(lifespan: Any) -> AbstractAsyncContextManager[Any]:
    if hasattr(lifespan, "__aenter__"):
        manager: AbstractAsyncContextManager[Any] = lifespan
        return manager
    from contextlib import asynccontextmanager, contextmanager

    if hasattr(lifespan, "__anext__"):
        return asynccontextmanager(lambda: lifespan)()
    if hasattr(lifespan, "__next__"):
        lifespan = contextmanager(lambda generator=lifespan: generator)()
    if hasattr(lifespan, "__enter__"):
        return _Entered(lifespan)
    raise TypeError(
        f"lifespan returned {type(lifespan).__name__}, not an async context manager. "
        "Decorate it with contextlib.asynccontextmanager."
    )


class _Entered:
    """A synchronous context manager, entered and exited as an asynchronous one."""

    __slots__ = ("_manager",)

    def __init__(self, manager: AbstractContextManager[Any]) -> None:
        self._manager = manager

    async def __aenter__(self) -> Any:
        return self._manager.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return self._manager.__exit__(kind, error, traceback)
