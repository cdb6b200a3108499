"""The Rust side: the request, JSON, and the machinery that runs a shard."""

from asyncio import AbstractEventLoop, Future, Task
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextvars import Context
from typing import Any, Self

from fasterapi._core_content import FormReader as FormReader
from fasterapi._core_content import JsonWriter as JsonWriter
from fasterapi._core_content import MultipartParser as MultipartParser
from fasterapi._core_postgres import (
    PgBatch as PgBatch,
)
from fasterapi._core_postgres import (
    PgConnection as PgConnection,
)
from fasterapi._core_postgres import (
    PgCopyIn as PgCopyIn,
)
from fasterapi._core_postgres import (
    PgCopyOut as PgCopyOut,
)
from fasterapi._core_postgres import (
    PgDescriptions as PgDescriptions,
)
from fasterapi._core_postgres import (
    PgOperation as PgOperation,
)
from fasterapi._core_postgres import (
    PgPool as PgPool,
)
from fasterapi._core_postgres import (
    PgRecords as PgRecords,
)
from fasterapi._core_postgres import (
    PgState as PgState,
)
from fasterapi._core_postgres import (
    PgStatement as PgStatement,
)
from fasterapi._core_postgres import (
    PgTls as PgTls,
)
from fasterapi._core_postgres import (
    PgTypes as PgTypes,
)
from fasterapi._core_postgres import (
    Record as Record,
)
from fasterapi._core_postgres import (
    make_record as make_record,
)
from fasterapi._core_postgres import (
    scram_key as scram_key,
)
from fasterapi.applications import FasterAPI

__version__: str

class Request:
    """One HTTP request as the server received it; ``NativeRequest`` reads it."""

    @property
    def method(self) -> str:
        """The method."""

    @property
    def path(self) -> str:
        """The percent-decoded path, without the query."""

    @property
    def raw_path(self) -> bytes:
        """The path as it was sent, without the query."""

    @property
    def query_string(self) -> bytes:
        """What followed the ``?``; empty when there was none."""

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The header fields in their order; names in lower case."""

    def header(self, name: bytes, /) -> bytes | None:
        """The value of the first field of that name, in any case."""

    @property
    def http_version(self) -> str:
        """``"1.0"`` or ``"1.1"``."""

    @property
    def scheme(self) -> str:
        """``"http"``, or ``"https"`` where a trusted proxy says so."""

    @property
    def server_address(self) -> tuple[str, int | None] | None:
        """Host and port that the client connected to; ``None`` on a Unix socket."""

    @property
    def client_address(self) -> tuple[str, int] | None:
        """The client's host and port, as a trusted proxy tells them (the port is 0 then).

        ``None`` on a Unix socket, without a proxy's word.
        """

    @property
    def root_path(self) -> str:
        """The prefix that a proxy has removed from the path, and a mount's."""

    @property
    def main_root_path(self) -> str:
        """The prefix that a proxy has removed from the path, without that of a mount."""

    @property
    def main_app(self) -> FasterAPI:
        """The application that is served, also where a mounted one answers."""

    @property
    def app(self) -> FasterAPI:
        """The application that answers, which may be a mounted one."""

    @property
    def route(self) -> Any:
        """The route that answers."""

    @property
    def endpoint(self) -> Any:
        """The user's function that answers."""

    @property
    def lifespan_state(self) -> Mapping[str, Any]:
        """What the application's lifespan yielded."""

    @property
    def path_params(self) -> dict[str, Any]:
        """The path's parameters, converted as the route's path says."""

    def _body_now(self) -> bytes | None:
        """The whole body if it has already arrived."""

    def _take_chunk(self) -> bytes | None:
        """The next bytes if they are here, ``b""`` at the end; raises ``ClientDisconnect``."""

    def _chunk_arrival(self) -> Wait:
        """Done when ``_take_chunk`` has something to say."""

    def _form_reader(self, boundary: bytes, bytes_max: int | None) -> FormReader:
        """Splits the body as a form; raises ``ValueError`` for an impossible boundary."""

    def _is_disconnected(self) -> bool:
        """Whether the client has gone, as far as the reactor knows."""

class WebSocket:
    """One WebSocket that Rust serves; ``NativeWebSocket`` is made of it."""

    _application_state: int
    _client_state: int
    messages_received: int
    bytes_received: int
    messages_sent: int
    bytes_sent: int
    messages_dropped: int

    @property
    def native(self) -> Request:
        """The handshake."""

    @property
    def connection_id(self) -> int:
        """Names the WebSocket among those of its shard."""

    @property
    def is_open(self) -> bool:
        """True between ``accept`` and the first close frame of either side."""

    def _accept(self, subprotocol: str | None, headers: list[tuple[bytes, bytes]], /) -> None:
        """Answer the handshake with 101."""

    def _deny(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes, /) -> None:
        """Answer the handshake with something else."""

    def _close(self, code: int, reason: str, /) -> None:
        """Begin the closing handshake; raises ``ValueError``."""

    def _close_reason(self) -> tuple[int, str] | None:
        """What the WebSocket was closed with; ``None`` while it is open."""

    def _receive_any(self) -> Coroutine[Any, Any, str | bytes]:
        """The next message; raises ``WebSocketDisconnect``."""

    def receive_text(self) -> Coroutine[Any, Any, str]:
        """The next message, which must be text; raises ``WebSocketDisconnect``."""

    def receive_bytes(self) -> Coroutine[Any, Any, bytes]:
        """The next message, which must be binary; raises ``WebSocketDisconnect``."""

    def receive_json(self, mode: str = "text") -> Coroutine[Any, Any, Any]:
        """The next message, parsed as JSON; raises ``WebSocketDisconnect``."""

    def iter_text(self) -> AsyncIterator[str]:
        """The text messages until the client closes."""

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """The binary messages until the client closes."""

    def iter_json(self) -> AsyncIterator[Any]:
        """The messages, parsed as JSON, until the client closes."""

    def send_text(self, data: str) -> Coroutine[Any, Any, None]:
        """Send text."""

    def send_bytes(self, data: bytes) -> Coroutine[Any, Any, None]:
        """Send bytes."""

    def send_binary(self, data: bytes) -> Coroutine[Any, Any, None]:
        """As ``send_bytes``."""

    def send_json(self, data: Any, mode: str = "text") -> Coroutine[Any, Any, None]:
        """Send ``data`` as JSON."""

    def join(self, channel: str, *, on_lag: str = "disconnect") -> None:
        """Have the client sent what is published in ``channel``."""

    def leave(self, channel: str) -> bool:
        """End what ``join`` began; false when it had not."""

    def ping(self, data: bytes | None = None) -> Coroutine[Any, Any, None]:
        """Send a ping; the pong is not waited for."""

    def pong(self, data: bytes | None = None) -> Coroutine[Any, Any, None]:
        """Send a pong that answers no ping."""

class Wait(Future[Any]):
    """What Rust completes; awaiting it gives the result."""

    def over(self) -> Wait:
        """To be awaited after a cancellation, for the end of what was waited for."""

def run_in_thread(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Wait:
    """Call ``function`` on the shard's threads, in a copy of the present context.

    Cancelling what it returns leaves the thread to finish, see ``over``. Raises ``RuntimeError`` on
    a thread that runs no shard's loop.
    """

class Channels:
    """The channels of a shard; ``fasterapi.channels.Channels`` uses them. For any thread."""

    @property
    def node(self) -> str | None:
        """What tells this server from others; ``None`` without a supervisor."""

    @property
    def closed(self) -> bool:
        """Whether the shard is gone."""

    def publish(self, channel: str, message: Any, /) -> str:
        """Send to all shards; returns the message's id. Raises ``ValueError``."""

    def deliver(self, channel: str, id_: str, is_text: bool, data: bytes, /) -> None:
        """Deliver what another server has published, on this shard."""

    def subscribe(
        self, channel: str, after: str | None, queue_messages_max: int, /
    ) -> SubscriptionQueue:
        """A queue of the channel's messages; only on the shard's thread."""

    def keep(self, pattern: str, messages_max: int, /) -> None:
        """Keep messages of a channel, or of all whose names begin alike."""

    def history(self, channel: str, after: str | None, /) -> list[tuple[str | bytes, str]]:
        """The data and ids of what is kept, oldest first."""

    def presence(self, channel: str, /) -> int:
        """How many have joined or subscribed, on all shards."""

    def stats(self) -> dict[str, int]:
        """What has been counted."""

    def tap(self) -> None:
        """Give out what is published from now on; only on the shard's thread, as the next."""

    def untap(self) -> None:
        """End what ``tap`` began."""

    def take_published(self) -> tuple[str, str | bytes, str] | None:
        """The channel, data and id of the next message for a backplane."""

    def published_arrival(self) -> Wait:
        """Done when ``take_published`` has something."""

class SubscriptionQueue:
    """What waits for one subscriber; for the shard's thread."""

    @property
    def dropped(self) -> int:
        """How many messages were dropped because nobody took them in time."""

    @property
    def closed(self) -> bool:
        """Whether ``close`` has been called."""

    def take(self) -> tuple[str | bytes, str] | None:
        """The data and id of the oldest message that waits."""

    def arrival(self) -> Wait:
        """Done when ``take`` has something, or after ``close``."""

    def close(self) -> None:
        """Leave the channel; what has come can still be taken."""

def current_channels() -> Channels | None:
    """The channels of the shard that this thread belongs to."""

def newest_channels() -> Channels | None:
    """The channels of the shard that was started last in this process and runs still."""

def json_bytes(content: Any, /) -> bytes:
    """Serialise to compact JSON; raises ``TypeError`` and ``ValueError``."""

def gzip(data: bytes, level: int, /) -> bytes:
    """Compress to one gzip member (RFC 1952); ``level`` is 0 to 9."""

def json_loads(data: bytes | str, /) -> Any:
    """Parse JSON; raises ``ValueError``."""

def main(arguments: list[str], /) -> int:
    """Run the command line (``sys.argv``) and return the exit code."""

def run_reactor(timeout: float | None, /) -> bool:
    """Run the shard's reactor for up to ``timeout`` seconds, the GIL released.

    Returns whether asyncio's epoll set may have events.
    """

def install_loop(loop: AbstractEventLoop, epoll_fd: int, /) -> None:
    """Tie a reactor to a loop whose selector is the epoll set ``epoll_fd``."""

def log_error(message: str, /) -> None:
    """Write a line to the server's log."""

def ready(state: Mapping[str, Any], changed: bool, /) -> None:
    """Tell the supervisor that this shard answers; ``state`` is the lifespan's.

    Of an application that has ``changed`` since its import the routes are read anew.
    Raises ``RouteError`` for the first that cannot be served.
    """

class StreamSender:
    """Takes the pieces of one streamed answer."""

    def __call__(self, data: bytes, /) -> Future[None] | None:
        """Queue a piece; what it returns is to be awaited before the next."""

    def keep_alive(self, seconds: float, /) -> None:
        """Make the answer an event stream, with comments when it is silent; 0: none."""

class EventStream:
    """The event stream that a handler answers with; ``NativeSSE`` has the rest."""

    def __new__(cls, native: Request, /) -> Self:
        """The stream of a request."""

    def _prepare(
        self, status: int, fields: list[tuple[bytes, bytes]], task: Task[Any] | None, /
    ) -> None:
        """Let the answer begin, from now on, and cancel ``task`` when the client goes."""

    def _over(self) -> None:
        """Let nothing more be sent: the handler has ended."""

    def send(
        self,
        data: Any,
        event: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
        retry: int | None = None,
    ) -> Awaitable[None]:
        """Send an event; ``str`` as it is, everything else as JSON."""

    def send_json(
        self,
        data: Any,
        event: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
        retry: int | None = None,
    ) -> Awaitable[None]:
        """Send an event with the JSON of ``data``."""

    def send_text(
        self,
        text: str,
        event: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
        retry: int | None = None,
    ) -> Awaitable[None]:
        """Send an event with ``text`` as it is."""

    def comment(self, text: str = "") -> Awaitable[None]:
        """Send a comment."""

    def ping(self) -> Awaitable[None]:
        """Send a comment, for what is between server and client."""

    def join(self, channel: str, *, after: str | None = None, on_lag: str = "disconnect") -> None:
        """Have the client sent what is published in ``channel``."""

    def leave(self, channel: str) -> bool:
        """End what ``join`` began; false when it had not."""

    def keep_alive(self, seconds: float | None) -> None:
        """Send a comment after so many seconds without a byte; 0 and ``None``: never."""

    def close(self) -> Awaitable[None]:
        """End the stream in order."""

    @property
    def last_event_id(self) -> str | None:
        """What the client has got before."""

    @property
    def is_open(self) -> bool:
        """Whether events still arrive."""

    @property
    def connection_id(self) -> int:
        """A number of its own in this process."""

    @property
    def events_sent(self) -> int:
        """How many events have been sent."""

    @property
    def bytes_sent(self) -> int:
        """How many bytes have been sent."""

class RequestTask(Future[Any]):
    """Runs one request's coroutine; a task in every other respect."""

def drain_left_s() -> float:
    """How long the work after answers may still take, in seconds."""

def shard_place() -> tuple[int, int]: ...
def set_drain_future(drained: Future[None], /) -> None:
    """Give Rust the future to resolve when the shard has drained."""

class LocalShard:
    """An application that is served to connections of this process.

    Made and closed on the thread whose loop runs the reactor.
    """

    def __new__(cls, app: FasterAPI, *, root_path: str, state: Mapping[str, Any]) -> Self:
        """Compile ``app``; raises what compiling raises.

        ``root_path`` is what a proxy removes from paths (empty: what the application
        says), ``state`` what the lifespan yielded.
        """

    def adopt(
        self,
        fd: int,
        connection: int,
        scheme: str,
        client: tuple[str, int],
        server: tuple[str, int | None],
        /,
    ) -> None:
        """Serve a connected stream socket, which belongs to the shard from now on.

        ``connection`` names it in ``expect`` and ``forget``; the rest is what the
        application is told.
        """

    def expect(
        self, connection: int, context: Context, on_end: Callable[[list[BaseException]], object], /
    ) -> None:
        """Call the handler of the connection's next request in ``context``.

        ``on_end`` is called with what nobody handled when all that the request started
        has ended. For any thread.
        """

    def forget(self, connection: int, /) -> bool:
        """Take back what ``expect`` said; false when the handler was called. For any thread."""

    def close(self) -> None:
        """Stop serving."""

def uninstall_loop() -> None:
    """End the reactor of this thread, whose loop is closed already."""

def report_failure(error: BaseException, /) -> bool:
    """Tell the test client what a request raised although it was answered.

    False when no test client waits for this request: the error is then to be logged.
    """
