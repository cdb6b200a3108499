"""COPY: whole tables and query results, from and to files, functions and records."""

from __future__ import annotations

import asyncio
import inspect
import os
from typing import Any

from fasterapi.pg._copy_flow import read_copy, write_copy
from fasterapi.pg._copy_options import copy_options, copy_target
from fasterapi.pg._copy_records import encode_records
from fasterapi.pg._deadline import Deadline
from fasterapi.pg._listeners import quote_identifier
from fasterapi.pg._mogrify import mogrify
from fasterapi.pg._parts import ConnectionParts
from fasterapi.pg.exceptions import UnsupportedServerFeatureError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence

__all__ = ["CopyMixin"]

FILE_BYTES = 1 << 19
"""How much of a file is read at a time, in bytes."""
WHERE_SINCE = 12


class CopyMixin(ConnectionParts):
    """COPY on a connection."""

    __slots__ = ()

    async def copy_from_table(
        self,
        table_name: str,
        *,
        output: Any,
        columns: Sequence[str] | None = None,
        schema_name: str | None = None,
        timeout: float | None = None,
        format: str | None = None,  # noqa: A002 - asyncpg's name
        oids: bool | None = None,
        delimiter: str | None = None,
        null: str | None = None,
        header: bool | None = None,
        quote: str | None = None,
        escape: str | None = None,
        force_quote: bool | Sequence[str] | None = None,
        encoding: str | None = None,
    ) -> str:
        """Copy a table to a file (path or object), or to a coroutine function; the status."""
        options = copy_options(
            format=format,
            oids=oids,
            delimiter=delimiter,
            null=null,
            header=header,
            quote=quote,
            escape=escape,
            force_quote=force_quote,
            encoding=encoding,
        )
        target = copy_target(table_name, schema_name, columns)
        return await self._copy_out(f"COPY {target} TO STDOUT {options}", output, timeout)

    async def copy_from_query(
        self,
        query: str,
        *args: Any,
        output: Any,
        timeout: float | None = None,
        format: str | None = None,  # noqa: A002 - asyncpg's name
        oids: bool | None = None,
        delimiter: str | None = None,
        null: str | None = None,
        header: bool | None = None,
        quote: str | None = None,
        escape: str | None = None,
        force_quote: bool | Sequence[str] | None = None,
        encoding: str | None = None,
    ) -> str:
        """Copy a query's rows to a file (path or object), or to a coroutine function."""
        options = copy_options(
            format=format,
            oids=oids,
            delimiter=delimiter,
            null=null,
            header=header,
            quote=quote,
            escape=escape,
            force_quote=force_quote,
            encoding=encoding,
        )
        self._check_open()
        deadline = Deadline(self._timeout(timeout))
        text = await mogrify(self, query, args, deadline)
        return await self._copy_out(f"COPY ({text}) TO STDOUT {options}", output, deadline.left())

    async def copy_to_table(
        self,
        table_name: str,
        *,
        source: Any,
        columns: Sequence[str] | None = None,
        schema_name: str | None = None,
        timeout: float | None = None,
        format: str | None = None,  # noqa: A002 - asyncpg's name
        oids: bool | None = None,
        freeze: bool | None = None,
        delimiter: str | None = None,
        null: str | None = None,
        header: bool | None = None,
        quote: str | None = None,
        escape: str | None = None,
        force_quote: bool | Sequence[str] | None = None,
        force_not_null: bool | Sequence[str] | None = None,
        force_null: bool | Sequence[str] | None = None,
        encoding: str | None = None,
        where: str | None = None,
    ) -> str:
        """Copy a file (path or object), bytes or an asynchronous iterable of bytes to a table."""
        options = copy_options(
            format=format,
            oids=oids,
            freeze=freeze,
            delimiter=delimiter,
            null=null,
            header=header,
            quote=quote,
            escape=escape,
            force_quote=force_quote,
            force_not_null=force_not_null,
            force_null=force_null,
            encoding=encoding,
        )
        target = copy_target(table_name, schema_name, columns)
        sql = f"COPY {target} FROM STDIN {options} {self._copy_where(where)}"
        self._check_open()
        timeout_s = self._timeout(timeout)
        await self._ready(timeout_s)
        if isinstance(source, (str, bytes, bytearray, memoryview)) or hasattr(source, "__fspath__"):
            if not isinstance(source, (bytes, bytearray, memoryview)):
                with await _open(source, "rb") as file:
                    return await self._copy_in(sql, _chunks(file), timeout_s)
            return await self._copy_in(sql, [bytes(source)], timeout_s)
        if hasattr(source, "read"):
            return await self._copy_in(sql, _chunks(source), timeout_s)
        return await self._copy_in(sql, source, timeout_s)

    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Iterable[Sequence[Any]] | AsyncIterable[Sequence[Any]],
        columns: Sequence[str] | None = None,
        schema_name: str | None = None,
        timeout: float | None = None,
        where: str | None = None,
    ) -> str:
        """Copy records, of an iterable or an asynchronous one, to a table; the status."""
        target = copy_target(table_name, schema_name, None)
        names = ", ".join(map(quote_identifier, columns)) if columns else "*"
        where_clause = self._copy_where(where)
        self._check_open()
        timeout_s = self._timeout(timeout)
        deadline = Deadline(timeout_s)
        await self._ready(timeout_s)
        # The columns' types, whose values are then sent as they are in memory.
        statement = await self._get_statement(
            f"SELECT {names} FROM {target}", deadline.left(), use_cache=False
        )
        kinds = [column[3] for column in statement.prepared.columns]
        target = copy_target(table_name, schema_name, columns)
        sql = f"COPY {target} FROM STDIN (FORMAT binary) {where_clause}"
        data = encode_records(self._types, kinds, records)
        return await self._copy_in(sql, data, deadline.left())

    def _copy_where(self, where: str | None) -> str:
        if not where:
            return ""
        if self.get_server_version().major < WHERE_SINCE:
            raise UnsupportedServerFeatureError(
                "the `where` parameter requires PostgreSQL 12 or later"
            )
        return f"WHERE {where}"

    async def _copy_out(self, sql: str, output: Any, timeout: float | None) -> str:
        self._check_open()
        timeout_s = self._timeout(timeout)
        await self._ready(timeout_s)
        if isinstance(output, str) or hasattr(output, "__fspath__"):
            with await _open(output, "wb") as file:
                return await self._copy_out_to(sql, _to_file(file), timeout_s)
        if hasattr(output, "write"):
            return await self._copy_out_to(sql, _to_file(output), timeout_s)
        if callable(output):
            return await self._copy_out_to(sql, output, timeout_s)
        raise TypeError(
            "output is expected to be a file-like object, "
            f"a path or a coroutine function, not {type(output).__name__}"
        )

    async def _copy_out_to(self, sql: str, sink: Any, timeout_s: float | None) -> str:
        work = read_copy(self._core, sql, sink, timeout_s)
        status: str = await self._watched(work, sql, (), timeout_s)
        return status

    async def _copy_in(self, sql: str, source: Any, timeout_s: float | None) -> str:
        work = write_copy(self._core, sql, source, timeout_s)
        status: str = await self._watched(work, sql, (), timeout_s)
        return status


async def _open(path: Any, mode: str) -> Any:
    """The file, opened where it may take its time."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, open, os.fspath(path), mode)


def _to_file(file: Any) -> Any:
    async def write(data: bytes) -> None:
        written = await asyncio.get_running_loop().run_in_executor(None, file.write, data)
        if inspect.isawaitable(written):
            await written

    return write


async def _chunks(file: Any) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    while True:
        data = await loop.run_in_executor(None, file.read, FILE_BYTES)
        if inspect.isawaitable(data):
            data = await data
        if not data:
            return
        yield data
