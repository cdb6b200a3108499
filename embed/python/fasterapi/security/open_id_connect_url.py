"""OpenID Connect, as a declaration."""

from __future__ import annotations

from fasterapi.openapi import _security_models as models
from fasterapi.security.base import SecurityBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.exceptions import HTTPException
    from fasterapi.requests import HTTPConnection

__all__ = ["OpenIdConnect"]


class OpenIdConnect(SecurityBase):
    """A dependency whose value is the whole ``Authorization`` header field.

    ``openIdConnectUrl`` only goes into the OpenAPI document: fetching it and checking
    tokens is the application's, best in a subclass. Without the header field the
    request is answered with 401; with ``auto_error=False`` the value is ``None``.
    """

    model: models.OpenIdConnect

    def __init__(
        self,
        *,
        openIdConnectUrl: str,  # OpenAPI's name
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Describe the scheme."""
        self.model = models.OpenIdConnect(
            openIdConnectUrl=openIdConnectUrl, description=description
        )
        self.scheme_name = scheme_name or type(self).__name__
        self.auto_error = auto_error

    def make_not_authenticated_error(self) -> HTTPException:
        """The error of a request without the header field; override it for another."""
        from fasterapi.exceptions import HTTPException

        return HTTPException(
            status_code=401, detail="Not authenticated", headers={"WWW-Authenticate": "Bearer"}
        )

    async def __call__(self, request: HTTPConnection) -> str | None:
        """The request's ``Authorization``."""
        authorization = request.headers.get("Authorization")
        if authorization:
            return authorization
        if self.auto_error:
            raise self.make_not_authenticated_error()
        return None
