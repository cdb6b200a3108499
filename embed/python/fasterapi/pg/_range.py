"""Ranges."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Range(Generic[T]):
    """Immutable representation of PostgreSQL's ``range`` types.

    A bound that is ``None`` is infinite. An infinite bound is never inclusive.
    """

    __slots__ = ("_empty", "_lower", "_lower_inc", "_upper", "_upper_inc")

    _lower: T | None
    _upper: T | None

    def __init__(
        self,
        lower: T | None = None,
        upper: T | None = None,
        *,
        lower_inc: bool = True,
        upper_inc: bool = False,
        empty: bool = False,
    ) -> None:
        self._empty = bool(empty)
        if empty:
            self._lower = self._upper = None
            self._lower_inc = self._upper_inc = False
        else:
            self._lower = lower
            self._upper = upper
            self._lower_inc = lower is not None and bool(lower_inc)
            self._upper_inc = upper is not None and bool(upper_inc)

    @property
    def lower(self) -> T | None:
        """The lower bound; ``None`` when there is none."""
        return self._lower

    @property
    def lower_inc(self) -> bool:
        """Whether the lower bound belongs to the range."""
        return self._lower_inc

    @property
    def lower_inf(self) -> bool:
        """Whether there is no lower bound."""
        return self._lower is None and not self._empty

    @property
    def upper(self) -> T | None:
        """The upper bound; ``None`` when there is none."""
        return self._upper

    @property
    def upper_inc(self) -> bool:
        """Whether the upper bound belongs to the range."""
        return self._upper_inc

    @property
    def upper_inf(self) -> bool:
        """Whether there is no upper bound."""
        return self._upper is None and not self._empty

    @property
    def isempty(self) -> bool:
        """Whether nothing is in the range."""
        return self._empty

    def __bool__(self) -> bool:
        return not self._empty

    def issubset(self, other: Range[T]) -> bool:
        """Whether all that is in this range is in ``other`` too."""
        if self._empty:
            return True
        if other._empty:
            return False
        return self._begins_within(other) and self._ends_within(other)

    def issuperset(self, other: Range[T]) -> bool:
        """Whether all that is in ``other`` is in this range too."""
        return other.issubset(self)

    def _begins_within(self, other: Range[Any]) -> bool:
        if other._lower is None:
            return True
        mine: Any = self._lower
        if mine is None:
            return False
        if mine == other._lower:
            return other._lower_inc or not self._lower_inc
        return bool(mine > other._lower)

    def _ends_within(self, other: Range[Any]) -> bool:
        if other._upper is None:
            return True
        mine: Any = self._upper
        if mine is None:
            return False
        if mine == other._upper:
            return other._upper_inc or not self._upper_inc
        return bool(mine < other._upper)

    def _key(self) -> tuple[object, ...]:
        return (self._lower, self._upper, self._lower_inc, self._upper_inc, self._empty)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Range):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[object, ...]:
        return _make_range, (type(self), *self._key())

    def __repr__(self) -> str:
        if self._empty:
            return "<Range empty>"
        before = "[" if self._lower_inc else "("
        after = "]" if self._upper_inc else ")"
        lower = "" if self._lower is None else repr(self._lower)
        upper = "" if self._upper is None else repr(self._upper)
        return f"<Range {before}{lower}, {upper}{after}>"


def _make_range(
    kind: type[Range[T]],
    lower: T | None,
    upper: T | None,
    lower_inc: bool,
    upper_inc: bool,
    empty: bool,
) -> Range[T]:
    return kind(lower, upper, lower_inc=lower_inc, upper_inc=upper_inc, empty=empty)
