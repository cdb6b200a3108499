"""Errors and messages: one class for each SQLSTATE, and those of the driver itself.

The stub beside this file names every class for type checkers.
"""

from __future__ import annotations

from fasterapi.pg.exceptions import _base
from fasterapi.pg.exceptions._base import *  # noqa: F403
from fasterapi.pg.exceptions._sqlstate import make_classes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_classes = make_classes(__name__)
globals().update(_classes)

__all__ = [  # noqa: PLE0604 - computed from the table
    *(name for name in _base.__all__ if name not in ("PostgresMessage", "InterfaceMessage")),
    *_classes,
]


def from_fields(fields: Mapping[str, str], query: str | None = None) -> Exception:
    """The error that ErrorResponse's ``fields`` describe, by letter or by attribute name."""
    return _base.PostgresError.new(fields, query)


def notice_from_fields(fields: Mapping[str, str]) -> _base.PostgresLogMessage:
    """The message that NoticeResponse's ``fields`` describe, by letter or by attribute name."""
    return _base.PostgresLogMessage.new(fields)
