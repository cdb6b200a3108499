"""Connecting: what a connection is to be like, and the choice among several servers."""

from __future__ import annotations

import asyncio
import inspect
import random
from typing import Any, NamedTuple

from fasterapi.pg._config import ConnectOptions, SessionAttribute, resolve
from fasterapi.pg._connect_config import ConnectionConfig
from fasterapi.pg._deadline import seconds
from fasterapi.pg._introspect import Catalog
from fasterapi.pg._session import open_session
from fasterapi.pg._ssl import SSLMode, SSLNegotiation
from fasterapi.pg.exceptions import (
    CannotConnectNowError,
    ClientConfigurationError,
    InterfaceError,
    TargetServerAttributeNotMatched,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi._core import PgDescriptions, Record
    from fasterapi.pg._config import Address, ConnectParameters
    from fasterapi.pg.connection import Connection

__all__ = ["Blueprint", "check_alive", "check_record_class", "establish", "make_blueprint"]


class Blueprint(NamedTuple):
    """All that is needed to make a connection, and another one like it."""

    addresses: list[Address]
    params: ConnectParameters
    config: ConnectionConfig
    connection_class: type[Connection]
    record_class: type[Record]
    timeout_s: float | None
    catalog: Catalog
    descriptions: PgDescriptions


def make_blueprint(
    *,
    timeout: float | None,
    command_timeout: float | None,
    statement_cache_size: int,
    max_cached_statement_lifetime: float,
    max_cacheable_statement_size: int,
    json_as_text: bool,
    extensions: bool,
    message_bytes_max: int,
    connection_class: type[Connection],
    record_class: type[Record] | None,
    **where: Any,
) -> Blueprint:
    """What ``connect`` needs to know, from its arguments. Raises as ``connect`` does."""
    from fasterapi._core import PgDescriptions, Record
    from fasterapi.pg.connection import Connection

    record_class = record_class or Record
    if not issubclass(connection_class, Connection):
        raise InterfaceError(
            "connection_class is expected to be a subclass of asyncpg.Connection, "
            f"got {connection_class!r}"
        )
    check_record_class(record_class)
    config = ConnectionConfig.checked(
        command_timeout=command_timeout,
        statement_cache_size=statement_cache_size,
        max_cached_statement_lifetime=max_cached_statement_lifetime,
        max_cacheable_statement_size=max_cacheable_statement_size,
        json_as_text=json_as_text,
        extensions=extensions,
        message_bytes_max=message_bytes_max,
    )
    if unknown := where.keys() - set(ConnectOptions._fields):
        raise TypeError(f"connect() got an unexpected keyword argument {min(unknown)!r}")
    addresses, params = resolve(ConnectOptions(**where))
    _check_direct_tls(params)
    timeout_s = None if timeout is None else seconds(timeout)
    return Blueprint(
        addresses,
        params,
        config,
        connection_class,
        record_class,
        timeout_s,
        Catalog(),
        PgDescriptions(),
    )


def _check_direct_tls(params: ConnectParameters) -> None:
    mode = params.sslmode
    if params.ssl_negotiation is not SSLNegotiation.direct or mode is None:
        return
    if mode < SSLMode.require:
        # A server that does not know it would hang up, and then be asked in the clear.
        raise ClientConfigurationError(
            f"direct TLS requires sslmode=require or more, not {mode.name}"
        )


def check_record_class(record_class: type[Record]) -> None:
    """Raises ``InterfaceError`` for a class that rows cannot have."""
    from fasterapi._core import Record

    if not (isinstance(record_class, type) and issubclass(record_class, Record)):
        raise InterfaceError(
            f"record_class is expected to be a subclass of asyncpg.Record, got {record_class!r}"
        )
    if record_class.__new__ is not Record.__new__ or record_class.__init__ is not Record.__init__:
        raise InterfaceError("record_class must not redefine __new__ or __init__")


async def establish(loop: asyncio.AbstractEventLoop, blueprint: Blueprint) -> Connection:
    """A connection to the first server that answers and is of the kind that was asked for.

    Raises what the last server that was tried raised, ``TargetServerAttributeNotMatched`` when
    servers answered but were of another kind, ``TimeoutError`` after ``timeout_s``.
    """
    async with asyncio.timeout(blueprint.timeout_s):
        return await _first_that_fits(loop, blueprint)


async def _first_that_fits(loop: asyncio.AbstractEventLoop, blueprint: Blueprint) -> Connection:
    params = blueprint.params
    target = params.target_session_attrs or SessionAttribute.any
    order = [*enumerate(blueprint.addresses)]
    if params.load_balance:
        random.shuffle(order)
    failure: BaseException | None = None
    second_best: Connection | None = None
    try:
        for position, address in order:
            try:
                async with asyncio.timeout(params.connect_timeout_s):
                    connection = await _connect_to(loop, blueprint, position, address)
            except (OSError, TimeoutError, InterfaceError, CannotConnectNowError) as error:
                if len(order) == 1:
                    raise
                failure = error
                continue
            if await _fits(connection, target):
                if second_best is not None:
                    second_best.terminate()
                return connection
            if target is SessionAttribute.prefer_standby and second_best is None:
                second_best = connection
            else:
                await connection.close()
    except BaseException:
        if second_best is not None:
            second_best.terminate()
        raise
    if second_best is not None:
        return second_best
    if failure is not None:
        raise failure
    raise TargetServerAttributeNotMatched(
        f"None of the hosts match the target attribute requirement {target!r}"
    )


async def _fits(connection: Connection, target: SessionAttribute) -> bool:
    if target is SessionAttribute.any:
        return True
    reported = connection._core.parameters
    try:
        standby = reported.get("in_hot_standby")
        if standby is None:
            # Servers before PostgreSQL 14 have to be asked.
            standby = await connection.fetchval("SELECT pg_catalog.pg_is_in_recovery()::text")
        is_standby = standby in ("on", "true")
        if target is SessionAttribute.primary:
            return not is_standby
        if target in (SessionAttribute.standby, SessionAttribute.prefer_standby):
            return is_standby
        read_only = reported.get("default_transaction_read_only")
        if read_only is None:
            read_only = await connection.fetchval("SHOW default_transaction_read_only")
        is_read_only = is_standby or read_only == "on"
        return is_read_only is (target is SessionAttribute.read_only)
    except BaseException:
        connection.terminate()
        raise


async def _connect_to(
    loop: asyncio.AbstractEventLoop, blueprint: Blueprint, position: int, address: Address
) -> Connection:
    """A connection to one address."""
    params = blueprint.params
    password = await _password(params.password, position)
    session = await open_session(loop, blueprint, address, password)
    connection = blueprint.connection_class(
        session.core,
        session.types,
        blueprint.catalog,
        loop,
        address,
        blueprint.config,
        params,
        blueprint.record_class,
    )
    connection._peer = session.peer
    connection._is_tls = session.is_tls
    check_alive(connection)
    return connection


def check_alive(connection: Connection) -> None:
    """Raises ``ConnectionResetError`` for a connection that has ended although it is new.

    A server that shuts down lets a session in and ends it in one breath, before anybody could
    be told of the end.
    """
    if connection.is_closed():
        error = connection._core.error
        raise ConnectionResetError(
            f"the connection ended as soon as it was made: {error or 'the server hung up'}"
        ) from error


async def _password(given: Any, position: int) -> bytes | None:
    """The password for the address at ``position``, from text, a list or a function."""
    if isinstance(given, list):
        given = given[position]
    if callable(given):
        given = given()
        if inspect.isawaitable(given):
            given = await given
    if given is None or isinstance(given, bytes):
        return given
    return str(given).encode()
