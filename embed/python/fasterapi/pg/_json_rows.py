"""The rows of a query as JSON, ready to be sent."""

from __future__ import annotations

from fasterapi.responses import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["JsonRows"]


class JsonRows(Response):
    """The rows of a query, an array of objects: a response that a handler may return as it is.

    ``body`` has the bytes, as ``bytes(rows)`` does.
    """

    media_type = "application/json"

    def __bytes__(self) -> bytes:
        """The JSON."""
        return self.body

    def __len__(self) -> int:
        """How many bytes the JSON has."""
        return len(self.body)

    def __bool__(self) -> bool:
        """Always true: there is an array, even if it is empty."""
        return True

    def json(self) -> Any:
        """The rows as Python objects; for tests and the like, ``fetch`` gives better ones."""
        from json import loads

        return loads(self.body)
