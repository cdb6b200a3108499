"""COPY's data, from the server to a function and from a function to the server."""

from __future__ import annotations

import asyncio
import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable

    from fasterapi._core import PgConnection, PgCopyIn, PgCopyOut

    Sink = Callable[[bytes], Awaitable[None] | None]

__all__ = ["read_copy", "write_copy"]

PIECE_BYTES = 1 << 17
"""Rows are handed over in pieces of about this length, in bytes."""
UNSENT_BYTES_MAX = 1 << 20
"""Past so many bytes that the server has not taken, the source is asked for no more."""


async def read_copy(core: PgConnection, sql: str, sink: Sink, timeout: float | None) -> str:
    """Run COPY ... TO STDOUT and hand each piece of its data to ``sink``; returns the status.

    However slow ``sink`` is, little is held in memory. When it fails, the rest is dropped and
    what it raised is raised.
    """
    async with asyncio.timeout(timeout):
        operation, out = core.copy_out(sql)
        try:
            while True:
                data = _take(out)
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


def _take(out: PgCopyOut) -> bytes:
    """What has come, as far as it is of a useful size: the server sends row by row."""
    chunk = out.take()
    if chunk is None:
        return b""
    parts, size = [chunk], len(chunk)
    while size < PIECE_BYTES and (chunk := out.take()) is not None:
        parts.append(chunk)
        size += len(chunk)
    return b"".join(parts) if len(parts) > 1 else parts[0]


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
        except BaseException:
            if copy.fail("the source of the data failed"):
                await _settle(operation)
            else:
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


async def _drain(core: PgConnection, copy: PgCopyIn) -> None:
    while core.unsent > UNSENT_BYTES_MAX and copy.is_open:
        await core.change()


async def _settle(operation: Awaitable[str]) -> None:
    """Wait for the server's answer to what was taken back; it is an error by design."""
    with contextlib.suppress(Exception):
        await operation
