"""The errors that an application raises, and those it meets when it starts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FasterAPIError", "HTTPException", "NoMatchFound", "RouteError"]


def _phrase(status_code: int) -> str:
    """The reason phrase of RFC 9110, section 15; empty for an unknown code."""
    # `http` builds enums on import: only an error without a detail pays for it.
    from http import HTTPStatus

    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return ""


class HTTPException(Exception):
    """Ends the request with an error answer, ``{"detail": detail}``.

    ``status_code`` is the HTTP status (RFC 9110, section 15). ``detail`` is any
    JSON-serialisable value; ``None`` stands for the status's reason phrase.
    ``headers`` are added to the answer.
    """

    def __init__(
        self,
        status_code: int,
        detail: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the parts of the answer; nothing is sent before it is raised."""
        super().__init__(status_code, detail)
        self.status_code = status_code
        self.detail = _phrase(status_code) if detail is None else detail
        self.headers = headers

    def __str__(self) -> str:
        """``404: Not Found``."""
        return f"{self.status_code}: {self.detail}"

    def __repr__(self) -> str:
        """``HTTPException(status_code=404, detail='Not Found')``."""
        name = type(self).__name__
        return f"{name}(status_code={self.status_code!r}, detail={self.detail!r})"


class FasterAPIError(RuntimeError):
    """A mistake in how the application uses FasterAPI."""


class RouteError(FasterAPIError):
    """A route that cannot be served; raised when the application starts.

    The message names the file, the line, the function, the parameter (if it is
    about one) and says how to mend the route.
    """

    def __init__(
        self,
        problem: str,
        mend: str,
        *,
        file: str | None = None,
        line: int | None = None,
        function: str | None = None,
        parameter: str | None = None,
    ) -> None:
        """Build the message from what went wrong, how to mend it and where."""
        self.problem = problem
        self.mend = mend
        self.file = file
        self.line = line
        self.function = function
        self.parameter = parameter
        place = f"{file}:{line}: " if file is not None else ""
        about = f"{function}(): " if function is not None else ""
        if parameter is not None:
            about = f"{about}parameter {parameter!r}: "
        super().__init__(f"{place}{about}{problem}. {mend}.")


class NoMatchFound(Exception):
    """``url_path_for`` knows no route of that name with those parameters."""

    def __init__(self, name: str, path_params: Mapping[str, object]) -> None:
        """Name the route and the parameters that were asked for."""
        given = ", ".join(path_params)
        super().__init__(f'No route exists for name "{name}" and params "{given}".')
