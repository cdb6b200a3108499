"""Attributes that are computed when they are first asked for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from functools import cached_property as lazy
    from typing import Any
else:

    class lazy:
        """As ``functools.cached_property``, which is slow to import."""

        def __init__(self, compute: Callable[[Any], Any]) -> None:
            self.compute = compute
            self.name = compute.__name__
            self.__doc__ = compute.__doc__

        def __get__(self, owner: Any, kind: Any = None) -> Any:
            if owner is None:
                return self
            value = owner.__dict__[self.name] = self.compute(owner)
            return value


__all__ = ["lazy"]
