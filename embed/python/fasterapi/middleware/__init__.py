"""What stands around an application: each class is an ASGI application around another one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["Middleware"]


class Middleware:
    """A middleware that is not built yet: its class (or factory) and its arguments.

    It is built as ``cls(app, *args, **kwargs)`` when the application starts.
    Iterating gives ``cls``, ``args`` and ``kwargs``.
    """

    __slots__ = ("args", "cls", "kwargs")

    def __init__(self, cls: Any, *args: Any, **kwargs: Any) -> None:
        """Keep the parts."""
        self.cls = cls
        self.args = args
        self.kwargs = kwargs

    def __iter__(self) -> Iterator[Any]:
        """``cls``, ``args``, ``kwargs``."""
        yield self.cls
        yield self.args
        yield self.kwargs

    def __repr__(self) -> str:
        """``Middleware(GZipMiddleware, minimum_size=500)``."""
        parts = [getattr(self.cls, "__name__", "")]
        parts += [repr(value) for value in self.args]
        parts += [f"{name}={value!r}" for name, value in self.kwargs.items()]
        return f"{type(self).__name__}({', '.join(parts)})"
