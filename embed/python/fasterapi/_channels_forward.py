"""Channels joined by a WebSocket that is served over ASGI."""

from __future__ import annotations

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.channels import Subscription
    from fasterapi.websockets import WebSocket

__all__ = ["Forwarding"]

# The close code of a client that does not keep up: "try again later".
TOO_SLOW = 1013


class Forwarding:
    """Sends a WebSocket what is published in the channels that it has joined."""

    def __init__(self, websocket: WebSocket) -> None:
        """Nothing is joined."""
        self._websocket = websocket
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def join(self, channel: str, on_lag: str) -> None:
        """Begin to send what is published in ``channel``; joining twice is joining once."""
        if on_lag not in ("disconnect", "drop"):
            raise ValueError('on_lag must be "disconnect" or "drop"')
        if channel in self._tasks:
            return
        subscription = self._websocket.app.channels.subscribe(channel)
        task = asyncio.ensure_future(self._forward(subscription, on_lag == "disconnect"))
        task.add_done_callback(lambda _: subscription.close())
        self._tasks[channel] = task

    def leave(self, channel: str) -> bool:
        """End what ``join`` began; false when it had not."""
        task = self._tasks.pop(channel, None)
        if task is not None:
            task.cancel()
        return task is not None

    def leave_all(self) -> None:
        """End all: the WebSocket is closed."""
        for channel in list(self._tasks):
            self.leave(channel)

    async def _forward(self, subscription: Subscription, disconnect: bool) -> None:
        from fasterapi.websockets import WebSocketDisconnect

        websocket = self._websocket
        async for message in subscription:
            if disconnect and subscription.dropped:
                await websocket.close(TOO_SLOW, "too slow")
                return
            data = message.data
            try:
                await (
                    websocket.send_text(data)
                    if isinstance(data, str)
                    else websocket.send_bytes(data)
                )
            except (WebSocketDisconnect, RuntimeError):
                return  # closed meanwhile
