"""What a program may demand of a log-in: what the driver cannot see to is refused, not ignored."""

from __future__ import annotations

import enum

from fasterapi.pg.exceptions import ClientConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Lookup = Callable[[str, str | None], str | None]

__all__ = ["AuthRequirement", "resolve_requirements"]

# libpq's names of methods (34.1.2, require_auth).
METHODS = {"password", "md5", "gss", "sspi", "scram-sha-256", "none"}
# The server cannot succeed with these: this driver does not have them.
ABSENT_METHODS = {"gss", "sspi"}
# By keyword: the variable, the values that ask for nothing, and the others that there are (None:
# any). Left out is what the driver does.
DEMANDS: dict[str, tuple[str, set[str], set[str] | None]] = {
    "channel_binding": ("PGCHANNELBINDING", {"prefer", "disable"}, {"require"}),
    "gssencmode": ("PGGSSENCMODE", {"prefer", "disable"}, {"require"}),
    "sslcertmode": ("PGSSLCERTMODE", {"allow", "disable"}, {"require"}),
    "sslcrldir": ("PGSSLCRLDIR", set(), None),
    "requirepeer": ("PGREQUIREPEER", set(), None),
    "requiressl": ("PGREQUIRESSL", {"0"}, {"1"}),
}


class AuthRequirement(enum.Enum):
    """How the server must have the user prove who it is."""

    scram = "scram-sha-256"
    scram_or_none = "scram-sha-256,none"
    none = "none"


def resolve_requirements(lookup: Lookup) -> AuthRequirement | None:
    """What the settings demand of the log-in; ``None``: any method will do.

    Raises ``ClientConfigurationError`` for a demand that this driver cannot meet.
    """
    for name, (variable, harmless, others) in DEMANDS.items():
        value = lookup(name, variable)
        if not value or value in harmless:
            continue
        if others is not None and value not in others:
            allowed = ", ".join(sorted(harmless | others))
            raise ClientConfigurationError(f"`{name}` must be one of: {allowed}; got {value!r}")
        raise ClientConfigurationError(
            f"{name}={value} is not implemented, and to ignore it would be less secure than what "
            "it asks for"
        )
    return _requirement(lookup("require_auth", "PGREQUIREAUTH"))


def _requirement(text: str | None) -> AuthRequirement | None:
    names = [name.strip() for name in text.split(",")] if text else []
    refused = {name[1:] for name in names if name.startswith("!")}
    accepted = {name for name in names if not name.startswith("!")}
    if unknown := (refused | accepted) - METHODS:
        raise ClientConfigurationError(f"require_auth knows no method {min(unknown)!r}")
    if refused and accepted:
        raise ClientConfigurationError("require_auth has either methods, or methods after a '!'")
    possible = (accepted or METHODS - refused) - ABSENT_METHODS
    if possible == METHODS - ABSENT_METHODS:
        return None
    for requirement in AuthRequirement:
        if possible == set(requirement.value.split(",")):
            return requirement
    raise ClientConfigurationError(
        f"require_auth={text} is not implemented, and to ignore it would be less secure than what "
        "it asks for: this driver can require scram-sha-256, none, or one of the two"
    )
