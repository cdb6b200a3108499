"""A WebSocket client (RFC 6455) that does as it is told, also what the protocol forbids."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import selectors
import socket
import struct
import time
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
# What a compressed message ends with, and does not carry (RFC 7692, section 7.2.1).
DEFLATE_TAIL = b"\x00\x00\xff\xff"
RECEIVE_BYTES = 1 << 18
SEGMENT_BYTES = 1000
RESET = struct.pack("ii", 1, 0)


class Closed(Exception):
    """The server has closed: with a close frame, or (1006) without."""

    def __init__(self, code: int, reason: str = "") -> None:
        """Keep what the close frame says; 1005 when it says nothing."""
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Refused(Exception):
    """The server has answered the handshake with something else than 101."""

    def __init__(self, status: int, head: str, body: bytes) -> None:
        """Keep the answer."""
        super().__init__(status, head, body)
        self.status = status
        self.head = head
        self.body = body


class Frame(NamedTuple):
    """One frame from the server."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv1: bool = False


def masked(payload: bytes, key: bytes) -> bytes:
    """The payload, masked (RFC 6455, section 5.3)."""
    if key == b"\0\0\0\0" or not payload:
        return payload
    repeated = (key * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(len(payload), "big")


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv1: bool = False,
    key: bytes | None = b"\x01\x02\x03\x04",
    length: int | None = None,
) -> bytes:
    """The bytes of a frame; ``key=None`` does not mask, ``length`` is told instead of the true."""
    size = len(payload) if length is None else length
    first = opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0)
    mask = 0 if key is None else 0x80
    if size < 126:
        head = struct.pack("!BB", first, mask | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, mask | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask | 127, size)
    return head + payload if key is None else head + key + masked(payload, key)


def close_payload(code: int, reason: str = "") -> bytes:
    """What a close frame carries."""
    return struct.pack("!H", code) + reason.encode()


def deflated(payload: bytes) -> bytes:
    """The payload as a compressed message carries it, without any context."""
    compressor = zlib.compressobj(wbits=-12)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(DEFLATE_TAIL)


def closed_by(payload: bytes) -> Closed:
    """What a close frame says."""
    if len(payload) < 2:
        return Closed(1005)
    return Closed(int.from_bytes(payload[:2], "big"), payload[2:].decode())


class Parser:
    """Frames out of bytes."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that ``data`` completes."""
        held = self._held
        held += data
        start, end = 0, len(held)
        while end - start >= 2:
            first, second = held[start], held[start + 1]
            assert not second & 0x80, "a server must not mask"
            size, head = second & 0x7F, 2
            if size == 126:
                head = 4
            elif size == 127:
                head = 10
            if end - start < head:
                break
            if head > 2:
                size = int.from_bytes(held[start + 2 : start + head], "big")
            if end - start < head + size:
                break
            payload = bytes(held[start + head : start + head + size])
            start += head + size
            yield Frame(first & 0x0F, payload, bool(first & 0x80), bool(first & 0x40))
        del held[:start]


def request(path: str, fields: tuple[str, ...] = (), key: str = "") -> bytes:
    """The request of a handshake."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key or base64.b64encode(os.urandom(16)).decode()}",
        *fields,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def accept_for(key: str) -> str:
    """What the server must answer to ``key`` (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def open_socket(
    port: int, host: str = "127.0.0.1", timeout_s: float = 10.0, receive_buffer_bytes: int = 0
) -> socket.socket:
    """A connection that sends at once; with a small buffer little fits between the two."""
    connection = socket.socket()
    connection.settimeout(timeout_s)
    if receive_buffer_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        # With loopback's long segments the server's kernel would take megabytes for this peer.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        connection.connect((host, port))
    except BaseException:
        connection.close()
        raise
    return connection


class WebSocket:
    """One open WebSocket; blocks, for ``timeout_s`` at most at a time."""

    def __init__(
        self,
        port: int,
        path: str,
        *fields: str,
        host: str = "127.0.0.1",
        timeout_s: float = 10.0,
        receive_buffer_bytes: int = 0,
    ) -> None:
        """Connect and open; raises ``Refused``."""
        self.socket = open_socket(port, host, timeout_s, receive_buffer_bytes)
        self._parser = Parser()
        self._frames: list[Frame] = []
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            self.socket.sendall(request(path, fields, key))
            self.head = self._read_head()
            accept = next(
                line.partition(":")[2].strip()
                for line in self.head.splitlines()
                if line.lower().startswith("sec-websocket-accept:")
            )
            assert accept == accept_for(key), self.head
        except BaseException:
            self.socket.close()
            raise

    def _read_head(self) -> str:
        received = b""
        while b"\r\n\r\n" not in received:
            data = self.socket.recv(RECEIVE_BYTES)
            if not data:
                raise Closed(1006)
            received += data
        head, _, rest = received.partition(b"\r\n\r\n")
        status = int(head[9:12])
        if status != 101:
            raise Refused(status, head.decode(), rest)
        self._frames += self._parser.feed(rest)
        return head.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, message: str | bytes) -> None:
        """Send a whole message."""
        if isinstance(message, str):
            self.socket.sendall(frame(TEXT, message.encode()))
        else:
            self.socket.sendall(frame(BINARY, message))

    def send_json(self, message: object) -> None:
        """Send a message as JSON text."""
        self.send(json.dumps(message))

    def receive_frame(self) -> Frame:
        """The next frame, of any kind; raises ``Closed(1006)`` at the connection's end."""
        while not self._frames:
            try:
                data = self.socket.recv(RECEIVE_BYTES)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed(1006)
            self._frames += self._parser.feed(data)
        return self._frames.pop(0)

    def receive(self) -> str | bytes:
        """The next message that is not compressed; answers pings; raises ``Closed``."""
        parts: list[Frame] = []
        while True:
            received = self.receive_frame()
            if received.opcode == PING:
                self.socket.sendall(frame(PONG, received.payload))
            elif received.opcode == CLOSE:
                raise closed_by(received.payload)
            elif received.opcode != PONG:
                parts.append(received)
                if received.fin:
                    break
        assert not parts[0].rsv1, "the message is compressed"
        payload = b"".join(part.payload for part in parts)
        return payload.decode() if parts[0].opcode == TEXT else payload

    def receive_json(self) -> Any:
        """The next message, from JSON."""
        return json.loads(self.receive())

    def receive_all(self) -> tuple[list[str | bytes], Closed]:
        """All that still comes, and how the server then closes."""
        messages = []
        try:
            while True:
                messages.append(self.receive())
        except Closed as closed:
            return messages, closed

    def wait_closed(self) -> Closed:
        """How the server closes; what it sends before that is thrown away."""
        return self.receive_all()[1]

    def answer_close(self) -> bool:
        """Close in answer to a close frame: whether the server then ends the connection."""
        with contextlib.suppress(OSError):
            self.socket.sendall(frame(CLOSE, close_payload(1000)))
        return self.is_at_end()

    def is_at_end(self) -> bool:
        """Whether the server ends the connection, with a FIN or a RST, in time."""
        try:
            while self.socket.recv(RECEIVE_BYTES):
                pass
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return True

    def close(self, code: int = 1000, reason: str = "") -> Closed:
        """Close in order: what the server answers, once it has ended the connection."""
        self.socket.sendall(frame(CLOSE, close_payload(code, reason)))
        answer = self.wait_closed()
        assert self.is_at_end()
        self.socket.close()
        return answer

    def reset(self) -> None:
        """End the connection with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.socket.close()


class Member:
    """One of a crowd."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.parser = Parser()
        self.head = bytearray()
        self.messages: list[bytes] = []
        self.closed: Closed | None = None
        self.ended_after_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the handshake is over."""
        return self.head.endswith(b"\r\n\r\n")

    def take(self, data: bytes) -> None:
        """What has arrived: messages are kept, pings and closes answered."""
        if not self.is_open:
            head, end, data = (bytes(self.head) + data).partition(b"\r\n\r\n")
            self.head[:] = head + end
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 101 "), head
        for received in self.parser.feed(data):
            if received.opcode == PING:
                self._answer(frame(PONG, received.payload))
            elif received.opcode == CLOSE:
                self.closed = closed_by(received.payload)
                self._answer(frame(CLOSE, received.payload[:2]))
            elif received.opcode != PONG:
                self.messages.append(received.payload)

    def _answer(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.socket.send(data)


class Crowd:
    """Many WebSockets that one thread serves: they read all and answer what must be answered."""

    BATCH = 100

    def __init__(
        self, port: int, path: str, count: int, host: str = "127.0.0.1", timeout_s: float = 20.0
    ) -> None:
        """Connect and open all of them."""
        self._selector = selectors.DefaultSelector()
        self.members: list[Member] = []
        self._began = time.monotonic()
        handshake = request(path)
        try:
            # By parts, or the server's queue of new connections would have to take all.
            for start in range(0, count, self.BATCH):
                for _ in range(min(self.BATCH, count - start)):
                    connection = open_socket(port, host)
                    member = Member(connection)
                    self.members.append(member)
                    connection.sendall(handshake)
                    connection.setblocking(False)
                    self._selector.register(connection, selectors.EVENT_READ, member)
                self.run_until(self._all_open, timeout_s, "open")
        except BaseException:
            self.close()
            raise

    def _all_open(self) -> bool:
        assert all(member.ended_after_s is None for member in self.members)
        return all(member.is_open for member in self.members)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run_until(self, condition: Callable[[], bool], timeout_s: float, what: str = "") -> None:
        """Read until ``condition`` is true; raises ``AssertionError`` after the timeout."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout_s} s: {what or condition}")
            self.read(0.05)

    def read(self, wait_s: float = 0.0) -> None:
        """Take what has arrived."""
        for key, _ in self._selector.select(wait_s):
            member: Member = key.data
            try:
                data = member.socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                data = b""
            if data:
                member.take(data)
            else:
                member.ended_after_s = time.monotonic() - self._began
                self._selector.unregister(member.socket)
                member.socket.close()

    def restart_clock(self) -> None:
        """Count ``ended_after_s`` from now on."""
        self._began = time.monotonic()

    def wait_messages(self, count: int, timeout_s: float = 20.0) -> None:
        """Until each has got at least so many messages."""
        self.run_until(
            lambda: all(len(member.messages) >= count for member in self.members),
            timeout_s,
            f"{count} messages each",
        )

    def wait_ended(self, timeout_s: float) -> None:
        """Until the server has ended all connections."""
        self.run_until(
            lambda: all(member.ended_after_s is not None for member in self.members),
            timeout_s,
            "the end of all connections",
        )

    def close(self) -> None:
        """End all at once, without a word."""
        for member in self.members:
            member.socket.close()
        self._selector.close()
