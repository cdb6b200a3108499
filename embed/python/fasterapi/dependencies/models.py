"""``Dependant``: a callable with everything it is called with."""

from fasterapi._dependant import Dependant as Dependant

__all__ = ["Dependant"]
