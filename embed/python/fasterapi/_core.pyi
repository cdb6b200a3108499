"""The Rust side: the request, JSON, and the machinery that runs a shard."""

from asyncio import AbstractEventLoop, Future
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fasterapi._forms import FormReading
from fasterapi._url import URL
from fasterapi.applications import FasterAPI
from fasterapi.datastructures import Address, Headers, QueryParams, State

__version__: str

class Request:
    """One HTTP request, made by the server; handlers only read it.

    It has an attribute dictionary, so middleware and handlers may hang values on
    it; ``state`` is the place for that.
    """

    _body: bytes
    _form: Any
    _stream_consumed: bool

    @property
    def method(self) -> str:
        """The method, upper case (``"GET"``)."""

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

    @property
    def http_version(self) -> str:
        """``"1.0"`` or ``"1.1"``."""

    @property
    def scheme(self) -> str:
        """``"http"`` or ``"https"``."""

    @property
    def server_address(self) -> tuple[str, int] | None:
        """The address that the client connected to; ``None`` on a Unix socket."""

    @property
    def client_address(self) -> tuple[str, int] | None:
        """The client's address; ``None`` on a Unix socket."""

    @property
    def root_path(self) -> str:
        """The prefix that a proxy has removed from the path; no slash at its end."""

    @property
    def app(self) -> FasterAPI:
        """The application that answers."""

    @property
    def headers(self) -> Headers:
        """The header fields, by name without case."""

    @property
    def query_params(self) -> QueryParams:
        """The decoded query."""

    @property
    def path_params(self) -> dict[str, Any]:
        """The path's parameters, converted as the route's path says."""

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies."""

    @property
    def url(self) -> URL:
        """The URL that the client asked for."""

    @property
    def base_url(self) -> URL:
        """The URL of the application itself."""

    @property
    def client(self) -> Address | None:
        """The client's address, with ``host`` and ``port``."""

    @property
    def state(self) -> State:
        """A bag for this request, holding what the lifespan yielded."""

    async def body(self) -> bytes:
        """The whole body; raises ``ClientDisconnect``."""

    async def json(self) -> Any:
        """The body parsed as JSON; raises ``ValueError``."""

    def form(
        self, *, max_files: int = 1000, max_fields: int = 1000, max_part_size: int = 1048576
    ) -> FormReading:
        """The form, to be awaited or entered; raises ``HTTPException(400)``."""

    def stream(self) -> AsyncIterator[bytes]:
        """The body as it arrives; raises ``ClientDisconnect``."""

    async def is_disconnected(self) -> bool:
        """Whether the client has gone."""

    def url_for(self, name: str, /, **path_params: Any) -> URL:
        """The absolute URL of a route; raises ``NoMatchFound``."""

    def _body_now(self) -> bytes | None:
        """The whole body if it has already arrived."""

    async def _next_chunk(self) -> bytes:
        """The next bytes of the body, ``b""`` at its end; raises ``ClientDisconnect``."""

    def _take_chunk(self) -> bytes | None:
        """The next bytes if they are here, ``b""`` at the end."""

    def _chunk_arrival(self) -> Future[None]:
        """Done when ``_take_chunk`` has something to say."""

    def _is_disconnected(self) -> bool:
        """Whether the client has gone, as far as the reactor knows."""

def json_bytes(content: Any, /) -> bytes:
    """Serialise to compact JSON; raises ``TypeError`` and ``ValueError``."""

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

def ready(state: Mapping[str, Any], /) -> None:
    """Tell the supervisor that this shard answers; ``state`` is the lifespan's."""

def set_drain_future(drained: Future[None], /) -> None:
    """Give Rust the future to resolve when the shard has drained."""
