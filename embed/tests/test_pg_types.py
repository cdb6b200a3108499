"""Every type's values against a real server, asyncpg and psycopg.

What we encode, the server must read as the same value that asyncpg and psycopg mean; what it
sends, we must read as asyncpg does, except where the differences are listed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import math
import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_pip_form import HAS_PIP_FORM, run_in_pip_form

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from postgres_cluster import Cluster

try:
    from fasterapi._core import PgTypes, Record, json_bytes
except ImportError:
    HERE = False
else:
    HERE = True
    import asyncpg
    import psycopg

    from fasterapi.pg import types as ours

SERVER = "FASTERAPI_TEST_SERVER"
here = pytest.mark.skipif(
    not HERE or SERVER not in os.environ, reason="runs in the pip form, by the first test"
)
UTC = dt.UTC

# The types of each catalogue's columns, of which every value is compared.
CATALOGUES = "pg_type pg_class pg_proc pg_operator pg_database pg_authid pg_index"
CATALOGUES += " pg_stats pg_attribute pg_constraint pg_locks pg_stat_activity pg_init_privs"

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
MOMENTS = st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False).filter(
    lambda number: abs(number.as_tuple().exponent) < 2000  # type: ignore[arg-type]
)
FLOATS = st.floats(allow_nan=False)
SINGLES = st.floats(width=32, allow_nan=False)
INT4 = st.integers(-(2**31), 2**31 - 1)
POINTS = st.tuples(FLOATS, FLOATS)
RANGES = st.tuples(st.integers(-(2**31), 0), st.integers(1, 2**31 - 2))

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int2": st.integers(-(2**15), 2**15 - 1),
    "int4": INT4,
    "int8": st.integers(-(2**63), 2**63 - 1),
    "oid": st.integers(0, 2**32 - 1),
    "xid8": st.integers(0, 2**64 - 1),
    "pg_lsn": st.integers(0, 2**63 - 1),
    "float4": SINGLES,
    "float8": FLOATS,
    "numeric": NUMBERS | st.integers() | st.integers(-(10**60), 10**60),
    "text": TEXTS,
    "varchar": TEXTS,
    "name": st.text("abcdefghij", max_size=40),
    "bytea": st.binary(),
    '"char"': st.binary(min_size=1, max_size=1),
    "uuid": st.uuids(),
    "date": st.dates(dt.date(1, 1, 2), dt.date(9999, 12, 30)),
    "time": st.times(),
    "timetz": st.times(timezones=ZONES),
    "timestamp": MOMENTS,
    "timestamptz": st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29), timezones=ZONES),
    "interval": st.timedeltas(dt.timedelta(days=-(10**8)), dt.timedelta(days=10**8)),
    "inet": st.ip_addresses()
    | st.tuples(st.ip_addresses(), st.integers(0, 32)).map(
        lambda pair: ipaddress.ip_interface((pair[0].packed, pair[1]))
    ),
    "cidr": st.ip_addresses().map(ipaddress.ip_network),
    "macaddr": st.binary(min_size=6, max_size=6).map(lambda mac: mac.hex(":")),
    "macaddr8": st.binary(min_size=8, max_size=8).map(lambda mac: mac.hex(":")),
    "tid": st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1)),
    "int4[]": st.lists(INT4 | st.none()),
    "int8[]": st.lists(st.lists(INT4, min_size=2, max_size=2), min_size=1),
    "text[]": st.lists(TEXTS | st.none()),
    "numeric[]": st.lists(NUMBERS | st.none()),
    "uuid[]": st.lists(st.uuids() | st.none()),
    "date[]": st.lists(st.dates(dt.date(1, 1, 2), dt.date(9999, 12, 30))),
    "float8[]": st.lists(st.lists(FLOATS, min_size=1, max_size=1), min_size=1, max_size=4),
    "point": POINTS,
    "lseg": st.tuples(POINTS, POINTS),
    "circle": st.tuples(POINTS, st.floats(0, 1e300)),
    "int4range": RANGES | st.just(()),
    "int4multirange": st.lists(RANGES),
    "money[]": st.lists(st.integers(0, 99).map(lambda cents: f"$1.{cents:02}") | st.none()),
}

# What the server says to these is compared with asyncpg's answer.
LITERALS: dict[str, list[str]] = {
    "numeric": ["0", "10000", "0.00", "1e20", "-1e-20", "NaN", "Infinity", "-Infinity", "1e1000"],
    "date": ["infinity", "-infinity", "0001-01-01", "9999-12-31"],
    "timestamp": ["infinity", "-infinity", "0001-01-01", "9999-12-31 23:59:59.999999"],
    "timestamptz": ["infinity", "-infinity", "0001-01-01 00:00+00", "2000-01-01 00:00+05"],
    "interval": ["1 mon", "-5 years -1 mon", "1 day -1 hour", "-1 hour", "25:00", "-1 mon 3 days"],
    "int4[]": ["{}", "[1:3][-1:0]={{1,2},{4,5},{6,7}}", "{{{{{{1}}}}}}", "{1,NULL}"],
    "box[]": ["{(1,1),(0,0);(3,3),(2,2)}"],
    "aclitem[]": ["{}", "{postgres=r/postgres}"],
    "citext[]": ["{}", '{{"a,","\\"b"},{NULL,c}}'],
    "int2vector": ["1 2 3"],
    "oidvector": ["1 2 3"],
    "varbit": ["", "101", "111100001"],
    "bit(3)": ["101"],
    "int4range": ["empty", "(,)", "[1,)", "(,5]"],
    "numrange": ["(1.5,2.5]"],
    "tstzrange": ["[2000-01-01 00:00+00,infinity)"],
    "int4multirange": ["{}", "{[1,3),[5,7)}", "{(,3)}"],
    "inet": ["10.0.0.1", "10.0.0.0/8", "fe80::1/64", "::1"],
    "cidr": ["10.0.0.0/8", "::/0"],
    "path": ["[(0,0),(1,1)]", "((0,0),(1,1))"],
    "polygon": ["((0,0),(1,1),(2,0))"],
    "box": ["(1,1),(0,0)"],
    "line": ["{1,2,3}"],
    "tsvector": ["a b"],
    "tsquery": ["a & b"],
    "regclass": ["pg_class"],
    "money": ["12.50"],
    "xml": ["<a/>"],
    "jsonpath": ["$.a"],
    "pg_snapshot": ["1:10:1,2,5", "1:1:"],
    "txid_snapshot": ["1:10:1,2,5"],
    "cid": ["7"],
    "xid": ["7"],
    "bpchar": ["ab  "],
    "enum_t": ["one", "two"],
    "enum_t[]": ["{one,two,NULL}"],
    "domain_t": ["7"],
    "domain_t[]": ["{1,2}"],
    "composite_t": ["(1,a,one)", "(,,)", '(1,"a ""b""",)'],
    "composite_t[]": ['{"(1,a,one)",NULL}'],
    "floatrange_t": ["[1.5,2.5)"],
}

# Python's first and last moments are infinities on their way back, as with asyncpg, and the bounds
# of arrays are not kept.
ONE_WAY = {"0001-01-01", "9999-12-31", "9999-12-31 23:59:59.999999"}
ONE_WAY |= {"[1:3][-1:0]={{1,2},{4,5},{6,7}}"}

# One of each type, for the tests of what is malformed and of JSON.
SAMPLES: dict[str, str] = {
    **{name: "{NULL}" for name in VALUES if name.endswith("[]")},
    **{name: values[-1] for name, values in LITERALS.items()},
    **dict.fromkeys(["int2", "int4", "int8", "oid", "float4", "float8", "xid8"], "1"),
    **dict.fromkeys(["text", "varchar", "name", "bytea", '"char"'], "a"),
    "numeric": "-1234567.8900",
    "bool": "t",
    "date": "2000-02-03",
    "timestamp": "2000-02-03 04:05:06.7",
    "pg_lsn": "0/16B3748",
    "uuid": "38a4ff5a-3a56-11e6-a6c2-c8f73323c6d4",
    "time": "01:02:03",
    "timetz": "01:02:03+04:30",
    "macaddr": "08:00:2b:01:02:03",
    "macaddr8": "08:00:2b:01:02:03:04:05",
    "tid": "(1,2)",
    "point": "(1,2)",
    "lseg": "[(1,2),(3,4)]",
    "circle": "<(1,2),3>",
    "json": '{"a": [1, 2.5, null, "x"]}',
    "jsonb": '{"a": [1, 2.5, null, "x"]}',
    "json[]": '{"1",NULL,"[]"}',
    "hstore": "a=>1,b=>NULL",
    "ltree": "a.b",
    "timestamptz[]": "{{2000-02-03 04:05:06+01,infinity}}",
}
# A shorter text is a text as well.
TEXTUAL = {"text", "varchar", "name", "bytea", "enum_t", "jsonpath", "ltree", "bpchar", "xml"}
TEXTUAL |= {"json", "jsonb"}

SETUP = """
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
CREATE TYPE enum_t AS ENUM ('one', 'two');
CREATE DOMAIN domain_t AS int4 CHECK (VALUE > 0);
CREATE TYPE composite_t AS (number domain_t, "text" text, label enum_t);
CREATE TYPE floatrange_t AS RANGE (subtype = float8);
"""
TYPES = """
SELECT t.oid, n.nspname, t.typname, t.typtype, t.typelem, t.typbasetype, t.typdelim, t.typlen,
  t.typcategory,
  COALESCE((SELECT rngsubtype FROM pg_range WHERE rngtypid = t.oid), 0),
  COALESCE((SELECT rngtypid FROM pg_range WHERE rngmultitypid = t.oid), 0),
  ARRAY(SELECT ROW(attname, atttypid)::text FROM pg_attribute
    WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped ORDER BY attnum)
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid >= 10000
"""


@pytest.mark.skipif(HERE, reason="the tests run in this Python")
@pytest.mark.skipif(not HAS_PIP_FORM, reason="FASTERAPI_DIST is not given")
@pytest.mark.seconds(250)
def test_in_the_pip_form(postgres: Cluster) -> None:
    """With this Python's clients, and a database of its own."""
    run_in_pip_form(__file__, {SERVER: f"host=127.0.0.1 port={postgres.port} user=trusting"})


class Server:
    """One database, seen by three clients."""

    def __init__(self) -> None:
        self.name = f"types_{os.getpid()}"
        self._where = os.environ[SERVER]
        with psycopg.connect(f"{self._where} dbname=postgres", autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {self.name}")
        self.psycopg = psycopg.connect(f"{self._where} dbname={self.name}", autocommit=True)
        self.psycopg.execute("SET timezone = 'UTC'")
        self.psycopg.execute(SETUP)
        self.types = PgTypes()
        self.oids: dict[str, int] = {}
        for row in self.psycopg.execute(TYPES).fetchall():
            self._add(*row)
        self._loop = asyncio.new_event_loop()
        self._asyncpg = self._run(self._connect())

    def _add(self, *row: Any) -> None:
        oid, schema, name, letter, element, base, delimiter, length, category, *rest = row
        sub, many, parts = rest
        kind = {"b": "base", "c": "composite", "d": "domain", "e": "enum", "p": "pseudo"}
        kind |= {"r": "range", "m": "multirange"}
        what = kind[letter]
        if category == "A" and length == -1 and element:
            what = "array"
        fields = [part[1:-1].rsplit(",", 1) for part in parts]
        self.types.add(
            oid,
            schema,
            name,
            what,
            element=element or base or sub or many,
            delimiter=delimiter,
            fields=[(name.strip('"'), int(oid)) for name, oid in fields],
        )

    async def _connect(self) -> Any:
        where = dict(part.split("=") for part in self._where.split())
        return await asyncpg.connect(database=self.name, **where)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)

    def oid(self, name: str) -> int:
        """The identifier of a type."""
        if name not in self.oids:
            found = self.psycopg.execute("SELECT %s::regtype::oid", [name]).fetchone()
            assert found is not None
            self.oids[name] = found[0]
        return self.oids[name]

    def ask(self, sql: str, name: str = "", value: object = None) -> tuple[int, bytes | None]:
        """The type and the bytes of what a query with one value or none answers."""
        parameters, oids, formats = [], [], []
        if name:
            oids = [self.oid(name)]
            parameters = [None if value is None else self.types.encode(oids[0], value)]
            formats = [self.types.format(oids[0])]
        connection = self.psycopg.pgconn
        text = sql.encode()
        described = connection.prepare(b"", text, oids)
        assert described.status == psycopg.pq.ExecStatus.COMMAND_OK, described.error_message
        column = connection.describe_prepared(b"").ftype(0)
        assert self.types.unknown([column]) == []
        result = connection.exec_prepared(b"", parameters, formats, self.types.format(column))
        assert result.status == psycopg.pq.ExecStatus.TUPLES_OK, result.error_message
        return column, result.get_value(0, 0)

    def fetch(self, sql: str, name: str = "", value: object = None) -> Any:
        """What a query answers, through our codecs."""
        column, data = self.ask(sql, name, value)
        return None if data is None else self.types.decode(column, data)

    def asyncpg(self, sql: str, *values: object) -> Any:
        """What it answers through asyncpg."""
        return self._run(self._asyncpg.fetchval(sql, *values))

    def asyncpg_rows(self, sql: str) -> Any:
        """All rows, through asyncpg."""
        return self._run(self._asyncpg.fetch(sql))

    def close(self) -> None:
        """Remove the database."""
        self._run(self._asyncpg.close())
        self._loop.close()
        self.psycopg.close()
        with psycopg.connect(f"{self._where} dbname=postgres", autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {self.name}")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The server, with some types of the tests' own."""
    server = Server()
    yield server
    server.close()


def same(mine: Any, other: Any) -> bool:
    """Whether two clients' objects say the same; our classes are not asyncpg's."""
    rows = (list, tuple, Record, asyncpg.Record)
    if isinstance(mine, rows) and isinstance(other, rows):
        return len(mine) == len(other) and all(map(same, mine, other))
    if isinstance(mine, ours.Range | ours.BitString | ours.Path):
        if isinstance(mine, ours.Path):
            return same(mine.points, other.points) and mine.is_closed == other.is_closed
        return repr(mine) == repr(other)
    if isinstance(mine, float | Decimal) and math.isnan(mine):
        return math.isnan(other)
    return type(mine).__name__ in {type(other).__name__, "Interval"} and bool(mine == other)


def quick(examples: int) -> Callable[[Any], Any]:
    """Settings for hypothesis."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@here
@pytest.mark.parametrize("name", VALUES)
def test_values_arrive_and_come_back(server: Server, name: str) -> None:
    """Asyncpg means the same by a value, and reads the same from the answer."""

    @quick(60)
    @given(VALUES[name])
    def check(value: Any) -> None:
        sql = f"SELECT $1::{name}"
        mine = server.fetch(sql, name, value)
        assert same(mine, server.asyncpg(sql, value)), (mine, value)
        # What was read can be written again.
        assert same(server.fetch(sql, name, mine), mine)
        if name == "interval":  # asyncpg sends an hour less as a day less and 23 hours
            return
        text = f"SELECT $1::{name}::text"
        assert server.fetch(text, name, value) == server.asyncpg(text, value)

    check()


@here
@pytest.mark.parametrize("name", LITERALS)
def test_literals_are_read_as_by_asyncpg(server: Server, name: str) -> None:
    """And what was read goes back as the same literal."""
    for literal in LITERALS[name]:
        sql = f"SELECT '{literal}'::{name}"
        mine, theirs = server.fetch(sql), server.asyncpg(sql)
        assert same(mine, theirs), (literal, mine, theirs)
        if literal in ONE_WAY:
            continue
        plain = name.split("(", maxsplit=1)[0]
        text = server.fetch(f"SELECT '{literal}'::{name}::text")
        assert server.fetch(f"SELECT $1::{name}::text", plain, mine) == text


@here
def test_numbers_as_psycopg_writes_them(server: Server) -> None:
    """Its binary form of a number is ours, byte for byte."""

    @quick(300)
    @given(NUMBERS)
    def check(number: Decimal) -> None:
        dumper = psycopg.adapt.PyFormat.BINARY
        kind = server.psycopg.adapters.get_dumper(Decimal, dumper)
        assert server.types.encode(1700, number) == bytes(kind(Decimal).dump(number) or b"")

    check()


@here
@pytest.mark.parametrize("table", CATALOGUES.split())
def test_catalogues_are_read_as_by_asyncpg(server: Server, table: str) -> None:
    """Every column of the server's own tables."""
    columns = server.psycopg.execute(f"SELECT * FROM {table} LIMIT 0").description or ()
    for column in columns:
        oid = column.type_code
        sql = f'SELECT "{column.name}" FROM {table} ORDER BY 1::text LIMIT 300'
        if server.types.info(oid)[1] == "anyarray":  # asyncpg cannot read these
            # The server has no binary form of access privileges.
            sql = f"SELECT {column.name} FROM {table} WHERE attname !~ 'acl' LIMIT 300"
        result = server.psycopg.pgconn.exec_params(
            sql.encode(), [], result_format=server.types.format(oid)
        )
        assert result.status == psycopg.pq.ExecStatus.TUPLES_OK, result.error_message
        data = [result.get_value(row, 0) for row in range(result.ntuples)]
        mine = [None if value is None else server.types.decode(oid, value) for value in data]
        if server.types.info(oid)[1] == "anyarray":
            assert {type(value) for value in mine} <= {list, type(None)}
            continue
        theirs = [row[0] for row in server.asyncpg_rows(sql)]
        if table not in {"pg_stat_activity", "pg_locks"}:
            assert same(mine, theirs), column.name
        else:
            assert {type(value) for value in mine} <= {type(value) for value in theirs}


# What asyncpg fails to read, and what we make of it.
BEYOND = {
    "'0044-03-15 BC'::date": "0044-03-15 BC",
    "'12000-01-01'::date": "12000-01-01",
    "'4713-01-01 BC'::timestamp": "4713-01-01 00:00:00 BC",
    "'12000-01-01 01:02:03.5'::timestamp": "12000-01-01 01:02:03.5",
    "'4713-01-02 BC'::timestamptz": "4713-01-02 00:00:00+00 BC",
    "'24:00:00'::time": "24:00:00",
    "'24:00:00+02:30'::timetz": "24:00:00+02:30",
}


@here
@pytest.mark.parametrize("literal", BEYOND)
def test_what_python_has_no_moment_for(server: Server, literal: str) -> None:
    """It is the server's text, and goes back as what it was."""
    name = literal.split("::")[1]
    mine = server.fetch(f"SELECT {literal}")
    assert mine == BEYOND[literal] == server.fetch(f"SELECT {literal}::text")
    assert isinstance(mine, ours.OutOfRange)
    assert server.fetch(f"SELECT $1 = {literal}", name, mine) is True


@here
def test_intervals_lose_nothing(server: Server) -> None:
    """Months stay months."""
    exact = ["1 mon 1 day 01:00:00", "-14 mons +3 days -00:00:00.000001", "24:00:00", "-1 hour"]
    for text in [*exact, "178956970 years 7 mons", "-178956970 years -8 mons", "2147483647 days"]:
        mine = server.fetch(f"SELECT '{text}'::interval")
        assert isinstance(mine, dt.timedelta)
        back = server.fetch(f"SELECT $1::text = '{text}'::interval::text", "interval", mine)
        assert back is True, mine
        if text in exact:
            assert mine == server.asyncpg(f"SELECT '{text}'::interval")
    assert server.fetch("SELECT '178956970 years 7 mons'::interval") == dt.timedelta.max


@here
def test_json_is_parsed(server: Server) -> None:
    """And written, in arrays too."""
    values = [{"a": [1, 2.5, None, "x"]}, [], "text", 1, True, [[1], [2]]]
    for name in ("json", "jsonb"):
        for value in values:
            assert server.fetch(f"SELECT $1::{name}", name, value) == value
        assert server.fetch(f"SELECT $1::{name}[]", f"{name}[]", values) == values


@here
def test_extensions(server: Server) -> None:
    """hstore, citext, ltree."""
    value = {"a": "1", "b": None, "": 'x"y'}
    assert server.fetch("SELECT $1::hstore", "hstore", value) == value
    assert server.fetch("SELECT $1::hstore", "hstore", list(value.items())) == value
    assert server.fetch("SELECT $1 = 'ABC'::citext", "citext", "abc") is True
    assert server.fetch("SELECT $1::ltree", "ltree", "a.b.c") == "a.b.c"
    assert server.fetch("SELECT ARRAY['a.b', NULL]::ltree[]") == ["a.b", None]


@here
def test_composites(server: Server) -> None:
    """By position and by name; within arrays and records without a type."""
    sql = "SELECT $1::composite_t"
    assert same(server.fetch(sql, "composite_t", (1, "a", "one")), (1, "a", "one"))
    assert same(server.fetch(sql, "composite_t", {"text": "a"}), (None, "a", None))
    sent = [(1, None, "two"), None, {"number": 3}]
    back = server.fetch("SELECT $1::composite_t[]", "composite_t[]", sent)
    assert same(back, [(1, None, "two"), None, (3, None, None)])
    assert same(server.fetch("SELECT $1::composite_t[]", "composite_t[]", back), back)
    row = server.fetch("SELECT ROW(NULL, 1234, '5678', ROW(42, '42'))")
    assert row == (None, 1234, "5678", (42, "42"))
    # Of what is text otherwise, a row without a type has the binary form.
    mixed = "SELECT ROW('pg_class'::regclass, ARRAY['pg_class'::regclass], '2.50'::money, 'x')"
    assert server.fetch(mixed) == (1259, [1259], (250).to_bytes(8, "big"), "x")
    column, data = server.ask("SELECT ROW(1, 'one'::enum_t)")
    with pytest.raises(NotImplementedError, match="element in position 1 of type OID"):
        PgTypes().decode(column, data or b"")
    assert server.fetch("SELECT ROW(1, 'one'::enum_t)") == (1, "one")


@here
@pytest.mark.parametrize("name", SAMPLES)
def test_malformed_values_are_errors(server: Server, name: str) -> None:
    """Those that are cut or go on; of changed ones only that something is said."""
    from fasterapi.pg.exceptions import OutdatedSchemaCacheError

    refusals = (ValueError, OverflowError, NotImplementedError, OutdatedSchemaCacheError)
    oid, data = server.ask(f"SELECT '{SAMPLES[name]}'::{name}")
    assert data is not None
    for read in (server.types.decode, server.types.json):
        assert read(oid, data) is not None
        if server.types.format(oid) == 1 and name not in TEXTUAL:
            wrong = [data[:length] for length in range(len(data))]
            # A "char" is whatever the server says.
            for cut in () if name == '"char"' else (*wrong, data + b"\0"):
                with pytest.raises((ValueError, NotImplementedError)):
                    read(oid, cut)
        for place in range(len(data)):
            for byte in (0, 1, 0x7F, 0x80, 0xFF):
                changed = bytearray(data)
                changed[place] = byte
                with contextlib.suppress(*refusals):
                    read(oid, bytes(changed))


@here
def test_nobody_sends_more_than_he_announces(server: Server) -> None:
    """A count is checked before anything is allocated for it."""
    many = (2**31 - 1).to_bytes(4, "big")
    array = (1).to_bytes(4, "big") + bytes(4) + (23).to_bytes(4, "big") + many + many
    samples = {"int4[]": array, "polygon": many, "pg_snapshot": many + bytes(16), "hstore": many}
    samples |= {"int4multirange": many, "varbit": many, "composite_t": many, "record": many}
    for name, data in samples.items():
        for read in (server.types.decode, server.types.json):
            with pytest.raises(ValueError, match="malformed value from the server"):
                read(server.oid(name), data)


@here
def test_any_bytes_at_all(server: Server) -> None:
    """No more than an error comes of it."""
    types = PgTypes()
    for oid, name in enumerate(["vector", "halfvec", "sparsevec", "hstore", "ltree"], 100_000):
        types.add(oid, "public", name, "base")
    types.add(200_000, "public", "row", "composite", fields=[("a", 23), ("b", 25), ("c", 200_001)])
    types.add(200_001, "public", "rows", "array", element=1700)
    built_in = [server.oid(name.split("(", maxsplit=1)[0]) for name in SAMPLES]
    oids = [oid for oid in built_in if oid < 10_000] + [*range(100_000, 100_005), 200_000]

    @quick(2000)
    @given(st.sampled_from([*oids, server.oid("anyarray"), server.oid("record")]), st.binary())
    def check(oid: int, data: bytes) -> None:
        for read in (types.decode, types.json):
            with contextlib.suppress(ValueError, OverflowError, NotImplementedError):
                read(oid, data)

    check()


# Objects that FastAPI cannot write, as JSON.
JSON_ONLY: dict[str, Any] = {
    "path": [[0, 0], [1, 1]],
    "polygon": [[0, 0], [1, 1], [2, 0]],
    "varbit": "111100001",
    "bit(3)": "101",
    "int4range": {"lower": None, "upper": 6, "bounds": "()"},
    "numrange": {"lower": 1.5, "upper": 2.5, "bounds": "(]"},
    "tstzrange": {
        "lower": "2000-01-01T00:00:00+00:00",
        "upper": "9999-12-31T23:59:59.999999",
        "bounds": "[)",
    },
    "floatrange_t": {"lower": 1.5, "upper": 2.5, "bounds": "[)"},
    "int4multirange": [{"lower": None, "upper": 3, "bounds": "()"}],
}


@here
@pytest.mark.parametrize("name", SAMPLES)
def test_json_without_objects(server: Server, name: str) -> None:
    """It is what FastAPI makes of the objects."""
    for literal in [SAMPLES[name], *LITERALS.get(name, [])]:
        oid, data = server.ask(f"SELECT '{literal}'::{name}")
        assert data is not None
        made = json.loads(server.types.json(oid, data))
        if name in JSON_ONLY:
            assert literal != SAMPLES[name] or made == JSON_ONLY[name]
        elif literal in {"NaN", "Infinity", "-Infinity"}:
            assert made == literal
        else:
            value = server.types.decode(oid, data)
            assert made == json.loads(json_bytes(value)), literal


@here
def test_json_of_what_python_has_no_moment_for(server: Server) -> None:
    """It is the server's text."""
    for literal, text in BEYOND.items():
        oid, data = server.ask(f"SELECT {literal}")
        assert json.loads(server.types.json(oid, data or b"")) == text


@here
def test_json_of_numbers_is_exact(server: Server) -> None:
    """All digits are there, which a float has no room for."""
    exact = "123456789012345678901234567890.12345678901234567890"
    for text in (exact, "-0.00001", "10000", "0.00"):
        oid, data = server.ask(f"SELECT '{text}'::numeric")
        assert server.types.json(oid, data or b"") == text.encode()
    oid, data = server.ask("SELECT ARRAY[1, 'NaN', NULL]::float8[]")
    assert server.types.json(oid, data or b"") == b'[1.0,"NaN",null]'
    oid, data = server.ask("SELECT ROW(1, E'\\n\u00e9', NULL)::composite_t")
    expected = '{"number":1,"text":"\\n\u00e9","label":null}'
    assert server.types.json(oid, data or b"").decode() == expected
