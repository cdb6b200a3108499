"""Makes ``anyio.from_thread`` work in threads that are not anyio's own.

anyio looks in thread-local values for the event loop that a thread works for. Nobody who
has not imported ``anyio.from_thread`` can tell the difference, so nothing is done, and
anyio is not imported, before somebody has.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Iterator

__all__ = ["claim", "claimed"]


def claim(loop: AbstractEventLoop) -> None:
    """Let this thread work for ``loop``, until it ends."""
    # An anyio with other insides says itself that this is none of its threads.
    with suppress(Exception):
        from anyio._core._eventloop import threadlocals

        with claimed(loop):
            values = dict(threadlocals.__dict__)
        threadlocals.__dict__.update(values)


@contextmanager
def claimed(loop: AbstractEventLoop) -> Iterator[None]:
    """Let this thread work for ``loop`` meanwhile."""
    if "anyio.from_thread" not in sys.modules:
        yield
        return
    from anyio._core._eventloop import claim_worker_thread, get_async_backend, threadlocals

    with claim_worker_thread(get_async_backend("asyncio"), loop):
        # Nobody cancels what a thread does.
        threadlocals.current_cancel_scope = None
        try:
            yield
        finally:
            del threadlocals.current_cancel_scope
