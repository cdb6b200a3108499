"""A TCP proxy in front of PostgreSQL that cuts, delays, holds back and splits what passes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESET = struct.pack("ii", 1, 0)


@dataclass
class Rule:
    """What happens to a connection; as it is, nothing does."""

    # At most so many bytes are forwarded at once, and the next only `pause_s` later.
    piece_bytes: int = 65536
    pause_s: float = 0.0
    # Everything arrives so much later, in both directions.
    delay_s: float = 0.0
    # After so many bytes from the server `then` happens: "close", "reset", "hold" (nothing passes
    # any more, the connection stays open) or "pause" (it goes on after `pause_s`).
    server_bytes: int | None = None
    then: str = "close"


class Proxy:
    """Forwards to a port on loopback, by the rule that holds when a client connects."""

    def __init__(self, port: int, rule: Rule | None = None) -> None:
        self.rule = rule or Rule()
        # Of the connections so far: what the server has sent through each.
        self.server_bytes: list[int] = []
        # What all clients have sent.
        self.client_data = bytearray()
        self._target = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._writers) // 2

    def hold(self) -> None:
        """Let nothing pass, while every connection stays open: the network is gone."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let everything pass again."""
        self._flowing.set()

    def cut(self) -> None:
        """End every connection with a RST to both ends."""
        for writer in self._writers:
            reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            target = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        rule, number = self.rule, len(self.server_bytes)
        self.server_bytes.append(0)

        def passed(piece: bytes) -> None:
            self.server_bytes[number] += len(piece)

        both = {writer, target[1]}
        self._writers |= both
        for one in both:
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        up = asyncio.create_task(self._pump(reader, target[1], rule, self.client_data.extend, None))
        down = asyncio.create_task(self._pump(target[0], writer, rule, passed, rule.server_bytes))
        try:
            # A client that goes takes its server with it, and the other way round.
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if down.done() and not down.cancelled() and down.exception() is None:
                with contextlib.suppress(OSError):
                    await writer.drain()
        finally:
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            self._writers -= both
            for one in both:
                one.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        rule: Rule,
        passed: Callable[[bytes], None],
        left: int | None,
    ) -> None:
        while data := await reader.read(65536):
            if rule.delay_s:
                await asyncio.sleep(rule.delay_s)
            for piece in pieces(data, rule.piece_bytes, left):
                await self._flowing.wait()
                writer.write(piece)
                await writer.drain()
                passed(piece)
                if left is None:
                    await asyncio.sleep(rule.pause_s)
                elif (left := left - len(piece)) == 0:
                    if rule.then != "pause":
                        await end(writer, rule.then)
                        return
                    await asyncio.sleep(rule.pause_s)
                    left = None


def pieces(data: bytes, size: int, first: int | None) -> Iterator[bytes]:
    """The data in pieces of at most ``size`` bytes; one ends after the ``first`` bytes."""
    head = data[:first] if first is not None else b""
    for part in (head, data[len(head) :]):
        for begin in range(0, len(part), size):
            yield part[begin : begin + size]


async def end(writer: asyncio.StreamWriter, how: str) -> None:
    """What happens to a connection whose bytes are used up."""
    if how == "hold":
        await asyncio.Event().wait()
    if how == "reset":
        reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the peer gets a RST."""
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
