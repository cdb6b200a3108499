"""Server-sent events that a handler sends: ``SSE``, and how a route answers with it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from fasterapi._dependant import Dependant
    from fasterapi._headers import RawHeaders
    from fasterapi._solve import SolvedDependency
    from fasterapi.responses import Response

__all__ = ["SSE", "answer_events", "check_takes_events", "sse_of"]

_FIELDS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # Proxies (nginx) must not hold events back.
    (b"x-accel-buffering", b"no"),
)


class SSE:
    """The events of one client, for the handler of ``@app.sse``.

    The answer begins with the first event, or half a second after the handler: until
    then an exception, also an ``HTTPException``, is an ordinary answer, and a ``Response``
    that the handler returns is sent as it is. Later the exception is logged and the
    connection closed. The stream ends when the handler returns.

    Each ``send`` waits while the client is too slow. When the client goes, or the server
    stops, the handler is cancelled: ``asyncio.CancelledError`` at its ``await``. What is
    sent after that raises ``fasterapi.requests.ClientDisconnect``, what is sent after
    ``close`` raises ``RuntimeError``.
    """

    __slots__ = ()

    def send(
        self,
        data: Any,
        event: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
        retry: int | None = None,
    ) -> Awaitable[None]:
        """Send an event: a ``str`` as it is, line by line, everything else as JSON.

        ``event`` and ``id`` are single lines; the client sends the last ``id`` when it
        connects again, ``retry`` milliseconds after it has lost the connection. Raises
        ``ValueError`` for what cannot be sent.
        """
        raise NotImplementedError

    def send_json(
        self,
        data: Any,
        event: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
        retry: int | None = None,
    ) -> Awaitable[None]:
        """As ``send``; a ``str`` becomes JSON too."""
        raise NotImplementedError

    def send_text(
        self,
        text: str,
        event: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
        retry: int | None = None,
    ) -> Awaitable[None]:
        """As ``send``, for text only."""
        raise NotImplementedError

    def comment(self, text: str = "") -> Awaitable[None]:
        """Send a comment, which clients ignore."""
        raise NotImplementedError

    def ping(self) -> Awaitable[None]:
        """Send a comment now; ``keep_alive`` does so when nothing else is sent."""
        raise NotImplementedError

    def join(self, channel: str, *, after: str | None = None, on_lag: str = "disconnect") -> None:
        """Have the client sent what is published in ``channel`` of ``app.channels``.

        Each message is an event with its id; with ``after``, such an id, those that are
        kept and newer come first. It begins the answer, and goes on until the handler
        ends. A client that does not keep up is disconnected, to come again with its
        ``Last-Event-ID``, or loses messages with ``on_lag="drop"``. Raises
        ``ValueError`` for a name that has not 1 to 200 characters.
        """
        raise NotImplementedError

    def leave(self, channel: str) -> bool:
        """End what ``join`` began; false when it had not."""
        raise NotImplementedError

    def keep_alive(self, seconds: float | None) -> None:
        """Send a comment after so many seconds without a byte; ``0`` and ``None``: never.

        It is 15 at first. Raises ``ValueError`` for less than 0.
        """
        raise NotImplementedError

    def close(self) -> Awaitable[None]:
        """End the stream in order, before the handler ends."""
        raise NotImplementedError

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event that the client has got before (``Last-Event-ID``)."""
        raise NotImplementedError

    @property
    def is_open(self) -> bool:
        """Whether the client is there and the stream has not been closed."""
        raise NotImplementedError

    @property
    def connection_id(self) -> int:
        """A number that no other stream of this process has."""
        raise NotImplementedError

    @property
    def events_sent(self) -> int:
        """How many events have been sent, without comments."""
        raise NotImplementedError

    @property
    def bytes_sent(self) -> int:
        """How many bytes have been sent, comments included, framing not."""
        raise NotImplementedError

    async def _run(self, handler: Coroutine[Any, Any, Any], status: int, fields: RawHeaders) -> Any:
        """Run the handler, which may begin the answer with ``status`` and ``fields``."""
        raise NotImplementedError

    def _begun_answer(self) -> Response | None:
        """What is left to be done of the answer; ``None`` when it has not begun."""
        raise NotImplementedError


def sse_of(request: Any) -> SSE:
    """The events of ``request``, made once."""
    known: dict[str, Any] = request.__dict__
    sse: SSE | None = known.get("_sse")
    if sse is None:
        if "_sends_through_rust" in known:
            from fasterapi._native_sse import NativeSSE

            sse = NativeSSE(request.native)
        else:
            from fasterapi._asgi_sse import AsgiSSE

            sse = AsgiSSE(request)
        known["_sse"] = sse
    return sse


async def answer_events(
    dependant: Dependant, options: dict[str, Any], request: Any, solved: SolvedDependency
) -> Response:
    """Run the handler, which sends its events by itself; what is left of the answer.

    ``options`` are those of the response: its background tasks and its status.
    """
    from fasterapi._handler import is_response

    # The list itself: until the answer begins the handler may change its headers.
    fields = solved.response.raw_headers if solved.has_response else []
    given = {name.lower() for name, _ in fields}
    fields[:0] = [field for field in _FIELDS if field[0] not in given]
    call: Any = dependant.call
    sse = sse_of(request)
    result = await sse._run(call(**solved.values), options.get("status_code", 200), fields)
    response = sse._begun_answer()
    if response is None:
        response = result if is_response(result) else _without_events(options, fields)
    if response.background is None:
        response.background = options["background"]
    return response


def _without_events(options: dict[str, Any], fields: RawHeaders) -> Response:
    from fasterapi.responses import Response

    response = Response(b"", options.get("status_code", 200))
    response.raw_headers.extend(fields)
    return response


def check_takes_events(endpoint: Callable[..., Any]) -> None:
    """Raise ``RouteError`` unless ``endpoint`` has a parameter for its ``SSE``."""
    from fasterapi._annotations import injected_kind, is_annotated
    from fasterapi._signature import Where, arguments_of

    where = Where(endpoint)
    for argument in arguments_of(endpoint, where):
        annotation = argument.annotation
        annotation = annotation.__origin__ if is_annotated(annotation) else annotation
        if injected_kind(annotation) == "sse":
            return
    raise where.error(
        "the handler has nothing to send events with", "Add a parameter for it: `sse: SSE`"
    )
