"""What only administrators may do: the router itself asks for the scope."""

from fasterapi import APIRouter, Security, status

from ..dependencies import SessionDep, get_user
from ..errors import NotAllowedError, NotAuthenticatedError, NotFoundError, problems
from ..models import Name, Scope, User, UserRecord

router = APIRouter(
    tags=["admin"],
    dependencies=[Security(get_user, scopes=[Scope.ADMIN.value])],
    responses=problems(NotAuthenticatedError, NotAllowedError),
)


@router.get("/users", response_model=list[User])
def listing(session: SessionDep) -> list[UserRecord]:
    """All users."""
    return session.users()


@router.post(
    "/users/{name}/disable",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(NotFoundError),
)
def disable(name: Name, session: SessionDep) -> None:
    """Keep a user from logging in and from using tokens already given."""
    if not session.disable(name):
        raise NotFoundError(f"There is no user {name}")
