"""Logging in: OAuth2's password flow (RFC 6749, section 4.3)."""

from typing import Annotated

from fasterapi import APIRouter, Depends
from fasterapi.security import OAuth2PasswordRequestForm

from .. import passwords, tokens
from ..dependencies import SessionDep, SettingsDep
from ..errors import NotAuthenticatedError, ProblemError, problems
from ..models import SCOPES, Scope, Token

router = APIRouter(prefix="/auth", tags=["auth"])
# Compared with when there is no such user, so that this takes as long as a wrong password.
NOBODY = passwords.digest_of("nobody")


@router.post("/token", responses=problems(ProblemError, NotAuthenticatedError))
def log_in(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    session: SessionDep,
    settings: SettingsDep,
) -> Token:
    """Give a token for a name and a password, with the scopes asked for that the user may have."""
    user = session.user(form.username)
    is_right = passwords.is_right(form.password, user.password_digest if user else NOBODY)
    if user is None or user.is_disabled or not is_right:
        raise NotAuthenticatedError("Name or password is wrong")
    allowed = set(SCOPES) if user.is_admin else set(SCOPES) - {Scope.ADMIN.value}
    scopes = sorted(allowed.intersection(form.scopes) if form.scopes else allowed)
    lifetime_s = settings.token_lifetime_s
    secret = settings.token_secret.get_secret_value()
    token = tokens.sign(user.name, scopes, lifetime_s, secret)
    return Token(access_token=token, expires_in=lifetime_s, scope=" ".join(scopes))
