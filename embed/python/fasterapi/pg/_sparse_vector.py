"""pgvector's sparse vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class SparseVector:
    """A vector that is 0 nearly everywhere.

    ``values`` has the numbers by their places, from 0.
    """

    __slots__ = ("dimensions", "values")

    def __init__(self, dimensions: int, values: Mapping[int, float]) -> None:
        self.dimensions = dimensions
        self.values = dict(values)
        if any(not 0 <= place < dimensions for place in self.values):
            problem = f"a place outside of {dimensions} dimensions"
            raise ValueError(problem)

    def to_list(self) -> list[float]:
        """All numbers, the zeros too."""
        return [self.values.get(place, 0.0) for place in range(self.dimensions)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SparseVector):
            return NotImplemented
        return self.dimensions == other.dimensions and self.values == other.values

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SparseVector({self.dimensions}, {self.values})"
