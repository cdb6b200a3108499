"""``SSE`` under an ASGI server: each event is a message."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress

from fasterapi._event_format import format_sse_event, one_line, one_line_without_null
from fasterapi._event_stream import SSE
from fasterapi.requests import ClientDisconnect
from fasterapi.responses import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from fasterapi._headers import RawHeaders
    from fasterapi.channels import Subscription
    from fasterapi.requests import Message, Receive, Request, Scope, Send

__all__ = ["AsgiSSE"]

# As in Rust, in seconds.
KEEP_ALIVE_AFTER_S = 15.0
OPEN_AFTER_S = 0.5
_COMMENT = b": keep-alive\n\n"

_connection_ids = itertools.count(1)


class AsgiSSE(SSE):
    """The events of a client of an ASGI server."""

    __slots__ = (
        *("_bytes_sent", "_changed", "_connection_id", "_events_sent", "_fields", "_has_begun"),
        *("_has_cancelled", "_is_closed", "_is_gone", "_joined", "_keep_alive_s"),
        "_last_event_id",
        *("_request", "_sent_at", "_status", "_task", "_watchers"),
    )

    def __init__(self, request: Request) -> None:
        """The events that answer ``request``; nothing is sent yet."""
        self._request = request
        given = request.headers.get("last-event-id", "")
        self._last_event_id = given.encode("latin-1").decode("utf-8", "replace") or None
        self._connection_id = next(_connection_ids)
        self._events_sent = self._bytes_sent = 0
        self._has_begun = self._is_closed = self._is_gone = False
        self._has_cancelled = False
        self._keep_alive_s: float | None = KEEP_ALIVE_AFTER_S
        self._sent_at = 0.0
        self._status = 200
        self._fields: RawHeaders = []
        self._task: asyncio.Task[Any] | None = None
        self._watchers: list[asyncio.Task[None]] = []
        self._joined: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    # -- sending -----------------------------------------------------------

    async def send(
        self,
        data: Any,
        event: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
        retry: int | None = None,
    ) -> None:
        """Send an event: a ``str`` as it is, line by line, everything else as JSON."""
        text = data if isinstance(data, str) else _json(data)
        await self.send_text(text, event, id, retry)

    async def send_json(
        self,
        data: Any,
        event: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
        retry: int | None = None,
    ) -> None:
        """As ``send``; a ``str`` becomes JSON too."""
        await self.send_text(_json(data), event, id, retry)

    async def send_text(
        self,
        text: str,
        event: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
        retry: int | None = None,
    ) -> None:
        """As ``send``, for text only."""
        one_line("event", event)
        one_line_without_null("id", id)
        if retry is not None and retry < 0:
            raise ValueError("SSE 'retry' must not be negative")
        await self._put(format_sse_event(data_str=text, event=event, id=id, retry=retry), 1)

    async def comment(self, text: str = "") -> None:
        """Send a comment."""
        await self._put(format_sse_event(comment=text), 0)

    async def ping(self) -> None:
        """Send a comment now."""
        await self.comment("ping")

    def join(self, channel: str, *, after: str | None = None, on_lag: str = "disconnect") -> None:
        """Have the client sent what is published in ``channel``."""
        if on_lag not in ("disconnect", "drop"):
            raise ValueError('on_lag must be "disconnect" or "drop"')
        if channel in self._joined:
            return
        messages = self._request.app.channels.subscribe(channel, after=after)
        task = asyncio.ensure_future(self._forward(messages, on_lag == "disconnect"))
        task.add_done_callback(lambda _: messages.close())
        self._joined[channel] = task
        self._watchers.append(task)

    def leave(self, channel: str) -> bool:
        """End what ``join`` began; false when it had not."""
        task = self._joined.pop(channel, None)
        if task is not None:
            task.cancel()
        return task is not None

    async def _forward(self, messages: Subscription, disconnect: bool) -> None:
        with suppress(ClientDisconnect, RuntimeError):
            async for message in messages:
                if disconnect and messages.dropped:
                    await self.close()
                    return
                data = message.data
                text = data if isinstance(data, str) else data.decode("utf-8", "replace")
                await self.send_text(text, id=message.id)

    def keep_alive(self, seconds: float | None) -> None:
        """Send a comment after so many seconds without a byte; ``0`` and ``None``: never."""
        if seconds is not None and not seconds >= 0:
            raise ValueError("keep_alive takes seconds, 0 or None")
        self._keep_alive_s = seconds or None
        self._changed.set()

    async def close(self) -> None:
        """End the stream in order, before the handler ends."""
        if self._is_closed or self._is_gone:
            return
        await self._begin()
        self._is_closed = True
        await self._message(b"", more=False)

    async def _put(self, data: bytes, events: int) -> None:
        if self._is_closed:
            raise RuntimeError("the event stream is closed")
        if self._is_gone:
            raise ClientDisconnect
        await self._begin()
        self._events_sent += events
        self._bytes_sent += len(data)
        await self._message(data)
        # A handler that never waits must not keep the loop for itself.
        await asyncio.sleep(0)

    async def _begin(self) -> None:
        if self._has_begun:
            return
        if self._task is None:
            raise RuntimeError("events can be sent only while the handler of the route runs")
        from fasterapi._answer import EVENTS_EXTENSION, send_start

        is_ours = EVENTS_EXTENSION in self._request.scope.get("extensions", ())

        async def send(message: Message) -> None:
            await self._request._send({**message, EVENTS_EXTENSION: True} if is_ours else message)

        head = Response(b"", self._status)
        head.raw_headers = [field for field in self._fields if field[0] != b"content-length"]
        self._has_begun = True
        try:
            await send_start(head, send)
        except ValueError:
            self._has_begun = False  # for a header; nothing has been sent
            raise
        self._sent_at = asyncio.get_running_loop().time()
        self._changed.set()
        if not is_ours:  # our server cancels by itself
            self._watchers.append(asyncio.ensure_future(self._listen()))

    async def _message(self, data: bytes, more: bool = True) -> None:
        self._sent_at = asyncio.get_running_loop().time()
        try:
            await self._request._send(
                {"type": "http.response.body", "body": data, "more_body": more}
            )
        except OSError:
            self._is_gone = True
            raise ClientDisconnect from None

    # -- what happens beside the handler -----------------------------------

    async def _listen(self) -> None:
        """Cancel the handler when the client goes."""
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        if self._task is not None and not self._is_closed:
            self._is_gone = self._has_cancelled = True
            self._task.cancel()

    async def _mind(self) -> None:
        """Begin the answer if the handler does not, then keep it alive."""
        now = asyncio.get_running_loop().time
        begin_at = now() + OPEN_AFTER_S
        try:
            while not (self._is_closed or self._is_gone):
                self._changed.clear()
                due = begin_at
                if self._has_begun:
                    due = self._sent_at + (self._keep_alive_s or float("inf"))
                if due > now():
                    await self._changed_within(due - now())
                elif self._has_begun:
                    self._bytes_sent += len(_COMMENT)
                    await self._message(_COMMENT)
                else:
                    await self._begin()
        except (ClientDisconnect, OSError, ValueError):
            return  # whoever sends next is told

    async def _changed_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(None if seconds == float("inf") else seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    # -- the handler -------------------------------------------------------

    async def _run(self, handler: Coroutine[Any, Any, Any], status: int, fields: RawHeaders) -> Any:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._status, self._fields = task, status, fields
        self._watchers.append(asyncio.ensure_future(self._mind()))
        try:
            return await handler
        except asyncio.CancelledError:
            if not self._has_cancelled or task.cancelling() > 1:
                raise
            return None  # the client has gone, and the handler with it
        except ClientDisconnect:
            if not self._is_gone:
                raise
            return None
        finally:
            self._task = None
            for watcher in self._watchers:
                watcher.cancel()
            if self._has_cancelled:
                task.uncancel()

    def _begun_answer(self) -> Response | None:
        return _End(self) if self._has_begun else None

    # -- what is known -----------------------------------------------------

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event that the client has got before."""
        return self._last_event_id

    @property
    def is_open(self) -> bool:
        """Whether the client is there and the stream has not been closed."""
        return not (self._is_closed or self._is_gone)

    @property
    def connection_id(self) -> int:
        """A number that no other stream of this process has."""
        return self._connection_id

    @property
    def events_sent(self) -> int:
        """How many events have been sent."""
        return self._events_sent

    @property
    def bytes_sent(self) -> int:
        """How many bytes have been sent."""
        return self._bytes_sent


class _End(Response):
    """The end of a stream that has begun by itself."""

    def __init__(self, sse: AsgiSSE) -> None:
        super().__init__()
        self._sse = sse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientDisconnect):
            await self._sse.close()
        if self.background is not None:
            await self.background()


def _json(data: Any) -> str:
    from fasterapi._composed import json_encoder

    return json_encoder()(data).decode()
