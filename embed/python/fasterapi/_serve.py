"""The shard's asyncio side: the loop that Rust's reactor runs inside.

asyncio is outermost. Its selector's ``select`` hands the thread to the reactor,
which returns when asyncio has something to do; only public asyncio interfaces are
used for that, so every library that runs on asyncio runs here.
"""

from __future__ import annotations

import asyncio
import selectors
import signal

from fasterapi import _core
from fasterapi._snapshot import snapshot_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable
    from typing import Any

    from fasterapi.applications import FasterAPI
    from fasterapi.responses import StreamingResponse

    Send = Callable[[bytes], Awaitable[object] | None]
    Events = list[tuple[selectors.SelectorKey, int]]

__all__ = ["ReactorSelector", "await_it", "drive_stream", "new_event_loop", "run", "serve"]


class ReactorSelector(selectors.EpollSelector):
    """An epoll set whose waiting is done by the reactor."""

    def select(self, timeout: float | None = None) -> Events:
        """Run the reactor for up to ``timeout`` seconds (``None``: no limit).

        The reactor watches the epoll set's own descriptor, so it returns early
        when a descriptor in the set is ready; the set is then asked once, without
        waiting.
        """
        if _core.run_reactor(timeout):
            return super().select(0)
        return []


class ShardEventLoop(asyncio.SelectorEventLoop):
    """The stock selector loop, which every signal wakes."""

    # asyncio's own end of the pair that wakes its loop up.
    _csock: socket.socket

    def remove_signal_handler(self, sig: int) -> bool:
        """As asyncio's, which stops listening for wake-ups with its last handler.

        Handlers of ``signal.signal`` still need them: the reactor does not return
        to Python for a signal alone.
        """
        removed = super().remove_signal_handler(sig)
        if not self.is_closed():
            signal.set_wakeup_fd(self._csock.fileno())
        return removed


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A ``ShardEventLoop`` over a ``ReactorSelector``."""
    selector = ReactorSelector()
    loop = ShardEventLoop(selector)
    _core.install_loop(loop, selector.fileno())
    return loop


async def serve(app: FasterAPI) -> None:
    """Start ``app`` up, answer requests until the shard has drained, shut it down.

    The future given to ``_core.set_drain_future`` is resolved by Rust when the
    last connection has closed or the drain deadline has passed. What the lifespan
    adds to ``app`` before it yields is served too. Errors of the lifespan pass
    through, and a ``RouteError`` for a route that it added.
    """
    drained = asyncio.get_running_loop().create_future()
    # Registered first: a shard may be told to stop while it is starting up.
    _core.set_drain_future(drained)
    compiled = snapshot_of(app)
    async with app._lifespan_context() as state:
        app._lifespan_state = state
        _core.ready(state, snapshot_of(app) != compiled)
        await drained
        await _finish_work()


async def _finish_work() -> None:
    """Let what runs after answers end: background tasks, the rest of dependencies."""
    tasks = [task for task in asyncio.all_tasks() if isinstance(task, _core.RequestTask)]
    left_s = _core.drain_left_s()
    if tasks and left_s > 0:
        await asyncio.wait(tasks, timeout=left_s)


def run(app: FasterAPI) -> None:
    """Serve ``app`` on this thread; returns after a clean shutdown.

    Signals are left alone: the supervisor and the shard's Rust side own them.
    """
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        # Not `runner.run`, which would take SIGINT over from its owner. Leaving
        # the runner cancels what is left and closes generators and threads.
        loop = runner.get_loop()
        serving = loop.create_task(serve(app))
        while True:
            try:
                return loop.run_until_complete(serving)
            except (SystemExit, KeyboardInterrupt) as error:
                if serving.done():
                    raise
                _core.log_error(f"a task raised {error!r}, which ends only that task")


async def drive_stream(response: StreamingResponse, send: Send) -> None:
    """Send the chunks of ``response``, one at a time.

    ``send`` takes bytes and returns ``None``, or something to await when the
    client is slower than the handler. The iterator is closed in the end, on
    errors and on cancellation too, so that its ``finally`` blocks run.
    """
    iterator: Any = response.body_iterator
    for_rust = getattr(iterator, "for_rust", None)
    if for_rust is not None:
        iterator = for_rust(send)
    try:
        async for chunk in iterator:
            data = _encoded(chunk, response.charset)
            if not data:
                continue  # an empty chunk would end a chunked body
            room = send(data)
            if room is not None:
                await room
    finally:
        close: Any = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


async def await_it(awaitable: Awaitable[object]) -> object:
    """A coroutine around any awaitable, for handlers that return one."""
    return await awaitable


def _encoded(chunk: object, charset: str) -> bytes:
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, str):
        return chunk.encode(charset)
    if isinstance(chunk, bytearray | memoryview):
        return bytes(chunk)
    raise TypeError(f"a StreamingResponse sends str or bytes, not {type(chunk).__name__}")
