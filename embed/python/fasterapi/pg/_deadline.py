"""How long an operation of several steps may still take."""

from __future__ import annotations

import time
from typing import Any

__all__ = ["Deadline", "seconds"]


def seconds(timeout: Any) -> float:
    """``timeout`` in seconds; raises ``ValueError`` for what is none."""
    if type(timeout) is float:
        return timeout
    try:
        if isinstance(timeout, bool):
            raise TypeError
        return float(timeout)
    except (TypeError, ValueError):
        raise ValueError(
            f"invalid timeout value: expected a number of seconds, got {timeout!r}"
        ) from None


class Deadline:
    """The end of a time span that began when this was made."""

    __slots__ = ("_end",)

    def __init__(self, timeout_s: float | None) -> None:
        """``None``: there is no end."""
        self._end = None if timeout_s is None else time.monotonic() + timeout_s

    def left(self) -> float | None:
        """The seconds that are left; raises ``TimeoutError`` where none are."""
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left
