"""The server's version as numbers."""

from __future__ import annotations

import re

from fasterapi.pg.types import ServerVersion

__all__ = ["parse_server_version"]

VERSION = re.compile(
    r"(?<![\d.])(?P<major>\d+)(?:\.(?P<minor>\d+))?(?:\.(?P<micro>\d+))?"
    r"(?P<level>devel|alpha|beta|rc)?(?P<serial>\d+)?"
)
ONE_NUMBER_SINCE = 10
"""Since PostgreSQL 10 the second number counts the fixes."""


def parse_server_version(text: str) -> ServerVersion:
    """``15.3 (Debian 15.3-1)`` as ``(15, 0, 3, "final", 0)``; raises ``ValueError``."""
    found = VERSION.search(text)
    if found is None:
        raise ValueError(f"no server version in {text!r}")
    major, minor, micro = (int(found[name] or 0) for name in ("major", "minor", "micro"))
    if major >= ONE_NUMBER_SINCE:
        minor, micro = 0, minor
    return ServerVersion(major, minor, micro, found["level"] or "final", int(found["serial"] or 0))
