"""A DSN as text becomes settings: a URL, or keywords with values as libpq reads them."""

from __future__ import annotations

import re
import urllib.parse

from fasterapi.pg.exceptions import ClientConfigurationError

__all__ = ["Host", "Settings", "parse_dsn", "split_hosts"]

Settings = dict[str, str]
"""Connection settings by libpq's keyword (``host``, ``port``, ``dbname``, ``sslmode`` ...)."""

SCHEMES = ("postgresql", "postgres")
# 34.1.1.1. Keyword/Value Connection Strings: values may be quoted, \ escapes.
PAIR = re.compile(r"\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s\\']|\\.)*))", re.DOTALL)


Host = tuple[str, str]
"""A host's name and its port, empty where none is given."""


def parse_dsn(dsn: str) -> tuple[Settings, list[Host]]:
    """The settings that ``dsn`` names, and a URL's hosts; raises ``ClientConfigurationError``."""
    if "://" in dsn:
        return _parse_url(dsn)
    if "=" in dsn:
        return _parse_pairs(dsn), []
    raise ClientConfigurationError(
        "invalid DSN: scheme is expected to be either "
        f'"postgresql" or "postgres", got {dsn.partition(":")[0]!r}'
    )


def _parse_pairs(dsn: str) -> Settings:
    settings: Settings = {}
    position = 0
    end = len(dsn.rstrip())
    while position < end:
        found = PAIR.match(dsn, position)
        if found is None or (found.end() < end and not dsn[found.end()].isspace()):
            raise ClientConfigurationError(
                f"invalid DSN: expected keyword=value at character {position + 1}"
            )
        name, quoted, plain = found.groups()
        settings[_known(name)] = re.sub(r"\\(.)", r"\1", plain if quoted is None else quoted)
        position = found.end()
    return settings


def _known(name: str) -> str:
    return "dbname" if name == "database" else name


def _parse_url(dsn: str) -> tuple[Settings, list[Host]]:
    scheme, _, rest = dsn.partition("://")
    if scheme not in SCHEMES:
        raise ClientConfigurationError(
            "invalid DSN: scheme is expected to be either "
            f'"postgresql" or "postgres", got {scheme!r}'
        )
    rest, _, query = rest.partition("#")[0].partition("?")
    authority, _, path = rest.partition("/")
    settings: Settings = {
        _known(name): value for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True)
    }
    # The first @ ends the login, as asyncpg has it.
    login, at, names = authority.partition("@")
    if not at:
        login, names = "", authority
    user, _, password = login.partition(":")
    # What stands in the URL's own parts wins over its query.
    for name, value in (("user", user), ("password", password), ("dbname", path)):
        if value:
            settings[name] = urllib.parse.unquote(value)
    hosts = [
        (urllib.parse.unquote(name), urllib.parse.unquote(port))
        for name, port in split_hosts(names)
    ]
    return settings, hosts


def split_hosts(text: str) -> list[Host]:
    """The hosts of ``host[:port],...``.

    Addresses of IPv6 stand in brackets where a port follows; what begins with ``/`` or ``@`` is a
    folder of Unix sockets and has no port. In a URL it begins with ``%2F``, and may have one.
    """
    hosts: list[Host] = []
    for part in text.split(",") if text else ():
        name, port = part, ""
        if part.startswith("["):
            name, _, rest = part[1:].partition("]")
            port = rest.removeprefix(":")
        elif not part.startswith(("/", "@")) and part.count(":") == 1:
            name, _, port = part.partition(":")
        hosts.append((name, port))
    return hosts
