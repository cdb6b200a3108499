"""Channels within one process, in pure Python: what ``_core.Channels`` does, without shards."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import OrderedDict, deque
from weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fasterapi.channels import Data

    Taken = tuple[Data, str]
    Id = tuple[int, int]
    Member = Callable[[Data, str], bool]

__all__ = ["LocalChannels"]

# The bounds are those of `runtime/src/channels`.
MESSAGE_BYTES_MAX = 128 * 1024
NAME_CHARS_MAX = 200
SUBSCRIPTION_BYTES_MAX = 4 * 1024 * 1024
HISTORY_BYTES_MAX = 1024 * 1024
KEPT_CHANNELS_MAX = 10_000
TAP_MESSAGES_MAX = 4096


def _check(channel: str) -> None:
    if not 1 <= len(channel) <= NAME_CHARS_MAX:
        raise ValueError(f"a channel's name has 1 to {NAME_CHARS_MAX} characters")


def _encoded(message: Any) -> Data:
    if isinstance(message, str):
        message.encode()  # lone surrogates could not be sent
        return message
    if isinstance(message, bytes | bytearray | memoryview):
        return bytes(message)
    from fasterapi.responses import json_bytes

    return json_bytes(message).decode()


def _size(data: Data) -> int:
    return len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())


def _parsed(id_: str) -> Id:
    """The numbers of an id; what is none counts as older than all."""
    micros, _, process = id_.partition("-")
    digits = micros.isascii() and micros.isdigit() and process.isascii() and process.isdigit()
    return (int(micros), int(process)) if digits and len(id_) < 40 else (0, 0)


class _Arrival:
    """Wakes the loops that wait, from whatever thread."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def future(self, *, is_done: bool) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        if is_done:
            future.set_result(None)
        else:
            self._waiting = [known for known in self._waiting if not known.done()]
            self._waiting.append(future)
        return future

    def set(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            loop = future.get_loop()
            if asyncio._get_running_loop() is loop:
                _resolve(future)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, future)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class LocalQueue:
    """What waits for one subscriber."""

    def __init__(self, channels: LocalChannels, channel: str, messages_max: int) -> None:
        """Nothing waits, and nobody fills it yet."""
        self.dropped = 0
        self.closed = False
        self._channels = channels
        self._channel = channel
        self._messages: deque[Taken] = deque()
        self._messages_max = messages_max
        self._bytes = 0
        self._arrival = _Arrival()
        # Its channel does not keep it alive: dropping it unsubscribes.
        itself = ref(self)

        def member(data: Data, id_: str) -> bool:
            queue = itself()
            return queue is not None and queue.push(data, id_)

        self._member = member

    def join(self) -> None:
        """Have every message from now on."""
        self._channels.join(self._channel, self._member)

    def push(self, data: Data, id_: str) -> bool:
        """Take a message; the oldest go where there are too many."""
        self._messages.append((data, id_))
        self._bytes += _size(data)
        while len(self._messages) > self._messages_max or self._bytes > SUBSCRIPTION_BYTES_MAX:
            self._bytes -= _size(self._messages.popleft()[0])
            self.dropped += 1
            self._channels.dropped_by_subscriptions += 1
        self._arrival.set()
        return True

    def take(self) -> Taken | None:
        """The oldest message that waits."""
        with self._channels.lock:
            if not self._messages:
                return None
            taken = self._messages.popleft()
            self._bytes -= _size(taken[0])
            return taken

    def arrival(self) -> asyncio.Future[None]:
        """Done when ``take`` has something, or after ``close``."""
        with self._channels.lock:
            return self._arrival.future(is_done=self.closed or bool(self._messages))

    def close(self) -> None:
        """End; who waits is woken."""
        with self._channels.lock:
            if not self.closed:
                self.closed = True
                self._channels.leave(self._channel, self._member)
                self._arrival.set()

    def __del__(self) -> None:
        self.close()


class LocalChannels:
    """The channels of one process; for any of its threads, whoever subscribes on a loop."""

    node: str | None = None
    closed = False

    def __init__(self) -> None:
        """Nobody has joined."""
        self.lock = threading.RLock()
        self.dropped_by_subscriptions = 0
        self._members: dict[str, list[Member]] = {}
        self._rules: dict[str, int] = {}
        self._prefixes: list[tuple[str, int]] = []
        self._kept: OrderedDict[str, deque[tuple[Id, Data]]] = OrderedDict()
        self._last: Id = (0, os.getpid())
        self._counts = dict.fromkeys(("published", "foreign", "delivered"), 0)
        self._tap: deque[tuple[str, Data, str]] | None = None
        self._tap_arrival = _Arrival()
        self._tap_dropped = 0

    def publish(self, channel: str, message: Any) -> str:
        """Deliver ``message``; returns its id."""
        _check(channel)
        data = _encoded(message)
        if _size(data) > MESSAGE_BYTES_MAX:
            raise ValueError(f"a channel's message has at most {MESSAGE_BYTES_MAX} bytes")
        with self.lock:
            self._last = (max(time.time_ns() // 1000, self._last[0] + 1), self._last[1])
            id_ = f"{self._last[0]}-{self._last[1]}"
            self._counts["published"] += 1
            if self._tap is not None:
                self._tap.append((channel, data, id_))
                if len(self._tap) > TAP_MESSAGES_MAX:
                    self._tap.popleft()
                    self._tap_dropped += 1
                self._tap_arrival.set()
            self._spread(channel, data, id_)
        return id_

    def deliver(self, channel: str, id_: str, is_text: bool, data: bytes) -> None:
        """Deliver what another server has published."""
        _check(channel)
        if len(data) > MESSAGE_BYTES_MAX:
            raise ValueError(f"a channel's message has at most {MESSAGE_BYTES_MAX} bytes")
        content = data.decode() if is_text else data
        with self.lock:
            self._counts["foreign"] += 1
            self._spread(channel, content, id_)

    def _spread(self, channel: str, data: Data, id_: str) -> None:
        self._add_to_history(channel, data, id_)
        for member in list(self._members.get(channel, ())):
            if member(data, id_):
                self._counts["delivered"] += 1
            else:
                self.leave(channel, member)

    def join(self, channel: str, member: Member) -> None:
        """Call ``member(data, id)`` for every message; it leaves by returning false."""
        _check(channel)
        with self.lock:
            self._members.setdefault(channel, []).append(member)

    def leave(self, channel: str, member: Member) -> None:
        """End what ``join`` began; leaving twice is no error."""
        with self.lock:
            members = self._members.get(channel, [])
            if member in members:
                members.remove(member)
            if not members:
                self._members.pop(channel, None)

    def subscribe(self, channel: str, after: str | None, queue_messages_max: int) -> LocalQueue:
        """A queue of the channel's messages."""
        asyncio.get_running_loop()  # raises RuntimeError where nobody could wait for it
        queue = LocalQueue(self, channel, queue_messages_max)
        with self.lock:
            if after is not None:
                for data, id_ in self.history(channel, after):
                    queue.push(data, id_)
            queue.join()
        return queue

    def keep(self, pattern: str, messages_max: int) -> None:
        """Keep messages of a channel, or of all whose names begin alike."""
        _check(pattern)
        with self.lock:
            self._rules[pattern] = messages_max
            prefixes = [(name[:-1], kept) for name, kept in self._rules.items() if name[-1] == "*"]
            self._prefixes = sorted(prefixes, key=lambda rule: -len(rule[0]))

    def _messages_max(self, channel: str) -> int:
        exact = self._rules.get(channel)
        if exact is not None:
            return exact
        return next((kept for prefix, kept in self._prefixes if channel.startswith(prefix)), 0)

    def _add_to_history(self, channel: str, data: Data, id_: str) -> None:
        messages_max = self._messages_max(channel)
        if not messages_max:
            return
        kept = self._kept.setdefault(channel, deque())
        self._kept.move_to_end(channel)
        id_numbers = _parsed(id_)
        at = len(kept)
        while at and kept[at - 1][0] > id_numbers:
            at -= 1
        kept.insert(at, (id_numbers, data))
        while len(kept) > messages_max or sum(_size(d) for _, d in kept) > HISTORY_BYTES_MAX:
            kept.popleft()
        if len(self._kept) > KEPT_CHANNELS_MAX:
            self._kept.popitem(last=False)

    def history(self, channel: str, after: str | None) -> list[Taken]:
        """What is kept of a channel, oldest first."""
        newer = (-1, -1) if after is None else _parsed(after)
        with self.lock:
            kept = self._kept.get(channel, ())
            return [(data, f"{id_[0]}-{id_[1]}") for id_, data in kept if id_ > newer]

    def presence(self, channel: str) -> int:
        """How many have joined or subscribed, in this process."""
        return len(self._members.get(channel, ()))

    def stats(self) -> dict[str, int]:
        """What has been counted."""
        with self.lock:
            return {
                "channels": len(self._members),
                "members": sum(map(len, self._members.values())),
                "keep_rules": len(self._rules),
                "kept_channels": len(self._kept),
                "kept_messages": sum(map(len, self._kept.values())),
                "kept_bytes": sum(_size(d) for kept in self._kept.values() for _, d in kept),
                "peers": 0,
                "waiting_to_send": 0,
                **self._counts,
                "received": 0,
                "dropped_by_subscriptions": self.dropped_by_subscriptions,
                "dropped_to_peers": 0,
                "dropped_to_backplane": self._tap_dropped,
                "malformed_packets": 0,
            }

    def tap(self) -> None:
        """Give out what is published from now on, for a backplane."""
        with self.lock:
            self._tap = deque()

    def untap(self) -> None:
        """End what ``tap`` began."""
        with self.lock:
            self._tap = None

    def take_published(self) -> tuple[str, Data, str] | None:
        """The channel, data and id of the next message for the backplane."""
        with self.lock:
            return self._tap.popleft() if self._tap else None

    def published_arrival(self) -> asyncio.Future[None]:
        """Done when ``take_published`` has something."""
        with self.lock:
            return self._tap_arrival.future(is_done=bool(self._tap))
