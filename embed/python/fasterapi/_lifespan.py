"""What runs around serving: the lifespan, or the startup and shutdown functions.

A lifespan is a function of the application that gives an async context manager;
what it yields becomes the first entries of every ``request.state``.
"""

from __future__ import annotations

from fasterapi._signature import ASYNC_GENERATOR, GENERATOR, is_coroutine_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from types import TracebackType
    from typing import Any

    from fasterapi.applications import FasterAPI
    from fasterapi.requests import Receive, Scope, Send

    Lifespan = Callable[
        [Any],
        AbstractAsyncContextManager[Any] | AsyncIterator[Any] | Iterator[Any],
    ]

__all__ = ["LifespanContext", "lifespan_context_of", "merged", "serve_lifespan"]


def lifespan_context_of(lifespan: Lifespan | None, router: Any) -> Lifespan:
    """What a router keeps as ``lifespan_context``; ``None`` stands for its functions.

    A generator function becomes one that gives an async context manager.
    """
    if lifespan is None:
        return EventFunctions(router)
    # Not `innermost`: @asynccontextmanager has a generator function within.
    flags = getattr(getattr(lifespan, "__code__", None), "co_flags", 0)
    if not flags & (ASYNC_GENERATOR | GENERATOR):
        return lifespan
    from contextlib import asynccontextmanager, contextmanager

    if flags & ASYNC_GENERATOR:
        return asynccontextmanager(lifespan)  # type: ignore[arg-type]
    enter = contextmanager(lifespan)  # type: ignore[arg-type]
    return lambda app: _Entered(enter(app))


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
        router = app.router
        _warn_of_functions(router)
        manager = _as_context_manager(router.lifespan_context(app))
        databases = getattr(app, "_databases", None)
        self._manager = manager if databases is None else _Merged(databases, manager)
        state = await self._manager.__aenter__()
        if state is not None and not hasattr(state, "keys"):
            kind = type(state).__name__
            error = TypeError(f"lifespan must yield a mapping or nothing, not {kind}")
            await self._manager.__aexit__(type(error), error, None)
            raise error
        try:
            await _start_channels(app)
        except BaseException as failure:
            await self._manager.__aexit__(type(failure), failure, failure.__traceback__)
            raise
        return {} if state is None else dict(state)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Shut down; every shutdown function runs, then the first error passes."""
        assert self._manager is not None
        try:
            await _stop_channels(self._app)
        finally:
            handled = await self._manager.__aexit__(kind, error, traceback)
        return handled


async def _start_channels(app: Any) -> None:
    """Connect an application that has used its channels, or set a backplane."""
    channels = getattr(app, "_channels", None)
    if channels is not None:
        await channels._start()


async def _stop_channels(app: Any) -> None:
    channels = getattr(app, "_channels", None)
    if channels is not None:
        await channels._stop()


def _warn_of_functions(router: Any) -> None:
    if not router.has_own_lifespan or not (router.on_startup or router.on_shutdown):
        return
    import warnings

    warnings.warn(
        "The application has a lifespan, so its startup and shutdown "
        "functions do not run. Move them into the lifespan.",
        stacklevel=2,
    )


class EventFunctions:
    """The lifespan of a router without one: its startup and shutdown functions."""

    __slots__ = ("_router",)

    def __init__(self, router: Any) -> None:
        """The functions are read when they are run."""
        self._router = router

    def __call__(self, app: object) -> EventFunctions:
        """Itself: it does not depend on the application."""
        return self

    async def __aenter__(self) -> None:
        """Run the startup functions in their order."""
        for function in getattr(self._router, "on_startup", ()):
            await _call(function)

    async def __aexit__(self, *_: object) -> None:
        """Run every shutdown function, then raise the first error."""
        first: Exception | None = None
        for function in getattr(self._router, "on_shutdown", ()):
            try:
                await _call(function)
            except Exception as failure:  # the others must still run
                if first is None:
                    first = failure
                else:
                    first.add_note(f"A later shutdown function failed too: {failure!r}")
        if first is not None:
            raise first


async def _call(function: Callable[[], Any]) -> None:
    result = function()
    if is_coroutine_function(function) or hasattr(result, "__await__"):
        await result


def merged(outer: Lifespan, inner: Lifespan) -> Lifespan:
    """Both lifespans, ``inner`` within ``outer``, whose state wins."""

    def lifespan(app: Any) -> AbstractAsyncContextManager[Any]:
        return _Merged(_as_context_manager(outer(app)), _as_context_manager(inner(app)))

    return lifespan


class _Merged:
    """Two context managers, entered and exited as one."""

    __slots__ = ("_inner", "_outer")

    def __init__(
        self, outer: AbstractAsyncContextManager[Any], inner: AbstractAsyncContextManager[Any]
    ) -> None:
        self._outer = outer
        self._inner = inner

    async def __aenter__(self) -> Mapping[str, Any] | None:
        outer_state = await self._outer.__aenter__()
        try:
            inner_state = await self._inner.__aenter__()
        except BaseException as error:
            if not await self._outer.__aexit__(type(error), error, error.__traceback__):
                raise
            inner_state = None
        # What is no mapping is for the caller to refuse.
        if outer_state is None or inner_state is None:
            state: Mapping[str, Any] | None = inner_state if outer_state is None else outer_state
            return state
        return {**inner_state, **outer_state}

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        from contextlib import AsyncExitStack

        async with AsyncExitStack() as stack:
            stack.push_async_exit(self._outer.__aexit__)
            stack.push_async_exit(self._inner.__aexit__)
            if error is not None:
                raise error
        return error is not None


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


async def serve_lifespan(lifespan: Lifespan, scope: Scope, receive: Receive, send: Send) -> None:
    """Run ``lifespan`` as ASGI's lifespan messages say.

    Its errors are told to the server and raised again; ``RuntimeError`` when it
    yields a state and the server can keep none.
    """
    started = False
    await receive()
    try:
        manager = _as_context_manager(lifespan(scope.get("app")))
        databases = getattr(scope.get("app"), "_databases", None)
        if databases is not None:
            manager = _Merged(databases, manager)
        async with manager as state:
            if state is not None:
                if "state" not in scope:
                    raise RuntimeError('The server does not support "state" in the lifespan scope.')
                scope["state"].update(state)
            await _start_channels(scope.get("app"))
            try:
                await send({"type": "lifespan.startup.complete"})
                started = True
                await receive()
            finally:
                await _stop_channels(scope.get("app"))
    except BaseException:
        from traceback import format_exc

        step = "shutdown" if started else "startup"
        await send({"type": f"lifespan.{step}.failed", "message": format_exc()})
        raise
    await send({"type": "lifespan.shutdown.complete"})
