"""Sockets to a server: connecting, asking for TLS, and TLS by Python for a caller's context."""

from __future__ import annotations

import asyncio
import contextlib
import pwd
import socket
import ssl
import struct
from typing import Any, NamedTuple

from fasterapi.pg._ssl import SSLMode, SSLNegotiation, TlsSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.pg._config import Address, ConnectParameters

__all__ = [
    "Peer",
    "ask_for_tls",
    "check_peer",
    "name_of",
    "open_peer",
    "open_socket",
    "python_context",
    "python_tls",
    "relay_tls",
    "wants_tls",
]

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
PEER_CREDENTIALS = struct.Struct("iII")
"""``struct ucred``: process, user and group (unix(7))."""
DIRECT_ALPN = "postgresql"
RELAY_BYTES = 1 << 16
"""How much the relay of a caller's TLS context takes at a time, in bytes."""

# The relays' tasks: a loop holds them weakly.
_relays: set[asyncio.Task[None]] = set()


class Peer(NamedTuple):
    """Where a socket goes: what a request to cancel must reach, too."""

    family: int
    address: Any
    host: str
    """The name in the settings, which a certificate is for; empty for a Unix socket."""


async def _candidates(loop: asyncio.AbstractEventLoop, address: Address) -> list[Peer]:
    if isinstance(address, str):
        return [Peer(socket.AF_UNIX, address, "")]
    host, port = address
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Peer(family, where, host) for family, _, _, _, where in found]


async def open_socket(
    loop: asyncio.AbstractEventLoop, address: Address
) -> tuple[socket.socket, Peer]:
    """A connected socket; raises ``OSError`` when no address of the host answers."""
    failure: OSError | None = None
    for peer in await _candidates(loop, address):
        try:
            return await open_peer(loop, peer), peer
        except OSError as error:
            failure = error
    raise failure or OSError(f"the host of {address!r} has no address")


async def open_peer(loop: asyncio.AbstractEventLoop, peer: Peer) -> socket.socket:
    """A socket connected to exactly this address."""
    made = socket.socket(peer.family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        if peer.family != socket.AF_UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A peer that vanished without a word is noticed, if late.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await loop.sock_connect(made, peer.address)
    except BaseException:
        made.close()
        raise
    return made


def check_peer(plain: socket.socket, wanted: str) -> None:
    """Raises ``ConnectionError`` where the server behind a Unix socket is not ``wanted``'s."""
    credentials = plain.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size)
    _, uid, _ = PEER_CREDENTIALS.unpack(credentials)
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    if user != wanted:
        raise ConnectionError(
            f'requirepeer specifies "{wanted}", but actual peer user name is "{user}"'
        )


def wants_tls(params: ConnectParameters, address: Address) -> bool:
    """Whether TLS is tried first at this address."""
    # Like libpq: a Unix socket is never encrypted.
    mode = params.sslmode or SSLMode.disable
    return not isinstance(address, str) and mode >= SSLMode.prefer


def name_of(address: Address) -> str:
    """The server there, as messages have it."""
    where = address if isinstance(address, str) else "{}:{}".format(*address)
    return f'PostgreSQL server at "{where}"'


async def ask_for_tls(
    loop: asyncio.AbstractEventLoop,
    plain: socket.socket,
    params: ConnectParameters,
    address: Address,
) -> bool:
    """Whether the server is ready for a TLS handshake (55.2.10).

    Raises ``ConnectionError`` for anything but yes and no. What is said in the clear here is not
    to be believed, nor shown (CVE-2024-10977).
    """
    if params.ssl_negotiation is SSLNegotiation.direct:
        return True
    await loop.sock_sendall(plain, SSL_REQUEST)
    # One byte is all that may come: bytes behind it would be an attack (CVE-2021-23222).
    answer = await loop.sock_recv(plain, 2)
    if answer in (b"S", b"N"):
        return answer == b"S"
    if not answer:
        raise ConnectionResetError(f"{name_of(address)} closed the connection when asked for TLS")
    if answer.startswith(b"E"):
        raise ConnectionError(
            f"{name_of(address)}: server sent an error response during SSL exchange; "
            "check the server logs for details"
        )
    raise ConnectionError(f"{name_of(address)} answered {answer!r} when asked for TLS")


def python_context(params: ConnectParameters) -> ssl.SSLContext:
    """The settings as Python's TLS takes them."""
    given = params.ssl
    if isinstance(given, TlsSettings):
        context = given.context()
        if params.ssl_negotiation is SSLNegotiation.direct:
            context.set_alpn_protocols([DIRECT_ALPN])
        return context
    if not isinstance(given, ssl.SSLContext):
        raise TypeError(f"ssl is expected to be an ssl.SSLContext, got {given!r}")
    return given


class _NotYet(asyncio.Protocol):
    """Leaves all that comes to the protocol after it, an end of the connection too."""

    def connection_made(self, transport: Any) -> None:
        transport.pause_reading()


async def python_tls(
    loop: asyncio.AbstractEventLoop, plain: socket.socket, context: ssl.SSLContext, host: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """TLS by Python over ``plain``, which this takes over: it is closed whatever happens."""
    taken: list[_NotYet] = []

    def take() -> _NotYet:
        taken.append(_NotYet())
        return taken[0]

    try:
        transport, _ = await loop.create_connection(take, sock=plain)
    except BaseException:
        # A transport that has it closes it by itself. Were it closed under that, the loop would
        # take the next socket of the same number for the transport's.
        if not taken:
            plain.close()
        raise
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    try:
        # In two steps: a transport that begins with TLS cannot be aborted before its handshake.
        encrypted = await loop.start_tls(
            transport, protocol, context, server_hostname=host if context.check_hostname else None
        )
        if encrypted is None:
            raise ConnectionResetError("the server closed the connection during the TLS handshake")
    except BaseException:
        transport.abort()
        raise
    protocol.connection_made(encrypted)
    return reader, asyncio.StreamWriter(encrypted, protocol, reader, loop)


async def relay_tls(
    loop: asyncio.AbstractEventLoop, plain: socket.socket, context: ssl.SSLContext, host: str
) -> socket.socket:
    """A socket that speaks plainly, for one over which Python does TLS.

    For a caller's own ``ssl.SSLContext``: what it holds cannot be taken out of it, so it is Python
    that encrypts, between the server's socket and one end of a pair. ``plain`` is taken over.
    """
    reader, writer = await python_tls(loop, plain, context, host)
    inner, outer = socket.socketpair()
    inner.setblocking(False)
    outer.setblocking(False)
    tasks = {
        loop.create_task(_upwards(loop, inner, writer)),
        loop.create_task(_downwards(loop, inner, reader)),
    }

    def on_end(task: asyncio.Task[None]) -> None:
        # Here and not in the tasks: one that is cancelled before it has begun does nothing.
        _relays.discard(task)
        tasks.discard(task)
        if task.cancelled():
            writer.transport.abort()
        else:
            writer.close()
        # Wakes the other direction. The socket must stay open until that has let go of it.
        with contextlib.suppress(OSError):
            inner.shutdown(socket.SHUT_RDWR)
        if not tasks:
            inner.close()

    for task in tuple(tasks):
        _relays.add(task)
        task.add_done_callback(on_end)
    return outer


async def _downwards(
    loop: asyncio.AbstractEventLoop, inner: socket.socket, reader: asyncio.StreamReader
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(RELAY_BYTES):
            await loop.sock_sendall(inner, data)


async def _upwards(
    loop: asyncio.AbstractEventLoop, inner: socket.socket, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(OSError):
        while data := await loop.sock_recv(inner, RELAY_BYTES):
            writer.write(data)
            await writer.drain()
