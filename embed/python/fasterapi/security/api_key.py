"""API keys: a secret in a query parameter, a header field or a cookie."""

from __future__ import annotations

from fasterapi.exceptions import HTTPException
from fasterapi.openapi._security_models import APIKey, APIKeyIn
from fasterapi.security.base import SecurityBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.requests import HTTPConnection

__all__ = ["APIKeyBase", "APIKeyCookie", "APIKeyHeader", "APIKeyQuery"]


class APIKeyBase(SecurityBase):
    """What the three places have in common."""

    model: APIKey

    def __init__(
        self,
        location: APIKeyIn,
        name: str,
        description: str | None,
        scheme_name: str | None,
        auto_error: bool,
    ) -> None:
        """Describe the scheme."""
        self.model = APIKey(in_=location, name=name, description=description)
        self.scheme_name = scheme_name or type(self).__name__
        self.auto_error = auto_error

    def make_not_authenticated_error(self) -> HTTPException:
        """The error of a request without a key: 401.

        RFC 9110, section 11.6.1 demands a challenge, and none is registered for keys:
        ``APIKey`` tells a person what is missing. Override this for another error.
        """
        return HTTPException(
            status_code=401,
            detail="Not authenticated",
            headers={"WWW-Authenticate": "APIKey"},
        )

    def check_api_key(self, api_key: str | None) -> str | None:
        """The key; without one ``None``, or the error when ``auto_error`` is set."""
        if api_key:
            return api_key
        if self.auto_error:
            raise self.make_not_authenticated_error()
        return None


class APIKeyQuery(APIKeyBase):
    """A dependency whose value is the query parameter ``name``.

    Without it the request is answered with 401; with ``auto_error=False`` the value
    is ``None``. ``scheme_name`` (the class's name) and ``description`` are for the
    OpenAPI document.
    """

    def __init__(
        self,
        *,
        name: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Describe the scheme."""
        super().__init__(APIKeyIn.query, name, description, scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> str | None:
        """The request's key."""
        return self.check_api_key(request.query_params.get(self.model.name))


class APIKeyHeader(APIKeyBase):
    """A dependency whose value is the header field ``name``; see `APIKeyQuery`."""

    def __init__(
        self,
        *,
        name: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Describe the scheme."""
        super().__init__(APIKeyIn.header, name, description, scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> str | None:
        """The request's key."""
        return self.check_api_key(request.headers.get(self.model.name))


class APIKeyCookie(APIKeyBase):
    """A dependency whose value is the cookie ``name``; see `APIKeyQuery`."""

    def __init__(
        self,
        *,
        name: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Describe the scheme."""
        super().__init__(APIKeyIn.cookie, name, description, scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> str | None:
        """The request's key."""
        return self.check_api_key(request.cookies.get(self.model.name))
