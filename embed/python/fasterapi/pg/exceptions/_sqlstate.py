"""The classes for PostgreSQL's SQLSTATEs, made from one table (appendix errcodes)."""

from __future__ import annotations

from typing import Any

from fasterapi.pg.exceptions._base import PostgresError, PostgresLogMessage, PostgresMessage
from fasterapi.pg.exceptions._table import TABLE

__all__ = ["make_classes"]

# Two names that depend on more than the code.
CACHED_PLAN = "0A000/cached"


def make_classes(module: str) -> dict[str, type[Any]]:
    """Every class by its name, as members of ``module``.

    The class of a family (``23000``) is the base of what begins like it (``23505``). Families 01
    and 02 are warnings: what the server reports, not raises.
    """
    classes: dict[str, type[Any]] = {}
    for entry in TABLE.split():
        sqlstate, name = entry.split(":")
        family = PostgresMessage.by_sqlstate.get(sqlstate[:2] + "000")
        bases: tuple[type, ...] = (PostgresError,)
        if family is not None:
            bases = (family,)
        elif sqlstate == "01000":
            bases = (PostgresLogMessage, Warning)
        elif sqlstate == "02000":
            bases = (PostgresMessage.by_sqlstate["01000"],)
        made = _make(name, bases, module, sqlstate)
        classes[name] = PostgresMessage.by_sqlstate[sqlstate] = made
    base = classes["FeatureNotSupportedError"]
    cached = _make("InvalidCachedStatementError", (base,), module, "0A000")
    classes[cached.__name__] = PostgresMessage.by_sqlstate[CACHED_PLAN] = cached
    return classes


def _make(name: str, bases: tuple[type, ...], module: str, sqlstate: str) -> type[Any]:
    body = {"sqlstate": sqlstate, "__module__": module, "__doc__": f"SQLSTATE {sqlstate}."}
    return type(name, bases, body)
