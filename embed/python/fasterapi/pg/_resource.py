"""What belongs to an acquired connection, and is of no use once that is released."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

from fasterapi.pg._coroutines import passing_on
from fasterapi.pg.exceptions import InterfaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fasterapi.pg.connection import Connection

__all__ = ["ConnectionResource", "guarded"]

F = TypeVar("F", bound="Callable[..., Any]")


class ConnectionResource:
    """Something made by a connection."""

    __slots__ = ("__weakref__", "_connection", "_releases")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # Counts releases to the pool: another number means other hands.
        self._releases = connection._releases

    def _check_owner(self, method: str) -> None:
        if self._releases != self._connection._releases:
            kind = type(self).__name__
            raise InterfaceError(
                f"cannot call {kind}.{method}(): "
                "the underlying connection has been released back to the pool"
            )


def guarded(method: F) -> F:
    """Check, when the method is called, that the connection is still the caller's."""

    @functools.wraps(method)
    def checked(self: ConnectionResource, *args: Any, **kwargs: Any) -> Any:
        if self._releases != self._connection._releases:
            self._check_owner(method.__name__)
        return method(self, *args, **kwargs)

    return passing_on(method, checked)  # type: ignore[return-value]
