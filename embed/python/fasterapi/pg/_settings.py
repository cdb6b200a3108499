"""What a server reports of a session's settings."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ConnectionSettings"]


class ConnectionSettings:
    """The settings that the server reports, each an attribute."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = dict(settings)

    def __getattr__(self, name: str) -> str:
        """The setting of that name; raises ``AttributeError`` for one that is not reported."""
        if not name.startswith("_") and name in self._settings:
            return self._settings[name]
        raise AttributeError(name)

    def __dir__(self) -> list[str]:
        """The names."""
        return sorted(self._settings)

    def __repr__(self) -> str:
        """All of them."""
        return f"<ConnectionSettings {self._settings!r}>"
