"""Who is asking: users, what they may do, and ``@requires``."""

from __future__ import annotations

from functools import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, ParamSpec

    from fasterapi.requests import HTTPConnection

    Parameters = ParamSpec("Parameters")

__all__ = [
    "AuthCredentials",
    "AuthenticationBackend",
    "AuthenticationError",
    "BaseUser",
    "SimpleUser",
    "UnauthenticatedUser",
    "has_required_scope",
    "requires",
]


class AuthenticationError(Exception):
    """What a backend raises when the credentials are no good; answered with 400."""


class AuthCredentials:
    """What the user may do: ``scopes``, a list of names."""

    def __init__(self, scopes: Sequence[str] | None = None) -> None:
        """Keep a copy of ``scopes``."""
        self.scopes = [] if scopes is None else list(scopes)


class BaseUser:
    """A user: derive from it and give its three properties."""

    @property
    def is_authenticated(self) -> bool:
        """Whether it is known who this is."""
        raise NotImplementedError

    @property
    def display_name(self) -> str:
        """The name to show."""
        raise NotImplementedError

    @property
    def identity(self) -> str:
        """What tells this user from all others."""
        raise NotImplementedError


class SimpleUser(BaseUser):
    """A user who has only a name."""

    def __init__(self, username: str) -> None:
        """Keep the name."""
        self.username = username

    @property
    def is_authenticated(self) -> bool:
        """True."""
        return True

    @property
    def display_name(self) -> str:
        """The name."""
        return self.username

    @property
    def identity(self) -> str:
        """The name."""
        return self.username


class UnauthenticatedUser(BaseUser):
    """Nobody in particular."""

    @property
    def is_authenticated(self) -> bool:
        """False."""
        return False

    @property
    def display_name(self) -> str:
        """Empty."""
        return ""

    @property
    def identity(self) -> str:
        """Empty."""
        return ""


class AuthenticationBackend:
    """Finds out who is asking: derive from it and give ``authenticate``."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Who asks and what they may do; ``None`` for nobody in particular.

        Raises ``AuthenticationError`` when the request claims what is not true.
        """
        raise NotImplementedError


def has_required_scope(conn: HTTPConnection, scopes: Sequence[str]) -> bool:
    """Whether the user of ``conn`` has all of ``scopes``."""
    return all(scope in conn.auth.scopes for scope in scopes)


def requires(
    scopes: str | Sequence[str], status_code: int = 403, redirect: str | None = None
) -> Callable[[Callable[Parameters, Any]], Callable[Parameters, Any]]:
    """Let a handler run only for users with all of ``scopes``.

    Others get ``status_code``, or are sent to the route called ``redirect`` with the
    URL they asked for in ``next``; a WebSocket is closed. The handler must have a
    parameter ``request`` or ``websocket``; raises ``TypeError`` when it has none.
    """
    needed = [scopes] if isinstance(scopes, str) else list(scopes)

    def decorate(function: Callable[Parameters, Any]) -> Callable[Parameters, Any]:
        from fasterapi.middleware._asgi import is_async_callable

        name, index = _connection_parameter(function)

        def connection_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            connection = kwargs.get(name, args[index] if index < len(args) else None)
            if not hasattr(connection, "auth"):
                raise AssertionError(f"the parameter {name!r} of {function!r} got {connection!r}")
            return connection

        if name == "websocket":

            @wraps(function)
            async def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Any:
                websocket = connection_of(args, kwargs)
                if has_required_scope(websocket, needed):
                    return await function(*args, **kwargs)
                return await websocket.close()
        elif is_async_callable(function):

            @wraps(function)
            async def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Any:
                request = connection_of(args, kwargs)
                if has_required_scope(request, needed):
                    return await function(*args, **kwargs)
                return _refusal(request, status_code, redirect)
        else:

            @wraps(function)
            def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Any:
                request = connection_of(args, kwargs)
                if has_required_scope(request, needed):
                    return function(*args, **kwargs)
                return _refusal(request, status_code, redirect)

        return guarded

    return decorate


def _connection_parameter(function: Callable[..., Any]) -> tuple[str, int]:
    """The name and the place of the parameter that holds the request or WebSocket."""
    from inspect import signature

    for index, name in enumerate(signature(function).parameters):
        if name in ("request", "websocket"):
            return name, index
    raise TypeError(f'No "request" or "websocket" argument on function "{function}"')


def _refusal(request: Any, status_code: int, redirect: str | None) -> Any:
    """A redirect to where one can log in, or an exception."""
    if redirect is None:
        from fasterapi.exceptions import HTTPException

        raise HTTPException(status_code=status_code)
    from urllib.parse import urlencode

    from fasterapi.responses import RedirectResponse

    query = urlencode({"next": str(request.url)})
    return RedirectResponse(f"{request.url_for(redirect)}?{query}", status_code=303)
