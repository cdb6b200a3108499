"""HTTP's own authentication: the ``Authorization`` header field (RFC 9110, section 11).

The two credentials classes are not pydantic models: they are made for each request,
and an application that has no models need not import pydantic for them. They have a
model's methods, and pydantic accepts them as the type of a field.
"""

from __future__ import annotations

from fasterapi.exceptions import HTTPException
from fasterapi.openapi import _security_models as models
from fasterapi.openapi._light_model import LightModel, field
from fasterapi.security.base import SecurityBase
from fasterapi.security.utils import get_authorization_scheme_param

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.requests import HTTPConnection

__all__ = [
    "HTTPAuthorizationCredentials",
    "HTTPBase",
    "HTTPBasic",
    "HTTPBasicCredentials",
    "HTTPBearer",
    "HTTPDigest",
]


class HTTPBasicCredentials(LightModel):
    """What `HTTPBasic` finds: ``username`` and ``password`` (RFC 7617)."""

    username: str = field(str)
    password: str = field(str)
    _extra = False


class HTTPAuthorizationCredentials(LightModel):
    """What `HTTPBearer` and `HTTPDigest` find: ``scheme`` and the ``credentials`` after it."""

    scheme: str = field(str)
    credentials: str = field(str)
    _extra = False


class HTTPBase(SecurityBase):
    """A dependency that takes any scheme: its value is `HTTPAuthorizationCredentials`.

    A request without credentials is answered with 401 and the challenge ``scheme``;
    with ``auto_error=False`` the value is ``None``. ``scheme_name`` (the class's name)
    and ``description`` are for the OpenAPI document.
    """

    model: models.HTTPBase

    def __init__(
        self,
        *,
        scheme: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Describe the scheme."""
        self.model = models.HTTPBase(scheme=scheme, description=description)
        self.scheme_name = scheme_name or type(self).__name__
        self.auto_error = auto_error

    def make_authenticate_headers(self) -> dict[str, str]:
        """The challenge of a 401 answer (RFC 9110, section 11.6.1)."""
        return {"WWW-Authenticate": self.model.scheme.title()}

    def make_not_authenticated_error(self) -> HTTPException:
        """The error of a request without credentials; override it for another."""
        return HTTPException(
            status_code=401,
            detail="Not authenticated",
            headers=self.make_authenticate_headers(),
        )

    def _credentials(
        self, request: HTTPConnection, scheme_wanted: str = ""
    ) -> HTTPAuthorizationCredentials | None:
        """Those of the request, of the scheme ``scheme_wanted`` (lower case) if one is."""
        scheme, credentials = get_authorization_scheme_param(request.headers.get("Authorization"))
        if scheme and credentials and (not scheme_wanted or scheme.lower() == scheme_wanted):
            return HTTPAuthorizationCredentials.model_construct(
                scheme=scheme, credentials=credentials
            )
        if self.auto_error:
            raise self.make_not_authenticated_error()
        return None

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        """The request's credentials."""
        return self._credentials(request)


class HTTPBasic(HTTPBase):
    """A dependency whose value is `HTTPBasicCredentials` (RFC 7617).

    ``realm`` is part of the challenge. Credentials that are not base64 of
    ``name:password`` are answered with 401 even with ``auto_error=False``. The other
    arguments are those of `HTTPBase`.
    """

    def __init__(
        self,
        *,
        scheme_name: str | None = None,
        realm: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Describe the scheme."""
        super().__init__(
            scheme="basic", scheme_name=scheme_name, description=description, auto_error=auto_error
        )
        self.realm = realm

    def make_authenticate_headers(self) -> dict[str, str]:
        """The challenge, with the realm if there is one."""
        challenge = f'Basic realm="{self.realm}"' if self.realm else "Basic"
        return {"WWW-Authenticate": challenge}

    async def __call__(  # type: ignore[override]  # as FastAPI: other credentials
        self, request: HTTPConnection
    ) -> HTTPBasicCredentials | None:
        """The request's name and password."""
        scheme, encoded = get_authorization_scheme_param(request.headers.get("Authorization"))
        if scheme.lower() != "basic":
            if self.auto_error:
                raise self.make_not_authenticated_error()
            return None
        from binascii import a2b_base64

        try:
            decoded = a2b_base64(encoded).decode("ascii")
        except ValueError as error:  # binascii.Error and UnicodeDecodeError are ValueErrors
            raise self.make_not_authenticated_error() from error
        username, colon, password = decoded.partition(":")
        if not colon:
            raise self.make_not_authenticated_error()
        return HTTPBasicCredentials.model_construct(username=username, password=password)


class HTTPBearer(HTTPBase):
    """A dependency whose value is a bearer token, as ``credentials`` (RFC 6750).

    ``bearerFormat`` tells readers of the document what tokens are (``"JWT"``). The
    other arguments are those of `HTTPBase`.
    """

    model: models.HTTPBearer

    def __init__(
        self,
        *,
        bearerFormat: str | None = None,  # OpenAPI's name
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Describe the scheme."""
        super().__init__(
            scheme="bearer", scheme_name=scheme_name, description=description, auto_error=auto_error
        )
        self.model = models.HTTPBearer(bearerFormat=bearerFormat, description=description)

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        """The request's token."""
        return self._credentials(request, "bearer")


class HTTPDigest(HTTPBase):
    """A dependency whose value is the ``Digest`` credentials as they were sent (RFC 7616).

    Checking them is the application's: this only declares the scheme and reads the
    header field. The arguments are those of `HTTPBase`.
    """

    def __init__(
        self,
        *,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Describe the scheme."""
        super().__init__(
            scheme="digest", scheme_name=scheme_name, description=description, auto_error=auto_error
        )

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        """The request's credentials."""
        return self._credentials(request, "digest")
