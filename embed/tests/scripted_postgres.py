"""A PostgreSQL server that says what a test wants it to say."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable


def message(tag: bytes, body: bytes = b"", length: int | None = None) -> bytes:
    """A message of the server's; its length field may lie."""
    return tag + struct.pack("!i", len(body) + 4 if length is None else length) + body


def authentication(code: int, body: bytes = b"") -> bytes:
    """One of the Authentication messages."""
    return message(b"R", struct.pack("!i", code) + body)


def refusal(sqlstate: str) -> bytes:
    """A fatal ErrorResponse."""
    fields = (b"SFATAL", b"VFATAL", b"C" + sqlstate.encode(), b"Mthe server refuses")
    return message(b"E", b"\0".join(fields) + b"\0\0")


def parameter(name: str, value: str) -> bytes:
    """A ParameterStatus."""
    return message(b"S", name.encode() + b"\0" + value.encode() + b"\0")


def columns(*names: str, oid: int = 23, size: int = 4) -> bytes:
    """A RowDescription of columns that are int4 unless said otherwise."""
    body = struct.pack("!h", len(names))
    for name in names:
        body += name.encode() + b"\0" + struct.pack("!ihihih", 0, 0, oid, size, -1, 1)
    return message(b"T", body)


def row(*values: bytes | None) -> bytes:
    """A DataRow."""
    body = struct.pack("!h", len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return message(b"D", body)


TLS_REQUEST, GSS_REQUEST = 80877103, 80877104
READY = message(b"Z", b"I")
WELCOME = b"".join(
    [
        authentication(0),
        parameter("server_version", "15.4"),
        parameter("client_encoding", "UTF8"),
        parameter("standard_conforming_strings", "on"),
        parameter("integer_datetimes", "on"),
        parameter("TimeZone", "UTC"),
        message(b"K", struct.pack("!ii", 4711, 815)),
    ]
)
# What a statement without parameters is that gives one int4.
DESCRIBED = message(b"t", struct.pack("!h", 0)) + columns("n")
ONE = struct.pack("!i", 1)
RESULT = message(b"2") + row(ONE) + message(b"C", b"SELECT 1\0") + READY


class Peer:
    """One client, from the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def asks_for_tls(self) -> bool:
        """Whether the client begins so; else its startup message is read."""
        (length, code) = struct.unpack("!ii", await self.reader.readexactly(8))
        await self.reader.readexactly(length - 8)
        return bool(code == TLS_REQUEST)

    async def encrypt(self, context: ssl.SSLContext) -> None:
        """Agree to TLS, make its handshake, and read the startup message."""
        await self.send(b"S")
        await self.writer.start_tls(context)
        assert not await self.asks_for_tls()

    async def startup(self) -> None:
        """Read requests for encryption, which are declined, and the startup message."""
        while True:
            (length,) = struct.unpack("!i", await self.reader.readexactly(4))
            body = await self.reader.readexactly(length - 4)
            if struct.unpack("!i", body[:4])[0] not in {TLS_REQUEST, GSS_REQUEST}:
                return
            await self.send(b"N")

    async def receive(self) -> bytes:
        """One message's tag and body."""
        tag = await self.reader.readexactly(1)
        (length,) = struct.unpack("!i", await self.reader.readexactly(4))
        return tag + await self.reader.readexactly(length - 4)

    async def until(self, *tags: bytes) -> bytes:
        """Skip messages up to one of these."""
        while (found := await self.receive())[:1] not in tags:
            pass
        return found

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def welcome(self) -> None:
        """Let the client in without a password."""
        await self.startup()
        await self.send(WELCOME + READY)

    async def prepared(self, described: bytes = DESCRIBED) -> None:
        """Let the client in, and answer its Parse and Describe, up to its next Bind."""
        await self.welcome()
        answer = b""
        while (tag := (await self.receive())[:1]) not in {b"S", b"H", b"B"}:
            answer += {b"P": message(b"1"), b"D": described}.get(tag, b"")
        await self.send(answer + (READY if tag == b"S" else b""))


@contextlib.asynccontextmanager
async def server(script: Callable[[Peer], Awaitable[None]]) -> AsyncIterator[dict[str, Any]]:
    """A server that treats every client so, and then waits; arguments of `connect`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await script(Peer(reader, writer))
            await reader.read()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield {
            "host": "127.0.0.1",
            "port": port,
            "user": "mallory",
            "password": "secret",
            "database": "x",
            "ssl": False,
            "timeout": 3,
            "command_timeout": 3,
        }
    finally:
        listener.close()
