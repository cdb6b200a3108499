"""A whole answer as a middleware function sees it: with a body that can be iterated over.

Starlette gives such functions a stream in any case, so they read ``body_iterator`` and
put another one in its place. Ours stays whole unless somebody does that.
"""

from __future__ import annotations

from fasterapi.responses import FileResponse, Response, StreamingResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

__all__ = ["seen"]

# Answers that have an iterator, or whose bytes Python never sees.
_OTHERS = (StreamingResponse, FileResponse)


def seen(response: Any) -> Any:
    """``response`` for a middleware function; what is streamed or a file stays itself."""
    if isinstance(response, _OTHERS) or "body" not in response.__dict__:
        return response
    if type(response).__call__ is not Response.__call__:
        return response  # it has its own way to be sent
    given = _SeenResponse.__new__(_SeenResponse)
    given.__dict__ = response.__dict__
    return given


class _SeenResponse(Response):
    @property
    def body_iterator(self) -> AsyncIterator[bytes]:
        """The body in one piece."""
        return _one_piece(self.body)

    @body_iterator.setter
    def body_iterator(self, chunks: AsyncIterator[Any]) -> None:
        """Send ``chunks`` instead, from now on as a stream."""
        self.__dict__.pop("body", None)
        self.__class__ = _ReplacedResponse  # type: ignore[assignment]
        self.body_iterator = chunks


class _ReplacedResponse(StreamingResponse):
    """An answer whose body has been put in place of a whole one."""


async def _one_piece(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
