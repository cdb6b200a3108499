"""One HTTP request through Rust, from a synchronous test."""

from __future__ import annotations

import queue
import select
from contextvars import copy_context

from fasterapi._testclient_asgi import DEFAULT_PORTS
from fasterapi._testclient_http1 import ResponseReader, request_head
from fasterapi._testclient_httpx import httpx
from fasterapi._testclient_portal import WAIT_MAX_S
from fasterapi.templating import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from fasterapi._testclient_shard import LocalServer

__all__ = ["NativeStream", "origin_of", "send_natively"]

RECEIVE_BYTES_MAX = 256 * 1024
SEND_BYTES_MAX = 64 * 1024


def origin_of(url: Any) -> tuple[str, str, int]:
    """Scheme, host and port of a request's URL."""
    port = DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    return url.scheme, url.raw_host.decode("ascii"), port


def send_natively(
    server: LocalServer,
    request: httpx.Request,
    *,
    raises: bool,
    on_close: Callable[[NativeStream], object],
) -> httpx.Response:
    """Answer ``request`` through ``server``; its body is read as the caller reads it."""
    stream = NativeStream(server, request, raises=raises, on_close=on_close)
    try:
        stream.begin(request)
    except BaseException:
        stream.abort()
        raise
    response = httpx.Response(
        stream.reader.status_code or 500,
        headers=stream.reader.headers,
        request=request,
        stream=stream,
    )
    for name, value in stream.debug_info.items():
        setattr(response, name, value)
    if stream.debug_info:
        response.extensions["http.response.debug"] = stream.debug_info
    return response


class NativeStream(httpx.SyncByteStream):
    """One exchange on one connection: the request, the answer, the end of what it started."""

    def __init__(
        self,
        server: LocalServer,
        request: httpx.Request,
        *,
        raises: bool,
        on_close: Callable[[NativeStream], object],
    ) -> None:
        """Take a connection; raises what compiling the application raises."""
        self._server = server
        self._connection = server.connect(origin_of(request.url))
        self._ended: queue.SimpleQueue[list[BaseException]] = queue.SimpleQueue()
        self._raises = raises
        self._on_close = on_close
        self._open = True
        self.reader = ResponseReader(request.method)
        self.debug_info: dict[str, Any] = {}

    def begin(self, request: httpx.Request) -> None:
        """Send ``request`` and read the head of its answer."""
        if not isinstance(request.stream, httpx.SyncByteStream):
            raise RuntimeError("the TestClient sends synchronous bodies only")
        context = copy_context()
        context.run(shown.set, self.debug_info)
        self._connection.expect(context, self._ended.put)
        self._connection.socket.settimeout(WAIT_MAX_S)
        head = request_head(request.method, request.url.raw_path, request.headers.raw)
        if request.headers.get("transfer-encoding", "").lower() == "chunked":
            self._send(head)
            for piece in request.stream:
                if piece:
                    self._send(b"%x\r\n%b\r\n" % (len(piece), piece))
            self._send(b"0\r\n\r\n")
        else:
            self._send(head + b"".join(request.stream))
        while self.reader.status_code is None:
            self._receive()

    def __iter__(self) -> Iterator[bytes]:
        """The pieces of the body as they come."""
        while self._open:
            yield from self.reader.take()
            if self.reader.ended:
                break
            try:
                self._receive()
            except httpx.RemoteProtocolError:
                break  # the handler failed after the head: what it raised says more
        self.close()

    def close(self) -> None:
        """Wait for what the request started, background tasks too; raise what it raised."""
        if not self._open:
            return
        self._release(keep=self.reader.ended and self.reader.keeps)
        try:
            failures = self._failures()
        finally:
            self._on_close(self)
        if failures and self._raises:
            raise failures[0]

    def abort(self) -> None:
        """Give the exchange up: the application sees that its client is gone."""
        if self._open:
            self._release(keep=False)
            self._on_close(self)

    def _release(self, *, keep: bool) -> None:
        self._open = False
        self._connection.forget()
        self._server.give_back(self._connection, keep=keep)

    def _failures(self) -> list[BaseException]:
        try:
            return self._ended.get(timeout=WAIT_MAX_S)
        except queue.Empty:
            raise TimeoutError(
                f"what the request started did not end within {WAIT_MAX_S:.0f} s"
            ) from None

    def _send(self, data: bytes) -> None:
        """Send, and read the answer that may come meanwhile: it could stop the server reading."""
        end = self._connection.socket
        try:
            if len(data) <= SEND_BYTES_MAX:
                end.sendall(data)
                return
            view = memoryview(data)
            while view and not self.reader.ended:
                readable, writable, _ = select.select([end], [end], [], WAIT_MAX_S)
                if readable:
                    self._receive()
                if writable:
                    view = view[end.send(view[:SEND_BYTES_MAX]) :]
                elif not readable:
                    raise TimeoutError(f"the server took nothing for {WAIT_MAX_S:.0f} s")
        except (BrokenPipeError, ConnectionResetError):
            self.reader.keeps = False  # it has answered already, without having read everything

    def _receive(self) -> None:
        try:
            data = self._connection.socket.recv(RECEIVE_BYTES_MAX)
        except ConnectionResetError:
            data = b""
        self.reader.feed(data)
