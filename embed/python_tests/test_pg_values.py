"""The classes of PostgreSQL's values: asyncpg's behaviour, and what comes on top."""

from __future__ import annotations

import copy
import datetime as dt
import pickle

import pytest

from fasterapi.pg import types
from fasterapi.pg.types import (
    BitString,
    Box,
    Circle,
    Interval,
    Line,
    LineSegment,
    OutOfRange,
    Path,
    Point,
    Polygon,
    Range,
    SparseVector,
)

VALUES = [
    Range(1, 5),
    Range(1, None, upper_inc=True),
    Range(empty=True),
    BitString("0101 1"),
    Point(1, 2),
    Box((1, 2), (3, 4)),
    Line(1, 2, 3),
    LineSegment((1, 2), (3, 4)),
    Path((1, 2), (3, 4), is_closed=True),
    Polygon((1, 2), (3, 4)),
    Circle(Point(1, 2), 3),
    Interval(14, -3, 5),
    OutOfRange("0044-03-15 BC", "date", b"\xff\xf4\x92\x8a"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_can_be_kept(value: object) -> None:
    for kept in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
        assert type(kept) is type(value)
        assert kept == value
        assert hash(kept) == hash(value)
    assert type(value).__module__ == "fasterapi.pg.types"
    assert getattr(types, type(value).__name__) is type(value)


def test_ranges_print_their_bounds() -> None:
    assert repr(Range(1, 5)) == "<Range [1, 5)>"
    assert repr(Range(1, 2, upper_inc=True)) == "<Range [1, 2]>"
    assert repr(Range(None, 5, lower_inc=True)) == "<Range (, 5)>"
    assert repr(Range()) == "<Range (, )>"
    assert repr(Range(empty=True, lower=3)) == "<Range empty>"


def test_ranges_know_what_they_hold() -> None:
    assert Range(1, 5) == Range(1, 5) != Range(1, 5, upper_inc=True)
    assert Range(1, 5) != (1, 5)
    assert not Range(empty=True)
    assert Range(1, 5).lower_inc
    assert not Range(None, 5).lower_inc
    assert Range(None, 5).lower_inf
    assert not Range(empty=True).upper_inf
    assert Range(1, 5).issubset(Range(1, None))
    assert Range(1, 5).issuperset(Range(2, 5))
    assert Range(empty=True).issubset(Range(1, 2))
    assert not Range(1, 5).issubset(Range(empty=True))
    assert not Range(1, 5, upper_inc=True).issubset(Range(1, 5))
    assert not Range().issubset(Range(1, 5))


def test_bit_strings() -> None:
    assert repr(BitString("01011")) == "<BitString 0101 1>"
    assert BitString(b"01").as_string() == "01"
    assert BitString() == BitString("") == BitString.frombytes()
    assert BitString("0101").bytes == b"P"
    assert BitString.frombytes(b"\xf0", bitlength=6).as_string() == "1111 00"
    assert list(BitString("0101")) == [0, 1, 0, 1]
    assert BitString("01")[-1] == 1
    assert BitString("0101") != "0101"
    # Padding does not count.
    assert BitString.frombytes(b"\xff", bitlength=4) == BitString("1111")
    with pytest.raises(IndexError):
        BitString("01")[2]
    with pytest.raises(ValueError, match="invalid bit value at position 1"):
        BitString("0x")
    for length in (0, 8, 17):
        with pytest.raises(ValueError, match="invalid bit length"):
            BitString.frombytes(b"\xff\xff", length)


def test_numbers_of_bit_strings() -> None:
    assert BitString("0101").to_int() == 5
    assert BitString("0101").to_int("little", signed=True) == -6
    assert BitString("1101").to_int(signed=True) == -3
    assert BitString.from_int(5, 6) == BitString("000101")
    assert BitString.from_int(-5, 6, signed=True) == BitString("111011")
    assert BitString.from_int(5, 12, "little") == BitString("1010 0000 0000")
    with pytest.raises(OverflowError):
        BitString.from_int(-1, 6)
    with pytest.raises(ValueError, match="bitorder"):
        BitString("01").to_int("middle")  # type: ignore[arg-type]


def test_geometry() -> None:
    assert Point(1, "2") == (1.0, 2.0)
    assert repr(Point(1, 2)) == "fasterapi.pg.types.Point((1.0, 2.0))"
    assert Box((1, 2), (3, 4)).low == Point(3, 4)
    assert repr(Line(1, 2, 3)) == "(1, 2, 3)"
    assert LineSegment((1, 2), (3, 4)).p2.y == 4
    assert Circle((1, 2), 3).radius == 3  # type: ignore[arg-type]
    assert Path((1, 2), (3, 4)) != Path((1, 2), (3, 4), is_closed=True)
    assert Polygon((1, 2), (3, 4)).is_closed
    assert len(Path((1, 2), (3, 4))) == 2
    assert Path((1, 2), (3, 4))[1] == (3, 4)


def test_intervals_are_worth_what_asyncpg_makes_of_them() -> None:
    assert Interval(months=1) == dt.timedelta(days=30)
    assert Interval(months=-35, days=-10) == dt.timedelta(days=-2 * 365 - 11 * 30 - 10)
    assert Interval(14, -3, 5).parts == (14, -3, 5)
    assert Interval(14, -3, 5).months == 14
    assert repr(Interval(1, 2, 3)) == "Interval(months=1, days=2, microseconds=3)"
    assert type(Interval(1) + Interval(1)) is dt.timedelta
    assert Interval(months=2**31 - 1) == dt.timedelta.max
    assert Interval(days=-(2**31)) == dt.timedelta.min


def test_moments_out_of_range_are_texts() -> None:
    moment = OutOfRange("24:00:00", "time", b"wire")
    assert moment == "24:00:00"
    assert (moment.type, moment.wire) == ("time", b"wire")
    assert repr(moment) == "OutOfRange('24:00:00', 'time')"


def test_sparse_vectors() -> None:
    assert SparseVector(4, {1: 2.5}).to_list() == [0.0, 2.5, 0.0, 0.0]
    assert SparseVector(4, {1: 2.5}) == SparseVector(4, {1: 2.5}) != SparseVector(5, {1: 2.5})
    with pytest.raises(ValueError, match="outside of 4 dimensions"):
        SparseVector(4, {4: 1})
