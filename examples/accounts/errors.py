"""What can go wrong, as exceptions of the application's own, and how each is answered."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from fasterapi import FastAPI, Request, status
from fasterapi.encoders import jsonable_encoder
from fasterapi.exceptions import RequestValidationError, StarletteHTTPException
from fasterapi.responses import JSONResponse


class Problem(BaseModel):
    """The body of every answer that is not the one asked for."""

    code: str
    detail: str


class ProblemError(Exception):
    """The base of what the application raises; `code` is for programs, `detail` for people."""

    status_code = status.HTTP_400_BAD_REQUEST
    code = "bad_request"
    headers: dict[str, str] | None = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFoundError(ProblemError):
    """There is no such thing, or it is somebody else's."""

    status_code = status.HTTP_404_NOT_FOUND
    code = "not_found"


class TakenError(ProblemError):
    """There is one already."""

    status_code = status.HTTP_409_CONFLICT
    code = "taken"


class NotAuthenticatedError(ProblemError):
    """Nobody knows who asks."""

    status_code = status.HTTP_401_UNAUTHORIZED
    code = "not_authenticated"

    def __init__(self, detail: str, scopes: str = "") -> None:
        super().__init__(detail)
        scope = f' scope="{scopes}"' if scopes else ""
        self.headers = {"www-authenticate": f"Bearer{scope}"}


class NotAllowedError(ProblemError):
    """Whoever asks may not do this."""

    status_code = status.HTTP_403_FORBIDDEN
    code = "not_allowed"


def problems(*kinds: type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can raise these."""
    return {kind.status_code: {"model": Problem} for kind in kinds}


async def answer_problem(request: Request, error: ProblemError) -> JSONResponse:
    """An exception of ours as its answer."""
    content = Problem(code=error.code, detail=error.detail).model_dump()
    return JSONResponse(content, error.status_code, error.headers)


async def answer_refused(request: Request, error: StarletteHTTPException) -> JSONResponse:
    """What the framework itself refuses: a path that is not there, a body that is no text."""
    code = HTTPStatus(error.status_code).name.lower()
    content = Problem(code=code, detail=str(error.detail)).model_dump()
    return JSONResponse(content, error.status_code, error.headers)


async def answer_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """What the framework found wrong, without repeating what was sent: it may be a password."""
    found = [
        {name: value for name, value in one.items() if name != "input"} for one in error.errors()
    ]
    content = {"code": "invalid", "detail": jsonable_encoder(found)}
    return JSONResponse(content, status.HTTP_422_UNPROCESSABLE_CONTENT)


def install(app: FastAPI) -> None:
    """Makes the application answer them."""
    app.exception_handler(ProblemError)(answer_problem)
    app.exception_handler(StarletteHTTPException)(answer_refused)
    app.exception_handler(RequestValidationError)(answer_invalid)
