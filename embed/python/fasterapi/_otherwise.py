"""How a composed function says that the general path is to answer."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi._plan import General

__all__ = ["Otherwise"]


class Otherwise(Exception):
    """The request is not as the composed function wants it: ``general`` answers.

    Raised before anything of the user's has been called. An exception, not a call of
    ``general``, so that no request object is made for the many that are as wanted.
    """

    def __init__(self, general: General) -> None:
        """Keep the general path of the route."""
        self.general = general
