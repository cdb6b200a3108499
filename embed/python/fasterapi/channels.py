"""Channels: what is published under a name reaches everybody who joined it.

Under ``fasterapi run`` that is on every shard of the server, carried by Rust; under an
ASGI server it is within the process. A backplane carries messages to other servers.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self

    from fasterapi._channels_backplane import Carrier

    Data = str | bytes

    class Queue(Protocol):
        """What waits for one subscriber."""

        @property
        def dropped(self) -> int: ...
        @property
        def closed(self) -> bool: ...
        def take(self) -> tuple[Data, str] | None: ...
        def arrival(self) -> asyncio.Future[None]: ...
        def close(self) -> None: ...

    class Transport(Protocol):
        """Who delivers: ``_core.Channels`` or ``_channels_local.LocalChannels``."""

        @property
        def node(self) -> str | None: ...
        @property
        def closed(self) -> bool: ...
        def publish(self, channel: str, message: Any, /) -> str: ...
        def deliver(self, channel: str, id_: str, is_text: bool, data: bytes, /) -> None: ...
        def subscribe(
            self, channel: str, after: str | None, queue_messages_max: int, /
        ) -> Queue: ...
        def keep(self, pattern: str, messages_max: int, /) -> None: ...
        def history(self, channel: str, after: str | None, /) -> list[tuple[Data, str]]: ...
        def presence(self, channel: str, /) -> int: ...
        def stats(self) -> dict[str, int]: ...
        def tap(self) -> None: ...
        def untap(self) -> None: ...
        def take_published(self) -> tuple[str, Data, str] | None: ...
        def published_arrival(self) -> asyncio.Future[None]: ...


__all__ = ["Backplane", "Channels", "Message", "Subscription"]

QUEUE_MESSAGES_MAX = 100_000
"""The longest queue that a subscription may ask for, in messages."""
KEPT_MESSAGES_MAX = 10_000
"""Most messages that a channel may keep."""


def _no_transport() -> None:
    """Where there is no Rust module no thread belongs to a shard."""


_current: Callable[[], Transport | None]
_newest: Callable[[], Transport | None]
try:
    from fasterapi._core import current_channels as _current
    from fasterapi._core import newest_channels as _newest
except ImportError:
    _current = _newest = _no_transport


class Message:
    """One message of a channel."""

    __slots__ = ("channel", "data", "id")

    def __init__(self, channel: str, data: str | bytes, id: str) -> None:  # noqa: A002
        """``id`` is what ``after`` takes and what server-sent events are numbered with."""
        self.channel = channel
        self.data = data
        self.id = id

    def json(self) -> Any:
        """The data, parsed; raises ``ValueError`` when it is no JSON."""
        from json import loads

        return loads(self.data)

    def __repr__(self) -> str:
        return f"Message(channel={self.channel!r}, data={self.data!r}, id={self.id!r})"


class Subscription:
    """The messages of one channel, as an async iterator; closed at the end of a ``with``.

    One that is not read in time loses the oldest messages and counts them. Iterating
    may be cancelled at any time without losing one.
    """

    def __init__(self, channel: str, queue: Queue) -> None:
        """Take from ``queue``."""
        self.channel = channel
        self._queue = queue

    @property
    def dropped(self) -> int:
        """How many messages were lost because nobody took them in time."""
        return self._queue.dropped

    def close(self) -> None:
        """Leave the channel; iterating ends after what has come already."""
        self._queue.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """The next message; ``StopAsyncIteration`` after ``close``."""
        queue = self._queue
        while True:
            taken = queue.take()
            if taken is not None:
                return Message(self.channel, *taken)
            if queue.closed:
                raise StopAsyncIteration
            await queue.arrival()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Backplane(Protocol):
    """Carries messages between servers, for example over a database or a broker.

    Each shard has one of its own, started and stopped with its lifespan. What must be
    true: whatever any shard gives to ``publish`` is given once to the ``deliver`` of
    every shard of every other server, in the order in which that shard gave it. It
    may come back to the server that it is from, where it is recognised and ignored.
    An envelope is at most 129 KiB of any bytes.
    """

    async def start(self, deliver: Callable[[str, bytes], None]) -> None:
        """Connect, and call ``deliver(channel, envelope)`` for what comes, on any thread."""

    async def publish(self, channel: str, envelope: bytes) -> None:
        """Send; called once at a time. An exception is logged and loses the message."""

    async def stop(self) -> None:
        """Disconnect; nothing is delivered any more."""


class Channels:
    """An application's channels: ``app.channels``."""

    def __init__(self) -> None:
        """Nothing is joined, nothing is kept."""
        self.backplane: Backplane | None = None
        self._rules: dict[str, int] = {}
        self._bound: Transport | None = None
        self._local: Transport | None = None
        self._carrier: Carrier | None = None

    def publish(self, channel: str, message: Any) -> str:
        """Send ``message`` to all who have joined ``channel``; returns its id.

        ``str`` is sent as text, ``bytes`` as binary, anything else as JSON text. For
        any thread. It never waits for a receiver: one that lags loses messages or is
        disconnected, by its own policy. Raises ``ValueError`` for a message of more
        than 128 KiB, for what has no JSON form, and for a name that has not 1 to 200
        characters; ``TimeoutError`` on another thread than the shard's when that is
        blocked for long.
        """
        return self._transport().publish(channel, message)

    def subscribe(
        self, channel: str, *, after: str | None = None, queue_messages_max: int = 1024
    ) -> Subscription:
        """The messages of ``channel`` from this call on.

        With ``after``, the id of a message, those that are kept and newer than that
        come first; an id that is none counts as older than all. The oldest are dropped
        when more than ``queue_messages_max`` (or 4 MiB) wait. Call it where the event
        loop runs; raises ``RuntimeError`` on other threads.
        """
        if not 1 <= queue_messages_max <= QUEUE_MESSAGES_MAX:
            raise ValueError(f"queue_messages_max must be 1 to {QUEUE_MESSAGES_MAX}")
        queue = self._transport().subscribe(channel, after, queue_messages_max)
        return Subscription(channel, queue)

    def keep(self, channel: str, messages_max: int = 100) -> None:
        """Keep the last messages of ``channel``, in memory, for ``after`` and ``history``.

        ``"room:*"`` stands for all channels whose names begin with ``room:``. A channel
        keeps at most 1 MiB, a shard 10,000 channels and 64 MiB: those go first that were
        published to least recently. A new shard gets what the others have kept.
        """
        if not 1 <= messages_max <= KEPT_MESSAGES_MAX:
            raise ValueError(f"messages_max must be 1 to {KEPT_MESSAGES_MAX}")
        self._rules[channel] = messages_max
        transport = _current() or self._bound
        if transport is not None and not transport.closed:
            transport.keep(channel, messages_max)

    def history(self, channel: str, after: str | None = None) -> list[Message]:
        """What is kept of ``channel``, oldest first; with ``after`` only what is newer."""
        kept = self._transport().history(channel, after)
        return [Message(channel, data, id_) for data, id_ in kept]

    def presence(self, channel: str) -> int:
        """How many have joined or subscribed to ``channel``, on all shards of this server.

        What other shards say may be a moment old.
        """
        return self._transport().presence(channel)

    def stats(self) -> dict[str, int]:
        """What this shard has counted; ``dropped_...`` are the messages that were lost."""
        stats = self._transport().stats()
        carrier = self._carrier
        stats["backplane_errors"] = carrier.errors if carrier else 0
        stats["malformed_envelopes"] = carrier.malformed if carrier else 0
        return stats

    def _transport(self) -> Transport:
        """Who delivers for this thread."""
        current = _current()
        if current is not None:
            return current if current is self._bound else self._bind(current)
        # A loop that is not a shard's is an ASGI server's.
        if asyncio._get_running_loop() is None:
            bound = self._bound
            if bound is not None and not bound.closed:
                return bound
            newest = _newest()
            if newest is not None:
                return self._bind(newest)
        if self._local is None:
            from fasterapi._channels_local import LocalChannels

            self._local = LocalChannels()
        return self._local if self._bound is self._local else self._bind(self._local)

    def _bind(self, transport: Transport) -> Transport:
        self._bound = transport
        for pattern, messages_max in self._rules.items():
            transport.keep(pattern, messages_max)
        return transport

    async def _start(self) -> None:
        """Connect to other servers; once the lifespan has started."""
        transport = self._transport()
        if self.backplane is not None:
            from fasterapi._channels_backplane import Carrier

            self._carrier = Carrier(transport, self.backplane)
            await self._carrier.start()

    async def _stop(self) -> None:
        """Disconnect; before the lifespan ends."""
        if self._carrier is not None:
            await self._carrier.stop()
