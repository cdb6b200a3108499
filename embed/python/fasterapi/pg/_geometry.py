"""Geometric values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Sequence
    from typing import Self, SupportsFloat, SupportsIndex

    Number = SupportsFloat | SupportsIndex | str | builtins.bytes | bytearray


def _repr(value: tuple[Any, ...]) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__name__}({tuple.__repr__(value)})"


class Point(tuple[float, float]):
    """Immutable representation of PostgreSQL's ``point`` type."""

    __slots__ = ()

    def __new__(cls, x: Number, y: Number) -> Self:
        """Both become floats."""
        return super().__new__(cls, (float(x), float(y)))

    def __getnewargs__(self) -> tuple[float, float]:
        return (self[0], self[1])

    __repr__ = _repr

    @property
    def x(self) -> float:
        """The distance from the vertical axis."""
        return self[0]

    @property
    def y(self) -> float:
        """The distance from the horizontal axis."""
        return self[1]


class Box(tuple[Point, Point]):
    """Immutable representation of PostgreSQL's ``box`` type, by two opposite corners."""

    __slots__ = ()

    def __new__(cls, high: Sequence[float], low: Sequence[float]) -> Self:
        """Both become points."""
        return super().__new__(cls, (Point(*high), Point(*low)))

    def __getnewargs__(self) -> tuple[Point, Point]:
        return (self[0], self[1])

    __repr__ = _repr

    @property
    def high(self) -> Point:
        """The upper right corner, where the box comes from the server."""
        return self[0]

    @property
    def low(self) -> Point:
        """The lower left corner, where the box comes from the server."""
        return self[1]


class Line(tuple[float, float, float]):
    """Immutable representation of PostgreSQL's ``line`` type: ``A x + B y + C = 0``."""

    __slots__ = ()

    def __new__(cls, A: float, B: float, C: float) -> Self:
        """The numbers stay what they are."""
        return super().__new__(cls, (A, B, C))

    def __getnewargs__(self) -> tuple[float, float, float]:
        return (self[0], self[1], self[2])

    @property
    def A(self) -> float:
        """The factor of x."""
        return self[0]

    @property
    def B(self) -> float:
        """The factor of y."""
        return self[1]

    @property
    def C(self) -> float:
        """The constant."""
        return self[2]


class LineSegment(tuple[Point, Point]):
    """Immutable representation of PostgreSQL's ``lseg`` type."""

    __slots__ = ()

    def __new__(cls, p1: Sequence[float], p2: Sequence[float]) -> Self:
        """Both become points."""
        return super().__new__(cls, (Point(*p1), Point(*p2)))

    def __getnewargs__(self) -> tuple[Point, Point]:
        return (self[0], self[1])

    __repr__ = _repr

    @property
    def p1(self) -> Point:
        """One end."""
        return self[0]

    @property
    def p2(self) -> Point:
        """The other end."""
        return self[1]


class Path:
    """Immutable representation of PostgreSQL's ``path`` type: points, in their order."""

    __slots__ = ("_is_closed", "points")

    points: tuple[Point, ...]

    def __init__(self, *points: Sequence[float], is_closed: bool = False) -> None:
        self.points = tuple(Point(*point) for point in points)
        self._is_closed = bool(is_closed)

    @property
    def is_closed(self) -> bool:
        """Whether the last point is joined to the first."""
        return self._is_closed

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Path):
            return NotImplemented
        return self.points == other.points and self._is_closed == other._is_closed

    def __hash__(self) -> int:
        return hash((self.points, self._is_closed))

    def __iter__(self) -> Iterator[Point]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: SupportsIndex) -> Point:
        return self.points[index]

    def __contains__(self, point: object) -> bool:
        return point in self.points


class Polygon(Path):
    """Immutable representation of PostgreSQL's ``polygon`` type: its corners."""

    __slots__ = ()

    def __init__(self, *points: Sequence[float]) -> None:
        super().__init__(*points, is_closed=True)


class Circle(tuple[Point, float]):
    """Immutable representation of PostgreSQL's ``circle`` type."""

    __slots__ = ()

    def __new__(cls, center: Point, radius: float) -> Self:
        """Both stay what they are."""
        return super().__new__(cls, (center, radius))

    def __getnewargs__(self) -> tuple[Point, float]:
        return (self[0], self[1])

    @property
    def center(self) -> Point:
        """Its middle."""
        return self[0]

    @property
    def radius(self) -> float:
        """The distance of its edge from its middle."""
        return self[1]
