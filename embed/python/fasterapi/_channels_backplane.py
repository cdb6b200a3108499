"""Carries what this process publishes to a backplane, and what comes from it to receivers."""

from __future__ import annotations

import asyncio
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.channels import Backplane, Data, Transport

__all__ = ["Carrier", "pack", "unpack"]

HEAD = struct.Struct("!4s16s?QI")
"""What it is, the server, whether it is text, the two numbers of the id; data follows."""
MAGIC = b"FAC1"
FLUSH_S_MAX = 1.0
"""How long the end waits for what has not been handed over yet, in seconds."""


def pack(node: bytes, data: Data, id_: str) -> bytes:
    """The envelope of a message of the server ``node``."""
    is_text = isinstance(data, str)
    content = data.encode() if isinstance(data, str) else data
    micros, _, process = id_.partition("-")
    return HEAD.pack(MAGIC, node, is_text, int(micros), int(process)) + content


def unpack(envelope: bytes) -> tuple[bytes, str, bool, bytes]:
    """The server, the id, whether it is text, and the data; raises ``ValueError``."""
    if len(envelope) < HEAD.size or envelope[:4] != MAGIC:
        raise ValueError("no envelope of a message")
    _, node, is_text, micros, process = HEAD.unpack_from(envelope)
    return node, f"{micros}-{process}", is_text, envelope[HEAD.size :]


class Carrier:
    """One backplane at work."""

    def __init__(self, transport: Transport, backplane: Backplane) -> None:
        """Nothing is connected yet."""
        self.errors = 0
        self.malformed = 0
        self._transport = transport
        self._backplane = backplane
        name = transport.node
        self._node = bytes.fromhex(name.replace("-", "")) if name else os.urandom(16)
        self._sending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect; raises what the backplane raises."""
        # First: what is published meanwhile waits.
        self._transport.tap()
        try:
            await self._backplane.start(self._deliver)
        except BaseException:
            self._transport.untap()
            raise
        self._sending = asyncio.create_task(self._send_all())

    async def stop(self) -> None:
        """Hand over what waits, if that is quick, and disconnect."""
        sending, self._sending = self._sending, None
        if sending is None:
            return
        sending.cancel()
        await asyncio.wait([sending])
        try:
            async with asyncio.timeout(FLUSH_S_MAX):
                while (taken := self._transport.take_published()) is not None:
                    await self._send(*taken)
        except TimeoutError:
            _log("the backplane did not take the last messages in time")
        finally:
            self._transport.untap()
            await self._backplane.stop()

    async def _send_all(self) -> None:
        while True:
            taken = self._transport.take_published()
            if taken is None:
                await self._transport.published_arrival()
            else:
                await self._send(*taken)

    async def _send(self, channel: str, data: Data, id_: str) -> None:
        try:
            await self._backplane.publish(channel, pack(self._node, data, id_))
        except Exception as error:  # the next message may fare better
            self.errors += 1
            _log(f"the backplane lost a message of channel {channel!r}: {error!r}")

    def _deliver(self, channel: str, envelope: bytes) -> None:
        try:
            node, id_, is_text, data = unpack(envelope)
            if node != self._node:
                self._transport.deliver(channel, id_, is_text, data)
        except ValueError:
            self.malformed += 1


def _log(message: str) -> None:
    try:
        from fasterapi._core import log_error
    except ImportError:
        from fasterapi.logger import logger

        logger.error(message)
    else:
        log_error(message)
