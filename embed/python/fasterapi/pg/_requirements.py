"""What a program may demand of a log-in: what the driver cannot see to is refused, not ignored."""

from __future__ import annotations

from typing import NamedTuple

from fasterapi.pg.exceptions import ClientConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Lookup = Callable[[str, str | None], str | None]

__all__ = ["LoginDemands", "resolve_requirements"]

# libpq's names of methods (34.1.2, require_auth).
METHODS = {"password", "md5", "gss", "sspi", "scram-sha-256", "none"}
# The server cannot succeed with these: this driver does not have them.
ABSENT_METHODS = {"gss", "sspi"}
BINDINGS = ("prefer", "disable", "require")
# By keyword: the variable, the values that ask for nothing, and the others that there are. Left out
# is what the driver does.
DEMANDS: dict[str, tuple[str, set[str], set[str]]] = {
    "gssencmode": ("PGGSSENCMODE", {"prefer", "disable"}, {"require"}),
    "sslcertmode": ("PGSSLCERTMODE", {"allow", "disable"}, {"require"}),
    "requiressl": ("PGREQUIRESSL", {"0"}, {"1"}),
}


class LoginDemands(NamedTuple):
    """What the program demands of a log-in."""

    methods: list[str] | None
    """By which the server may have the user prove who it is; ``None``: any."""
    must_bind: bool
    """The proof is bound to the TLS connection."""
    peer: str | None
    """The user that the server runs as, behind a Unix socket; ``None``: any."""


def resolve_requirements(lookup: Lookup) -> LoginDemands | None:
    """What the settings demand of the log-in; ``None``: nothing.

    Raises ``ClientConfigurationError`` for a demand that this driver cannot meet.
    """
    for name, (variable, harmless, others) in DEMANDS.items():
        value = lookup(name, variable)
        if not value or value in harmless:
            continue
        if value not in others:
            allowed = ", ".join(sorted(harmless | others))
            raise ClientConfigurationError(f"`{name}` must be one of: {allowed}; got {value!r}")
        raise ClientConfigurationError(
            f"{name}={value} is not implemented, and to ignore it would be less secure than what "
            "it asks for"
        )
    binding = lookup("channel_binding", "PGCHANNELBINDING") or "prefer"
    if binding not in BINDINGS:
        allowed = ", ".join(BINDINGS)
        raise ClientConfigurationError(
            f"`channel_binding` must be one of: {allowed}; got {binding!r}"
        )
    methods = _methods(lookup("require_auth", "PGREQUIREAUTH"))
    peer = lookup("requirepeer", "PGREQUIREPEER") or None
    demands = LoginDemands(methods, binding == "require", peer)
    return demands if any(demands) else None


def _methods(text: str | None) -> list[str] | None:
    names = [name.strip() for name in text.split(",")] if text else []
    refused = {name[1:] for name in names if name.startswith("!")}
    accepted = {name for name in names if not name.startswith("!")}
    if unknown := (refused | accepted) - METHODS:
        raise ClientConfigurationError(f"require_auth knows no method {min(unknown)!r}")
    if refused and accepted:
        raise ClientConfigurationError("require_auth has either methods, or methods after a '!'")
    possible = (accepted or METHODS - refused) - ABSENT_METHODS
    if not possible:
        raise ClientConfigurationError(f"this driver has no method of require_auth={text}")
    return None if possible == METHODS - ABSENT_METHODS else sorted(possible)
