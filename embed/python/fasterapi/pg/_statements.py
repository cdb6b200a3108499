"""A prepared statement as its users in Python share it."""

from __future__ import annotations

from fasterapi.pg.exceptions import InterfaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi._core import PgStatement

__all__ = ["Statement"]


class Statement:
    """A statement on the server, and who needs it."""

    __slots__ = ("__weakref__", "closed", "owned", "prepared", "users")

    def __init__(self, prepared: PgStatement, *, owned: bool) -> None:
        self.prepared = prepared
        self.owned = owned
        """Nobody else knows the statement: without users it is to be closed."""
        self.users = 0
        self.closed = False

    @property
    def name(self) -> str:
        """Its name on the server; empty for the unnamed one."""
        return self.prepared.name

    @property
    def query(self) -> str:
        """Its text."""
        return self.prepared.query

    def attach(self) -> None:
        """One more needs it."""
        self.users += 1

    def detach(self) -> None:
        """One less needs it."""
        self.users -= 1

    def mark_closed(self) -> None:
        """Let nobody use it any more."""
        self.closed = True

    def check_open(self) -> None:
        """Raises ``InterfaceError`` for a statement that must not be used."""
        if self.closed:
            raise InterfaceError("the prepared statement is closed")
