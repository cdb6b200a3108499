"""The connection that a pool lends, which is of no use once it was given back."""

from __future__ import annotations

import functools
from typing import Any

from fasterapi.pg._coroutines import passing_on
from fasterapi.pg.connection import Connection
from fasterapi.pg.exceptions import InterfaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fasterapi.pg._holder import Holder

__all__ = ["PoolConnectionProxy"]


def _passed_on(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        connection = self._con
        if connection is None:
            raise InterfaceError(
                f"cannot call Connection.{name}(): connection has been released back to the pool"
            )
        return getattr(connection, name)(*args, **kwargs)

    return passing_on(method, call)


class _Proxy:
    """Stands for a connection while it is lent."""

    __slots__ = ("__weakref__", "_con", "_holder")

    _is_pg_proxy = True

    def __init__(self, holder: Holder, connection: Connection) -> None:
        self._con: Connection | None = connection
        self._holder = holder
        connection._proxy = self

    def __getattr__(self, name: str) -> Any:
        """What the connection has, also in a class of the program's own."""
        return getattr(self._con, name)

    def _detach(self) -> Connection | None:
        """End the loan; returns the connection, the first time."""
        connection, self._con = self._con, None
        if connection is not None:
            connection._proxy = None
            # What was made by it (statements, cursors, transactions) is of no use any more.
            connection._releases += 1
        return connection

    def __repr__(self) -> str:
        """The connection, or that it was given back."""
        if self._con is None:
            return f"<PoolConnectionProxy [released] {id(self):#x}>"
        return f"<PoolConnectionProxy {self._con!r} {id(self):#x}>"


for _name in dir(Connection):
    if not _name.startswith("_") and callable(getattr(Connection, _name)):
        setattr(_Proxy, _name, _passed_on(_name, getattr(Connection, _name)))

if TYPE_CHECKING:

    class PoolConnectionProxy(Connection):
        """A connection, lent by a pool."""

        _con: Connection | None
        _holder: Holder

        def __init__(self, holder: Holder, connection: Connection) -> None: ...

        def _detach(self) -> Connection | None: ...

else:
    PoolConnectionProxy = _Proxy
    PoolConnectionProxy.__name__ = PoolConnectionProxy.__qualname__ = "PoolConnectionProxy"
