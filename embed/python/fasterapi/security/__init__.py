"""Security schemes: dependencies that read credentials and document themselves.

Names are loaded when they are first used: a bearer token needs no form.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.security.api_key import APIKeyCookie as APIKeyCookie
    from fasterapi.security.api_key import APIKeyHeader as APIKeyHeader
    from fasterapi.security.api_key import APIKeyQuery as APIKeyQuery
    from fasterapi.security.http import (
        HTTPAuthorizationCredentials as HTTPAuthorizationCredentials,
    )
    from fasterapi.security.http import HTTPBasic as HTTPBasic
    from fasterapi.security.http import HTTPBasicCredentials as HTTPBasicCredentials
    from fasterapi.security.http import HTTPBearer as HTTPBearer
    from fasterapi.security.http import HTTPDigest as HTTPDigest
    from fasterapi.security.oauth2 import OAuth2 as OAuth2
    from fasterapi.security.oauth2 import (
        OAuth2AuthorizationCodeBearer as OAuth2AuthorizationCodeBearer,
    )
    from fasterapi.security.oauth2 import OAuth2PasswordBearer as OAuth2PasswordBearer
    from fasterapi.security.oauth2 import (
        OAuth2PasswordRequestForm as OAuth2PasswordRequestForm,
    )
    from fasterapi.security.oauth2 import (
        OAuth2PasswordRequestFormStrict as OAuth2PasswordRequestFormStrict,
    )
    from fasterapi.security.oauth2 import SecurityScopes as SecurityScopes
    from fasterapi.security.open_id_connect_url import OpenIdConnect as OpenIdConnect

# The module that defines each public name.
_HOMES = {
    "APIKeyCookie": "api_key",
    "APIKeyHeader": "api_key",
    "APIKeyQuery": "api_key",
    "HTTPAuthorizationCredentials": "http",
    "HTTPBasic": "http",
    "HTTPBasicCredentials": "http",
    "HTTPBearer": "http",
    "HTTPDigest": "http",
    "OAuth2": "oauth2",
    "OAuth2AuthorizationCodeBearer": "oauth2",
    "OAuth2PasswordBearer": "oauth2",
    "OAuth2PasswordRequestForm": "oauth2",
    "OAuth2PasswordRequestFormStrict": "oauth2",
    "OpenIdConnect": "open_id_connect_url",
    "SecurityScopes": "oauth2",
}

__all__ = [
    "APIKeyCookie",
    "APIKeyHeader",
    "APIKeyQuery",
    "HTTPAuthorizationCredentials",
    "HTTPBasic",
    "HTTPBasicCredentials",
    "HTTPBearer",
    "HTTPDigest",
    "OAuth2",
    "OAuth2AuthorizationCodeBearer",
    "OAuth2PasswordBearer",
    "OAuth2PasswordRequestForm",
    "OAuth2PasswordRequestFormStrict",
    "OpenIdConnect",
    "SecurityScopes",
]

if not TYPE_CHECKING:
    # Hidden from type checkers, which would otherwise accept any name.
    def __getattr__(name: str) -> object:
        """Load a public name on its first use and keep it."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'fasterapi.security' has no attribute {name!r}")
        value = getattr(__import__(f"fasterapi.security.{home}", fromlist=(name,)), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """The public names, for completion in an interactive session."""
    return sorted(__all__)
