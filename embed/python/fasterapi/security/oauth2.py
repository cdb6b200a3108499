"""OAuth 2 (RFC 6749): the header field, the token form, the scopes."""

from __future__ import annotations

from typing import Annotated

from fasterapi.exceptions import HTTPException
from fasterapi.openapi import _security_models as models
from fasterapi.param_functions import Form
from fasterapi.security.base import SecurityBase
from fasterapi.security.utils import get_authorization_scheme_param

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi.requests import HTTPConnection

__all__ = [
    "OAuth2",
    "OAuth2AuthorizationCodeBearer",
    "OAuth2PasswordBearer",
    "OAuth2PasswordRequestForm",
    "OAuth2PasswordRequestFormStrict",
    "SecurityScopes",
]


class OAuth2PasswordRequestForm:
    """A dependency that reads the form of a token request (RFC 6749, section 4.3.2).

    ``scope`` is split at spaces into the attribute ``scopes``. A missing
    ``grant_type`` is let through, against the specification;
    `OAuth2PasswordRequestFormStrict` demands it.
    """

    def __init__(
        self,
        *,
        grant_type: Annotated[str | None, Form(pattern="^password$")] = None,
        username: Annotated[str, Form()],
        password: Annotated[str, Form(json_schema_extra={"format": "password"})],
        scope: Annotated[str, Form()] = "",
        client_id: Annotated[str | None, Form()] = None,
        client_secret: Annotated[str | None, Form(json_schema_extra={"format": "password"})] = None,
    ) -> None:
        """Keep the fields of the form."""
        self.grant_type = grant_type
        self.username = username
        self.password = password
        self.scopes = scope.split()
        self.client_id = client_id
        self.client_secret = client_secret


class OAuth2PasswordRequestFormStrict(OAuth2PasswordRequestForm):
    """As `OAuth2PasswordRequestForm`, but ``grant_type`` must be sent, as ``password``."""

    def __init__(
        self,
        grant_type: Annotated[str, Form(pattern="^password$")],
        username: Annotated[str, Form()],
        password: Annotated[str, Form()],
        scope: Annotated[str, Form()] = "",
        client_id: Annotated[str | None, Form()] = None,
        client_secret: Annotated[str | None, Form()] = None,
    ) -> None:
        """Keep the fields of the form."""
        super().__init__(
            grant_type=grant_type,
            username=username,
            password=password,
            scope=scope,
            client_id=client_id,
            client_secret=client_secret,
        )


class OAuth2(SecurityBase):
    """A dependency whose value is the whole ``Authorization`` header field.

    ``flows`` describes how a client gets a token. Without the header field the request
    is answered with 401; with ``auto_error=False`` the value is ``None``.
    ``scheme_name`` (the class's name) and ``description`` are for the OpenAPI document.
    """

    model: models.OAuth2

    def __init__(
        self,
        *,
        flows: models.OAuthFlows | dict[str, dict[str, Any]] | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Describe the scheme."""
        if flows is None:
            flows = models.OAuthFlows()
        self.model = models.OAuth2(flows=flows, description=description)
        self.scheme_name = scheme_name or type(self).__name__
        self.auto_error = auto_error

    def make_not_authenticated_error(self) -> HTTPException:
        """The error of a request without a token: 401 with the challenge ``Bearer``.

        OAuth 2 names no challenge of its own; bearer tokens (RFC 6750) are what nearly
        all clients send. Override this for another error.
        """
        return HTTPException(
            status_code=401, detail="Not authenticated", headers={"WWW-Authenticate": "Bearer"}
        )

    def _found(self, credentials: str | None) -> str | None:
        """``credentials``; without any ``None``, or the error."""
        if credentials is None and self.auto_error:
            raise self.make_not_authenticated_error()
        return credentials

    async def __call__(self, request: HTTPConnection) -> str | None:
        """The request's ``Authorization``."""
        return self._found(request.headers.get("Authorization") or None)


class _OAuth2Bearer(OAuth2):
    """A flow that ends in a bearer token: the value is the token alone."""

    async def __call__(self, request: HTTPConnection) -> str | None:
        """The request's token."""
        scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
        return self._found(token if scheme.lower() == "bearer" else None)


class OAuth2PasswordBearer(_OAuth2Bearer):
    """A dependency whose value is the bearer token that a password was exchanged for.

    ``tokenUrl`` is where `OAuth2PasswordRequestForm` is taken, ``scopes`` the names of
    all scopes with a description each. The other arguments are those of `OAuth2`.
    """

    def __init__(
        self,
        tokenUrl: str,  # OpenAPI's name
        scheme_name: str | None = None,
        scopes: dict[str, str] | None = None,
        description: str | None = None,
        auto_error: bool = True,
        refreshUrl: str | None = None,  # OpenAPI's name
    ) -> None:
        """Describe the scheme."""
        flow = models.OAuthFlowPassword(
            tokenUrl=tokenUrl, refreshUrl=refreshUrl, scopes=scopes or {}
        )
        super().__init__(
            flows=models.OAuthFlows(password=flow),
            scheme_name=scheme_name,
            description=description,
            auto_error=auto_error,
        )


class OAuth2AuthorizationCodeBearer(_OAuth2Bearer):
    """A dependency whose value is the bearer token that a code was exchanged for.

    ``authorizationUrl`` is where the user signs in, ``tokenUrl`` where the client
    changes the code into a token. The other arguments are those of
    `OAuth2PasswordBearer`.
    """

    def __init__(
        self,
        authorizationUrl: str,  # OpenAPI's name
        tokenUrl: str,  # OpenAPI's name
        refreshUrl: str | None = None,  # OpenAPI's name
        scheme_name: str | None = None,
        scopes: dict[str, str] | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Describe the scheme."""
        flow = models.OAuthFlowAuthorizationCode(
            authorizationUrl=authorizationUrl,
            tokenUrl=tokenUrl,
            refreshUrl=refreshUrl,
            scopes=scopes or {},
        )
        super().__init__(
            flows=models.OAuthFlows(authorizationCode=flow),
            scheme_name=scheme_name,
            description=description,
            auto_error=auto_error,
        )


class SecurityScopes:
    """The scopes that all dependants of a dependency ask for, in ``scopes``.

    A dependency gets one by a parameter of this type. ``scope_str`` holds them in
    one string, separated by spaces (RFC 6749, section 3.3).
    """

    def __init__(self, scopes: list[str] | None = None) -> None:
        """Keep the scopes."""
        self.scopes: list[str] = scopes or []
        self.scope_str: str = " ".join(self.scopes)
