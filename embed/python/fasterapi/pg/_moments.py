"""Intervals with months, and moments that Python's calendar does not have."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Self

# What asyncpg takes years and months for, which is what intervals with months are worth here.
_DAYS_OF_YEAR = 365
_DAYS_OF_MONTH = 30


class IntervalParts(NamedTuple):
    """What PostgreSQL keeps of an interval."""

    months: int
    days: int
    microseconds: int


class Interval(datetime.timedelta):
    """An interval with months, or longer than a ``timedelta`` can be.

    As a ``timedelta`` it is worth what asyncpg makes of it: a year is 365 days and a month 30,
    and what is longer than the longest ``timedelta`` is that one. ``parts`` is exact, and is what
    goes back to the server. Arithmetic gives plain ``timedelta`` objects.
    """

    __slots__ = ("_parts",)

    _parts: IntervalParts

    def __new__(cls, months: int = 0, days: int = 0, microseconds: int = 0) -> Self:
        """Parts need not have the same sign."""
        years = abs(months) // 12
        rest = abs(months) % 12
        whole = years * _DAYS_OF_YEAR + rest * _DAYS_OF_MONTH
        whole = days + (whole if months > 0 else -whole)
        try:
            made = super().__new__(cls, days=whole, microseconds=microseconds)
        except OverflowError:
            end = datetime.timedelta.max if whole > 0 else datetime.timedelta.min
            made = super().__new__(cls, end.days, end.seconds, end.microseconds)
        made._parts = IntervalParts(months, days, microseconds)
        return made

    @property
    def parts(self) -> IntervalParts:
        """Months, days and microseconds, as the server has them."""
        return self._parts

    @property
    def months(self) -> int:
        """The months; twelve for each year."""
        return self._parts.months

    def __reduce__(self) -> tuple[type[Self], tuple[int, ...]]:
        return type(self), tuple(self._parts)

    def __repr__(self) -> str:
        months, days, microseconds = self._parts
        return f"Interval(months={months}, days={days}, microseconds={microseconds})"


class OutOfRange(str):
    """A date or time that Python has none for: BC, after the year 9999, or 24:00.

    It is the text that PostgreSQL prints (a ``timestamptz`` in UTC), and goes back to the server
    as what it was.
    """

    __slots__ = ("_type", "_wire")

    _type: str
    _wire: bytes

    def __new__(cls, text: str, type_: str, wire: bytes) -> Self:
        """``wire`` is PostgreSQL's binary form of the value, whose type is ``type_``."""
        made = super().__new__(cls, text)
        made._type = type_
        made._wire = wire
        return made

    @property
    def type(self) -> str:
        """``date``, ``time``, ``timetz``, ``timestamp`` or ``timestamptz``."""
        return self._type

    @property
    def wire(self) -> bytes:
        """PostgreSQL's binary form."""
        return self._wire

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self._type, self._wire)

    def __repr__(self) -> str:
        return f"OutOfRange({str(self)!r}, {self._type!r})"
