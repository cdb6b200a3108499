"""Reading the ``Authorization`` header field (RFC 9110, section 11.6.2)."""

from __future__ import annotations

__all__ = ["get_authorization_scheme_param"]


def get_authorization_scheme_param(
    authorization_header_value: str | None,
) -> tuple[str, str]:
    """The scheme and what follows it; two empty strings without a value."""
    if not authorization_header_value:
        return "", ""
    scheme, _, rest = authorization_header_value.partition(" ")
    return scheme, rest.strip()
