"""Users, as they see themselves."""

from fasterapi import APIRouter, status

from .. import passwords
from ..dependencies import CurrentUser, SessionDep
from ..errors import NotAllowedError, NotAuthenticatedError, ProblemError, TakenError, problems
from ..models import Registration, User, UserRecord

router = APIRouter(prefix="/users", tags=["users"])


@router.post(
    "",
    response_model=User,
    status_code=status.HTTP_201_CREATED,
    responses=problems(ProblemError, TakenError),
)
def register(registration: Registration, session: SessionDep) -> UserRecord | None:
    """Become a user."""
    if not session.add_user(registration.name, passwords.digest_of(registration.password)):
        raise TakenError(f"There is a user {registration.name}")
    return session.user(registration.name)


@router.get("/me", response_model=User, responses=problems(NotAuthenticatedError, NotAllowedError))
def who_am_i(user: CurrentUser) -> UserRecord:
    """The user who asks, without what is kept of the password."""
    return user
