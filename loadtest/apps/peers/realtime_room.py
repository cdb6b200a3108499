"""Broadcast as an application does it itself: a set of connections, and a relay between workers.

Several workers tell each other over Unix datagram sockets in the directory that `ROOM` names: the
cheapest broker there can be.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

Tell = Callable[[str], Awaitable[object]]
MESSAGE_MAX_BYTES = 65_536


class Room:
    def __init__(self) -> None:
        self.members: set[Tell] = set()
        self.greeting = f"worker {os.getpid()}"
        self._folder = Path(os.environ["ROOM"]) if "ROOM" in os.environ else None
        self._relay: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self, tell: Tell) -> None:
        self.open_relay()
        self.members.add(tell)
        await tell(self.greeting)

    def leave(self, tell: Tell) -> None:
        self.members.discard(tell)

    async def publish(self, text: str) -> None:
        self.open_relay()
        if self._folder is not None and self._relay is not None:
            own = self._relay.getsockname()
            for other in map(str, self._folder.iterdir()):
                if other != own:
                    # A worker may be gone.
                    with suppress(OSError):
                        self._relay.sendto(text.encode(), other)
        await self.tell_all(text)

    async def tell_all(self, text: str) -> None:
        for tell in tuple(self.members):
            try:
                await tell(text)
            except Exception:  # each server has another for a connection that is gone
                self.leave(tell)

    def open_relay(self) -> None:
        if self._folder is None or self._relay is not None:
            return
        self._folder.mkdir(exist_ok=True)
        self._relay = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._relay.setblocking(False)
        self._relay.bind(str(self._folder / f"{os.getpid()}"))
        asyncio.get_running_loop().add_reader(self._relay, self._take)

    def _take(self) -> None:
        assert self._relay is not None
        text = self._relay.recv(MESSAGE_MAX_BYTES).decode()
        task = asyncio.ensure_future(self.tell_all(text))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
