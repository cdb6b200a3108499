"""A session at one server: its socket, TLS or not, and the log-in."""

from __future__ import annotations

import ssl
from typing import NamedTuple

from fasterapi.pg._log_in import authenticate
from fasterapi.pg._socket import (
    Peer,
    ask_for_tls,
    check_peer,
    name_of,
    open_socket,
    python_context,
    relay_tls,
    wants_tls,
)
from fasterapi.pg._ssl import SSLMode, SSLNegotiation, TlsSettings, in_openssls_words, prepared_tls
from fasterapi.pg.exceptions import (
    CannotConnectNowError,
    InvalidAuthorizationSpecificationError,
    InvalidPasswordError,
    PostgresConnectionError,
    PostgresError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import socket

    from fasterapi._core import PgConnection, PgTypes
    from fasterapi.pg._config import Address, ConnectParameters
    from fasterapi.pg._connect import Blueprint

__all__ = ["Session", "open_session"]


class Session(NamedTuple):
    """A log-in that succeeded."""

    core: PgConnection
    types: PgTypes
    peer: Peer
    is_tls: bool


class _OtherWay(Exception):
    """What its cause refuses with TLS may be accepted without it, or the other way round."""


async def open_session(
    loop: asyncio.AbstractEventLoop,
    blueprint: Blueprint,
    address: Address,
    password: bytes | None,
) -> Session:
    """Log in at ``address``, encrypted or not as ``sslmode`` wants it.

    As in libpq, ``prefer`` goes on without TLS and ``allow`` with it, once, where the server has
    refused the first way before it let the user in, or where its TLS does not work.
    """
    params = blueprint.params
    encrypted = wants_tls(params, address)
    may_change = not isinstance(address, str) and params.sslmode in (SSLMode.allow, SSLMode.prefer)
    try:
        return await _open(
            loop, blueprint, address, password, encrypted=encrypted, may_change=may_change
        )
    except _OtherWay as refused:
        first = refused.__cause__
    try:
        return await _open(
            loop, blueprint, address, password, encrypted=not encrypted, may_change=False
        )
    except BaseException as second:
        if isinstance(first, InvalidPasswordError) and _says_less(second):
            raise first from None
        raise second from first


def _says_less(error: BaseException) -> bool:
    """Whether an error is about the second way alone: a password was wrong on the first."""
    less = (InvalidAuthorizationSpecificationError, PostgresConnectionError, OSError)
    return isinstance(error, less) and not isinstance(error, InvalidPasswordError)


async def _open(
    loop: asyncio.AbstractEventLoop,
    blueprint: Blueprint,
    address: Address,
    password: bytes | None,
    *,
    encrypted: bool,
    may_change: bool,
) -> Session:
    """Log in one way; raises ``_OtherWay`` where another one ``may_change`` the outcome."""
    from fasterapi._core import PgTypes

    params, config = blueprint.params, blueprint.config
    plain, peer = await open_socket(loop, address)
    _check_peer(plain, params, address)
    if encrypted and not await _offer_tls(loop, plain, params, address):
        # This is the other way already.
        encrypted = may_change = False
    types = PgTypes(json_as_text=config.json_as_text, extensions=config.extensions)
    try:
        core = await _begin(loop, blueprint, plain, types, peer.host if encrypted else None)
    except OSError as error:
        if encrypted and may_change and not isinstance(error, TimeoutError):
            raise _OtherWay from error
        raise
    try:
        await authenticate(loop, core, params, password)
    except BaseException as error:
        core.terminate()
        if may_change and _is_refusal(error) and not core.is_accepted:
            raise _OtherWay from error
        raise
    return Session(core, types, peer, encrypted)


def _check_peer(plain: socket.socket, params: ConnectParameters, address: Address) -> None:
    wanted = params.demands.peer if params.demands is not None else None
    if wanted is None or not isinstance(address, str):
        return
    try:
        check_peer(plain, wanted)
    except BaseException:
        plain.close()
        raise


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, PostgresError) and not isinstance(error, CannotConnectNowError)


async def _offer_tls(
    loop: asyncio.AbstractEventLoop,
    plain: socket.socket,
    params: ConnectParameters,
    address: Address,
) -> bool:
    """Whether the server does TLS. Closes the socket and raises where it must and does not."""
    try:
        if await ask_for_tls(loop, plain, params, address):
            return True
        if params.sslmode is None or params.sslmode < SSLMode.require:
            return False
        raise ConnectionError(f"{name_of(address)} rejected SSL upgrade")
    except BaseException:
        plain.close()
        raise


async def _begin(
    loop: asyncio.AbstractEventLoop,
    blueprint: Blueprint,
    plain: socket.socket,
    types: PgTypes,
    tls_host: str | None,
) -> PgConnection:
    """The connection over a socket, which this takes over; after its TLS handshake, if any."""
    from fasterapi._core import PgConnection

    params = blueprint.params
    is_ours = isinstance(params.ssl, TlsSettings)
    if tls_host is not None and not is_ours:
        plain = await _encrypt_by_python(loop, plain, params, tls_host)
    core = PgConnection(
        plain.detach(),
        loop,
        types,
        descriptions=blueprint.descriptions,
        record_class=blueprint.record_class,
        message_bytes_max=blueprint.config.message_bytes_max,
    )
    if tls_host is not None and is_ours:
        await _encrypt(core, params, tls_host)
    return core


async def _encrypt_by_python(
    loop: asyncio.AbstractEventLoop, plain: socket.socket, params: ConnectParameters, host: str
) -> socket.socket:
    try:
        context = python_context(params)
    except BaseException:
        plain.close()
        raise
    return await relay_tls(loop, plain, context, host)


async def _encrypt(core: PgConnection, params: ConnectParameters, host: str) -> None:
    direct = params.ssl_negotiation is SSLNegotiation.direct
    try:
        await core.tls(prepared_tls(params.ssl, is_direct=direct), host)
    except BaseException as error:
        core.terminate()
        if isinstance(error, ssl.SSLError):
            raise in_openssls_words(error) from None
        raise
