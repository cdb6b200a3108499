"""Where the server is and how to log in: arguments, DSN, service file, environment, defaults."""

from __future__ import annotations

import enum
import getpass
import os
import pathlib
import ssl
from typing import Any, NamedTuple

from fasterapi.pg._dsn import Host, Settings, parse_dsn, split_hosts
from fasterapi.pg._files import home_file, password_from_file, service_settings
from fasterapi.pg._requirements import LoginDemands, resolve_requirements
from fasterapi.pg._ssl import SSLMode, SSLNegotiation, TlsSettings, resolve_mode, resolve_tls
from fasterapi.pg.exceptions import ClientConfigurationError, InterfaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Address", "ConnectOptions", "ConnectParameters", "SessionAttribute", "resolve"]

Address = str | tuple[str, int]
"""A Unix socket's path, or a host and its port."""

PORT_DEFAULT = 5432
SOCKET_FOLDERS = ("/run/postgresql", "/var/run/postgresql", "/tmp", "/private/tmp")

# What libpq knows and this driver reads elsewhere or has no use for; never sent to the server.
NOT_FOR_THE_SERVER = {
    *("host", "hostaddr", "port", "user", "password", "dbname", "passfile", "service"),
    *("servicefile", "sslmode", "sslnegotiation", "sslcert", "sslkey", "sslrootcert", "sslcrl"),
    *("sslcrldir", "sslpassword", "sslcertmode", "sslsni", "sslcompression", "requirepeer"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "requiressl", "channel_binding"),
    *("gssencmode", "gssdelegation", "krbsrvname", "gsslib", "target_session_attrs"),
    *("connect_timeout", "load_balance_hosts", "keepalives", "keepalives_idle"),
    *("keepalives_interval", "keepalives_count", "tcp_user_timeout", "require_auth"),
    *("client_encoding", "fallback_application_name", "min_protocol_version"),
    *("max_protocol_version", "sslkeylogfile"),
}
# Settings of the session that have a variable.
SESSION_VARIABLES = {
    "PGAPPNAME": "application_name",
    "PGOPTIONS": "options",
    "PGDATESTYLE": "DateStyle",
    "PGTZ": "TimeZone",
    "PGGEQO": "geqo",
}


class SessionAttribute(enum.StrEnum):
    """What ``target_session_attrs`` may ask of a server."""

    any = "any"
    primary = "primary"
    standby = "standby"
    prefer_standby = "prefer-standby"
    read_write = "read-write"
    read_only = "read-only"


class ConnectParameters(NamedTuple):
    """How to log in, the same for every address."""

    user: str
    password: Any = None
    """Text, a list of texts (one per address), or a function that gives one (also async)."""
    database: str | None = None
    ssl: Any = None
    """``TlsSettings``, the caller's ``ssl.SSLContext``, ``False``, or ``None``."""
    sslmode: SSLMode | None = None
    ssl_negotiation: SSLNegotiation | None = None
    server_settings: dict[str, str] | None = None
    target_session_attrs: SessionAttribute | None = None
    krbsrvname: str | None = None
    gsslib: str | None = None
    connect_timeout_s: float | None = None
    load_balance: bool | None = None
    demands: LoginDemands | None = None


class ConnectOptions(NamedTuple):
    """The arguments of ``connect()`` that say where and how."""

    dsn: str | None = None
    host: str | Sequence[str] | None = None
    port: int | str | Sequence[int | str] | None = None
    user: str | None = None
    password: Any = None
    passfile: Any = None
    service: str | None = None
    servicefile: Any = None
    database: str | None = None
    ssl: Any = None
    direct_tls: bool | None = None
    server_settings: dict[str, str] | None = None
    target_session_attrs: Any = None
    krbsrvname: str | None = None
    gsslib: str | None = None


class _Sources:
    """The places where a setting may be, the strongest first (arguments are before all)."""

    def __init__(self, options: ConnectOptions) -> None:
        self.hosts: list[Host] = []
        self.dsn: Settings = {}
        if options.dsn:
            self.dsn, self.hosts = parse_dsn(options.dsn)
        service = options.service or self.dsn.get("service") or os.environ.get("PGSERVICE")
        self.service: Settings = {}
        if service:
            file = options.servicefile or self.dsn.get("servicefile")
            self.service = service_settings(service, str(file) if file else None)

    def lookup(self, name: str, variable: str | None) -> str | None:
        """The setting ``name``, or what the environment has under ``variable``."""
        found = self.dsn.get(name) or self.service.get(name)
        return found or (os.environ.get(variable) if variable else None) or None

    def session_settings(self, given: object) -> dict[str, str]:
        """What the server is told about the session."""
        if given is not None and not (
            isinstance(given, dict)
            and all(isinstance(text, str) for pair in given.items() for text in pair)
        ):
            raise ClientConfigurationError(
                "server_settings is expected to be None or a Dict[str, str]"
            )
        settings = {
            name: os.environ[variable]
            for variable, name in SESSION_VARIABLES.items()
            if os.environ.get(variable)
        }
        for source in (self.service, self.dsn):
            settings.update(
                (name, value) for name, value in source.items() if name not in NOT_FOR_THE_SERVER
            )
            if (fallback := source.get("fallback_application_name")) is not None:
                settings.setdefault("application_name", fallback)
        if isinstance(given, dict):
            settings.update(given)
        return settings


def resolve(options: ConnectOptions) -> tuple[list[Address], ConnectParameters]:
    """The addresses to try, and how to log in.

    Raises ``ClientConfigurationError`` (a ``ValueError``) for what does not fit together.
    """
    sources = _Sources(options)
    lookup = sources.lookup
    addresses = _addresses(options, sources)
    user = options.user or lookup("user", "PGUSER") or _system_user()
    database = options.database
    if database is None:
        database = lookup("dbname", "PGDATABASE") or user
    password = options.password
    if password is None:
        password = lookup("password", "PGPASSWORD")
    if password is None:
        password = _from_file(options, sources, addresses, database, user)
    only_sockets = all(isinstance(address, str) for address in addresses)
    mode, negotiation = resolve_mode(options.ssl, lookup, only_sockets=only_sockets)
    if options.direct_tls is not None:
        negotiation = SSLNegotiation.direct if options.direct_tls else SSLNegotiation.postgres
    timeout = lookup("connect_timeout", "PGCONNECT_TIMEOUT")
    parameters = ConnectParameters(
        user=user,
        password=password,
        database=database,
        ssl=_encryption(options.ssl, mode, sources),
        sslmode=mode,
        ssl_negotiation=negotiation,
        server_settings=sources.session_settings(options.server_settings) or None,
        target_session_attrs=_target(
            options.target_session_attrs or lookup("target_session_attrs", "PGTARGETSESSIONATTRS")
        ),
        krbsrvname=options.krbsrvname or lookup("krbsrvname", "PGKRBSRVNAME"),
        gsslib=_gsslib(options.gsslib or lookup("gsslib", "PGGSSLIB")),
        connect_timeout_s=_seconds(timeout) if timeout else None,
        load_balance=lookup("load_balance_hosts", "PGLOADBALANCEHOSTS") == "random" or None,
        demands=resolve_requirements(lookup),
    )
    return addresses, parameters


def _seconds(text: str) -> float | None:
    try:
        seconds = int(text)
    except ValueError:
        raise ClientConfigurationError(
            f"connect_timeout is expected to be a whole number of seconds, got {text!r}"
        ) from None
    return float(seconds) if seconds > 0 else None


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise ClientConfigurationError("could not determine user name to connect with") from error


def _encryption(given: object, mode: SSLMode, sources: _Sources) -> object:
    if mode is SSLMode.disable:
        return False if given is False else None
    if isinstance(given, ssl.SSLContext):
        return given
    settings: TlsSettings = resolve_tls(mode, sources.lookup, system_only=given is True)
    return settings


def _target(text: Any) -> SessionAttribute:
    try:
        return SessionAttribute(text or "any")
    except ValueError:
        allowed = ", ".join(repr(value.value) for value in SessionAttribute)
        raise ClientConfigurationError(
            f"target_session_attrs is expected to be one of {allowed}, got {text!r}"
        ) from None


def _gsslib(text: str | None) -> str:
    if text not in (None, "gssapi", "sspi"):
        raise ClientConfigurationError("gsslib parameter must be either 'gssapi' or 'sspi'")
    return text or "gssapi"


def _addresses(options: ConnectOptions, sources: _Sources) -> list[Address]:
    hosts = _hosts(options, sources)
    given = options.port
    if given is None or given == "":
        text = sources.lookup("port", "PGPORT") or ""
        ports: list[int | str] = [*text.split(",")] if text else []
    elif isinstance(given, (int, str)):
        ports = [given] if isinstance(given, int) else [*given.split(",")]
    else:
        ports = [*given]
    if not hosts:
        # asyncpg's order: the sockets that are usual, then TCP.
        hosts = [*((folder, "") for folder in SOCKET_FOLDERS), ("localhost", "")]
        if len(ports) > 1:
            raise _mismatch(len(ports), 1)
    if not ports:
        ports = [PORT_DEFAULT]
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise _mismatch(len(ports), len(hosts))
    # A port in the arguments is for every host; one beside a host only for that.
    overridden = given is not None and given != ""
    return [
        _address(name, port if overridden or not own else own)
        for (name, own), port in zip(hosts, ports, strict=True)
    ]


def _mismatch(ports: int, hosts: int) -> InterfaceError:
    return ClientConfigurationError(f"could not match {ports} port numbers to {hosts} hosts")


def _hosts(options: ConnectOptions, sources: _Sources) -> list[Host]:
    given = options.host
    if given:
        names = given.split(",") if isinstance(given, str) else list(given)
        return [(name.removeprefix("[").removesuffix("]"), "") for name in names]
    if sources.hosts:
        return sources.hosts
    return split_hosts(sources.lookup("host", "PGHOST") or "")


def _address(name: str, port: int | str) -> Address:
    try:
        number = PORT_DEFAULT if port == "" else int(port)
    except ValueError:
        raise ClientConfigurationError(f"invalid port number: {port!r}") from None
    if not 0 < number < 1 << 16:
        raise ClientConfigurationError(f"port number {number} is out of range")
    if name.startswith("@"):
        # libpq's way to write a socket in Linux's abstract namespace.
        return f"\0{name[1:]}/.s.PGSQL.{number}"
    if name.startswith("/"):
        # A path to the socket itself is taken as it is.
        return name if "/.s.PGSQL." in name else os.path.join(name, f".s.PGSQL.{number}")
    return name or "localhost", number


def _from_file(
    options: ConnectOptions, sources: _Sources, addresses: list[Address], database: str, user: str
) -> str | list[str | None] | None:
    named = options.passfile or sources.lookup("passfile", "PGPASSFILE")
    path = pathlib.Path(named) if named else home_file(".pgpass")
    if path is None:
        return None
    found: dict[Address, str | None] = {}
    for address in addresses:
        if isinstance(address, str):
            host, port = "localhost", int(address.rpartition(".")[2])
        else:
            host, port = address
        found[address] = password_from_file(path, host, port, database, user)
    passwords = [found[address] for address in addresses]
    if len(set(passwords)) == 1:
        return passwords[0]
    return passwords
