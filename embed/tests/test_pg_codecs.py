"""``PgTypes`` without a server: what is accepted, what is refused and how, codecs of one's own.

What goes to a real server and comes back is in test_pg_types.
"""

from __future__ import annotations

import array
import datetime as dt
import enum
import ipaddress
import struct
import uuid
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from in_pip_form import HAS_PIP_FORM, run_in_pip_form

try:
    from fasterapi._core import PgTypes, make_record
except ImportError:
    HERE = False
else:
    HERE = True
    from fasterapi.pg import types as pg

here = pytest.mark.skipif(not HERE, reason="runs in the pip form, by the first test")

BOOL, BYTEA, CHAR, INT8, INT2, INT4, TEXT, OID, TID, JSON = 16, 17, 18, 20, 21, 23, 25, 26, 27, 114
POINT, PATH, FLOAT4, FLOAT8, UNKNOWN, CIRCLE, MONEY, MACADDR = (
    600,
    602,
    700,
    701,
    705,
    718,
    790,
    829,
)
MACADDR8, INET, CIDR, INT4S, TEXTS, DATE, TIME = 774, 869, 650, 1007, 1009, 1082, 1083
TIMESTAMP, TIMESTAMPTZ, INTERVAL, TIMETZ, VARBIT = 1114, 1184, 1186, 1266, 1562
NUMERIC, RECORD, VOID, UUID, JSONB, INT4RANGE, INT4MULTIRANGE = (
    1700,
    2249,
    2278,
    2950,
    3802,
    3904,
    4451,
)
XID8, MONEYS, JSONBS, PG_SNAPSHOT, ANYARRAY = 5069, 791, 3807, 5038, 2277
MINE = 100_000


@pytest.mark.skipif(HERE, reason="the tests run in this Python")
@pytest.mark.skipif(not HAS_PIP_FORM, reason="FASTERAPI_DIST is not given")
@pytest.mark.seconds(120)
def test_in_the_pip_form() -> None:
    """Where the Rust module is in the test's process."""
    run_in_pip_form(__file__)


class Index:
    """An integer of somebody else's."""

    def __index__(self) -> int:
        return 7


class Sized:
    """Neither list nor tuple."""

    def __iter__(self) -> Any:
        return iter([1, 2, 3])

    def __len__(self) -> int:
        return 3


class Colour(enum.Enum):
    """An enumeration that is no str."""

    RED = "red"


class Word(enum.StrEnum):
    """An enumeration that is one."""

    RED = "red"


class Later(dt.datetime):
    """A subclass."""


class Pairs(dict[str, Any]):
    """A subclass."""


ACCEPTED: list[tuple[int, Any, Any]] = [
    (INT4, Index(), 7),
    (INT4, True, 1),
    (INT4, Decimal("7.00"), 7),
    (INT4, 7.0, 7),
    (FLOAT8, 7, 7.0),
    (FLOAT8, Decimal("1.5"), 1.5),
    (FLOAT8, Fraction(3, 2), 1.5),
    (NUMERIC, 0.1, Decimal("0.1")),
    (NUMERIC, "12.50", Decimal("12.50")),
    (NUMERIC, Index(), Decimal(7)),
    (NUMERIC, True, Decimal(1)),
    (NUMERIC, Decimal("-0"), Decimal(0)),
    (TEXT, Colour.RED, "red"),
    (TEXT, Word.RED, "red"),
    (BYTEA, bytearray(b"ab"), b"ab"),
    (BYTEA, memoryview(b"abcd")[::2], b"ac"),
    (BYTEA, array.array("H", [1]), struct.pack("H", 1)),
    (CHAR, "a", b"a"),
    (UUID, "38A4FF5A3A5611E6A6C2C8F73323C6D4", uuid.UUID("38a4ff5a-3a56-11e6-a6c2-c8f73323c6d4")),
    (DATE, dt.datetime(2020, 1, 2, 3), dt.date(2020, 1, 2)),
    (TIMESTAMP, dt.date(2020, 1, 2), dt.datetime(2020, 1, 2)),
    (TIMESTAMP, Later(2020, 1, 2), dt.datetime(2020, 1, 2)),
    (DATE, dt.date.max, dt.date.max),
    (TIMESTAMP, dt.datetime.min, dt.datetime.min),
    (TIMESTAMPTZ, dt.datetime.max, dt.datetime.max),
    (INET, "10.0.0.1", ipaddress.ip_address("10.0.0.1")),
    (INET, "10.0.0.1/255.0.0.0", ipaddress.ip_interface("10.0.0.1/8")),
    (INET, ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_interface("10.0.0.0/8")),
    (CIDR, "::/0", ipaddress.ip_network("::/0")),
    (CIDR, ipaddress.ip_address("10.0.0.1"), ipaddress.ip_network("10.0.0.1/32")),
    (MACADDR, "08-00-2B-01-02-03", "08:00:2b:01:02:03"),
    (MACADDR, "0800.2b01.0203", "08:00:2b:01:02:03"),
    (MACADDR8, "08:00:2b:01:02:03", "08:00:2b:ff:fe:01:02:03"),
    (INT4S, (1, 2), [1, 2]),
    (INT4S, {5}, [5]),
    (INT4S, Sized(), [1, 2, 3]),
    (INT4S, range(3), [0, 1, 2]),
    (INT4S, [Sized(), [4, 5, 6]], [[1, 2, 3], [4, 5, 6]]),
    (INT4S, [[], []], []),
    (TEXTS, ["a", None, "NULL"], ["a", None, "NULL"]),
    (TEXTS, [Word.RED], ["red"]),
    (JSONBS, [[1, [2]], {"a": None}, None], [[1, [2]], {"a": None}, None]),
    (JSONB, Pairs(a=1), {"a": 1}),
    (TID, [1, 2], (1, 2)),
    (PG_SNAPSHOT, [1, 10, [2, 3]], (1, 10, (2, 3))),
    (VOID, "anything", None),
]


@here
@pytest.mark.parametrize(("oid", "value", "read"), ACCEPTED)
def test_what_obviously_fits_is_accepted(oid: int, value: Any, read: Any) -> None:
    """And is read again as what it is worth."""
    types = PgTypes()
    back = types.decode(oid, types.encode(oid, value))
    assert back == read
    assert type(back) is type(read)


INTEGER = "'str' object cannot be interpreted as an integer"
REFUSED: list[tuple[int, Any, type[Exception], str]] = [
    (BOOL, 1, TypeError, "a boolean is required (got type int)"),
    (INT2, 2**15, OverflowError, "value out of int16 range"),
    (INT4, 2**31, OverflowError, "value out of int32 range"),
    (INT8, 2**63, OverflowError, "value out of int64 range"),
    (INT8, Decimal("2e30"), OverflowError, "value out of int64 range"),
    (OID, -1, OverflowError, "value out of uint32 range"),
    (XID8, 2**64, OverflowError, "value out of uint64 range"),
    (INT4, "x", TypeError, INTEGER),
    (INT4, b"7", TypeError, "'bytes' object cannot be interpreted as an integer"),
    (INT4, 1.5, ValueError, "a whole number is required (got 1.5)"),
    (FLOAT8, "x", TypeError, "must be real number, not str"),
    (FLOAT4, 1e40, ValueError, "value out of float32 range"),
    (NUMERIC, "x", ValueError, "invalid syntax for type numeric: 'x'"),
    (NUMERIC, "1e", ValueError, "invalid syntax for type numeric: '1e'"),
    (NUMERIC, b"1", TypeError, "conversion from bytes to Decimal is not supported"),
    (NUMERIC, Decimal("1e-20000"), ValueError, "more than 16383 digits after the point"),
    (NUMERIC, Decimal("1e140000"), OverflowError, "value out of numeric range"),
    (TEXT, 1, TypeError, "expected str, got int"),
    (TEXT, b"x", TypeError, "expected str, got bytes"),
    (TEXT, "\ud800", UnicodeEncodeError, "surrogates not allowed"),
    (BYTEA, "x", TypeError, "a bytes-like object is required, not 'str'"),
    (CHAR, b"ab", ValueError, "a single byte is required (got 2)"),
    (UUID, "x", ValueError, "invalid UUID 'x'"),
    (UUID, 1, TypeError, "expected str or uuid.UUID, got int"),
    (DATE, "2020-01-01", TypeError, "expected a datetime.date instance, got 'str'"),
    (
        TIMESTAMP,
        "x",
        TypeError,
        "expected a datetime.date or datetime.datetime instance, got 'str'",
    ),
    (TIMESTAMP, dt.datetime.now(dt.UTC), TypeError, "offset-naive and offset-aware datetimes"),
    (TIMETZ, dt.time(1), TypeError, "expected a datetime.time with a time zone"),
    (INTERVAL, 5, TypeError, "expected a datetime.timedelta instance, got 'int'"),
    (INET, "x", ValueError, "'x' does not appear to be an IPv4 or IPv6 interface"),
    (INET, 1, TypeError, "expected str or an object of the module ipaddress, got int"),
    (CIDR, "10.0.0.1/8", ValueError, "10.0.0.1/8 has host bits set"),
    (MACADDR, "08:00", ValueError, "invalid MAC address: '08:00'"),
    (VARBIT, "012", ValueError, "invalid bit value at position 2"),
    (TID, b"x", TypeError, "list or tuple expected"),
    (TID, (1,), ValueError, "invalid number of elements in tid tuple"),
    (TID, (2**32, 0), OverflowError, "tuple id block value out of uint32 range"),
    (TID, (0, 2**16), OverflowError, "tuple id offset value out of uint16 range"),
    (INT4S, "x", TypeError, "a sized iterable container expected (got type 'str')"),
    (INT4S, {1: 2}, TypeError, "a sized iterable container expected (got type 'dict')"),
    (INT4S, iter([1]), TypeError, "a sized iterable container expected (got type 'list_iterator')"),
    (INT4S, [1, "x"], ValueError, f"invalid array element at index 1: {INTEGER}"),
    (INT4S, [[1], [2, 3]], ValueError, "non-homogeneous array"),
    (INT4S, [[1], 2], ValueError, "non-homogeneous array"),
    (INT4S, [1, [2]], ValueError, "non-homogeneous array"),
    (INT4S, [[[[[[[1]]]]]]], ValueError, "number of array dimensions (7) exceed the maximum"),
    (INT4RANGE, "x", TypeError, "list, tuple or Range object expected (got type <class 'str'>)"),
    (INT4RANGE, (1, 2, 3), ValueError, "expected 0, 1 or 2 elements in range (got 3)"),
    (INT4MULTIRANGE, 1, TypeError, "expected a sequence (got type 'int')"),
    (POINT, 1, TypeError, "a sequence of numbers is required (got type int)"),
    (POINT, (1, 2, 3), ValueError, "a Point has 2 parts, not 3"),
    (CIRCLE, ((1, "x"), 3), TypeError, "must be real number, not str"),
    (JSON, float("nan"), ValueError, "not JSON compliant"),
    (RECORD, (1,), NotImplementedError, "input of anonymous composite types is not supported"),
]


@here
@pytest.mark.parametrize(("oid", "value", "kind", "words"), REFUSED)
def test_what_does_not_fit_is_refused(oid: int, value: Any, kind: type, words: str) -> None:
    """In words that say what was given and what is wanted."""
    with pytest.raises(kind) as refused:
        PgTypes().encode(oid, value)
    assert words in str(refused.value)


@here
def test_numbers_that_python_does_not_print() -> None:
    """More digits than ``str`` gives of an int."""
    types = PgTypes()
    number = 10**5000 + 1
    assert types.decode(NUMERIC, types.encode(NUMERIC, number)) == Decimal(number)
    assert types.json(NUMERIC, types.encode(NUMERIC, 10**5000)) == b"1" + b"0" * 5000


@here
def test_a_list_that_contains_itself() -> None:
    """Has more dimensions than there are."""
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="number of array dimensions"):
        PgTypes().encode(INT4S, circle)


@here
def test_types_are_known_or_asked_for() -> None:
    """What a type is made of is asked for with it, built-in types never."""
    types = PgTypes()
    assert types.unknown([INT4, INT4S, INT4MULTIRANGE, RECORD]) == []
    assert types.unknown([MINE, INT4, MINE]) == [MINE]
    with pytest.raises(KeyError):
        types.encode(MINE, 1)
    types.add(MINE, "public", "_pair", "array", element=MINE + 1)
    assert types.unknown([MINE]) == [MINE + 1]
    types.add(MINE + 1, "public", "pair", "composite", fields=[("a", INT4), ("b", MINE + 2)])
    assert types.unknown([MINE]) == [MINE + 2]
    types.add(MINE + 2, "public", "word", "enum", labels=["x", "y"])
    assert types.unknown([MINE]) == []
    assert types.info(MINE + 1) == ("public", "pair", "composite")
    assert types.info(INT4S) == ("pg_catalog", "_int4", "array")
    assert types.info(MINE + 3) is None
    back = types.decode(MINE, types.encode(MINE, [(1, "x"), {"b": "y"}, None]))
    assert [row and dict(row.items()) for row in back] == [
        {"a": 1, "b": "x"},
        {"a": None, "b": "y"},
        None,
    ]
    # A type that was altered.
    before = types.generation
    types.add(MINE + 1, "public", "pair", "composite", fields=[("a", INT4)])
    assert types.generation > before
    assert dict(types.decode(MINE + 1, types.encode(MINE + 1, (5,))).items()) == {"a": 5}


@here
def test_a_type_that_contains_itself_ends() -> None:
    """No server has one, but it may say so."""
    types = PgTypes()
    types.add(MINE, "public", "loop", "composite", fields=[("again", MINE), ("n", INT4)])
    assert types.format(MINE) == 0
    types.add(MINE, "public", "loop", "domain", element=MINE)
    assert types.format(MINE) == 0


@here
@pytest.mark.parametrize("kind", ["row", "array"])
def test_values_within_values_end(kind: str) -> None:
    """Some hundred levels are more than anybody has; the stack is not endless."""
    types = PgTypes()

    def nested(levels: int) -> bytes:
        if kind == "row":
            wrap, innermost = struct.pack("!2i", 1, RECORD), bytes(4)
        else:
            wrap = struct.pack("!5i", 1, 0, ANYARRAY, 1, 1)
            innermost = struct.pack("!3i", 0, 0, INT4)
        sizes = [len(innermost) + (len(wrap) + 4) * level for level in range(levels)]
        return b"".join(wrap + struct.pack("!i", size) for size in reversed(sizes)) + innermost

    oid = RECORD if kind == "row" else ANYARRAY
    for read in (types.decode, types.json):
        read(oid, nested(200))
        with pytest.raises(ValueError, match="too many of them"):
            read(oid, nested(200_000))


@here
def test_composites_are_written_by_name_and_position() -> None:
    """A Record counts as a sequence."""
    types = PgTypes()
    types.add(MINE, "public", "pair", "composite", fields=[("a", INT4), ("b", TEXT)])
    whole = types.encode(MINE, (1, "x"))
    assert types.encode(MINE, make_record(["b", "a"], [1, "x"])) == whole
    assert types.encode(MINE, [1, "x"]) == types.encode(MINE, {"b": "x", "a": 1}) == whole
    with pytest.raises(ValueError, match="'bad' is not a valid element of composite type pair"):
        types.encode(MINE, {"bad": 1})
    with pytest.raises(ValueError, match="composite type pair has 2 elements, not 3"):
        types.encode(MINE, (1, "x", 2))
    with pytest.raises(TypeError, match="for composite type pair, got int"):
        types.encode(MINE, 1)
    with pytest.raises(TypeError, match="expected str, got int"):
        types.encode(MINE, (1, 2))


@here
def test_parts_without_a_binary_form() -> None:
    """Arrays are text; composites and ranges are literals, which can be read at least."""
    types = PgTypes()
    assert types.format(MONEYS) == 0
    values = ['$1,00"', "a\\b", None, "NULL", ""]
    assert types.encode(MONEYS, [values[:1]]) == b'{{"$1,00\\""}}'
    assert types.decode(MONEYS, types.encode(MONEYS, values)) == values
    nested = [[["a", "b"], ["c", "d"]], [["e", None], ["g", "h"]]]
    assert types.decode(MONEYS, types.encode(MONEYS, nested)) == nested
    types.add(MINE, "public", "purse", "composite", fields=[("a", INT4), ("b", MONEY)])
    types.add(MINE + 1, "public", "prices", "range", element=MONEY)
    for oid, kind in ((MINE, "composite"), (MINE + 1, "range")):
        assert types.format(oid) == 0
        assert types.decode(oid, types.encode(oid, "(1,$2.00)")) == "(1,$2.00)"
        words = f"text encoding of {kind} types is not supported"
        with pytest.raises(NotImplementedError, match=words):
            types.encode(oid, (1, "$2.00"))
    for text in (b"", b"{", b"{a", b'{"a', b"{a}x", b"{a\\", b"[0:1]", b"{{{{{{{a}}}}}}}", b"{a{"):
        with pytest.raises(ValueError, match="malformed"):
            types.decode(MONEYS, text)


@here
def test_codecs_of_the_application() -> None:
    """As texts, bytes and tuples; in arrays, domains and composites too."""
    types = PgTypes()
    types.add(MINE, "public", "loud", "domain", element=TEXT)
    types.set_custom(TEXT, str.upper, lambda text: ["read", text])
    assert types.format(TEXT) == types.format(TEXTS) == 0
    assert types.encode(MINE, "a") == b"A"
    assert types.decode(TEXTS, types.encode(TEXTS, ["a", None])) == [["read", "A"], None]
    types.set_custom(TEXT, str.encode, bytes.decode, "binary")
    assert types.format(TEXTS) == 1
    assert types.decode(TEXTS, types.encode(TEXTS, ["a", None])) == ["a", None]
    types.reset_custom(TEXT)
    with pytest.raises(TypeError, match="expected str, got bytes"):
        types.encode(TEXT, b"")
    types.set_custom(JSON, lambda _: 5, str)
    with pytest.raises(TypeError, match="expected str, got int"):
        types.encode(JSON, {})
    with pytest.raises(ValueError, match="expected 'text', 'binary' or 'tuple', got 'odd'"):
        types.set_custom(JSON, str, str, "odd")


TUPLES = {
    DATE: (3,),
    TIME: (60,),
    TIMETZ: (60, 12600),
    TIMESTAMP: (2**63 - 1,),
    TIMESTAMPTZ: (-(2**63),),
    INTERVAL: (2, 3, 1),
}


@here
def test_codecs_of_tuples() -> None:
    """The numbers that PostgreSQL counts in."""
    types = PgTypes()
    for oid, parts in TUPLES.items():
        types.set_custom(oid, lambda value: value, lambda value: value, "tuple")
        assert types.decode(oid, types.encode(oid, parts)) == parts
        with pytest.raises(ValueError, match="expected a tuple of"):
            types.encode(oid, (*parts, 1))
    types.add(MINE, "public", "complex", "composite", fields=[("r", FLOAT8), ("i", FLOAT8)])
    types.set_custom(MINE, lambda z: (z.real, z.imag), lambda row: complex(*row), "tuple")
    assert types.decode(MINE, types.encode(MINE, 1 + 2j)) == 1 + 2j
    with pytest.raises(NotImplementedError, match="only text and binary codecs"):
        types.set_custom(TEXT, tuple, tuple, "tuple")


@here
def test_types_of_extensions() -> None:
    """By their names, or told."""
    types = PgTypes()
    for oid, name in enumerate(("vector", "halfvec", "sparsevec", "hstore"), MINE):
        types.add(oid, "public", name, "base")
        types.add(oid + 100, "public", f"_{name}", "array", element=oid)
    assert types.encode(MINE, [1, 2.5]).hex() == "00020000" + "3f800000" + "40200000"
    assert types.decode(MINE + 100, types.encode(MINE + 100, [[1, 2.5], None])) == [
        [1.0, 2.5],
        None,
    ]
    assert types.encode(MINE + 1, (1, -0.5)).hex() == "00020000" + "3c00" + "b800"
    with pytest.raises(ValueError, match="value out of float16 range"):
        types.encode(MINE + 1, [65520])
    sparse = pg.SparseVector(5, {3: 2.0, 1: 0.5})
    wire = "00000005" + "00000002" + "00000000" + "00000001" + "00000003" + "3f000000" + "40000000"
    assert types.encode(MINE + 2, sparse).hex() == wire
    assert types.encode(MINE + 2, [0, 0.5, 0, 2, 0]).hex() == wire
    assert types.decode(MINE + 2, bytes.fromhex(wire)) == sparse
    assert (
        types.json(MINE + 2, bytes.fromhex(wire)) == b'{"dimensions":5,"values":{"1":0.5,"3":2.0}}'
    )
    with pytest.raises(ValueError, match="null value not allowed"):
        types.encode(MINE + 3, {None: "x"})
    with pytest.raises(TypeError, match="expected str, got int"):
        types.encode(MINE + 3, {"a": 1})
    plain = PgTypes(extensions=False)
    plain.add(MINE, "public", "hstore", "base")
    assert plain.format(MINE) == 0
    plain.use_builtin(MINE, "pg_contrib.hstore")
    assert plain.decode(MINE, plain.encode(MINE, {"a": None})) == {"a": None}
    plain.use_builtin(MINE, "decimal")
    assert plain.decode(MINE, plain.encode(MINE, 5)) == Decimal(5)
    with pytest.raises(KeyError):
        plain.use_builtin(MINE, "nothing")


@here
def test_json_as_text() -> None:
    """Asyncpg's way."""
    types = PgTypes(json_as_text=True)
    for oid in (JSON, JSONB):
        assert types.decode(oid, types.encode(oid, '{"a": 1}')) == '{"a": 1}'
        with pytest.raises(TypeError, match="expected str, got dict"):
            types.encode(oid, {})


@here
def test_moments_go_back_to_their_own_type_only() -> None:
    """A date before Christ is no timestamp."""
    types = PgTypes()
    moment = types.decode(DATE, struct.pack("!i", -800_000))
    assert isinstance(moment, pg.OutOfRange)
    assert types.encode(DATE, moment) == struct.pack("!i", -800_000)
    with pytest.raises(TypeError, match="expected an OutOfRange of type timestamp, got date"):
        types.encode(TIMESTAMP, moment)
    # The farthest that the wire can tell.
    for oid, form, most in ((DATE, "!i", 2**31 - 2), (TIMESTAMP, "!q", 2**63 - 2)):
        for value in (most, -most):
            data = struct.pack(form, value)
            far = types.decode(oid, data)
            assert types.encode(oid, far) == data
            assert types.json(oid, data) == f'"{far}"'.encode()
