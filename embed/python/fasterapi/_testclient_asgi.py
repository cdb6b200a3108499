"""One HTTP request to an ASGI application on a portal's loop, from a synchronous test."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from urllib.parse import unquote

from fasterapi._testclient_httpx import httpx
from fasterapi._testclient_portal import WAIT_MAX_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from fasterapi._testclient_portal import Portal, Running

__all__ = ["ASGIExchange", "ASGIScopes", "ResponseStream"]

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class ASGIScopes:
    """Makes the scopes of one client's requests."""

    __slots__ = ("client", "root_path", "state")

    def __init__(self, root_path: str, client: tuple[str, int], state: dict[str, Any]) -> None:
        """``state`` is the lifespan's, of which every request gets a copy."""
        self.root_path = root_path
        self.client = client
        self.state = state

    def http(self, request: httpx.Request) -> dict[str, Any]:
        """The scope of an HTTP request."""
        scope = self._common(request)
        scope["type"] = "http"
        scope["http_version"] = "1.1"
        scope["method"] = request.method
        scope["extensions"] = {"http.response.debug": {}, "http.response.trailers": {}}
        return scope

    def websocket(self, request: httpx.Request) -> dict[str, Any]:
        """The scope of a request for a WebSocket."""
        scope = self._common(request)
        scope["type"] = "websocket"
        offered = request.headers.get("sec-websocket-protocol")
        scope["subprotocols"] = [] if offered is None else [p.strip() for p in offered.split(",")]
        scope["extensions"] = {"websocket.http.response": {}}
        return scope

    def _common(self, request: httpx.Request) -> dict[str, Any]:
        url = request.url
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        if not any(name == b"host" for name, _ in headers):
            headers.insert(0, (b"host", url.netloc))
        raw_path = url.raw_path.partition(b"?")[0]
        port = DEFAULT_PORTS[url.scheme] if url.port is None else url.port
        return {
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "root_path": self.root_path,
            "scheme": url.scheme,
            "query_string": url.query,
            "headers": headers,
            "client": self.client,
            "server": [url.raw_host.decode("ascii"), port],
            "state": self.state.copy(),
        }


class ASGIExchange:
    """One request and its answer: the application's end on the loop, the test's on its thread.

    The application's ``send`` of a piece returns when the test has taken it, so an
    answer streams no faster than it is read.
    """

    def __init__(
        self, app: Callable[..., Any], scope: dict[str, Any], request: httpx.Request
    ) -> None:
        """Nothing runs before ``start``."""
        self._app = app
        self._scope = scope
        self._upload: Iterator[bytes] | None = _pieces(request)
        self._events: queue.SimpleQueue[tuple[bytes, bool] | None] = queue.SimpleQueue()
        self._wanted: asyncio.Future[None] | None = None
        self._answered = asyncio.Event()
        self._running: Running
        self._portal: Portal
        self._ended = False
        self._body_ended = False
        self._expects_trailers = False
        self.status_code: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.trailers: list[tuple[bytes, bytes]] | None = None
        self.debug_info: dict[str, Any] | None = None

    # On the loop.

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            self._answered.set()
            self._events.put(None)

    async def _receive(self) -> dict[str, Any]:
        if self._upload is not None:
            piece = next(self._upload, None)
            if piece is not None:
                return {"type": "http.request", "body": piece, "more_body": True}
            self._upload = None
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._answered.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._start(message)
        elif kind == "http.response.body":
            await self._send_piece(message)
        elif kind == "http.response.trailers":
            self._send_trailers(message)
        elif kind == "http.response.debug":
            self.debug_info = message["info"]
        else:
            raise AssertionError(f"Received {kind!r}, which is no message of an HTTP answer.")

    def _start(self, message: dict[str, Any]) -> None:
        if self.status_code is not None:
            raise AssertionError('Received multiple "http.response.start" messages.')
        self.status_code = message["status"]
        self.headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
        if message.get("trailers", False):
            self._expects_trailers = True
            self.trailers = []
        self._events.put((b"", False))

    async def _send_piece(self, message: dict[str, Any]) -> None:
        if self.status_code is None:
            raise AssertionError('Received "http.response.body" without "http.response.start".')
        if self._body_ended:
            raise AssertionError('Received "http.response.body" after the body was complete.')
        self._body_ended = not message.get("more_body", False)
        complete = self._body_ended and not self._expects_trailers
        piece = (bytes(message.get("body", b"")), complete)
        if complete:
            self._answered.set()
            self._events.put(piece)
            return
        self._wanted = asyncio.get_running_loop().create_future()
        self._events.put(piece)
        await self._wanted

    def _send_trailers(self, message: dict[str, Any]) -> None:
        if self.trailers is None:
            raise AssertionError('Received "http.response.trailers" without declaring trailers.')
        if not self._body_ended or self._answered.is_set():
            raise AssertionError('Received "http.response.trailers" out of order.')
        self.trailers.extend(message.get("headers", ()))
        if not message.get("more_trailers", False):
            self._answered.set()

    def _took(self) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    # On the test's thread.

    def start(self, portal: Portal) -> bool:
        """Call the application; true when an answer began, false when it ended without one."""
        self._portal = portal
        self._running = portal.start(self._run)
        try:
            return self._next() is not None
        except BaseException:
            self._running.cancel()
            raise

    def pieces(self) -> Iterator[bytes]:
        """The body's pieces as the application sends them, until it ends."""
        while (event := self._next()) is not None:
            piece, complete = event
            if not complete:
                with contextlib.suppress(RuntimeError):
                    self._portal.loop.call_soon_threadsafe(self._took)
            if piece:
                yield piece

    def _next(self) -> tuple[bytes, bool] | None:
        if self._ended:
            return None
        try:
            event = self._events.get(timeout=WAIT_MAX_S)
        except queue.Empty:
            raise TimeoutError(f"the application did nothing for {WAIT_MAX_S:.0f} s") from None
        self._ended = event is None
        return event

    def finish(self) -> BaseException | None:
        """Wait for the application's end, which is forced if its answer is not complete.

        Returns what the application raised.
        """
        if not self._running.done() and not self._answered.is_set():
            self._running.cancel()
        try:
            self._running.result()
        except BaseException as error:
            return error
        return None


def _pieces(request: httpx.Request) -> Iterator[bytes]:
    """What of the request's body there is, and then piece by piece what is made later."""
    stream = request.stream
    if not isinstance(stream, httpx.SyncByteStream):
        raise RuntimeError("the TestClient sends synchronous bodies only")
    return iter(stream)


class ResponseStream(httpx.SyncByteStream):
    """The body of an answer; its end or ``close`` ends the exchange."""

    def __init__(
        self,
        exchange: ASGIExchange,
        lease: AbstractContextManager[Any],
        *,
        raises: bool,
        skip_body: bool,
        on_close: Callable[[ResponseStream], object],
    ) -> None:
        """``lease`` is left at the end; ``raises``: the application's exceptions pass through."""
        self._on_close = on_close
        self._exchange = exchange
        self._lease: AbstractContextManager[Any] | None = lease
        self._raises = raises
        self._skip_body = skip_body

    def __iter__(self) -> Iterator[bytes]:
        """The pieces of the body."""
        for piece in self._exchange.pieces():
            if not self._skip_body:
                yield piece
        self.close()

    def close(self) -> None:
        """End the exchange; raises what the application raised."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        try:
            error = self._exchange.finish()
        finally:
            self._on_close(self)
            lease.__exit__(None, None, None)
        if error is not None and self._raises:
            raise error
