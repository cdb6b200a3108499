"""The text of a COPY command."""

from __future__ import annotations

from typing import Any

from fasterapi.pg._listeners import quote_identifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["copy_options", "copy_target"]


def copy_target(table: str, schema: str | None, columns: Sequence[str] | None) -> str:
    """The table, with its schema and its columns."""
    target = quote_identifier(table)
    if schema:
        target = f"{quote_identifier(schema)}.{target}"
    if columns:
        target += f" ({', '.join(map(quote_identifier, columns))})"
    return target


def copy_options(**options: Any) -> str:
    """The parenthesis with the options that are given; raises ``ValueError`` for a bad one."""
    parts = [
        f"{name.upper()} {_value(name, value)}"
        for name, value in options.items()
        if value is not None
    ]
    return f"({', '.join(parts)})" if parts else ""


def _value(name: str, value: Any) -> str:
    if name in ("force_quote", "force_not_null", "force_null"):
        if value is True:
            return "*"
        return f"({', '.join(map(quote_identifier, value))})"
    if name == "format":
        if not str(value).isidentifier():
            raise ValueError(f"invalid COPY format: {value!r}")
        return str(value)
    if name in ("oids", "freeze", "header"):
        return str(bool(value)).upper() if isinstance(value, (bool, int)) else _header(value)
    return _literal(str(value))


def _header(value: str) -> str:
    # PostgreSQL 15 has HEADER MATCH.
    if str(value).lower() not in ("match", "true", "false", "on", "off"):
        raise ValueError(f"invalid COPY option: {value!r}")
    return str(value).upper()


def _literal(text: str) -> str:
    quoted = text.replace("'", "''")
    if "\\" in quoted:
        # However the session takes backslashes in plain strings.
        return "E'" + quoted.replace("\\", "\\\\") + "'"
    return f"'{quoted}'"
