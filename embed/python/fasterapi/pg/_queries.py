"""A connection's queries: the short way into the driver, and the long one where it must be."""

from __future__ import annotations

import asyncio
from typing import Any

from fasterapi.pg._batch import run_batch
from fasterapi.pg._connect import check_record_class
from fasterapi.pg._coroutines import marked
from fasterapi.pg._deadline import Deadline, seconds
from fasterapi.pg._models import ModelQueries
from fasterapi.pg._parts import ConnectionParts
from fasterapi.pg._statements import Statement
from fasterapi.pg.exceptions import (
    InterfaceError,
    InvalidCachedStatementError,
    QueryCanceledError,
)
from fasterapi.pg.exceptions import OutdatedSchemaCacheError as Outdated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterable

    from fasterapi._core import PgConnection, Record
    from fasterapi.pg._json_rows import JsonRows

__all__ = ["QueryMixin"]

RECORDS, FIRST, VALUE, STATUS, JSON = 0, 1, 2, 3, 4
"""What a query gives, as ``PgConnection.query`` has it."""
SHORT_WAYS = ("execute", "fetch", "fetchrow", "fetchval", "fetch_json")
"""The methods that return the driver's own awaitable."""


class QueryMixin(ModelQueries, ConnectionParts):
    """The queries of a connection."""

    __slots__ = ()

    def _find_direct(self) -> None:
        """Note whether queries may go to the driver without a detour."""
        self._direct = not self._query_loggers

    def _timeout(self, timeout: float | None) -> float | None:
        """The seconds that an operation may take, by its argument or the connection's default."""
        if timeout is None:
            return self._config.command_timeout
        return seconds(timeout)

    def _query(
        self,
        query: str,
        args: tuple[Any, ...],
        mode: int,
        timeout: float | None,
        limit: int = 0,
        column: int | str | None = None,
        record_class: type[Record] | None = None,
    ) -> Coroutine[Any, Any, Any]:
        core = self._core
        timeout_s = self._config.command_timeout if timeout is None else seconds(timeout)
        if record_class is None or record_class is self._record_class:
            work: Coroutine[Any, Any, Any] = core.query(
                query, args, mode=mode, limit=limit, column=column, timeout=timeout_s
            )
        else:
            work = self._query_with_class(query, args, mode, limit, timeout_s, record_class)
        if self._direct:
            return work
        return self._logged(query, args, timeout_s, work)

    def execute(
        self, query: str, *args: Any, timeout: float | None = None
    ) -> Coroutine[Any, Any, str]:
        """Execute an SQL command (or commands, where there are no arguments).

        Returns the status of the last command, such as ``INSERT 0 1``. Raises ``TimeoutError``
        after ``timeout`` seconds, and what the server refuses as a ``PostgresError``.
        """
        if args:
            return self._query(query, args, STATUS, timeout)
        core = self._core
        timeout_s = self._config.command_timeout if timeout is None else seconds(timeout)
        if self._direct and not core.is_held:
            return core.simple(query, timeout=timeout_s)
        return self._execute_script(query, timeout_s)

    async def _execute_script(self, query: str, timeout_s: float | None) -> str:
        deadline = Deadline(timeout_s)
        await self._ready(timeout_s)
        work = self._core.simple(query, timeout=deadline.left())
        status: str = await self._watched(work, query, (), timeout_s)
        return status

    async def _fetch_script(self, sql: str) -> str:
        """A command of the driver's own, which no logger is told of."""
        await self._ready(self._config.command_timeout)
        return str(await self._core.simple(sql, timeout=self._config.command_timeout))

    def fetch(
        self,
        query: str,
        *args: Any,
        timeout: float | None = None,
        record_class: type[Record] | None = None,
    ) -> Coroutine[Any, Any, list[Any]]:
        """Run a query and return all of its rows."""
        return self._query(query, args, RECORDS, timeout, record_class=record_class)

    def fetchrow(
        self,
        query: str,
        *args: Any,
        timeout: float | None = None,
        record_class: type[Record] | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Run a query and return its first row, or ``None``."""
        return self._query(query, args, FIRST, timeout, 1, record_class=record_class)

    def fetchval(
        self, query: str, *args: Any, column: int | str = 0, timeout: float | None = None
    ) -> Coroutine[Any, Any, Any]:
        """Run a query and return one value of its first row, or ``None`` without a row."""
        return self._query(query, args, VALUE, timeout, 1, column)

    def fetch_json(
        self, query: str, *args: Any, timeout: float | None = None
    ) -> Coroutine[Any, Any, JsonRows]:
        """Run a query and return its rows as JSON, an array of objects.

        No Python object is made of a row: the fastest way from a table to a response. A handler
        may return it as it is; ``bytes()`` of it are the JSON.
        """
        return self._query(query, args, JSON, timeout)

    async def executemany(
        self, command: str, args: Iterable[Iterable[Any]], *, timeout: float | None = None
    ) -> None:
        """Run a command once for each sequence of arguments. All take effect, or none."""
        await self._run_many(command, args, timeout, None, rows=False)

    async def fetchmany(
        self,
        query: str,
        args: Iterable[Iterable[Any]],
        *,
        timeout: float | None = None,
        record_class: type[Record] | None = None,
    ) -> list[Any]:
        """Run a query once for each sequence of arguments: all rows of all runs.

        All take effect, or none.
        """
        rows: list[Any] = await self._run_many(query, args, timeout, record_class, rows=True)
        return rows

    async def _run_many(
        self,
        query: str,
        args: Iterable[Iterable[Any]],
        timeout: float | None,
        record_class: type[Record] | None,
        *,
        rows: bool,
    ) -> Any:
        self._check_open()
        timeout_s = self._timeout(timeout)
        deadline = Deadline(timeout_s)
        await self._ready(timeout_s)
        statement = await self._statement_for(query, deadline, record_class)
        work = run_batch(self._core, statement.prepared, args, deadline.left(), rows=rows)
        return await self._watched(work, query, (args,), timeout_s)

    async def _query_with_class(
        self,
        query: str,
        args: tuple[Any, ...],
        mode: int,
        limit: int,
        timeout_s: float | None,
        record_class: type[Record],
    ) -> Any:
        deadline = Deadline(timeout_s)
        await self._ready(timeout_s)
        statement = await self._statement_for(query, deadline, record_class)
        return await self._run_once(statement, query, args, mode, limit, None, deadline)

    async def _statement_for(
        self, query: str, deadline: Deadline, record_class: type[Record] | None
    ) -> Statement:
        """The statement of a query whose rows have a class of their own, or the cached one."""
        if record_class is None or record_class is self._record_class:
            cached = self._core.find_statement(query)
            if cached is not None:
                return Statement(cached, owned=False)
            return await self._get_statement(query, deadline.left())
        key = (query, record_class)
        found = self._by_class.pop(key, None)
        if found is None or found.closed:
            found = await self._get_statement(
                query, deadline.left(), use_cache=False, named=True, record_class=record_class
            )
        size = self._config.statement_cache_size
        if size:
            self._by_class[key] = found
            while len(self._by_class) > size:
                oldest = self._by_class.pop(next(iter(self._by_class)))
                self._close_if_unused(oldest)
        return found

    async def _run_uncached(
        self,
        query: str,
        args: tuple[Any, ...],
        mode: int,
        limit: int,
        column: int | str | None,
        timeout_s: float | None,
        retry: bool,
    ) -> Any:
        """What ``PgConnection.query`` does where no statement is at hand."""
        deadline = Deadline(timeout_s)
        self._slow += 1
        try:
            await self._ready(timeout_s)
            if retry:
                # Its plan is out of date, and so may be those of the pool's other connections.
                self._drop_everywhere(types=False)
            if len(args) > ARGUMENTS_MAX:
                raise InterfaceError(f"the number of query arguments cannot exceed {ARGUMENTS_MAX}")
            return await self._run_prepared(query, args, mode, limit, column, deadline)
        finally:
            self._slow -= 1

    async def _run_prepared(
        self,
        query: str,
        args: tuple[Any, ...],
        mode: int,
        limit: int,
        column: int | str | None,
        deadline: Deadline,
    ) -> Any:
        """Prepare and run a query, again where it has failed through no fault of its own."""
        for _ in range(AGAIN_MAX):
            try:
                statement = await self._get_statement(query, deadline.left())
                return await self._run_once(statement, query, args, mode, limit, column, deadline)
            except QueryCanceledError as error:
                # A request to cancel came too late for the query that it was meant for.
                if not getattr(error, "_meant_another", False):
                    raise
            except InvalidCachedStatementError:
                # The schema has changed again since it was prepared.
                if self._core.status != "I":
                    raise
            await self._ready(deadline.left())
        statement = await self._get_statement(query, deadline.left())
        return await self._run_once(statement, query, args, mode, limit, column, deadline)

    async def _run_once(
        self,
        statement: Statement,
        query: str,
        args: tuple[Any, ...],
        mode: int,
        limit: int,
        column: int | str | None,
        deadline: Deadline,
    ) -> Any:
        try:
            return await self._core.run(
                statement.prepared,
                args,
                mode=mode,
                limit=limit,
                column=column,
                timeout=deadline.left(),
            )
        except Exception as error:
            self._note_failure(error, statement)
            raise

    def _note_failure(self, error: BaseException, statement: Statement | None = None) -> None:
        """Forget what an error shows to be out of date."""
        if isinstance(error, Outdated):
            self._drop_everywhere(types=True)
        elif isinstance(error, InvalidCachedStatementError):
            self._drop_everywhere(types=False)
        else:
            return
        if statement is not None:
            statement.mark_closed()

    async def _ready(self, timeout_s: float | None) -> None:
        """Wait until nothing that was given up is left on the connection."""
        core = self._core
        if core.is_closed:
            self._check_open()
        if core.is_held:
            deadline = Deadline(timeout_s)
            while core.is_held and not core.is_closed:
                await wait_for_change(core, deadline.left())
            self._check_open()

    async def _watched(
        self, work: Awaitable[Any], query: str, args: tuple[Any, ...], timeout_s: float | None
    ) -> Any:
        if self._direct:
            return await work
        return await self._logged(query, args, timeout_s, work)

    async def _get_statement(
        self,
        query: str,
        timeout: float | None,
        *,
        named: str | bool = False,
        use_cache: bool = True,
        record_class: type[Record] | None = None,
    ) -> Statement:
        """Prepare a query; it is kept in the cache if it may be."""
        if record_class is not None and record_class is not self._record_class:
            check_record_class(record_class)
        deadline = Deadline(timeout)
        core, config = self._core, self._config
        await self._close_unused(deadline)
        shared = (
            use_cache
            and not (0 < config.max_cacheable_statement_size < len(query))
            and (record_class is None or record_class is self._record_class)
        )
        cached = shared and config.statement_cache_size > 0
        if isinstance(named, str):
            name = named
        elif named or cached:
            name = self._unique_name("stmt")
        else:
            name = ""
        parameters, columns = await core.prepare(name, query, timeout=deadline.left())
        while True:
            try:
                prepared = core.define(
                    name,
                    query,
                    parameters,
                    columns,
                    record_class=record_class or self._record_class,
                    cache=cached,
                    share=shared,
                )
            except KeyError as missing:
                await self._learn(missing.args[0], deadline.left())
            else:
                return Statement(prepared, owned=not cached and bool(name))

    async def _close_unused(self, deadline: Deadline) -> None:
        """Close statements on the server that nobody needs."""
        core = self._core
        names = [statement.name for statement in self._stmts_to_close]
        self._stmts_to_close.clear()
        names += core.take_evicted()
        closing = [core.close_statement(name, timeout=deadline.left()) for name in names if name]
        if not closing:
            return
        # All at once: there may be hundreds, after a change of the schema.
        was_exclusive, core.exclusive = core.exclusive, False
        try:
            await asyncio.gather(*closing)
        finally:
            core.exclusive = was_exclusive

    def _close_if_unused(self, statement: Statement) -> None:
        """Have a statement closed by and by. Called from ``__del__``: nothing may wait here."""
        if statement.owned and statement.users <= 0 and not statement.closed:
            statement.mark_closed()
            if not self._core.is_closed:
                self._stmts_to_close.add(statement)


AGAIN_MAX = 8
"""How often a query is run again that others' requests to cancel have hit, or whose statement
was out of date before it was run."""
ARGUMENTS_MAX = 32767
"""How many arguments a query may have: the server counts them in 16 bits."""


async def wait_for_change(core: PgConnection, timeout_s: float | None) -> None:
    """Wait until anything that ``core`` tells has changed; raises ``TimeoutError``."""
    async with asyncio.timeout(timeout_s):
        await core.change()


for _name in SHORT_WAYS:
    marked(getattr(QueryMixin, _name))
