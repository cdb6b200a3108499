"""The ``Host`` field (RFC 9110, section 7.2), and URLs made from it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.middleware._asgi import Scope

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._~%!$&'()*+,;=-")
_FUTURE_CHARACTERS = _NAME_CHARACTERS - {"%"} | {":"}
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_PORT_MAX = 65_535


def host_of(field: str | None) -> str | None:
    """The host in a ``Host`` field, in lower case, an IPv6 address in its brackets.

    ``None`` when there is no field or it is no ``host [":" port]``.
    """
    parts = split_host(field)
    return None if parts is None else parts[0]


def split_host(field: str | None) -> tuple[str, str | None] | None:
    """The host in lower case, and the port's digits if there is a port."""
    if not field or not field.isascii():
        return None
    text = field.lower()
    if text[0] == "[":
        literal, bracket, rest = text[1:].partition("]")
        if not bracket or not _is_ip_literal(literal, field):
            return None
        host = f"[{literal}]"
    else:
        host, colon, port = text.partition(":")
        rest = colon + port
        if not host or not _NAME_CHARACTERS.issuperset(host):
            return None
    if not rest:
        return host, None
    port = rest[1:]
    # Only ASCII is here, so these are the digits 0 to 9.
    return (host, port) if rest[0] == ":" and port.isdigit() else None


def _is_ip_literal(literal: str, field: str) -> bool:
    """RFC 3986, section 3.2.2: an IPv6 address, or ``v`` and a version, for later kinds."""
    if literal[:1] == "v":
        version, _, address = literal[1:].partition(".")
        hexadecimal = bool(version) and frozenset("0123456789abcdef").issuperset(version)
        sound = bool(address) and _FUTURE_CHARACTERS.issuperset(address)
        return field[1] == "v" and hexadecimal and sound
    from ipaddress import AddressValueError, IPv6Address

    try:
        IPv6Address(literal)
    except AddressValueError:
        return False
    return "%" not in literal


def netloc_of(scope: Scope) -> str:
    """The authority of a request's URL: from ``Host`` if it is sound, else the server's own.

    Empty when neither is known.
    """
    for name, value in scope["headers"]:
        if name == b"host":
            field: str = value.decode("latin-1")
            parts = split_host(field)
            if parts is not None and (parts[1] is None or _is_port(parts[1])):
                return field
            break
    server = scope.get("server")
    if server is None:
        return ""
    host, port = server
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    if port is None or port == _DEFAULT_PORTS.get(scope.get("scheme", "http")):
        return str(host)
    return f"{host}:{port}"


def _is_port(digits: str) -> bool:
    significant = digits.lstrip("0")
    return len(significant) <= 5 and int(significant or "0") <= _PORT_MAX


def url_of(scope: Scope, scheme: str, netloc: str) -> str:
    """The request's URL, with another scheme and authority."""
    path = scope["path"].replace("?", "%3F").replace("#", "%23").replace("\\", "%5C")
    query = scope.get("query_string", b"").decode("latin-1")
    url = f"{scheme}://{netloc}{path}"
    return f"{url}?{query}" if query else url
