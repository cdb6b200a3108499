"""Reads a multipart form that Rust takes apart while it arrives."""

from __future__ import annotations

from fasterapi._multipart import MalformedForm, with_heads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from fasterapi._multipart import Event

__all__ = ["events_of"]


async def events_of(
    native: Any, boundary: bytes, bytes_max: int | None
) -> AsyncIterator[list[Event]]:
    """The events of the form that is the body of ``native``, many at a time.

    Rust wakes Python when it has all of a small form or enough of a large one. Raises
    ``MalformedForm``, ``ClientDisconnect`` and, for a body of more than ``bytes_max``
    bytes, ``RequestBodyTooLargeError``.
    """
    try:
        reader = native._form_reader(boundary, bytes_max)
        while True:
            if not reader.pull():
                await reader.arrival()
            events = reader.take()
            if events is None:
                return
            yield with_heads(events)
    except ValueError as error:
        raise MalformedForm(str(error)) from None
    except OverflowError:
        from fasterapi.middleware.body_limit import RequestBodyTooLargeError

        raise RequestBodyTooLargeError from None
