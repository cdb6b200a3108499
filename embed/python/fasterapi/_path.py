"""A route's path: FastAPI's syntax in, the router's syntax out.

FastAPI writes ``/files/{name:path}``; the router (matchit 0.9) writes
``/files/{*name}``, allows one parameter per segment and doubles literal braces.
"""

from __future__ import annotations

from fasterapi.exceptions import RouteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from re import Pattern
    from typing import Any


class Convertor:
    """One kind of parameter: what it matches and how it becomes a value and back."""

    __slots__ = ("convert", "regex", "to_string")

    def __init__(
        self, regex: str, convert: Callable[[str], Any], to_string: Callable[[Any], str]
    ) -> None:
        """``to_string`` raises ``AssertionError`` for a value that cannot be written."""
        self.regex = regex
        self.convert = convert
        self.to_string = to_string


def _written(value: Any) -> str:
    text = str(value)
    assert text, "Must not be empty"
    assert "/" not in text, "May not contain path separators"
    return text


def _written_int(value: Any) -> str:
    assert int(value) >= 0, "Negative integers are not supported"
    return str(int(value))


def _written_float(value: Any) -> str:
    number = float(value)
    assert 0.0 <= number < float("inf"), "Negative and infinite floats are not supported"
    return f"{number:.20f}".rstrip("0").rstrip(".")


def _uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(text)


CONVERTERS = {
    "str": Convertor("[^/]+", str, _written),
    "path": Convertor(".*", str, str),
    "int": Convertor("[0-9]+", int, _written_int),
    "float": Convertor(r"[0-9]+(?:\.[0-9]+)?", float, _written_float),
    "uuid": Convertor("[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", _uuid, str),
}

# More may be registered, which only the general router matches.
_KNOWN_TO_RUST = frozenset(CONVERTERS)


class PathPattern:
    """One parsed path.

    ``pieces`` alternates literals (``str``) and parameters (``(name, convert)``).
    """

    __slots__ = ("_regex", "original", "pieces")

    def __init__(self, original: str) -> None:
        """Parse ``original``; raises ``RouteError`` on a path that cannot work."""
        self.original = original
        self._regex: Pattern[str] | None = None
        self.pieces: list[str | tuple[str, str]] = []
        rest = original
        while rest:
            literal, parameter, rest = _next_piece(rest)
            if literal:
                self.pieces.append(literal)
            if parameter is not None:
                self.pieces.append(parameter)
        self._check()

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """Each parameter's name and converter, in the order of the path."""
        return tuple(piece for piece in self.pieces if not isinstance(piece, str))

    def matchit(self) -> str:
        """The same path in matchit's syntax, with canonical parameter names.

        Raises ``RouteError`` for a path that only the general router can match
        (see ``unmatchable``).

        Parameters are called ``p0``, ``p1``, ... so that two routes of one shape
        give one pattern whatever they call their parameters; values are taken by
        position.
        """
        reason = self.unmatchable()
        if reason is not None:
            raise reason
        parts = []
        index = 0
        for piece in self.pieces:
            if isinstance(piece, str):
                parts.append(piece.replace("{", "{{").replace("}", "}}"))
                continue
            star = "*" if piece[1] == "path" else ""
            parts.append(f"{{{star}p{index}}}")
            index += 1
        return "".join(parts)

    @property
    def regex(self) -> Pattern[str]:
        """What the general router matches a whole path with."""
        if self._regex is None:
            import re

            parts = [
                re.escape(piece)
                if isinstance(piece, str)
                else f"(?P<{piece[0]}>{CONVERTERS[piece[1]].regex})"
                for piece in self.pieces
            ]
            self._regex = re.compile(f"^{''.join(parts)}\\Z")
        return self._regex

    @property
    def format(self) -> str:
        """The path without converters: ``/files/{name}``."""
        return "".join(p if isinstance(p, str) else f"{{{p[0]}}}" for p in self.pieces)

    @property
    def convertors(self) -> dict[str, Convertor]:
        """Each parameter's ``Convertor``."""
        return {name: CONVERTERS[kind] for name, kind in self.parameters}

    def match(self, path: str) -> dict[str, Any] | None:
        """The parameters' values, converted, or ``None`` when ``path`` is another."""
        if not self.parameters:
            return {} if path == self.original else None
        found = self.regex.match(path)
        if found is None:
            return None
        return {name: CONVERTERS[kind].convert(found[name]) for name, kind in self.parameters}

    def fill(self, values: dict[str, Any]) -> str | None:
        """The path with ``values`` in it; ``None`` when the names do not fit.

        Raises ``AssertionError`` for a value that its parameter could not have.
        """
        if {name for name, _ in self.parameters} != set(values):
            return None
        return "".join(
            piece if isinstance(piece, str) else CONVERTERS[piece[1]].to_string(values[piece[0]])
            for piece in self.pieces
        )

    def _check(self) -> None:
        names = [name for name, _ in self.parameters]
        for name, convert in self.parameters:
            if convert not in CONVERTERS:
                known = ", ".join(sorted(CONVERTERS))
                raise RouteError(
                    f"Unknown path convertor '{convert}' in path {self.original!r}",
                    f"Use one of {known}",
                )
            if names.count(name) > 1:
                raise RouteError(
                    f"path {self.original!r} names {name!r} twice",
                    "Give every parameter its own name",
                )

    def unmatchable(self) -> RouteError | None:
        """Why Rust's router cannot match this path; ``None`` when it can."""
        if self.original and not self.original.startswith("/"):
            return RouteError(f"path {self.original!r} does not start with '/'", "Add the '/'")
        seen_in_segment = False
        for index, piece in enumerate(self.pieces):
            if isinstance(piece, str):
                seen_in_segment = seen_in_segment and "/" not in piece
                continue
            if seen_in_segment:
                return RouteError(
                    f"path {self.original!r} has two parameters between two slashes",
                    "Take the segment as one parameter and split it in the handler",
                )
            seen_in_segment = True
            if piece[1] not in _KNOWN_TO_RUST:
                return RouteError(
                    f"path {self.original!r} has a parameter of the kind {piece[1]!r}",
                    f"Use one of {', '.join(sorted(_KNOWN_TO_RUST))}",
                )
            if piece[1] != "path":
                continue
            before = self.pieces[index - 1] if index else ""
            starts = isinstance(before, str) and before.endswith("/")
            if index != len(self.pieces) - 1 or not starts:
                return RouteError(
                    f"path {self.original!r} has a ':path' parameter that is not its whole end",
                    "Let it follow a '/' and end the path, and split it in the handler",
                )
        return None


def _next_piece(rest: str) -> tuple[str, tuple[str, str] | None, str]:
    """Split off a literal and the parameter after it."""
    start = 0
    while True:
        start = rest.find("{", start)
        end = rest.find("}", start)
        if start < 0 or end < 0:
            return rest, None, ""
        name, _, convert = rest[start + 1 : end].partition(":")
        if name.isidentifier():
            return rest[:start], (name, convert or "str"), rest[end + 1 :]
        start += 1
