"""What handlers ask for: the settings, a session, the user who asks, and which page."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fasterapi import Depends, Query, Request, Security
from fasterapi.security import OAuth2PasswordBearer, SecurityScopes

from .database import Database, Session
from .errors import NotAllowedError, NotAuthenticatedError
from .models import SCOPES, UserRecord
from .settings import Settings, get_settings
from .tokens import InvalidTokenError, verify

OFFSET_MAX = 2**63 - 1

bearer = OAuth2PasswordBearer(tokenUrl="/auth/token", scopes=SCOPES, auto_error=False)

SettingsDep = Annotated[Settings, Depends(get_settings)]


def get_session(request: Request) -> Iterator[Session]:
    """A transaction for one request; it ends before the answer is sent."""
    database: Database = request.state.database
    with database.session() as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session, scope="function")]


def get_user(
    needed: SecurityScopes,
    token: Annotated[str | None, Depends(bearer)],
    settings: SettingsDep,
    session: SessionDep,
) -> UserRecord:
    """The user whose token came with the request, if the token allows what is asked."""
    if token is None:
        raise NotAuthenticatedError("A token is needed: log in first", needed.scope_str)
    try:
        claims = verify(token, settings.token_secret.get_secret_value())
    except InvalidTokenError as error:
        raise NotAuthenticatedError(str(error), needed.scope_str) from error
    user = session.user(claims.sub)
    if user is None or user.is_disabled:
        raise NotAuthenticatedError("There is no such user any more", needed.scope_str)
    missing = [scope for scope in needed.scopes if scope not in claims.scopes]
    if missing:
        raise NotAllowedError(f"The token does not allow {', '.join(missing)}")
    return user


CurrentUser = Annotated[UserRecord, Security(get_user)]


@dataclass
class Paging:
    """Which part of a list is asked for; a class whose arguments are query parameters."""

    limit: Annotated[int, Query(ge=1, le=100)] = 20
    offset: Annotated[int, Query(ge=0, le=OFFSET_MAX)] = 0


PagingDep = Annotated[Paging, Depends()]
