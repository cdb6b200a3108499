"""How a connection behaves once it is there."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["ConnectionConfig"]


class ConnectionConfig(NamedTuple):
    """The arguments of ``connect()`` that are about the connection, not about the server."""

    command_timeout: float | None = None
    """Seconds that an operation may take unless told otherwise."""
    statement_cache_size: int = 100
    max_cached_statement_lifetime: float = 300
    """Seconds; 0 is for ever."""
    max_cacheable_statement_size: int = 15 * 1024
    """In characters; 0 is without a bound."""
    json_as_text: bool = False
    """Give json and jsonb as text, as asyncpg does."""
    extensions: bool = True
    """Use the codecs of hstore, vector and the like without being told."""
    message_bytes_max: int = 1 << 30
    """A longer message of the server ends the connection."""

    @classmethod
    def checked(cls, **values: Any) -> ConnectionConfig:
        """The configuration of these arguments; raises ``ValueError``."""
        for name in (
            "max_cacheable_statement_size",
            "max_cached_statement_lifetime",
            "message_bytes_max",
            "statement_cache_size",
        ):
            value = values[name]
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise ValueError(f"{name} is expected to be greater or equal to 0, got {value!r}")
        timeout = values["command_timeout"]
        if timeout is not None:
            try:
                if isinstance(timeout, bool):
                    raise ValueError
                timeout = float(timeout)
                if not timeout > 0:
                    raise ValueError
            except (TypeError, ValueError):
                raise ValueError(
                    "invalid command_timeout value: "
                    f"expected greater than 0 float (got {timeout!r})"
                ) from None
            values["command_timeout"] = timeout
        return cls(**values)
