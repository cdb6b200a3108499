"""Transactions, and savepoints where they are nested."""

from __future__ import annotations

import enum
from typing import Any

from fasterapi.pg._resource import ConnectionResource, guarded
from fasterapi.pg.exceptions import InterfaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from fasterapi.pg.connection import Connection

__all__ = ["Transaction"]


class TransactionState(enum.Enum):
    """How far a transaction is."""

    NEW = 0
    STARTED = 1
    COMMITTED = 2
    ROLLEDBACK = 3
    FAILED = 4


ISOLATION_LEVELS = ("read_committed", "read_uncommitted", "serializable", "repeatable_read")

# Why an operation is not possible in a state.
OBSTACLES = {
    TransactionState.NEW: "the transaction is not yet started",
    TransactionState.STARTED: "the transaction is already started",
    TransactionState.COMMITTED: "the transaction is already committed",
    TransactionState.ROLLEDBACK: "the transaction is already rolled back",
    TransactionState.FAILED: "the transaction is in error state",
}


class Transaction(ConnectionResource):
    """A transaction, made by ``Connection.transaction()``.

    Use it with ``async with``, or call ``start``, and ``commit`` or ``rollback``.
    """

    __slots__ = ("_deferrable", "_isolation", "_managed", "_readonly", "_savepoint", "_state")

    def __init__(
        self,
        connection: Connection,
        isolation: str | None,
        readonly: bool,
        deferrable: bool,
    ) -> None:
        """Raises ``ValueError`` for an isolation level that there is not."""
        super().__init__(connection)
        if isolation is not None and isolation not in ISOLATION_LEVELS:
            raise ValueError(
                f"isolation is expected to be either of {set(ISOLATION_LEVELS)}, got {isolation!r}"
            )
        self._isolation = isolation
        self._readonly = readonly
        self._deferrable = deferrable
        self._state = TransactionState.NEW
        self._savepoint: str | None = None
        self._managed = False

    async def __aenter__(self) -> None:
        """Start. There is no value: ``commit`` and ``rollback`` are not for the block."""
        if self._managed:
            raise InterfaceError("cannot enter context: already in an `async with` block")
        self._managed = True
        try:
            await self.start()
        except BaseException:
            self._managed = False
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit, or roll back after an error."""
        try:
            self._check_owner("__aexit__")
        except InterfaceError:
            if kind is GeneratorExit:
                # A generator that is thrown away after its connection was released: the
                # connection's reset has ended the transaction.
                return
            if kind is not None and self._connection.is_closed():
                # What the block has raised is more to the point.
                return
            raise
        try:
            if kind is None:
                await self._commit()
            else:
                await self._roll_back_after(error)
        finally:
            self._managed = False

    async def _roll_back_after(self, error: BaseException | None) -> None:
        """Roll back; where that is not possible, ``error`` is still what the block raises."""
        connection = self._connection
        try:
            await self._rollback()
        except Exception:
            if isinstance(error, Exception) and not connection.is_closed():
                raise
            # The server undoes what it is not told to commit. A cancellation that another error
            # took the place of would be none for `asyncio.timeout` or a task group.
            connection.terminate()

    @guarded
    async def start(self) -> None:
        """Begin the transaction, or set a savepoint inside another one."""
        if self._state is not TransactionState.NEW:
            raise InterfaceError(f"cannot start; {OBSTACLES[self._state]}")
        connection = self._connection
        outer = connection._top_xact
        if outer is None:
            if connection.is_in_transaction():
                raise InterfaceError(
                    "cannot use Connection.transaction() in a manually started transaction"
                )
            connection._top_xact = self
            command = self._begin()
        else:
            await self._check_isolation(outer)
            self._savepoint = connection._unique_name("savepoint")
            command = f"SAVEPOINT {self._savepoint};"
        try:
            await connection._fetch_script(command)
        except BaseException:
            self._state = TransactionState.FAILED
            if connection._top_xact is self:
                connection._top_xact = None
                connection._is_given_up = True
            raise
        connection._is_given_up = False
        self._state = TransactionState.STARTED

    def _begin(self) -> str:
        parts = ["BEGIN"]
        if self._isolation is not None:
            parts.append(f"ISOLATION LEVEL {self._isolation.replace('_', ' ').upper()}")
        if self._readonly:
            parts.append("READ ONLY")
        if self._deferrable:
            parts.append("DEFERRABLE")
        return " ".join(parts) + ";"

    async def _check_isolation(self, outer: Transaction) -> None:
        if self._isolation is None:
            return
        if outer._isolation is None:
            # The outer one has the session's default.
            level: str = await self._connection.fetchval("SHOW transaction_isolation;")
            outer._isolation = level.replace(" ", "_")
        if self._isolation != outer._isolation:
            raise InterfaceError(
                "nested transaction has a different isolation level: "
                f"current {self._isolation!r} != outer {outer._isolation!r}"
            )

    @guarded
    async def commit(self) -> None:
        """Commit, or release the savepoint."""
        if self._managed:
            raise InterfaceError("cannot manually commit from within an `async with` block")
        await self._commit()

    @guarded
    async def rollback(self) -> None:
        """Roll back, to the savepoint if there is one."""
        if self._managed:
            raise InterfaceError("cannot manually rollback from within an `async with` block")
        await self._rollback()

    async def _commit(self) -> None:
        self._check_started("commit")
        savepoint = self._savepoint
        command = f"RELEASE SAVEPOINT {savepoint};" if savepoint else "COMMIT;"
        await self._end(command, TransactionState.COMMITTED)

    async def _rollback(self) -> None:
        self._check_started("rollback")
        savepoint = self._savepoint
        command = f"ROLLBACK TO {savepoint};" if savepoint else "ROLLBACK;"
        await self._end(command, TransactionState.ROLLEDBACK)

    async def _end(self, command: str, state: TransactionState) -> None:
        connection = self._connection
        is_top = connection._top_xact is self
        if is_top:
            connection._top_xact = None
        try:
            await connection._fetch_script(command)
        except BaseException:
            self._state = TransactionState.FAILED
            connection._is_given_up = is_top
            raise
        self._state = state

    def _check_started(self, operation: str) -> None:
        if self._state is not TransactionState.STARTED:
            raise InterfaceError(f"cannot {operation}; {OBSTACLES[self._state]}")

    def __repr__(self) -> str:
        """The state and the options that were set."""
        words: list[Any] = [f"state:{self._state.name.lower()}"]
        if self._isolation is not None:
            words.append(self._isolation)
        if self._readonly:
            words.append("readonly")
        if self._deferrable:
            words.append("deferrable")
        return f"<asyncpg.Transaction {' '.join(words)} {id(self):#x}>"
