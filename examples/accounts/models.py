"""What comes in and what goes out."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,31}$")]
Password = Annotated[str, StringConstraints(min_length=8, max_length=128)]


class Scope(StrEnum):
    """What a token may allow."""

    NOTES_READ = "notes:read"
    NOTES_WRITE = "notes:write"
    ADMIN = "admin"


SCOPES = {
    Scope.NOTES_READ.value: "Read your notes",
    Scope.NOTES_WRITE.value: "Write and delete your notes",
    Scope.ADMIN.value: "See and disable users",
}


class Token(BaseModel):
    """The answer to a log-in (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str = "bearer"
    expires_in: int
    scope: str


class Registration(BaseModel):
    """A user to be."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    password: Password


class User(BaseModel):
    """A user, as others may see it."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    is_admin: bool
    is_disabled: bool


class UserRecord(User):
    """A user, as it is kept: `response_model` is what keeps the digest from going out."""

    id: int
    password_digest: str


class NoteIn(BaseModel):
    """A note as it is written."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=10_000)]
    is_pinned: bool = False


class Note(NoteIn):
    """A note as it is kept."""

    id: int
    written: datetime
