"""``SSE`` where Rust serves: formatting, queue and keep-alive are Rust's."""

from __future__ import annotations

from asyncio import current_task

from fasterapi import _core
from fasterapi._event_stream import SSE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from fasterapi._headers import RawHeaders
    from fasterapi.responses import Response

__all__ = ["NativeSSE"]


class NativeSSE(_core.EventStream, SSE):
    """The events of a client of this server."""

    __slots__ = ()

    async def _run(self, handler: Coroutine[Any, Any, Any], status: int, fields: RawHeaders) -> Any:
        self._prepare(status, fields, current_task())
        try:
            return await handler
        finally:
            self._over()

    def _begun_answer(self) -> Response | None:
        return None  # Rust knows
