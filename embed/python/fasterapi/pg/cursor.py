"""Cursors: rows of a query taken a few at a time, inside a transaction."""

from __future__ import annotations

import collections
from typing import Any

from fasterapi.pg._deadline import Deadline
from fasterapi.pg._resource import ConnectionResource, guarded
from fasterapi.pg.exceptions import InterfaceError, NoActiveSQLTransactionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from fasterapi._core import Record
    from fasterapi.pg._statements import Statement
    from fasterapi.pg.connection import Connection

__all__ = ["Cursor", "CursorFactory", "CursorIterator"]

PREFETCH_ROWS = 50
"""How many rows an iteration takes from the server at a time, unless told."""


class CursorFactory(ConnectionResource):
    """What ``cursor()`` returns: await it for a ``Cursor``, or iterate over it."""

    __slots__ = ("_args", "_prefetch", "_query", "_record_class", "_statement", "_timeout_s")

    def __init__(
        self,
        connection: Connection,
        query: str,
        statement: Statement | None,
        args: tuple[Any, ...],
        prefetch: int | None,
        timeout_s: float | None,
        record_class: type[Record] | None,
    ) -> None:
        super().__init__(connection)
        self._query = query
        self._statement = statement
        self._args = args
        self._prefetch = prefetch
        self._timeout_s = timeout_s
        self._record_class = record_class
        if statement is not None:
            statement.attach()

    @guarded
    def __aiter__(self) -> CursorIterator:
        """Iterate over all rows, taking ``prefetch`` of them from the server at a time."""
        prefetch = PREFETCH_ROWS if self._prefetch is None else self._prefetch
        if prefetch <= 0:
            raise InterfaceError("prefetch argument must be greater than zero")
        return CursorIterator(self, prefetch)

    @guarded
    def __await__(self) -> Generator[Any, None, Cursor]:
        """Open the cursor."""
        if self._prefetch is not None:
            raise InterfaceError("prefetch argument can only be specified for iterable cursor")
        return Cursor(self)._open().__await__()

    def __del__(self) -> None:
        """The statement may go."""
        if self._statement is not None:
            self._statement.detach()
            self._connection._close_if_unused(self._statement)


class _Portal(ConnectionResource):
    """A query that the server has begun."""

    __slots__ = ("_exhausted", "_factory", "_name", "_statement")

    def __init__(self, factory: CursorFactory) -> None:
        super().__init__(factory._connection)
        self._factory = factory
        self._statement = factory._statement
        self._name: str | None = None
        self._exhausted = False

    async def _bind(self, deadline: Deadline) -> None:
        connection, factory = self._connection, self._factory
        await connection._ready(deadline.left())
        if not connection.is_in_transaction():
            raise NoActiveSQLTransactionError("cursor cannot be created outside of a transaction")
        statement = self._statement
        if statement is None:
            statement = await connection._get_statement(
                factory._query,
                deadline.left(),
                # Without a cache nothing is to be left on the server: the portal is enough.
                named=connection._config.statement_cache_size > 0,
                record_class=factory._record_class,
            )
            statement.attach()
            self._statement = factory._statement = statement
        statement.check_open()
        name = connection._unique_name("portal")
        await connection._core.bind(
            statement.prepared, name, factory._args, timeout=deadline.left()
        )
        self._name = name

    async def _take(self, count: int, timeout_s: float | None) -> list[Any]:
        if self._name is None or self._statement is None:
            raise InterfaceError("cursor does not have an open portal")
        deadline = Deadline(timeout_s)
        await self._connection._ready(timeout_s)
        rows: list[Any]
        rows, has_more = await self._connection._core.execute_portal(
            self._statement.prepared, self._name, count, timeout=deadline.left()
        )
        if not has_more:
            self._exhausted = True
        return rows

    async def _close(self, timeout_s: float | None) -> None:
        name, self._name = self._name, None
        if name is not None:
            deadline = Deadline(timeout_s)
            await self._connection._ready(timeout_s)
            await self._connection._core.close_portal(name, timeout=deadline.left())

    def __repr__(self) -> str:
        """The query, and whether all of its rows were taken."""
        query = self._factory._query
        shown = query if len(query) <= 30 else query[:29] + "…"
        state = " exhausted" if self._exhausted else ""
        return f'<asyncpg.{type(self).__name__} "{shown}"{state} {id(self):#x}>'


class CursorIterator(_Portal):
    """An iteration over the rows of a query."""

    __slots__ = ("_prefetch", "_rows")

    def __init__(self, factory: CursorFactory, prefetch: int) -> None:
        super().__init__(factory)
        self._prefetch = prefetch
        self._rows: collections.deque[Any] = collections.deque()

    @guarded
    def __aiter__(self) -> CursorIterator:
        """Itself."""
        return self

    async def __anext__(self) -> Any:
        """The next row."""
        # As `guarded` does: for each row, one more call would be felt.
        if self._releases != self._connection._releases:
            self._check_owner("__anext__")
        if self._statement is not None:
            self._statement.check_open()
        if self._rows:
            return self._rows.popleft()
        if not self._exhausted:
            deadline = Deadline(self._factory._timeout_s)
            if self._name is None:
                await self._bind(deadline)
            self._rows.extend(await self._take(self._prefetch, deadline.left()))
            if self._exhausted:
                await self._close(deadline.left())
        if self._rows:
            return self._rows.popleft()
        raise StopAsyncIteration


class Cursor(_Portal):
    """A position in the rows of a query."""

    __slots__ = ()

    async def _open(self) -> Cursor:
        await self._bind(Deadline(self._factory._timeout_s))
        return self

    def _timeout(self, timeout: float | None) -> float | None:
        # asyncpg: the cursor's own timeout is for opening it.
        return self._connection._timeout(timeout)

    @guarded
    async def fetch(self, n: int, *, timeout: float | None = None) -> list[Any]:
        """The next ``n`` rows."""
        self._check_ready()
        if n <= 0:
            raise InterfaceError("n must be greater than zero")
        if self._exhausted:
            return []
        rows = await self._take(n, self._timeout(timeout))
        if len(rows) < n:
            self._exhausted = True
        return rows

    @guarded
    async def fetchrow(self, *, timeout: float | None = None) -> Any:
        """The next row, or ``None``."""
        self._check_ready()
        if self._exhausted:
            return None
        rows = await self._take(1, self._timeout(timeout))
        if not rows:
            self._exhausted = True
            return None
        return rows[0]

    @guarded
    async def forward(self, n: int, *, timeout: float | None = None) -> int:
        """Skip ``n`` rows; returns how many there were."""
        self._check_ready()
        if n <= 0:
            raise InterfaceError("n must be greater than zero")
        deadline = Deadline(self._timeout(timeout))
        await self._connection._ready(deadline.left())
        status = await self._connection._core.simple(
            f"MOVE FORWARD {int(n)} {self._name}", timeout=deadline.left()
        )
        moved = int(status.split()[1])
        if moved < n:
            self._exhausted = True
        return moved

    def _check_ready(self) -> None:
        if self._name is None:
            raise InterfaceError("cursor does not have an open portal")
        if self._statement is not None:
            self._statement.check_open()
