"""How OpenAPI describes security schemes (OpenAPI 3.1, Security Scheme Object)."""

from __future__ import annotations

from enum import Enum

from fasterapi.openapi._light_model import LightModel, field

__all__ = [
    "APIKey",
    "APIKeyIn",
    "HTTPBase",
    "HTTPBearer",
    "OAuth2",
    "OAuthFlow",
    "OAuthFlowAuthorizationCode",
    "OAuthFlowClientCredentials",
    "OAuthFlowImplicit",
    "OAuthFlowPassword",
    "OAuthFlows",
    "OpenIdConnect",
    "SecurityBase",
    "SecuritySchemeType",
]


class SecuritySchemeType(Enum):
    """The kinds of schemes."""

    apiKey = "apiKey"
    http = "http"
    oauth2 = "oauth2"
    openIdConnect = "openIdConnect"


class APIKeyIn(Enum):
    """Where a request carries its key."""

    query = "query"
    header = "header"
    cookie = "cookie"


class SecurityBase(LightModel):
    """What all schemes have; any further keyword is kept as an extension."""

    type_: SecuritySchemeType = field(SecuritySchemeType, alias="type")
    description: str | None = field(str, None)


class APIKey(SecurityBase):
    """A key in a query parameter, a header field or a cookie called ``name``."""

    type_: SecuritySchemeType = field(SecuritySchemeType, SecuritySchemeType.apiKey, alias="type")
    in_: APIKeyIn = field(APIKeyIn, alias="in")
    name: str = field(str)


class HTTPBase(SecurityBase):
    """A scheme of the ``Authorization`` header (RFC 9110, section 11)."""

    type_: SecuritySchemeType = field(SecuritySchemeType, SecuritySchemeType.http, alias="type")
    scheme: str = field(str)


class HTTPBearer(HTTPBase):
    """A bearer token; ``bearerFormat`` is a hint for readers (``"JWT"``)."""

    scheme: str = field(str, "bearer")
    bearerFormat: str | None = field(str, None)


class OAuthFlow(LightModel):
    """What every OAuth 2 flow has: the names of its scopes, each with a description."""

    refreshUrl: str | None = field(str, None)
    scopes: dict[str, str] = field(dict, {}, of=str)


class OAuthFlowImplicit(OAuthFlow):
    """The implicit flow."""

    authorizationUrl: str = field(str)


class OAuthFlowPassword(OAuthFlow):
    """The flow that sends the user's password."""

    tokenUrl: str = field(str)


class OAuthFlowClientCredentials(OAuthFlow):
    """The flow between two programs."""

    tokenUrl: str = field(str)


class OAuthFlowAuthorizationCode(OAuthFlow):
    """The flow over an authorization code."""

    authorizationUrl: str = field(str)
    tokenUrl: str = field(str)


class OAuthFlows(LightModel):
    """The flows that a scheme offers; each may be given as a dictionary."""

    implicit: OAuthFlowImplicit | None = field(OAuthFlowImplicit, None)
    password: OAuthFlowPassword | None = field(OAuthFlowPassword, None)
    clientCredentials: OAuthFlowClientCredentials | None = field(OAuthFlowClientCredentials, None)
    authorizationCode: OAuthFlowAuthorizationCode | None = field(OAuthFlowAuthorizationCode, None)


class OAuth2(SecurityBase):
    """OAuth 2 (RFC 6749)."""

    type_: SecuritySchemeType = field(SecuritySchemeType, SecuritySchemeType.oauth2, alias="type")
    flows: OAuthFlows = field(OAuthFlows)


class OpenIdConnect(SecurityBase):
    """OpenID Connect, by the URL of its discovery document."""

    type_: SecuritySchemeType = field(
        SecuritySchemeType, SecuritySchemeType.openIdConnect, alias="type"
    )
    openIdConnectUrl: str = field(str)
