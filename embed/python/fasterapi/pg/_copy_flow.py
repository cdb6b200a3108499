"""COPY's data, from the server to a function and from a function to the server."""

from __future__ import annotations

import asyncio
import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable

    from fasterapi._core import PgConnection, PgCopyIn

    Sink = Callable[[bytes], Awaitable[None] | None]

__all__ = ["read_copy", "write_copy"]

UNSENT_BYTES_MAX = 1 << 20
"""Past so many bytes that the server has not taken, the source is asked for no more."""
SETTLE_S_MAX = 5.0
"""How long a server is given to answer to what was taken back, in seconds; then it is asked to
stop."""


async def read_copy(core: PgConnection, sql: str, sink: Sink, timeout: float | None) -> str:
    """Run COPY ... TO STDOUT and hand each piece of its data to ``sink``; returns the status.

    However slow ``sink`` is, little is held in memory. When it fails, the rest is dropped and
    what it raised is raised.
    """
    async with asyncio.timeout(timeout):
        operation, out = core.copy_out(sql)
        try:
            while True:
                data = out.take()
                if data:
                    waiting = sink(data)
                    if waiting is not None:
                        await waiting
                elif out.is_over:
                    return str(await operation)
                else:
                    await core.change()
        except BaseException:
            out.abandon()
            operation.close()
            raise


async def write_copy(
    core: PgConnection,
    sql: str,
    source: AsyncIterable[bytes] | Iterable[bytes],
    timeout: float | None,
) -> str:
    """Run COPY ... FROM STDIN with the data of ``source``; returns the status.

    When ``source`` fails the server takes nothing of it, and what it raised is raised.
    """
    async with asyncio.timeout(timeout):
        operation, copy = core.copy_in(sql)
        try:
            while not copy.is_open:
                if copy.is_over:
                    return str(await operation)
                await core.change()
            await _send(core, copy, source)
        except Exception:
            if copy.fail("the source of the data failed"):
                await _settle(operation)
            else:
                operation.close()
            raise
        except BaseException:
            copy.fail("the source of the data was given up")
            # Nobody waits for the answer: the connection is held until it has come.
            operation.close()
            raise
        copy.finish()
        return str(await operation)


async def _send(
    core: PgConnection, copy: PgCopyIn, source: AsyncIterable[bytes] | Iterable[bytes]
) -> None:
    if hasattr(source, "__aiter__"):
        async for data in source:
            if not copy.write(data):
                return
            await _drain(core, copy)
    else:
        for data in source:
            if not copy.write(data):
                return
            await _drain(core, copy)
            # However fast the server takes it, others have their turn, and its refusal is heard.
            await asyncio.sleep(0)


async def _drain(core: PgConnection, copy: PgCopyIn) -> None:
    while core.unsent > UNSENT_BYTES_MAX and copy.is_open:
        await core.change()


async def _settle(operation: Awaitable[str]) -> None:
    """Wait for the server's answer to what was taken back; it is an error by design."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(SETTLE_S_MAX):
            await operation
