"""The password file and the service file, as libpq reads them."""

from __future__ import annotations

import configparser
import os
import pathlib
import re
import stat
import warnings

from fasterapi.pg.exceptions import ClientConfigurationError, InterfaceWarning

__all__ = ["home_file", "password_from_file", "service_settings"]

SEPARATOR = re.compile(r"(?:[^:\\]|\\.)*")
"""A field of the password file: ``:`` and ``\\`` are escaped by ``\\``."""


def home_file(*parts: str) -> pathlib.Path | None:
    """A path below the user's home; ``None`` where there is no home."""
    try:
        return pathlib.Path.home().joinpath(*parts)
    except (RuntimeError, KeyError):
        return None


def password_from_file(
    path: pathlib.Path, host: str, port: int, database: str, user: str
) -> str | None:
    """The password of the first line that fits; warns of a file that others can read."""
    try:
        content = _read_private(path)
    except OSError:
        return None
    wanted = (host, str(port), database, user)
    for line in content.splitlines():
        fields = _split(line)
        if fields is None:
            continue
        *patterns, password = fields
        if all(_fits(p, value) for p, value in zip(patterns, wanted, strict=True)):
            return _plain(password)
    return None


def _read_private(path: pathlib.Path) -> str:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        _warn(f"password file {path!r} is not a plain file")
        return ""
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        _warn(
            f"password file {path!r} has group or world access; "
            "permissions should be u=rw (0600) or less"
        )
        return ""
    return path.read_text()


def _warn(message: str) -> None:
    warnings.warn(InterfaceWarning(message), stacklevel=2)


def _split(line: str) -> list[str] | None:
    line = line.lstrip()
    if not line or line.startswith("#"):
        return None
    fields = []
    position = 0
    for _ in range(4):
        found = SEPARATOR.match(line, position)
        if found is None or found.end() >= len(line):
            return None
        fields.append(found[0])
        position = found.end() + 1
    return [*fields, line[position:]]


def _plain(field: str) -> str:
    return re.sub(r"\\(.)", r"\1", field)


def _fits(pattern: str, value: str) -> bool:
    return pattern in ("*", value) or _plain(pattern) == value


def service_settings(service: str, file: str | None) -> dict[str, str]:
    """The settings of the section ``service``; raises ``ClientConfigurationError`` without one.

    Looked for in ``file``, else ``PGSERVICEFILE``, ``~/.pg_service.conf`` and
    ``pg_service.conf`` in ``PGSYSCONFDIR``.
    """
    named = file or os.environ.get("PGSERVICEFILE")
    candidates = [pathlib.Path(named) if named else home_file(".pg_service.conf")]
    if folder := os.environ.get("PGSYSCONFDIR"):
        candidates.append(pathlib.Path(folder, "pg_service.conf"))
    for path in candidates:
        if path is None:
            continue
        parser = configparser.RawConfigParser(
            delimiters=("=",), comment_prefixes=("#",), strict=False, empty_lines_in_values=False
        )
        try:
            parser.read_string(path.read_text(), str(path))
        except OSError:
            continue
        except configparser.Error as error:
            raise ClientConfigurationError(f"service file {str(path)!r}: {error}") from error
        if parser.has_section(service):
            return {
                "dbname" if name == "database" else name: value
                for name, value in parser.items(service)
            }
    raise ClientConfigurationError(f"definition of service {service!r} not found")
