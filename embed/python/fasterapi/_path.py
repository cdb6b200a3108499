"""A route's path: FastAPI's syntax in, the router's syntax out.

FastAPI writes ``/files/{name:path}``; the router (matchit 0.9) writes
``/files/{*name}``, allows one parameter per segment and doubles literal braces.
"""

from __future__ import annotations

from fasterapi.exceptions import RouteError

CONVERTERS = frozenset({"str", "path", "int", "float", "uuid"})


class PathPattern:
    """One parsed path.

    ``pieces`` alternates literals (``str``) and parameters (``(name, convert)``).
    """

    __slots__ = ("original", "pieces")

    def __init__(self, original: str) -> None:
        """Parse ``original``; raises ``RouteError`` on a path that cannot work."""
        self.original = original
        self.pieces: list[str | tuple[str, str]] = []
        if original and not original.startswith("/"):
            raise RouteError(f"path {original!r} does not start with '/'", "Add the '/'")
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

        Parameters are called ``p0``, ``p1``, ... so that two routes of one shape
        give one pattern whatever they call their parameters; values are taken by
        position.
        """
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

    def matchit_empty(self) -> str | None:
        """The pattern for an empty catch-all, which matchit's never matches."""
        if not self.parameters or self.parameters[-1][1] != "path":
            return None
        pattern = self.matchit()
        return pattern[: pattern.rindex("{*")]

    def fill(self, values: dict[str, object]) -> str | None:
        """The path with ``values`` in it; ``None`` when the names do not fit."""
        if {name for name, _ in self.parameters} != set(values):
            return None
        parts = []
        for piece in self.pieces:
            if isinstance(piece, str):
                parts.append(piece)
                continue
            text = str(values[piece[0]])
            if not text and piece[1] != "path":
                return None
            if "/" in text and piece[1] != "path":
                return None
            parts.append(text)
        return "".join(parts)

    def _check(self) -> None:
        names = [name for name, _ in self.parameters]
        for name, convert in self.parameters:
            if convert not in CONVERTERS:
                known = ", ".join(sorted(CONVERTERS))
                raise RouteError(
                    f"path {self.original!r} has the unknown converter {convert!r}",
                    f"Use one of {known}",
                )
            if names.count(name) > 1:
                raise RouteError(
                    f"path {self.original!r} names {name!r} twice",
                    "Give every parameter its own name",
                )
        self._check_segments()

    def _check_segments(self) -> None:
        seen_in_segment = False
        for index, piece in enumerate(self.pieces):
            if isinstance(piece, str):
                seen_in_segment = seen_in_segment and "/" not in piece
                continue
            if seen_in_segment:
                raise RouteError(
                    f"path {self.original!r} has two parameters between two slashes",
                    "Take the segment as one parameter and split it in the handler",
                )
            seen_in_segment = True
            if piece[1] != "path":
                continue
            before = self.pieces[index - 1] if index else ""
            starts = isinstance(before, str) and before.endswith("/")
            if index != len(self.pieces) - 1 or not starts:
                raise RouteError(
                    f"path {self.original!r} has a ':path' parameter that is not its whole end",
                    "Let it follow a '/' and end the path, and split it in the handler",
                )


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
