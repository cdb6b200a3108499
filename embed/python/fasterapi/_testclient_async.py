"""Requests through Rust from asynchronous tests: a transport for ``httpx.AsyncClient``."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import weakref
from contextvars import copy_context

from fasterapi._testclient_http1 import ResponseReader, request_head
from fasterapi._testclient_httpx import httpx
from fasterapi._testclient_native import RECEIVE_BYTES_MAX, origin_of
from fasterapi._testclient_portal import WAIT_MAX_S
from fasterapi._testclient_shard import LocalServer, can_serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Any

    from fasterapi._testclient_shard import Connection

__all__ = ["AsyncTransport"]


class AsyncTransport(httpx.AsyncBaseTransport):
    """Calls ``app`` as the server would, from asyncio.

    For ``httpx.AsyncClient(transport=AsyncTransport(app), base_url="http://test")``,
    with httpx or httpx2. The application runs on a loop of its own in another thread,
    so it does not share asyncio objects with the test. No lifespan runs. Where Rust
    cannot serve the application (see ``fasterapi.testclient``), and on other loops
    than asyncio's, it is httpx's ``ASGITransport``. ``raise_app_exceptions``: what the
    application raises and does not handle is raised by the request.
    """

    def __init__(
        self,
        app: Any,
        raise_app_exceptions: bool = True,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 123),
    ) -> None:
        """Nothing runs before the first request."""
        self._app = app
        self._options: dict[str, Any] = {
            "raise_app_exceptions": raise_app_exceptions,
            "root_path": root_path,
            "client": client,
        }
        self._raises = raise_app_exceptions
        self._server: LocalServer | None = None
        if can_serve(app):
            self._server = LocalServer(app, root_path, client, {})
            weakref.finalize(self, self._server.close)

    async def handle_async_request(self, request: Any) -> Any:
        """Answer ``request``, in the classes of the httpx that made it."""
        library: Any = importlib.import_module(type(request).__module__.partition(".")[0])
        if self._server is None or not _is_on_asyncio():
            fallback = library.ASGITransport(self._app, **self._options)
            return await fallback.handle_async_request(request)
        # Compiling may call the user's code and take its time.
        connection = await asyncio.to_thread(self._server.connect, origin_of(request.url))
        exchange = _AsyncExchange(self._server, connection, request.method, self._raises)
        try:
            await exchange.begin(request)
        except BaseException:
            exchange.abort()
            raise
        return library.Response(
            exchange.reader.status_code,
            headers=exchange.reader.headers,
            stream=_stream_class(library)(exchange.pieces, exchange.close),
        )

    async def aclose(self) -> None:
        """Stop serving."""
        if self._server is not None:
            await asyncio.to_thread(self._server.close)


class _AsyncExchange:
    """One exchange on one connection."""

    def __init__(
        self, server: LocalServer, connection: Connection, method: str, raises: bool
    ) -> None:
        self._server = server
        self._connection = connection
        self._raises = raises
        self._open = True
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[list[BaseException]] = self._loop.create_future()
        self.reader = ResponseReader(method)
        connection.socket.setblocking(False)

    async def begin(self, request: Any) -> None:
        """Send ``request`` and read the head of its answer."""
        loop, ended = self._loop, self._ended

        def on_end(failures: list[BaseException]) -> None:
            with contextlib.suppress(RuntimeError):  # the test's loop has ended: nobody waits
                loop.call_soon_threadsafe(_resolve, ended, failures)

        self._connection.expect(copy_context(), on_end)
        sending = self._loop.create_task(self._send(request))
        try:
            while self.reader.status_code is None:
                await self._receive()
        except BaseException:
            sending.cancel()
            raise
        if self.reader.ended:
            sending.cancel()
        else:
            await sending

    async def _send(self, request: Any) -> None:
        end = self._connection.socket
        head = request_head(request.method, request.url.raw_path, request.headers.raw)
        chunked = request.headers.get("transfer-encoding", "").lower() == "chunked"
        try:
            if not chunked:
                pieces = [piece async for piece in request.stream]
                await self._loop.sock_sendall(end, head + b"".join(pieces))
                return
            await self._loop.sock_sendall(end, head)
            async for piece in request.stream:
                if piece:
                    await self._loop.sock_sendall(end, b"%x\r\n%b\r\n" % (len(piece), piece))
            await self._loop.sock_sendall(end, b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.reader.keeps = False  # it has answered already, without having read everything

    async def _receive(self) -> None:
        receiving = self._loop.sock_recv(self._connection.socket, RECEIVE_BYTES_MAX)
        try:
            data = await asyncio.wait_for(receiving, WAIT_MAX_S)
        except ConnectionResetError:
            data = b""
        self.reader.feed(data)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The pieces of the body as they come."""
        while self._open:
            for piece in self.reader.take():
                yield piece
            if self.reader.ended:
                break
            try:
                await self._receive()
            except httpx.RemoteProtocolError:
                break  # the handler failed after the head: what it raised says more
        await self.close()

    async def close(self) -> None:
        """Wait for what the request started, background tasks too; raise what it raised."""
        if not self._open:
            return
        self._release(keep=self.reader.ended and self.reader.keeps)
        failures = await asyncio.wait_for(self._ended, WAIT_MAX_S)
        if failures and self._raises:
            raise failures[0]

    def abort(self) -> None:
        """Give the exchange up: the application sees that its client is gone."""
        if self._open:
            self._release(keep=False)

    def _release(self, *, keep: bool) -> None:
        self._open = False
        self._connection.forget()
        self._server.give_back(self._connection, keep=keep)


def _resolve(future: asyncio.Future[list[BaseException]], failures: list[BaseException]) -> None:
    if not future.done():
        future.set_result(failures)


def _is_on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _stream_class(library: Any) -> Any:
    """A body that ``library`` knows as one of its own."""

    class Stream(library.AsyncByteStream):  # type: ignore[misc]
        def __init__(
            self, pieces: Callable[[], AsyncIterator[bytes]], close: Callable[[], Any]
        ) -> None:
            self._pieces = pieces
            self._close = close

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self._pieces()

        async def aclose(self) -> None:
            await self._close()

    return Stream
