"""ASGI messages on their way from one task to another, one at a time."""

from __future__ import annotations

from asyncio import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.middleware._asgi import Message


class MessagePipe:
    """Holds one message: who puts the next one waits until it was taken.

    ``error`` is what ended the side that puts, if it did not end by itself.
    """

    __slots__ = ("_changed", "_closed", "_ended", "_message", "error")

    def __init__(self) -> None:
        """Start empty and open."""
        self._message: Message | None = None
        self._changed = Event()
        self._ended = False
        self._closed = False
        self.error: BaseException | None = None

    async def put(self, message: Message) -> None:
        """Hand ``message`` over; it is forgotten if nobody takes any more."""
        while self._message is not None and not self._closed:
            await self._change()
        if not self._closed:
            self._message = message
            self._changed.set()

    async def take(self) -> Message | None:
        """The next message; ``None`` when there will be none."""
        while self._message is None:
            if self._ended or self._closed:
                return None
            await self._change()
        message, self._message = self._message, None
        self._changed.set()
        return message

    def end(self) -> None:
        """Nothing more will be put."""
        self._ended = True
        self._changed.set()

    def close(self) -> None:
        """Nothing more will be taken."""
        self._closed = True
        self._message = None
        self._changed.set()

    async def _change(self) -> None:
        # Nothing runs between a look at the state and this, so that no change is missed.
        self._changed.clear()
        await self._changed.wait()
