"""Settings from the environment and a file of ``NAME=value`` lines."""

from __future__ import annotations

import os
from collections.abc import MutableMapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

__all__ = ["CommaSeparatedStrings", "Config", "Environ", "EnvironError", "Secret", "environ"]

# What an environment may say for a bool.
_BOOLS = {"true": True, "1": True, "false": False, "0": False}

_MISSING: Any = object()


class EnvironError(Exception):
    """A variable was changed after its value had been read."""


class Environ(MutableMapping[str, str]):
    """``os.environ``, in which a variable that has been read cannot change any more."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        """A view of ``environ``, not a copy."""
        self._environ = environ
        self._read: set[str] = set()

    def __getitem__(self, key: str) -> str:
        self._read.add(key)
        return self._environ[key]

    def __setitem__(self, key: str, value: str) -> None:
        self._check(key, "set")
        self._environ[key] = value

    def __delitem__(self, key: str) -> None:
        self._check(key, "deleted")
        del self._environ[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)

    def _check(self, key: str, change: str) -> None:
        if key in self._read:
            raise EnvironError(f"environ[{key!r}] cannot be {change}: it has been read already")


environ = Environ()


class Config:
    """Reads settings from ``environ``, then from ``env_file``, then from their default.

    The name of every setting is put behind ``env_prefix``. A missing ``env_file`` is
    a warning. ``config(name, cast=..., default=...)`` returns one setting.
    """

    def __init__(
        self,
        env_file: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] = environ,
        env_prefix: str = "",
        encoding: str = "utf-8",
    ) -> None:
        """Read ``env_file``; the environment is read when a setting is asked for."""
        self.environ = environ
        self.env_prefix = env_prefix
        self.file_values: dict[str, str] = {}
        if env_file is None:
            return
        if os.path.isfile(env_file):
            self.file_values = _read_file(env_file, encoding)
        else:
            import warnings

            warnings.warn(f"there is no settings file {os.fspath(env_file)!r}", stacklevel=2)

    def __call__(
        self,
        key: str,
        cast: Callable[[Any], Any] | None = None,
        default: Any = _MISSING,
    ) -> Any:
        """The setting ``key``, as ``cast`` makes it of its text; see ``get``."""
        return self.get(key, cast, default)

    def get(
        self,
        key: str,
        cast: Callable[[Any], Any] | None = None,
        default: Any = _MISSING,
    ) -> Any:
        """The setting ``key``.

        ``cast`` turns the text, or the ``default``, into a value; ``bool`` takes
        true, false, 1 and 0. Raises ``KeyError`` for a setting that has neither a
        value nor a default, and ``ValueError`` for one that ``cast`` refuses.
        """
        name = self.env_prefix + key
        for source in (self.environ, self.file_values):
            if name in source:
                return _converted(name, source[name], cast)
        if default is _MISSING:
            raise KeyError(f"setting {name!r} has no value and no default")
        return _converted(name, default, cast)


class Secret:
    """A text that does not show itself in logs and tracebacks; ``str()`` gives it."""

    def __init__(self, value: str) -> None:
        """Keep ``value``."""
        self._value = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}('**********')"

    def __str__(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)


class CommaSeparatedStrings(Sequence[str]):
    """The items of a comma-separated text, quoted as a shell would (``a, "b, c"``)."""

    def __init__(self, value: str | Sequence[str]) -> None:
        """Split ``value``, unless it is a sequence already."""
        if not isinstance(value, str):
            self._items = list(value)
            return
        from shlex import shlex

        splitter = shlex(value, posix=True)
        splitter.whitespace = ","
        splitter.whitespace_split = True
        self._items = [item.strip() for item in splitter]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._items!r})"

    def __str__(self) -> str:
        return ", ".join(repr(item) for item in self._items)


def _converted(name: str, value: Any, cast: Callable[[Any], Any] | None) -> Any:
    if cast is None or value is None:
        return value
    kind = getattr(cast, "__name__", repr(cast))
    try:
        if cast is bool and isinstance(value, str):
            return _BOOLS[value.lower()]
        return cast(value)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"setting {name!r} is {value!r}, which is not a valid {kind}") from None


def _read_file(path: str | os.PathLike[str], encoding: str) -> dict[str, str]:
    values = {}
    with open(path, encoding=encoding) as lines:
        for line in lines:
            name, separator, value = line.partition("=")
            if separator and not name.lstrip().startswith("#"):
                values[name.strip()] = _unquoted(value.strip())
    return values


def _unquoted(text: str) -> str:
    is_quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if is_quoted else text
