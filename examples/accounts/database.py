"""Users and notes in SQLite: what is asked of the database, in one place."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from .models import Note, NoteIn, UserRecord

BUSY_TIMEOUT_S = 5.0

SCHEMA = """
create table if not exists users (
    id integer primary key,
    name text not null unique,
    password_digest text not null,
    is_admin integer not null default 0,
    is_disabled integer not null default 0
) strict;
create table if not exists notes (
    id integer primary key,
    user_id integer not null references users (id),
    text text not null,
    is_pinned integer not null,
    written text not null
) strict;
"""


class Session:
    """One transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def user(self, name: str) -> UserRecord | None:
        """The user of a name."""
        row = self._connection.execute("select * from users where name = ?", (name,)).fetchone()
        return None if row is None else UserRecord.model_validate(dict(row))

    def users(self) -> list[UserRecord]:
        """All users, by name."""
        rows = self._connection.execute("select * from users order by name")
        return [UserRecord.model_validate(dict(row)) for row in rows]

    def add_user(self, name: str, password_digest: str, *, is_admin: bool = False) -> bool:
        """Whether the name was free, and is now taken."""
        statement = """
            insert into users (name, password_digest, is_admin) values (?, ?, ?)
            on conflict (name) do nothing
        """
        return self._connection.execute(statement, (name, password_digest, is_admin)).rowcount == 1

    def disable(self, name: str) -> bool:
        """Whether there was such a user, who can no longer log in."""
        statement = "update users set is_disabled = 1 where name = ?"
        return self._connection.execute(statement, (name,)).rowcount == 1

    def add_note(self, user_id: int, note: NoteIn) -> Note:
        """A new note."""
        statement = """
            insert into notes (user_id, text, is_pinned, written) values (?, ?, ?, ?) returning *
        """
        values = (user_id, note.text, note.is_pinned, datetime.now(UTC).isoformat())
        return _note(self._connection.execute(statement, values).fetchone())

    def notes(self, user_id: int, limit: int, offset: int) -> list[Note]:
        """A user's notes: pinned ones first, then the newest."""
        statement = """
            select * from notes where user_id = ?
            order by is_pinned desc, id desc limit ? offset ?
        """
        return [_note(row) for row in self._connection.execute(statement, (user_id, limit, offset))]

    def note(self, user_id: int, note_id: int) -> Note | None:
        """One of a user's notes."""
        statement = "select * from notes where user_id = ? and id = ?"
        row = self._connection.execute(statement, (user_id, note_id)).fetchone()
        return None if row is None else _note(row)

    def delete_note(self, user_id: int, note_id: int) -> bool:
        """Whether there was such a note."""
        statement = "delete from notes where user_id = ? and id = ?"
        return self._connection.execute(statement, (user_id, note_id)).rowcount == 1


def _note(row: sqlite3.Row) -> Note:
    values = {name: row[name] for name in ("id", "text", "is_pinned", "written")}
    return Note.model_validate(values)


class Database:
    """Where sessions come from."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Makes the tables, if there are none."""
        with closing(self._connect()) as connection:
            connection.executescript(SCHEMA)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed in the end, or rolled back when an exception leaves it."""
        with closing(self._connect()) as connection, connection:
            yield Session(connection)

    def _connect(self) -> sqlite3.Connection:
        # A session may be used in one thread after the other.
        connection = sqlite3.connect(self._path, BUSY_TIMEOUT_S, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return connection
