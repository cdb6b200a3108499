"""What is known about a server, a type and a column."""

from __future__ import annotations

from typing import NamedTuple


class Type(NamedTuple):
    """A data type."""

    oid: int
    """The identifier in the server's catalogue."""
    name: str
    kind: str
    """``scalar``, ``array``, ``composite`` or ``range``."""
    schema: str


class Attribute(NamedTuple):
    """A column of a query's result, or a field of a composite type."""

    name: str
    type: Type


class ServerVersion(NamedTuple):
    """The server's version, in the form of ``sys.version_info``."""

    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: int
