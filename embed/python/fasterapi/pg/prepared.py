"""Prepared statements."""

from __future__ import annotations

import json
from typing import Any

from fasterapi.pg._batch import run_batch
from fasterapi.pg._resource import ConnectionResource, guarded
from fasterapi.pg.cursor import CursorFactory
from fasterapi.pg.exceptions import InternalClientError
from fasterapi.pg.types import Attribute, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from fasterapi.pg._statements import Statement
    from fasterapi.pg.connection import Connection

__all__ = ["PreparedStatement"]

RECORDS, FIRST, VALUE = 0, 1, 2


class PreparedStatement(ConnectionResource):
    """A query that the server has parsed, made by ``Connection.prepare()``."""

    __slots__ = ("_last_status", "_query", "_state")

    def __init__(self, connection: Connection, query: str, state: Statement) -> None:
        super().__init__(connection)
        self._state = state
        self._query = query
        self._last_status: str | None = None
        state.attach()

    @guarded
    def get_name(self) -> str:
        """The statement's name on the server."""
        return self._state.name

    @guarded
    def get_query(self) -> str:
        """The statement's text."""
        return self._query

    @guarded
    def get_statusmsg(self) -> str | None:
        """The status of the last run, such as ``INSERT 0 1``."""
        return self._last_status

    @guarded
    def get_parameters(self) -> tuple[Type, ...]:
        """The types of the parameters."""
        self._check_open()
        oids = self._state.prepared.parameter_oids
        return tuple(self._connection._describe_type(oid) for oid in oids)

    @guarded
    def get_attributes(self) -> tuple[Attribute, ...]:
        """The names and types of the columns."""
        self._check_open()
        columns = self._state.prepared.columns
        describe = self._connection._describe_type
        return tuple(Attribute(column[0], describe(column[3])) for column in columns)

    @guarded
    def cursor(
        self, *args: Any, prefetch: int | None = None, timeout: float | None = None
    ) -> CursorFactory:
        """The rows a few at a time, see ``Connection.cursor``."""
        self._check_open()
        return CursorFactory(
            self._connection,
            self._query,
            self._state,
            args,
            prefetch,
            self._connection._timeout(timeout),
            None,
        )

    @guarded
    async def explain(self, *args: Any, analyze: bool = False) -> Any:
        """The plan of the statement, from EXPLAIN's JSON.

        With ``analyze`` it is run, in a transaction that is rolled back.
        """
        options = "FORMAT JSON, VERBOSE, ANALYZE" if analyze else "FORMAT JSON, VERBOSE"
        command = f"EXPLAIN ({options}) {self._query}"
        connection = self._connection
        if not analyze:
            plan = await connection.fetchval(command, *args)
        else:
            transaction = connection.transaction()
            await transaction.start()
            try:
                plan = await connection.fetchval(command, *args)
            finally:
                await transaction.rollback()
        if isinstance(plan, str):
            plan = json.loads(plan)
        if not isinstance(plan, list):
            raise InternalClientError("expected EXPLAIN to give a list")
        return plan

    @guarded
    async def fetch(self, *args: Any, timeout: float | None = None) -> list[Any]:
        """All rows."""
        rows: list[Any] = await self._run(args, RECORDS, 0, None, timeout)
        return rows

    @guarded
    async def fetchval(
        self, *args: Any, column: int | str = 0, timeout: float | None = None
    ) -> Any:
        """One value of the first row, or ``None`` where there is no row."""
        return await self._run(args, VALUE, 1, column, timeout)

    @guarded
    async def fetchrow(self, *args: Any, timeout: float | None = None) -> Any:
        """The first row, or ``None``."""
        return await self._run(args, FIRST, 1, None, timeout)

    @guarded
    async def fetchmany(
        self, args: Iterable[Iterable[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """Run the statement once for each sequence of arguments: all rows of all runs.

        All take effect, or none.
        """
        rows: list[Any] = await self._run_many(args, timeout, rows=True)
        return rows

    @guarded
    async def executemany(
        self, args: Iterable[Iterable[Any]], *, timeout: float | None = None
    ) -> None:
        """Run the statement once for each sequence of arguments. All take effect, or none."""
        await self._run_many(args, timeout, rows=False)

    async def _run(
        self,
        args: tuple[Any, ...],
        mode: int,
        limit: int,
        column: int | str | None,
        timeout: float | None,
    ) -> Any:
        self._check_open()
        connection = self._connection
        timeout_s = connection._timeout(timeout)
        await connection._ready(timeout_s)
        work = connection._core.run(
            self._state.prepared, args, mode=mode, limit=limit, column=column, timeout=timeout_s
        )
        try:
            result = await connection._watched(work, self._query, args, timeout_s)
        except Exception as error:
            connection._note_failure(error, self._state)
            raise
        self._last_status = connection._core.last_status
        return result

    async def _run_many(
        self, args: Iterable[Iterable[Any]], timeout: float | None, *, rows: bool
    ) -> Any:
        self._check_open()
        connection = self._connection
        timeout_s = connection._timeout(timeout)
        await connection._ready(timeout_s)
        work = run_batch(connection._core, self._state.prepared, args, timeout_s, rows=rows)
        return await connection._watched(work, self._query, (args,), timeout_s)

    def _check_open(self) -> None:
        self._connection._check_open()
        self._state.check_open()

    def __del__(self) -> None:
        """The statement on the server may go."""
        self._state.detach()
        self._connection._close_if_unused(self._state)
