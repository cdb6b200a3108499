"""A pool's own queries: to whichever connection is free, or can take one more."""

from __future__ import annotations

import functools
import re
from typing import Any

from fasterapi.pg._coroutines import marked
from fasterapi.pg._deadline import seconds
from fasterapi.pg._models import ModelQueries
from fasterapi.pg._queries import FIRST, JSON, RECORDS, SHORT_WAYS, STATUS, VALUE
from fasterapi.pg.connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from fasterapi._core import PgPool, Record
    from fasterapi.pg._json_rows import JsonRows

__all__ = ["PoolQueries"]

ONESHOTS_MAX = 1024
"""How many texts are remembered as fit for any connection."""

# Commands that leave nothing behind in their session by themselves, after comments and brackets.
PLAIN_COMMAND = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*"
    r"(?:select|insert|update|delete|with|values|merge|table|show|explain)\b",
    re.IGNORECASE | re.DOTALL,
)
# What does so within them. Looked for everywhere in the text: at worst a query goes the longer way.
SESSION_WORDS = re.compile(
    r"\b(?:set_config|setseed|temp|temporary|\w*advisory\w*|dblink\w*|lo_\w+)\b", re.IGNORECASE
)

OVERRIDABLE = (*SHORT_WAYS, "_query", "_get_statement")


class PoolQueries(ModelQueries):
    """The queries of a pool."""

    _core: PgPool
    _oneshots: dict[str, bool]
    _shares: bool
    _setup: Any
    _reset: Any
    _always_reset: bool
    _connection_class: type[Connection]
    _record_class: type[Record] | None
    _connect_kwargs: dict[str, Any]

    if TYPE_CHECKING:

        def _check_init(self) -> None: ...

        def is_closing(self) -> bool: ...

        def acquire(self, *, timeout: float | None = None) -> Any: ...

    def _is_oneshot(self, query: str) -> bool:
        """Whether a query may go to any connection, behind the queries of others.

        Then it is remembered, so that the next time it is not looked at again.
        """
        if self.is_closing() or not self._may_share():
            return False
        if PLAIN_COMMAND.match(query) is None or SESSION_WORDS.search(query):
            return False
        if len(self._oneshots) >= ONESHOTS_MAX:
            self._oneshots.clear()
        self._oneshots[query] = True
        return True

    def _may_share(self) -> bool:
        if (
            not self._shares
            or self._setup is not None
            or self._reset is not None
            or self._always_reset
        ):
            return False
        kind = self._connection_class
        return kind is Connection or all(
            getattr(kind, name) is getattr(Connection, name) for name in OVERRIDABLE
        )

    def _query(
        self,
        query: str,
        args: tuple[Any, ...],
        mode: int,
        timeout: float | None,
        limit: int = 0,
        column: int | str | None = None,
    ) -> Coroutine[Any, Any, Any] | None:
        """The query on any connection; ``None`` when it wants one for itself."""
        if query not in self._oneshots:
            self._check_init()
            if not self._is_oneshot(query):
                return None
        timeout_s = self._command_timeout() if timeout is None else seconds(timeout)
        return self._core.query(
            query, args, mode=mode, limit=limit, column=column, timeout=timeout_s
        )

    def _command_timeout(self) -> float | None:
        found: float | None = self._connect_kwargs.get("command_timeout")
        return found

    async def _on_one(self, method: str, *args: Any, **kwargs: Any) -> Any:
        async with self.acquire() as connection:
            return await getattr(connection, method)(*args, **kwargs)

    def execute(
        self, query: str, *args: Any, timeout: float | None = None
    ) -> Coroutine[Any, Any, str]:
        """Execute an SQL command (or commands, where there are no arguments): the last status."""
        work = self._query(query, args, STATUS, timeout) if args else None
        return work or self._on_one("execute", query, *args, timeout=timeout)

    def fetch(
        self,
        query: str,
        *args: Any,
        timeout: float | None = None,
        record_class: type[Record] | None = None,
    ) -> Coroutine[Any, Any, list[Any]]:
        """Run a query and return all of its rows."""
        work = self._query(query, args, RECORDS, timeout) if record_class is None else None
        return work or self._on_one(
            "fetch", query, *args, timeout=timeout, record_class=record_class
        )

    def fetchrow(
        self,
        query: str,
        *args: Any,
        timeout: float | None = None,
        record_class: type[Record] | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Run a query and return its first row, or ``None``."""
        work = self._query(query, args, FIRST, timeout, 1) if record_class is None else None
        return work or self._on_one(
            "fetchrow", query, *args, timeout=timeout, record_class=record_class
        )

    def fetchval(
        self, query: str, *args: Any, column: int | str = 0, timeout: float | None = None
    ) -> Coroutine[Any, Any, Any]:
        """Run a query and return one value of its first row, or ``None`` without a row."""
        work = self._query(query, args, VALUE, timeout, 1, column)
        return work or self._on_one("fetchval", query, *args, column=column, timeout=timeout)

    def fetch_json(
        self, query: str, *args: Any, timeout: float | None = None
    ) -> Coroutine[Any, Any, JsonRows]:
        """Run a query and return its rows as JSON, an array of objects, as a response."""
        work = self._query(query, args, JSON, timeout)
        return work or self._on_one("fetch_json", query, *args, timeout=timeout)

    async def executemany(
        self, command: str, args: Iterable[Iterable[Any]], *, timeout: float | None = None
    ) -> None:
        """Run a command once for each sequence of arguments. All take effect, or none."""
        await self._on_one("executemany", command, args, timeout=timeout)

    async def fetchmany(
        self,
        query: str,
        args: Iterable[Iterable[Any]],
        *,
        timeout: float | None = None,
        record_class: type[Record] | None = None,
    ) -> list[Any]:
        """Run a query once for each sequence of arguments: all rows of all runs."""
        rows: list[Any] = await self._on_one(
            "fetchmany", query, args, timeout=timeout, record_class=record_class
        )
        return rows


def _on_one(name: str) -> Callable[..., Any]:
    """A method that does what the connection's does, on any connection."""
    method = getattr(Connection, name)

    @functools.wraps(method)
    async def run(self: PoolQueries, *args: Any, **kwargs: Any) -> Any:
        return await self._on_one(name, *args, **kwargs)

    return run


for _name in ("copy_from_table", "copy_from_query", "copy_to_table", "copy_records_to_table"):
    setattr(PoolQueries, _name, _on_one(_name))
for _name in SHORT_WAYS:
    marked(getattr(PoolQueries, _name))
