"""A backplane for tests: a hub on a Unix socket sends every envelope to all, the sender too."""

import asyncio
import struct
from collections.abc import Callable

HEAD = struct.Struct("!II")


class HubBackplane:
    """Frames of two lengths, the channel and the envelope."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def start(self, deliver: Callable[[str, bytes], None]) -> None:
        """Connect to the hub."""
        reader, self._writer = await asyncio.open_unix_connection(self._path)
        self._reading = asyncio.create_task(self._read(reader, deliver))

    async def _read(
        self, reader: asyncio.StreamReader, deliver: Callable[[str, bytes], None]
    ) -> None:
        while True:
            channel_bytes, envelope_bytes = HEAD.unpack(await reader.readexactly(HEAD.size))
            channel = (await reader.readexactly(channel_bytes)).decode()
            deliver(channel, await reader.readexactly(envelope_bytes))

    async def publish(self, channel: str, envelope: bytes) -> None:
        """Send a frame."""
        if channel == "refused":
            raise ConnectionError("the hub refuses it")
        name = channel.encode()
        self._writer.write(HEAD.pack(len(name), len(envelope)) + name + envelope)
        await self._writer.drain()

    async def stop(self) -> None:
        """Disconnect."""
        self._reading.cancel()
        self._writer.close()
