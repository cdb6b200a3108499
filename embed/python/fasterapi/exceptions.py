"""The errors that an application raises, and those it meets when it starts.

``HTTPException`` and ``WebSocketException`` are also Starlette's classes of those
names as soon as Starlette is imported by anyone: libraries that raise or catch
Starlette's then meet ours, and nobody pays for an import that is not wanted.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypedDict

    class EndpointContext(TypedDict, total=False):
        """Where the handler is that an error is about."""

        function: str
        path: str
        file: str
        line: int


__all__ = [
    "DependencyScopeError",
    "FastAPIDeprecationWarning",
    "FastAPIError",
    "FasterAPIError",
    "HTTPException",
    "NoMatchFound",
    "PydanticV1NotSupportedError",
    "RequestValidationError",
    "ResponseValidationError",
    "RouteError",
    "StarletteHTTPException",
    "StarletteWebSocketException",
    "ValidationException",
    "WebSocketException",
    "WebSocketRequestValidationError",
]

_STARLETTE = "starlette.exceptions"


def _phrase(status_code: int) -> str:
    """The reason phrase of RFC 9110, section 15; empty for an unknown code."""
    # `http` builds enums on import: only an error without a detail pays for it.
    from http import HTTPStatus

    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return ""


class _Root(Exception):
    """Stands where Starlette's class comes when it is there.

    ``__bases__`` may be exchanged for another class written in Python, not for
    ``Exception`` itself.
    """


class StarletteHTTPException(_Root):
    """What ``HTTPException`` has in common with Starlette's."""

    def __init__(
        self,
        status_code: int,
        detail: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the parts of the answer; nothing is sent before it is raised."""
        if not _adopted and _STARLETTE in sys.modules:
            adopt_starlette()
        Exception.__init__(self, status_code, detail)
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


class HTTPException(StarletteHTTPException):
    """Ends the request with an error answer, ``{"detail": detail}``.

    ``status_code`` is the HTTP status (RFC 9110, section 15). ``detail`` is any
    JSON-serialisable value; ``None`` stands for the status's reason phrase.
    ``headers`` are added to the answer.
    """


class StarletteWebSocketException(_Root):
    """What ``WebSocketException`` has in common with Starlette's."""

    def __init__(self, code: int, reason: str | None = None) -> None:
        """Keep the parts of the close frame."""
        if not _adopted and _STARLETTE in sys.modules:
            adopt_starlette()
        Exception.__init__(self, code, reason)
        self.code = code
        self.reason = reason or ""

    def __str__(self) -> str:
        """``1008: not allowed``."""
        return f"{self.code}: {self.reason}"

    def __repr__(self) -> str:
        """``WebSocketException(code=1008, reason='not allowed')``."""
        return f"{type(self).__name__}(code={self.code!r}, reason={self.reason!r})"


class WebSocketException(StarletteWebSocketException):
    """Closes the WebSocket with ``code`` (RFC 6455, section 7.4) and ``reason``."""


_adopted = False


def adopt_starlette() -> None:
    """Make our exceptions Starlette's too, if Starlette has been imported."""
    global _adopted  # noqa: PLW0603 - done once for the whole process
    theirs = sys.modules.get(_STARLETTE)
    http = getattr(theirs, "HTTPException", None)
    websocket = getattr(theirs, "WebSocketException", None)
    if _adopted or http is None or websocket is None:
        return  # not there, or still being imported
    _adopted = True
    if issubclass(http, _Root):
        return  # our own, under Starlette's name
    StarletteHTTPException.__bases__ = (http,)
    StarletteWebSocketException.__bases__ = (websocket,)


def is_http_exception(error: BaseException) -> bool:
    """Whether ``error`` is an ``HTTPException``, ours or Starlette's."""
    if isinstance(error, StarletteHTTPException):
        return True
    theirs = getattr(sys.modules.get(_STARLETTE), "HTTPException", None)
    return theirs is not None and isinstance(error, theirs)


class FastAPIError(RuntimeError):
    """A mistake in how the application uses FasterAPI."""


FasterAPIError = FastAPIError


class DependencyScopeError(FastAPIError):
    """A dependency of the scope "request" depends on one that is closed earlier."""


class PydanticV1NotSupportedError(FastAPIError):
    """A model of Pydantic's version 1 is used; only version 2 works."""


class FastAPIDeprecationWarning(UserWarning):
    """Something still works and should not be used any more."""


class RouteError(FastAPIError, AssertionError):
    """A route that cannot be served; raised when it is made or the application starts.

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


class ValidationException(Exception):
    """Values that do not fit their types: what ``errors()`` lists, and where.

    ``endpoint_function``, ``endpoint_path``, ``endpoint_file`` and
    ``endpoint_line`` name the handler as far as it is known.
    """

    def __init__(
        self, errors: Sequence[Any], *, endpoint_ctx: EndpointContext | None = None
    ) -> None:
        """Keep the errors, each a dictionary as Pydantic makes them."""
        super().__init__(errors)
        self._errors = errors
        self.endpoint_ctx = endpoint_ctx
        context = endpoint_ctx or {}
        self.endpoint_function = context.get("function")
        self.endpoint_path = context.get("path")
        self.endpoint_file = context.get("file")
        self.endpoint_line = context.get("line")

    def errors(self) -> Sequence[Any]:
        """The errors, one dictionary each."""
        return self._errors

    def __str__(self) -> str:
        """How many errors, each on its line, and the handler they are about."""
        count = len(self._errors)
        lines = [f"{count} validation error{'' if count == 1 else 's'}:"]
        lines += [f"  {error}" for error in self._errors]
        path = self.endpoint_path
        if self.endpoint_file and self.endpoint_line and self.endpoint_function:
            place = f'File "{self.endpoint_file}", line {self.endpoint_line}'
            lines += ["", f"  {place}, in {self.endpoint_function}"]
            lines += [f"    {path}"] if path else []
        elif path:
            lines += ["", f"  Endpoint: {path}"]
        return "\n".join(lines)


class _WithBody(ValidationException):
    def __init__(
        self,
        errors: Sequence[Any],
        *,
        body: Any = None,
        endpoint_ctx: EndpointContext | None = None,
    ) -> None:
        """Keep the errors and the value that they are about."""
        super().__init__(errors, endpoint_ctx=endpoint_ctx)
        self.body = body


class RequestValidationError(_WithBody):
    """The request does not fit the handler's parameters; answered with 422."""


class WebSocketRequestValidationError(ValidationException):
    """A WebSocket's request does not fit its handler; closed with 1008."""


class ResponseValidationError(_WithBody):
    """What the handler returned does not fit its response model; answered with 500."""


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Make the two models that FastAPI's module has, when they are asked for."""
        if name not in ("RequestErrorModel", "WebSocketErrorModel"):
            if name == "EndpointContext":
                return dict
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from pydantic import create_model

        model = create_model(name.removesuffix("ErrorModel"))
        globals()[name] = model
        return model


if _STARLETTE in sys.modules:
    adopt_starlette()
