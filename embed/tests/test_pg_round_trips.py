"""Values of every type, there and back: our driver beside asyncpg and psycopg.

What differs on purpose is in `plain` and in tests of its own: json is parsed, and an interval keeps
its months.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import math
import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres_driver import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres_cluster import Cluster

asyncpg = pytest.importorskip("asyncpg")
psycopg = pytest.importorskip("psycopg")

pytestmark = pytest.mark.seconds(120)

EXAMPLES = int(os.environ.get("FASTERAPI_PG_EXAMPLES", "15"))
SETUP = """
CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('good', 'bad', 'so-so, "mostly"');
CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
CREATE TYPE pair AS (number int, words text[]);
CREATE TYPE nested AS (a pair, b mood, c numeric[], d even);
"""

integer = st.integers
# What the encoding of the server can hold.
text = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)
years = {"min_value": datetime.datetime(1, 1, 2), "max_value": datetime.datetime(9998, 12, 31)}
zones = st.integers(-14 * 60, 14 * 60).map(
    lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes))
)
dates = st.dates()
moments = st.datetimes(**years)
aware = st.datetimes(**years, timezones=zones)
# The longest that both `timedelta` and the server hold without losing microseconds.
spans = st.timedeltas(datetime.timedelta(days=-1_000_000), datetime.timedelta(days=1_000_000))
decimals = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=st.integers(0, 30).example()),
    st.decimals(-(10**40), 10**40, allow_nan=False),
    st.sampled_from([Decimal(one) for one in ("NaN", "Infinity", "-Infinity", "0E-20", "1E+50")]),
)
floats = st.floats(allow_nan=True)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
v4 = st.builds(ipaddress.IPv4Interface, st.tuples(st.ip_addresses(v=4), st.integers(0, 31)))
v6 = st.builds(ipaddress.IPv6Interface, st.tuples(st.ip_addresses(v=6), st.integers(0, 127)))
networks = st.one_of(v4, v6).map(lambda interface: interface.network)
bits = st.text("01", min_size=1, max_size=70)
finite = st.floats(-1e100, 1e100)
points = st.tuples(finite, finite)


def arrays(element: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists of one to three dimensions, whose elements may be missing."""
    one = st.lists(st.none() | element, max_size=5)
    shaped = st.tuples(st.integers(1, 3), st.integers(1, 3)).flatmap(
        lambda shape: st.lists(
            st.lists(st.none() | element, min_size=shape[1], max_size=shape[1]),
            min_size=shape[0],
            max_size=shape[0],
        )
    )
    return one | shaped | shaped.map(lambda rows: [rows, rows])


def ranges(pg: Any, bound: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Ranges of all kinds: bounded or not, closed or open, empty."""

    def make(pair: tuple[Any, Any], lower_inc: bool, upper_inc: bool) -> Any:
        low, high = pair
        if low is not None and high is not None and low > high:
            low, high = high, low
        return pg.Range(low, high, lower_inc=lower_inc, upper_inc=upper_inc)

    optional = st.none() | bound
    some = st.builds(make, st.tuples(optional, optional), st.booleans(), st.booleans())
    return some | st.just(pg.Range(empty=True))


def same(strategy: st.SearchStrategy[Any]) -> Any:
    """A strategy whose values both drivers take as they are."""
    return lambda _pg: strategy


# The name of a type, and what gives its values for a driver's own classes.
TYPES: dict[str, Any] = {
    "bool": same(st.booleans()),
    "int2": same(integer(-(2**15), 2**15 - 1)),
    "int4": same(integer(-(2**31), 2**31 - 1)),
    "int8": same(integer(-(2**63), 2**63 - 1)),
    "oid": same(integer(0, 2**32 - 1)),
    "float4": same(st.floats(width=32)),
    "float8": same(floats),
    "numeric": same(decimals),
    "text": same(text),
    "varchar": same(text),
    "char(12)": same(st.text("abc é", max_size=12)),
    "name": same(st.text("abcdef_", max_size=63)),
    '"char"': same(st.sampled_from([bytes([one]) for one in range(1, 128)])),
    "bytea": same(st.binary(max_size=200)),
    "uuid": same(st.uuids()),
    "date": same(dates),
    "time": same(st.times()),
    "timestamp": same(moments),
    "timestamptz": same(aware),
    "timetz": same(st.builds(lambda time, zone: time.replace(tzinfo=zone), st.times(), zones)),
    "interval": same(spans),
    "inet": same(st.one_of(st.ip_addresses(), v4, v6)),
    "cidr": same(networks),
    "macaddr": same(st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))),
    "varbit": lambda pg: bits.map(pg.BitString),
    "bit(5)": lambda pg: st.text("01", min_size=5, max_size=5).map(pg.BitString),
    "point": lambda pg: points.map(lambda one: pg.Point(*one)),
    "box": lambda pg: st.tuples(points, points).map(lambda two: pg.Box(*two)),
    "lseg": lambda pg: st.tuples(points, points).map(lambda two: pg.LineSegment(*two)),
    "circle": lambda pg: st.tuples(points, st.floats(0, 1e50)).map(lambda c: pg.Circle(*c)),
    "path": lambda pg: st.tuples(
        st.lists(points, min_size=1, max_size=5), st.booleans()
    ).map(lambda p: pg.Path(*p[0], is_closed=p[1])),
    "polygon": lambda pg: st.lists(points, min_size=1, max_size=5).map(lambda p: pg.Polygon(*p)),
    "int4range": lambda pg: ranges(pg, integer(-(2**31) + 1, 2**31 - 2)),
    "int8range": lambda pg: ranges(pg, integer(-(2**62), 2**62)),
    "numrange": lambda pg: ranges(pg, st.decimals(-1000, 1000, places=3)),
    "daterange": lambda pg: ranges(pg, st.dates(datetime.date(1, 1, 2), datetime.date(9999, 1, 1))),
    "tsrange": lambda pg: ranges(pg, moments),
    "int4multirange": lambda pg: st.lists(ranges(pg, integer(-1000, 1000)), max_size=4),
    "mood": same(st.sampled_from(["good", "bad", 'so-so, "mostly"'])),
    "even": same(integer(-1000, 1000).map(lambda n: n * 2)),
    "pair": same(st.tuples(st.none() | integer(0, 9), st.none() | st.lists(text, max_size=3))),
    "nested": same(
        st.tuples(
            st.none() | st.tuples(integer(0, 9), st.lists(text, max_size=3)),
            st.none() | st.just("good"),
            st.none() | st.lists(st.decimals(-9, 9, places=2), max_size=3),
            st.just(4),
        )
    ),
    "hstore": same(st.dictionaries(text, st.none() | text, max_size=4)),
    "int4[]": same(arrays(integer(-(2**31), 2**31 - 1))),
    "text[]": same(arrays(text)),
    "float8[]": same(arrays(st.floats(allow_nan=False))),
    "numeric[]": same(arrays(st.decimals(-99, 99, places=2))),
    "timestamptz[]": same(arrays(aware)),
    "uuid[]": same(arrays(st.uuids())),
    "bool[]": same(arrays(st.booleans())),
    "bytea[]": same(arrays(st.binary(max_size=9))),
    "pair[]": same(st.lists(st.tuples(integer(0, 9), st.lists(text, max_size=2)), max_size=3)),
    "daterange[]": lambda pg: st.lists(ranges(pg, st.dates(datetime.date(2000, 1, 1))), max_size=3),
}  # fmt: skip
# psycopg gives these as text, or has classes of its own for them.
NOT_PSYCOPG = {
    *("point", "box", "lseg", "circle", "path", "polygon", "varbit", "bit(5)", "hstore", "pair"),
    *("nested", "pair[]", '"char"', "macaddr", "mood"),
    # Their ends are one day or one microsecond beyond what Python has, or of another class.
    *("int4multirange", "cidr", "inet"),
}


class Three:
    """A connection of each driver, in a loop of their own."""

    def __init__(self, pg: Any, arguments: dict[str, Any]) -> None:
        self.pg = pg
        self.loop = asyncio.new_event_loop()
        self.ours = self.run(pg.connect(**arguments))
        self.theirs = self.run(asyncpg.connect(**arguments))
        for connection in (self.ours, self.theirs):
            for name in ("hstore",):
                self.run(connection.set_builtin_type_codec(name, codec_name="pg_contrib.hstore"))
        known = {"host", "port", "user", "password"}
        given = {name: value for name, value in arguments.items() if name in known}
        self.third = psycopg.connect(**given, dbname=arguments["database"], autocommit=True)

    def run(self, awaitable: Any) -> Any:
        """What comes of it, in time."""

        async def bounded() -> Any:
            async with asyncio.timeout(10):
                return await awaitable

        return self.loop.run_until_complete(bounded())

    def close(self) -> None:
        """Close all."""
        self.run(self.ours.close())
        self.run(self.theirs.close())
        self.third.close()
        self.loop.close()

    def psycopg_value(self, kind: str, as_text: str | None) -> Any:
        """What psycopg makes of the server's text."""
        query = f"SELECT %s::text::{kind}"
        with self.third.cursor(binary=True) as cursor:
            return cursor.execute(query, (as_text,)).fetchone()[0]


@pytest.fixture(scope="module")
def three(pg: Any, postgres: Cluster) -> Iterator[Three]:
    """The three drivers on one database with types of its own."""
    with postgres.database("types") as name:
        postgres.sql(SETUP, name)
        drivers = Three(pg, postgres.arguments(database=name))
        yield drivers
        drivers.close()


def plain(value: Any) -> Any:
    """A value without the classes of a driver."""
    match value:
        case float():
            return "nan" if math.isnan(value) else value
        case Decimal():
            # 1.10 and 1.1 are two values here, as they are for the server.
            return format(value, "f")
        case datetime.datetime(tzinfo=zone) if zone is not None:
            return value.astimezone(datetime.UTC)
        case ipaddress.IPv4Interface() | ipaddress.IPv6Interface():
            return str(value)
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
    return plain_class(value)


def plain_class(value: Any) -> Any:
    """The same of a class that a driver defines."""
    if hasattr(value, "isempty"):
        ends = ("lower", "upper", "lower_inc", "upper_inc")
        return "empty" if value.isempty else [plain(getattr(value, end)) for end in ends]
    if hasattr(value, "as_string"):
        return value.as_string().replace(" ", "")
    names = {"Path", "Polygon", "Point", "Box", "LineSegment", "Circle"}
    if isinstance(value, (list, tuple)) or hasattr(value, "keys") or type(value).__name__ in names:
        return [plain(inner) for inner in value]
    return value


@pytest.mark.parametrize("kind", TYPES)
def test_there_and_back(three: Three, kind: str) -> None:
    """All drivers send the same value, and read the same value."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=False,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    @given(st.data())
    def compare(data: st.DataObject) -> None:
        value = data.draw(TYPES[kind](three.pg))
        query = f"SELECT $1::{kind} AS value, ($1::{kind})::text AS as_text"
        ours, as_text = three.run(three.ours.fetchrow(query, value))
        theirs, their_text = three.run(three.theirs.fetchrow(query, for_asyncpg(value)))
        if kind != "interval":
            # A `timedelta` does not say how many of its hours are days.
            assert as_text == their_text
        assert plain(ours) == plain(theirs)
        if type(ours).__module__ == "builtins":
            assert type(ours) is type(theirs)
        if OURS or kind != "pair[]":  # which asyncpg does not take back
            again, same_text = three.run(three.ours.fetchrow(query, ours))
            assert (plain(again), same_text) == (plain(ours), as_text)
        if kind not in NOT_PSYCOPG:
            assert plain(three.psycopg_value(kind, as_text)) == plain(ours)

    compare()


def for_asyncpg(value: Any) -> Any:
    """A value with asyncpg's classes in the place of ours."""
    if hasattr(value, "isempty"):
        if value.isempty:
            return asyncpg.Range(empty=True)
        ends = {"lower_inc": value.lower_inc, "upper_inc": value.upper_inc}
        return asyncpg.Range(value.lower, value.upper, **ends)
    shapes = {
        "BitString": lambda: asyncpg.BitString(value.as_string()),
        "Circle": lambda: asyncpg.Circle(tuple(value.center), value.radius),
        "Path": lambda: asyncpg.Path(*map(tuple, value), is_closed=value.is_closed),
        "Polygon": lambda: asyncpg.Polygon(*map(tuple, value)),
        "Box": lambda: asyncpg.Box(*map(tuple, value)),
        "LineSegment": lambda: asyncpg.LineSegment(*map(tuple, value)),
        "Point": lambda: asyncpg.Point(*value),
    }
    if (make := shapes.get(type(value).__name__)) is not None:
        return make()
    if isinstance(value, (list, tuple)):
        return type(value)(for_asyncpg(inner) for inner in value)
    return value


@pytest.mark.parametrize("kind", ["json", "jsonb"])
def test_json(three: Three, kind: str) -> None:
    """Parsed here and by psycopg, text in asyncpg."""

    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(json_values)
    def compare(value: Any) -> None:
        given_value = value if OURS else json.dumps(value)
        query = f"SELECT $1::{kind} AS value, ($1::{kind})::text AS as_text"
        try:
            ours, as_text = three.run(three.ours.fetchrow(query, given_value))
        except three.pg.UntranslatableCharacterError:
            # jsonb cannot hold what text cannot: \u0000.
            assert kind == "jsonb"
            return
        theirs = three.run(three.theirs.fetchval(f"SELECT $1::{kind}", json.dumps(value)))
        assert (ours if OURS else json.loads(ours)) == json.loads(theirs)
        assert three.psycopg_value(kind, as_text) == json.loads(theirs)

    compare()


LITERALS = {
    "date": ["infinity", "-infinity", "0044-03-15 BC", "99999-12-31", "0001-01-01"],
    "timestamp": ["infinity", "-infinity", "0044-03-15 12:00 BC", "200000-01-01 00:00"],
    "timestamptz": ["infinity", "-infinity", "0044-03-15 12:00+00 BC", "200000-01-01 00:00+00"],
    "time": ["24:00", "00:00", "23:59:59.999999"],
    "interval": [
        *("1 month", "-1 year 2 days", "178000000 years", "1 mon -1 day 00:00:01"),
        *("-00:00:00.000001", "1000000 days", "0"),
    ],
    "numeric": ["NaN", "Infinity", "-Infinity", "0.00", "1e130", "-0", "1" * 130 + ".5"],
    "money": ["12.34", "-1"],
    "tsvector": ["'fat' 'rat':2A"],
    "tsquery": ["'fat' & !'rat'"],
    "xid": ["4294967295"],
    "tid": ["(3,4)"],
    "pg_lsn": ["16/B374D848"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "jsonpath": ['$."a"[*]'],
    "int4[]": ["[-1:1]={1,2,3}", "{}", "{{1,2},{3,4}}", "{NULL}"],
    "regclass": ["pg_class"],
    "xml": ["<a>b</a>"],
    "int2vector": ["1 2 3"],
    "oidvector": ["1 2"],
    "float8": ["NaN", "Infinity", "-0", "5e-324", "1.7976931348623157e308"],
    "nummultirange": ["{[1,2),[3,4)}", "{}"],
}


def quoted(literal: str) -> str:
    """A string of SQL."""
    return "'" + literal.replace("'", "''") + "'"


@pytest.mark.parametrize(
    ("kind", "literal"), [(k, one) for k, all_ in LITERALS.items() for one in all_]
)
def test_every_value_of_the_server_can_be_read(three: Three, kind: str, literal: str) -> None:
    """None of them ends the query, and what was read means the same when it is sent back."""
    value = f"{quoted(literal)}::{kind}"
    query = f"SELECT {value} AS value, {value}::text AS as_text, 7 AS n"
    try:
        row = three.run(three.ours.fetchrow(query))
    except (ValueError, OverflowError):
        assert not OURS, "one value of a row ends the query"
        return
    assert row["n"] == 7
    assert row["value"] is not None
    if kind in {"regclass", "tid"} or not OURS or literal.startswith("[-1:1]"):
        # A list begins at 0: arrays lose their lower bounds, as in asyncpg.
        return
    back = three.run(three.ours.fetchval(f"SELECT ($1::{kind})::text", row["value"]))
    # Infinite moments are the last and first that Python has, as in asyncpg.
    if not (kind in {"date", "timestamp", "timestamptz"} and back != row["as_text"]):
        assert back == row["as_text"] or kind in {"time", "interval"}


@pytest.mark.skipif(not OURS, reason="asyncpg loses them")
@pytest.mark.parametrize("literal", LITERALS["interval"])
def test_an_interval_keeps_its_months(three: Three, literal: str) -> None:
    """A month is not thirty days."""
    query = f"SELECT '{literal}'::interval AS value, '{literal}'::interval::text AS as_text"
    value, as_text = three.run(three.ours.fetchrow(query))
    assert three.run(three.ours.fetchval("SELECT ($1::interval)::text", value)) == as_text


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int4", "one"),
        ("int4", 2**31),
        ("int2", -(2**15) - 1),
        ("int8", 2**63),
        ("text", 1),
        ("uuid", "not one"),
        ("date", "2020-01-01"),
        ("bool[]", 1),
        ("int4[]", [[1], [2, 3]]),
        ("numeric", "many"),
        ("bytea", "text"),
        ("inet", "999.1.1.1"),
        ("pair", (1, 2, 3)),
        ("timestamptz", 12),
    ],
)
def test_wrong_values(three: Three, kind: str, value: Any) -> None:
    """Refused before anything is sent, with the number of the parameter; the connection goes on."""
    with pytest.raises(three.pg.DataError, match=r"\$2"):
        three.run(three.ours.fetch(f"SELECT $1::int, $2::{kind}", 1, value))
    assert three.run(three.ours.fetchval("SELECT $1::int", 3)) == 3
    assert UUID(int=1) == three.run(three.ours.fetchval("SELECT $1::uuid", UUID(int=1)))
