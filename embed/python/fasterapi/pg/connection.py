"""A connection to a server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import traceback
import warnings
import weakref
from typing import Any

from fasterapi.pg._cancel import request_cancel
from fasterapi.pg._codecs import CodecMixin
from fasterapi.pg._connect import establish, make_blueprint
from fasterapi.pg._copy import CopyMixin
from fasterapi.pg._listeners import ListenerMixin
from fasterapi.pg._pipeline import Pipeline
from fasterapi.pg._queries import QueryMixin, wait_for_change
from fasterapi.pg._server_version import parse_server_version
from fasterapi.pg._settings import ConnectionSettings
from fasterapi.pg.cursor import CursorFactory
from fasterapi.pg.exceptions import InterfaceError
from fasterapi.pg.prepared import PreparedStatement
from fasterapi.pg.transaction import Transaction
from fasterapi.pg.types import ServerVersion, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from fasterapi._core import PgConnection, PgTypes, Record
    from fasterapi.pg._config import Address, ConnectParameters
    from fasterapi.pg._connect_config import ConnectionConfig
    from fasterapi.pg._introspect import Catalog

__all__ = ["Connection", "connect"]

CANCEL_S_MAX = 5.0
"""How long a request to cancel may take, and the server to obey it, in seconds each."""
GOODBYE_S_MAX = 5.0
"""How long ``close`` waits for the server to hang up unless told, in seconds."""

RESET_S_MAX = 30.0
"""How long the reset of a session may take unless a timeout is told, in seconds."""
QUIET_POLL_S = 0.05
"""How often it is looked whether queries have ended, beside what is told, in seconds."""

_numbers = itertools.count(1)

KINDS = {"array": "array", "composite": "composite", "range": "range", "multirange": "multirange"}


class ConnectionMeta(type):
    """Takes a pool's proxy for the connection that it stands for."""

    def __instancecheck__(cls, instance: Any) -> bool:
        """Whether it is a connection, or the proxy of one."""
        if type.__instancecheck__(cls, instance):
            return True
        real = getattr(instance, "_con", None) if getattr(instance, "_is_pg_proxy", False) else None
        return real is not None and type.__instancecheck__(cls, real)


class Connection(QueryMixin, ListenerMixin, CodecMixin, CopyMixin, metaclass=ConnectionMeta):
    """A connection to a server; made by ``connect()`` or a pool."""

    __slots__ = ()

    def __init__(
        self,
        core: PgConnection,
        types: PgTypes,
        catalog: Catalog,
        loop: asyncio.AbstractEventLoop,
        addr: Address,
        config: ConnectionConfig,
        params: ConnectParameters,
        record_class: type[Record],
    ) -> None:
        """Not for programs: see ``connect``."""
        self._core = core
        self._types = types
        self._catalog = catalog
        self._loop = loop
        self._addr = addr
        self._config = config
        self._params = params
        self._record_class = record_class
        self._by_class = {}
        self._stmts_to_close = set()
        self._listeners = {}
        self._log_listeners = {}
        self._termination_listeners = {}
        self._query_loggers = {}
        self._top_xact = None
        self._proxy = None
        self._owner = None
        self._on_end = None
        self._releases = 0
        self._slow = 0
        self._direct = True
        self._is_given_up = False
        self._is_tls = False
        self._cancelling = None
        self._created_at = traceback.extract_stack(limit=20) if loop.get_debug() else None
        core.limit_statements(config.statement_cache_size, config.max_cached_statement_lifetime)
        _set_hooks(core, self)

    def __del__(self) -> None:
        """Warn of a connection that was forgotten, and end it."""
        core = getattr(self, "_core", None)
        if core is None or core.is_closed:
            return
        if self._created_at:
            origin = " created at:\n" + "".join(traceback.format_list(self._created_at)).rstrip()
        else:
            origin = "; run in asyncio debug mode to show the traceback of connection origin"
        warnings.warn(f"unclosed connection {self!r}{origin}", ResourceWarning, stacklevel=2)
        if not self._loop.is_closed():
            core.terminate()

    def __repr__(self) -> str:
        """The class and the address."""
        state = " closed" if self._core.is_closed else ""
        return f"<{type(self).__module__}.{type(self).__name__}{state} {id(self):#x}>"

    def _check_open(self) -> None:
        if self._core.is_closed:
            raise InterfaceError("connection is closed")

    def _unique_name(self, prefix: str) -> str:
        # By process, not by connection: a pooler may share sessions between connections.
        return f"__asyncpg_{prefix}_{next(_numbers):x}__"

    def is_closed(self) -> bool:
        """Whether the connection is closed."""
        return self._core.is_closed

    def is_in_transaction(self) -> bool:
        """Whether a transaction is open on the server."""
        return self._core.status != "I"

    def get_server_pid(self) -> int:
        """The process id of the session on the server."""
        return self._core.pid

    def get_server_version(self) -> ServerVersion:
        """The server's version."""
        return parse_server_version(self._core.parameters["server_version"])

    def get_settings(self) -> ConnectionSettings:
        """What the server reports of its settings, as attributes."""
        return ConnectionSettings(self._core.parameters)

    def transaction(
        self, *, isolation: str | None = None, readonly: bool = False, deferrable: bool = False
    ) -> Transaction:
        """A transaction, for ``async with``; a savepoint inside another one.

        ``isolation`` is ``serializable``, ``repeatable_read``, ``read_uncommitted`` or
        ``read_committed``; without it the session's own.
        """
        self._check_open()
        return Transaction(self, isolation, readonly, deferrable)

    def pipeline(self, *, timeout: float | None = None) -> Pipeline:
        """Statements that are sent together at the end of an ``async with``: all or none.

        See ``Pipeline``; ``timeout`` is for all of it, in seconds.
        """
        self._check_open()
        return Pipeline(None, self, timeout)

    def cursor(
        self,
        query: str,
        *args: Any,
        prefetch: int | None = None,
        timeout: float | None = None,
        record_class: type[Record] | None = None,
    ) -> CursorFactory:
        """The rows of a query a few at a time, inside a transaction.

        ``async for row in connection.cursor(...)`` takes ``prefetch`` rows at a time from the
        server; ``await connection.cursor(...)`` gives a ``Cursor`` to move by hand.
        """
        self._check_open()
        return CursorFactory(
            self, query, None, args, prefetch, self._timeout(timeout), record_class
        )

    async def prepare(
        self,
        query: str,
        *,
        name: str | None = None,
        timeout: float | None = None,
        record_class: type[Record] | None = None,
    ) -> PreparedStatement:
        """Prepare a statement, under a name if one is given."""
        return await self._prepare(query, name=name, timeout=timeout, record_class=record_class)

    async def _prepare(
        self,
        query: str,
        *,
        name: str | None = None,
        timeout: float | None = None,
        use_cache: bool = False,
        record_class: type[Record] | None = None,
    ) -> PreparedStatement:
        self._check_open()
        timeout_s = self._timeout(timeout)
        await self._ready(timeout_s)
        # Where nothing may be kept on the server, the statement travels with each of its uses.
        named: str | bool = self._config.statement_cache_size > 0 if name is None else name
        state = await self._get_statement(
            query, timeout_s, named=named, use_cache=use_cache, record_class=record_class
        )
        return PreparedStatement(self, query, state)

    def _describe_type(self, oid: int) -> Type:
        info = self._types.info(oid)
        if info is None:
            return Type(oid, "unknown", "scalar", "pg_catalog")
        schema, name, kind = info
        if kind == "array":
            name = name.removeprefix("_") + "[]"
        return Type(oid, name, KINDS.get(kind, "scalar"), schema)

    def _drop_statements(self) -> None:
        self._core.forget(None)
        by_class, self._by_class = self._by_class, {}
        for statement in by_class.values():
            self._close_if_unused(statement)

    def _drop_everywhere(self, *, types: bool) -> None:
        """Forget statements, perhaps types too, on this connection and its pool's others."""
        siblings = self._owner._connections() if self._owner is not None else (self,)
        for connection in siblings:
            if types:
                connection._drop_type_cache()
            else:
                connection._drop_statements()

    async def close(self, *, timeout: float | None = None) -> None:
        """Close the connection: what is in flight is cancelled, the server is told.

        Raises ``TimeoutError`` when that takes longer than ``timeout`` seconds; then the socket
        is closed all the same. Without ``timeout`` a server that does not stop, or does not hang
        up, is waited for no longer than for ``2 * CANCEL_S_MAX`` and ``GOODBYE_S_MAX``.
        """
        core = self._core
        if core.is_closed:
            return
        self._releases += 1
        try:
            async with asyncio.timeout(timeout):
                if core.in_flight or core.is_held:
                    if not core.is_held:
                        core.hold()
                        self._begin_cancel()
                    limit_s = 2 * CANCEL_S_MAX if timeout is None else None
                    await self._wait_until(lambda: not core.in_flight, limit_s)
                core.say_goodbye()
                await self._wait_until(
                    lambda: core.is_closed, GOODBYE_S_MAX if timeout is None else None
                )
        except BaseException:
            core.terminate()
            raise

    async def _wait_until(self, is_so: Callable[[], bool], limit_s: float | None) -> None:
        """Wait until it is so, or the connection closed; after ``limit_s`` close it here."""
        core = self._core
        try:
            async with asyncio.timeout(limit_s):
                while not core.is_closed and not is_so():
                    await core.change()
        except TimeoutError:
            core.terminate()

    async def _until_quiet(self) -> None:
        """Wait until no query is on its way."""
        core = self._core
        while (core.in_flight or self._slow) and not core.is_closed:
            # The last step of a query may come after the change that ends it.
            with contextlib.suppress(TimeoutError):
                await wait_for_change(core, QUIET_POLL_S)

    def terminate(self) -> None:
        """Close the socket at once, without a word to the server."""
        self._releases += 1
        self._core.terminate()

    def get_reset_query(self) -> str:
        """The SQL that takes a session back to where it began."""
        return RESET_QUERY

    async def _end_transaction(self, timeout_s: float | None) -> None:
        """End a transaction that was left open."""
        top, self._top_xact = self._top_xact, None
        await self._ready(timeout_s)
        is_given_up, self._is_given_up = self._is_given_up, False
        if self._core.status != "I":
            # One of an `async with` is on its way out, in a generator that was left behind.
            if not is_given_up and (top is None or not top._managed):
                self._loop.call_exception_handler(
                    {"message": f"Resetting connection with an active transaction {self!r}"}
                )
            await self._core.simple("ROLLBACK", timeout=timeout_s)

    def _reset_s(self) -> float:
        """How long a reset may take whose caller does not say so, in seconds."""
        return RESET_S_MAX if self._config.command_timeout is None else self._config.command_timeout

    async def reset(self, *, timeout: float | None = None) -> None:
        """Take the session back to where it began: no transaction, no listeners, no settings."""
        self._check_open()
        self._listeners.clear()
        self._log_listeners.clear()
        async with asyncio.timeout(self._reset_s() if timeout is None else timeout):
            await self._end_transaction(None)
            query = self.get_reset_query()
            if query:
                await self._core.simple(query)
        self._core.is_dirty = False

    def _begin_cancel(self) -> None:
        """Have the server stop what is in flight; until it has, nothing new is sent."""
        self._cancelling = self._loop.create_task(self._cancel_in_flight())

    async def _cancel_in_flight(self) -> None:
        core = self._core
        try:
            async with asyncio.timeout(CANCEL_S_MAX):
                await request_cancel(
                    self._loop,
                    self._peer,
                    self._params,
                    core.pid,
                    core.secret,
                    is_tls=self._is_tls,
                )
        except Exception:
            pass
        try:
            while core.is_stuck and not core.is_closed:
                await wait_for_change(core, CANCEL_S_MAX)
        except TimeoutError:
            # Neither an answer nor an end: nothing can be done with this session any more.
            core.terminate()
        finally:
            self._cancelling = None
            core.resume()

    def _ended(self) -> None:
        """The connection is closed, by whom ever."""
        cancelling, self._cancelling = self._cancelling, None
        if cancelling is not None and cancelling is not asyncio.current_task(self._loop):
            # There is nothing left to stop.
            cancelling.cancel()
        self._stmts_to_close.clear()
        self._by_class.clear()
        self._listeners.clear()
        self._log_listeners.clear()
        on_end, self._on_end = self._on_end, None
        try:
            self._tell_termination()
        finally:
            if on_end is not None:
                on_end(self)


RESET_QUERY = """\
SELECT pg_advisory_unlock_all();
CLOSE ALL;
UNLISTEN *;
RESET ALL;"""


def _set_hooks(core: PgConnection, connection: Connection) -> None:
    """Let the driver call the connection, without keeping it alive."""
    weak = weakref.ref(connection)

    def notice(fields: dict[str, str]) -> None:
        if (alive := weak()) is not None:
            alive._on_notice(fields)

    def notification(pid: int, channel: str, payload: str) -> None:
        if (alive := weak()) is not None:
            alive._on_notification(pid, channel, payload)

    def closed(error: BaseException | None) -> None:
        if (alive := weak()) is not None:
            alive._ended()

    def abandoned() -> None:
        if (alive := weak()) is not None:
            alive._begin_cancel()

    def slow_path(*args: Any) -> Coroutine[Any, Any, Any]:
        alive = weak()
        if alive is None:
            raise InterfaceError("connection is closed")
        return alive._run_uncached(*args)

    def outdated(error: BaseException) -> None:
        if (alive := weak()) is not None:
            alive._note_failure(error)

    core.set_owner(connection)
    core.set_hook("notice", notice)
    core.set_hook("notification", notification)
    core.set_hook("closed", closed)
    core.set_hook("abandoned", abandoned)
    core.set_hook("slow_path", slow_path)
    core.set_hook("outdated", outdated)


async def connect(
    dsn: str | None = None,
    *,
    host: str | Sequence[str] | None = None,
    port: int | str | Sequence[int | str] | None = None,
    user: str | None = None,
    password: Any = None,
    passfile: Any = None,
    service: str | None = None,
    servicefile: Any = None,
    database: str | None = None,
    loop: asyncio.AbstractEventLoop | None = None,
    timeout: float | None = 60,
    statement_cache_size: int = 100,
    max_cached_statement_lifetime: float = 300,
    max_cacheable_statement_size: int = 1024 * 15,
    command_timeout: float | None = None,
    ssl: Any = None,
    direct_tls: bool | None = None,
    connection_class: type[Connection] = Connection,
    record_class: type[Record] | None = None,
    server_settings: dict[str, str] | None = None,
    target_session_attrs: Any = None,
    krbsrvname: str | None = None,
    gsslib: str | None = None,
    json_as_text: bool = False,
    extensions: bool = True,
    message_bytes_max: int = 1 << 30,
) -> Connection:
    """Connect to a server.

    ``dsn`` is a URL (``postgresql://user:password@host:port/database?option=value``) or
    ``keyword=value`` pairs; arguments win over it, it wins over a service file, and that over the
    ``PG*`` variables. ``timeout`` and ``command_timeout`` are seconds. ``json_as_text`` gives json
    and jsonb as text, as asyncpg does; ``extensions=False`` leaves hstore, vector and the like as
    text until ``set_builtin_type_codec``. A server that sends a message of more than
    ``message_bytes_max`` (a row is one) loses the connection, with ``ProtocolError``.

    Raises ``OSError`` when no server answers, ``TimeoutError``, a ``PostgresError`` for what the
    server refuses, and ``ClientConfigurationError`` for settings that do not fit together.
    """
    plan = make_blueprint(
        dsn=dsn,
        host=host,
        port=port,
        user=user,
        password=password,
        passfile=passfile,
        service=service,
        servicefile=servicefile,
        database=database,
        timeout=timeout,
        statement_cache_size=statement_cache_size,
        max_cached_statement_lifetime=max_cached_statement_lifetime,
        max_cacheable_statement_size=max_cacheable_statement_size,
        command_timeout=command_timeout,
        ssl=ssl,
        direct_tls=direct_tls,
        connection_class=connection_class,
        record_class=record_class,
        server_settings=server_settings,
        target_session_attrs=target_session_attrs,
        krbsrvname=krbsrvname,
        gsslib=gsslib,
        json_as_text=json_as_text,
        extensions=extensions,
        message_bytes_max=message_bytes_max,
    )
    return await establish(loop or asyncio.get_running_loop(), plan)
