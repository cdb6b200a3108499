"""Several statements in one message to the server: all of them take effect, or none."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any, Self

from fasterapi.pg._deadline import Deadline
from fasterapi.pg._queries import FIRST, RECORDS, STATUS, VALUE
from fasterapi.pg.exceptions import (
    InFailedSQLTransactionError,
    InterfaceError,
    InvalidCachedStatementError,
    PostgresConnectionError,
    PostgresError,
    TransactionRollbackError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from fasterapi._core import PgOperation
    from fasterapi.pg.connection import Connection
    from fasterapi.pg.pool import Pool

__all__ = ["Pipeline", "PipelineResult"]

# The batch is a transaction of its own, which none of its statements may end.
TRANSACTION_COMMAND = re.compile(
    r"(?:\s|;|--[^\n]*\n|/\*.*?\*/)*"
    r"(?:begin|start|commit|end|rollback|abort|savepoint|release|prepare\s+transaction)\b",
    re.IGNORECASE | re.DOTALL,
)
QUERY_CHARS_MAX = 120
"""So much of a statement is quoted where it failed."""


class PipelineResult:
    """What a statement of a pipeline gives; known when the pipeline has ended."""

    __slots__ = ("_args", "_column", "_error", "_is_known", "_limit", "_mode", "_query", "_value")

    def __init__(
        self, query: str, args: tuple[Any, ...], mode: int, limit: int, column: int | str | None
    ) -> None:
        self._query = query
        self._args = args
        self._mode = mode
        self._limit = limit
        self._column = column
        self._value: Any = None
        self._error: BaseException | None = None
        self._is_known = False

    def result(self) -> Any:
        """The value; raises what the statement raised.

        ``InterfaceError`` before the end of the pipeline, and for a statement that was undone, or
        never begun, because another one failed.
        """
        if not self._is_known:
            raise InterfaceError(
                "a pipeline is sent at the end of its `async with` block: "
                "there is no result before that"
            )
        if self._error is not None:
            raise self._error
        return self._value

    def exception(self) -> BaseException | None:
        """What ``result`` would raise, or ``None``."""
        try:
            self.result()
        except Exception as error:
            return error
        return None

    def __await__(self) -> Generator[Any, Any, Any]:
        """As ``result``."""
        return self.result()
        yield

    def _set(self, value: Any, error: BaseException | None) -> None:
        self._value = value
        self._error = error
        self._is_known = True


class Pipeline:
    """Statements that are collected in an ``async with`` block and sent at its end, in one write.

    They are one transaction: ``BEGIN`` and ``COMMIT`` go along with them (a savepoint, where the
    connection is in a transaction). Nothing is sent when the block raises. When a statement fails
    all are undone, and the end of the block raises its error, with a note that says which it was.
    """

    def __init__(
        self,
        pool: Pool | None,
        connection: Connection | None,
        timeout: float | None,
    ) -> None:
        self._pool = pool
        self._connection = connection
        self._timeout_s = timeout
        self._results: list[PipelineResult] = []
        self._stage = "new"
        self._releases = 0 if connection is None else connection._releases

    # Collecting.

    def _add(
        self,
        query: str,
        args: tuple[Any, ...],
        mode: int,
        limit: int = 0,
        column: int | str | None = None,
    ) -> PipelineResult:
        if self._stage != "open":
            raise InterfaceError("a pipeline takes statements within its `async with` block only")
        if TRANSACTION_COMMAND.match(query):
            raise InterfaceError(
                f"a pipeline is a transaction by itself, it cannot have {_shown(query)}"
            )
        result = PipelineResult(query, args, mode, limit, column)
        self._results.append(result)
        return result

    def execute(self, query: str, *args: Any) -> PipelineResult:
        """Add a command; its result is the status, such as ``INSERT 0 1``."""
        return self._add(query, args, STATUS)

    def fetch(self, query: str, *args: Any) -> PipelineResult:
        """Add a query; its result is the list of its rows."""
        return self._add(query, args, RECORDS)

    def fetchrow(self, query: str, *args: Any) -> PipelineResult:
        """Add a query; its result is its first row, or ``None``."""
        return self._add(query, args, FIRST, 1)

    def fetchval(self, query: str, *args: Any, column: int | str = 0) -> PipelineResult:
        """Add a query; its result is one value of its first row, or ``None``."""
        return self._add(query, args, VALUE, 1, column)

    def __len__(self) -> int:
        """How many statements there are."""
        return len(self._results)

    async def __aenter__(self) -> Self:
        """Begin to collect."""
        if self._stage != "new":
            raise InterfaceError("a pipeline can be entered once")
        self._stage = "open"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Send, and wait for all results; raises the error of the statement that failed."""
        self._stage = "over"
        if error is not None:
            self._undone(InterfaceError("the pipeline was not sent: its block raised"), None)
        elif self._results:
            try:
                await self._send()
            except BaseException as failure:
                self._undone(failure, failure)
                raise

    def _undone(self, error: BaseException, cause: BaseException | None) -> None:
        """Let every statement without an outcome of its own say what became of it."""
        for result in self._results:
            if not result._is_known:
                undone = InterfaceError(f"{_fate(error)}: {_first_line(error)}")
                undone.__cause__ = cause
                result._set(None, undone)

    # Sending.

    async def _send(self) -> None:
        if self._pool is not None:
            deadline = Deadline(self._timeout_s)
            async with self._pool.acquire(timeout=self._timeout_s) as proxy:
                await self._send_on(proxy._con, deadline.left())
            return
        connection = self._connection
        assert connection is not None
        if connection._releases != self._releases:
            raise InterfaceError("the pipeline's connection has been released back to the pool")
        await self._send_on(connection, self._timeout_s)

    async def _send_on(self, connection: Connection | None, timeout_s: float | None) -> None:
        if connection is None:
            raise InterfaceError("the pool's connection is closed")
        connection._check_open()
        timeout_s = connection._timeout(timeout_s)
        deadline = Deadline(timeout_s)
        await connection._ready(timeout_s)
        text = ";\n".join(result._query for result in self._results)
        work = self._exchange(connection, deadline)
        await connection._watched(work, text, (), timeout_s)

    async def _exchange(self, connection: Connection, deadline: Deadline) -> None:
        was_idle = connection._core.status == "I"
        error = await _Exchange(connection, self._results).run(deadline)
        if error is not None and was_idle and _is_stale(error):
            # Nothing has taken effect, and only what was remembered of a statement is wrong.
            connection._drop_everywhere(types=False)
            error = await _Exchange(connection, self._results).run(deadline)
        if error is not None:
            raise error


class _Exchange:
    """One try of a pipeline on a connection."""

    def __init__(self, connection: Connection, results: list[PipelineResult]) -> None:
        self._connection = connection
        self._core = connection._core
        self._results = results
        self._savepoint: str | None = None
        if self._core.status != "I":
            self._savepoint = connection._unique_name("savepoint")

    async def run(self, deadline: Deadline) -> BaseException | None:
        """Send everything; returns the error of the batch."""
        statements = await self._prepare(deadline)
        operations, refusal = self._begin_all(statements)
        left_s = deadline.left()
        answers: list[Any] = []
        try:
            async with asyncio.timeout(left_s):
                for operation in operations:
                    try:
                        answers.append(await operation)
                    except Exception as error:
                        if isinstance(error, TimeoutError):
                            raise
                        answers.append(error)
                if self._savepoint is not None and self._core.status == "E":
                    with contextlib.suppress(PostgresError):
                        await self._core.simple(_undo(self._savepoint))
        except BaseException:
            self._abandon(operations)
            raise
        return refusal or self._judge(answers)

    async def _prepare(self, deadline: Deadline) -> list[Any]:
        connection = self._connection
        # Statements that the cache cannot hold together are sent with their texts.
        queries = {result._query for result in self._results}
        fits = len(queries) <= connection._config.statement_cache_size
        known: dict[str, Any] = {}
        for place, result in enumerate(self._results):
            query = result._query
            if query in known:
                continue
            found = self._core.find_statement(query) if fits else None
            if found is None:
                try:
                    made = await connection._get_statement(query, deadline.left(), use_cache=fits)
                except PostgresError as error:
                    self._name(error, place)
                    raise
                found = made.prepared
            known[query] = found
        return [known[result._query] for result in self._results]

    def _begin_all(self, statements: list[Any]) -> tuple[list[PgOperation], BaseException | None]:
        """Send it all; with the error of an argument that cannot be sent, which undoes the rest."""
        core = self._core
        if core.in_flight:
            raise InterfaceError("cannot perform operation: another operation is in progress")
        name = self._savepoint
        begin, end, undo = (
            ("BEGIN", "COMMIT", "ROLLBACK")
            if name is None
            else (f"SAVEPOINT {name}", f"RELEASE SAVEPOINT {name}", _undo(name))
        )
        operations: list[PgOperation] = []
        refusal: BaseException | None = None

        def start(operation: PgOperation) -> None:
            # As awaiting it begins it; it is awaited when everything has been sent.
            operation.send(None)
            operations.append(operation)

        core.exclusive = False
        core.cork()
        try:
            start(core.simple(begin))
            pairs = zip(self._results, statements, strict=True)
            for place, (result, statement) in enumerate(pairs):
                try:
                    start(
                        core.run(
                            statement,
                            result._args,
                            mode=result._mode,
                            limit=result._limit,
                            column=result._column,
                        )
                    )
                except Exception as error:
                    self._name(error, place)
                    result._set(None, error)
                    refusal = error
                    break
            start(core.simple(undo if refusal is not None else end))
        finally:
            core.exclusive = True
            core.uncork()
        return operations, refusal

    def _judge(self, answers: list[Any]) -> BaseException | None:
        """Give each statement its outcome, and find the error of the batch."""
        *middle, end = answers[1:]
        took_effect = not isinstance(end, BaseException) and end in ("COMMIT", "RELEASE")
        first: BaseException | None = None
        if isinstance(answers[0], BaseException):
            first = answers[0]
        pairs = zip(self._results, middle, strict=True)
        for place, (result, answer) in enumerate(pairs):
            if not isinstance(answer, BaseException):
                if took_effect:
                    result._set(answer, None)
            elif first is None and not isinstance(answer, InFailedSQLTransactionError):
                first = answer
                self._name(answer, place)
                if took_effect:
                    # The server has done it all; it is the answer that cannot be read.
                    answer.add_note("the statements of the pipeline have taken effect")
                result._set(None, answer)
            elif took_effect:
                result._set(None, answer)
        if first is None and not took_effect:
            first = (
                end
                if isinstance(end, BaseException)
                else TransactionRollbackError("the pipeline's transaction was rolled back")
            )
            if isinstance(first, PostgresError):
                first.add_note("at the end of the pipeline")
        return first

    def _name(self, error: BaseException, place: int) -> None:
        count, shown = len(self._results), _shown(self._results[place]._query)
        error.add_note(f"in statement {place + 1} of {count} of a pipeline: {shown}")

    def _abandon(self, operations: list[PgOperation]) -> None:
        """Nobody waits any more: the server is to stop, and what it still says is dropped."""
        connection, core = self._connection, self._core
        if core.is_closed:
            return
        was_held = core.is_held
        core.hold()
        for operation in operations:
            with contextlib.suppress(Exception):
                operation.close()
        if not was_held:
            # All that is in flight is of this batch: a request to cancel can hit nothing else.
            connection._begin_cancel()


def _undo(savepoint: str) -> str:
    """Takes back what came after a savepoint, and the savepoint."""
    return f"ROLLBACK TO SAVEPOINT {savepoint}; RELEASE SAVEPOINT {savepoint}"


def _fate(error: BaseException) -> str:
    """What became of a pipeline that ended so."""
    knows = isinstance(error, PostgresError | InterfaceError)
    if knows and not isinstance(error, PostgresConnectionError):
        return "nothing of the pipeline took effect"
    return "it is not known whether the pipeline took effect"


def _first_line(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text.splitlines()[0]


def _shown(query: str) -> str:
    text = " ".join(query.split())
    return repr(text if len(text) <= QUERY_CHARS_MAX else text[:QUERY_CHARS_MAX] + "...")


def _is_stale(error: BaseException) -> bool:
    """Whether only what was remembered of a statement is out of date."""
    return isinstance(error, InvalidCachedStatementError) or (
        getattr(error, "sqlstate", None) == "26000"
    )
