"""HTTP/1.1 as the test client speaks it to the Rust server (RFC 9112): bytes in and out only."""

from __future__ import annotations

from fasterapi._testclient_httpx import httpx

__all__ = ["ResponseReader", "request_head"]

HEAD_BYTES_MAX = 1024 * 1024
CHUNK_LINE_BYTES_MAX = 8 * 1024


def request_head(method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The request line and the header fields."""
    lines = [method.encode("ascii") + b" " + target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


class ResponseReader:
    """Reads one answer from the bytes that are fed to it.

    ``status_code`` is set once the head is complete; ``ended`` when the answer is.
    Raises ``httpx.RemoteProtocolError`` for what is no answer.
    """

    def __init__(self, method: str) -> None:
        """``method`` is the request's: an answer to HEAD has no body."""
        self.status_code: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.ended = False
        self.keeps = True
        """Whether the connection can be used for another request."""
        self._method = method
        self._buffer = bytearray()
        self._pieces: list[bytes] = []
        self._chunked = False
        self._left: int | None = None  # bytes of the body or of a chunk; None: up to the end

    def feed(self, data: bytes) -> None:
        """Take what was received; nothing means that the server has closed."""
        if not data:
            self._close()
            return
        self._buffer += data
        while self.status_code is None:
            if not self._read_head():
                return
        self._read_body()

    def take(self) -> list[bytes]:
        """The pieces of the body that came since the last call."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def _close(self) -> None:
        self.keeps = False
        complete = self.status_code is not None and self._left is None and not self._chunked
        if not self.ended and not complete:
            raise httpx.RemoteProtocolError("the server closed before its answer was complete")
        self.ended = True

    def _read_head(self) -> bool:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise httpx.RemoteProtocolError("the head of the answer is too long")
            return False
        self._buffer = rest
        status_line, *lines = bytes(head).split(b"\r\n")
        version, _, status = status_line.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not status[:3].isdigit():
            raise httpx.RemoteProtocolError(f"{status_line!r} begins no answer")
        status_code = int(status[:3])
        if 100 <= status_code < 200:
            return True  # an interim answer: the real one follows
        for line in lines:
            name, _, value = line.partition(b":")
            self.headers.append((name, value.strip(b" \t")))
        self._measure(status_code)
        self.status_code = status_code
        return True

    def _measure(self, status_code: int) -> None:
        """Find out how long the body is."""
        fields = {name.lower(): value for name, value in self.headers}
        if b"close" in fields.get(b"connection", b"").lower():
            self.keeps = False
        if self._method == "HEAD" or status_code in (204, 304):
            self._left = 0
        elif fields.get(b"transfer-encoding", b"").lower() == b"chunked":
            self._chunked = True
            self._left = 0
        elif b"content-length" in fields:
            self._left = int(fields[b"content-length"])
        else:
            self.keeps = False

    def _read_body(self) -> None:
        while not self.ended:
            if self._left is None or self._left > 0:
                if not self._buffer:
                    return
                piece = bytes(self._buffer[: self._left])
                del self._buffer[: len(piece)]
                self._pieces.append(piece)
                if self._left is not None:
                    self._left -= len(piece)
            elif not self._chunked:
                self.ended = True
            elif not self._read_chunk_line():
                return

    def _read_chunk_line(self) -> bool:
        """Read the line before a chunk; the end of the chunk before it is an empty one."""
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            if len(line) > CHUNK_LINE_BYTES_MAX:
                raise httpx.RemoteProtocolError("a line between chunks is too long")
            return False
        if not line:
            self._buffer = rest
            return True
        size = int(line.partition(b";")[0], 16)
        if size == 0:
            if b"\r\n\r\n" not in self._buffer:
                return False  # fields may follow the last chunk, and an empty line does
            self._buffer.clear()
            self.ended = True
            return True
        self._buffer = rest
        self._left = size
        return True
