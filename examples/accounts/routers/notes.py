"""Notes: everybody's own, read and written with different scopes."""

from typing import Annotated

from fasterapi import APIRouter, Path, Request, Response, Security, status

from ..dependencies import PagingDep, SessionDep, get_user
from ..errors import NotAllowedError, NotAuthenticatedError, NotFoundError, ProblemError, problems
from ..models import Note, NoteIn, Scope, UserRecord

ID_MAX = 2**63 - 1

Reader = Annotated[UserRecord, Security(get_user, scopes=[Scope.NOTES_READ.value])]
Writer = Annotated[UserRecord, Security(get_user, scopes=[Scope.NOTES_WRITE.value])]
NoteId = Annotated[int, Path(ge=1, le=ID_MAX)]

router = APIRouter(
    prefix="/notes",
    tags=["notes"],
    responses=problems(NotAuthenticatedError, NotAllowedError),
)


@router.get("")
def listing(user: Reader, session: SessionDep, paging: PagingDep) -> list[Note]:
    """Your notes: pinned ones first, then the newest."""
    return session.notes(user.id, paging.limit, paging.offset)


@router.post("", status_code=status.HTTP_201_CREATED, responses=problems(ProblemError))
def write(
    user: Writer, note: NoteIn, session: SessionDep, request: Request, response: Response
) -> Note:
    """Write a note."""
    written = session.add_note(user.id, note)
    response.headers["location"] = str(request.url_for("read", note_id=written.id))
    return written


@router.get("/{note_id}", responses=problems(NotFoundError))
def read(user: Reader, note_id: NoteId, session: SessionDep) -> Note:
    """One of your notes."""
    note = session.note(user.id, note_id)
    if note is None:
        raise NotFoundError(f"You have no note {note_id}")
    return note


@router.delete(
    "/{note_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(NotFoundError)
)
def delete(user: Writer, note_id: NoteId, session: SessionDep) -> None:
    """Forget one of your notes."""
    if not session.delete_note(user.id, note_id):
        raise NotFoundError(f"You have no note {note_id}")
