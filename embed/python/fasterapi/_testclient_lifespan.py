"""The lifespan of an ASGI application on a portal's loop, driven from a synchronous test."""

from __future__ import annotations

import asyncio
import queue

from fasterapi._testclient_portal import WAIT_MAX_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fasterapi._testclient_portal import Portal

    Message = dict[str, Any]

__all__ = ["LifespanRun"]


class LifespanRun:
    """One start-up and one shutdown; both raise what the application raises."""

    def __init__(self, app: Callable[..., Any], portal: Portal, state: dict[str, Any]) -> None:
        """``state`` is filled by the application."""
        self._app = app
        self._scope = {"type": "lifespan", "state": state}
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._portal = portal
        self._running = portal.start(self._run)

    def start_up(self) -> None:
        """Run the application up to the point where it is ready for requests."""
        self._step("startup")

    def shut_down(self) -> None:
        """Run the application to its end."""
        self._step("shutdown")

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._to_app.get, self._take)
        finally:
            self._from_app.put(None)

    async def _take(self, message: Message) -> None:
        self._from_app.put(message)

    def _step(self, step: str) -> None:
        message = {"type": f"lifespan.{step}"}
        self._portal.loop.call_soon_threadsafe(self._to_app.put_nowait, message)
        answer = self._next(step)
        if answer is not None and answer["type"] == f"lifespan.{step}.complete":
            return
        if answer is not None and answer["type"] == f"lifespan.{step}.failed":
            self._next(step)
        self._running.result()
        details = "" if answer is None else answer.get("message", "")
        raise RuntimeError(f"the application ended without lifespan.{step}.complete: {details}")

    def _next(self, step: str) -> Message | None:
        try:
            return self._from_app.get(timeout=WAIT_MAX_S)
        except queue.Empty:
            raise TimeoutError(f"lifespan.{step} took more than {WAIT_MAX_S:.0f} s") from None
