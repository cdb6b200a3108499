"""What the drivers are asked: each row is one kind of operation, done by many tasks at once."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from postgres.drivers import Driver

SETUP = """
CREATE UNLOGGED TABLE world (id int PRIMARY KEY, randomnumber int NOT NULL);
INSERT INTO world SELECT n, 1 + (n * 7919) % 10000 FROM generate_series(1, 10000) n;
CREATE UNLOGGED TABLE fortune (id int PRIMARY KEY, message text NOT NULL);
INSERT INTO fortune VALUES
    (1, 'fortune: No such file or directory'),
    (2, 'A computer scientist is someone who fixes things that aren''t broken.'),
    (3, 'After enough decimal places, nobody gives a damn.'),
    (4, 'A bad random number generator: 1, 1, 1, 1, 1, 4.33e+67, 1, 1, 1'),
    (5, 'A computer program does what you tell it to do, not what you want it to do.'),
    (6, 'Emacs is a nice operating system, but I prefer UNIX. — Tom Christaensen'),
    (7, 'Any program that runs right is obsolete.'),
    (8, 'A list is only as strong as its weakest link. — Donald Knuth'),
    (9, 'Feature: A bug with seniority.'),
    (10, 'Computers make very fast, very accurate mistakes.'),
    (11, '<script>alert("This should not be displayed in a browser alert box.");</script>'),
    (12, 'フレームワークのベンチマーク');
CREATE UNLOGGED TABLE objects (object bytea);
INSERT INTO objects SELECT convert_to(repeat('1234567890', 10240), 'UTF8')
    FROM generate_series(1, 100);
CREATE UNLOGGED TABLE arrays (a int4[]);
INSERT INTO arrays SELECT array_agg(n) FROM generate_series(1, 100) n, generate_series(1, 100) m
    GROUP BY m;
CREATE UNLOGGED TABLE target (id int, message text);
CREATE UNLOGGED TABLE million AS SELECT n AS id, 'row number ' || n AS message
    FROM generate_series(1, 1000000) n;
VACUUM ANALYZE;
"""

TYPES = (
    "SELECT typname, typnamespace, typowner, typlen, typbyval, typcategory, typispreferred, "
    "typisdefined, typdelim, typrelid, typelem, typarray FROM pg_type "
    "WHERE typtypmod = $1 AND typisdefined = $2"
)
WORLD = "SELECT id, randomnumber FROM world WHERE id = $1"
UPDATE = "UPDATE world SET randomnumber = $1 WHERE id = $2"
INSERT = "INSERT INTO target (id, message) VALUES ($1, $2)"
RECORDS_10K = [(n, f"row number {n}") for n in range(10_000)]

Work = Callable[[Driver], Awaitable[Any]]


PLACES = {
    "tcp": "TCP on loopback, client on core 0, server on core 1",
    "unix": "Unix socket, client on core 0, server on core 1",
    "unpinned": "TCP on loopback, both where the kernel puts them",
}
EVERYWHERE = tuple(PLACES)


@dataclass(frozen=True)
class Row:
    """One kind of operation, and how much of it is counted."""

    name: str
    work: Work
    # What one operation is, in rows or queries: figures are per unit.
    units: int = 1
    unit: str = "query"
    tasks: int = 64
    # Operations that are too long for a window are done so often instead.
    times: int | None = None
    # Which result proves that the work was done.
    expect: Any = None
    # Over what, and where; see PLACES.
    places: tuple[str, ...] = ("tcp",)


def read(rows: Any) -> int:
    """Touches every value, as a program would."""
    count = 0
    for row in rows:
        count += len(tuple(row))
    return count


def one_id() -> int:
    """A row of `world`."""
    return random.randint(1, 10_000)


async def one_row(driver: Driver) -> int:
    """TechEmpower's `db`."""
    row = await driver.fetchrow(WORLD, one_id())
    return len(tuple(row))


async def one_plus_one(driver: Driver) -> Any:
    """The least a query can do."""
    return (await driver.fetchrow("SELECT 1 + 1"))[0]


async def types(driver: Driver) -> bool:
    """Some 500 rows of 12 columns, of the catalogue."""
    return read(await driver.fetch(TYPES, -1, True)) > 3000


async def series(driver: Driver) -> int:
    """A thousand integers."""
    return read(await driver.fetch("SELECT n FROM generate_series(1, $1::int) n", 1000))


async def objects(driver: Driver) -> int:
    """A hundred values of 100 kB."""
    return read(await driver.fetch("SELECT object FROM objects"))


async def arrays(driver: Driver) -> int:
    """A hundred arrays of a hundred integers."""
    return read(await driver.fetch("SELECT a FROM arrays"))


async def batch(driver: Driver) -> None:
    """A thousand inserts."""
    async with driver.transaction() as session:
        await session.executemany(INSERT, RECORDS_10K[:1000])


async def copy_10k(driver: Driver) -> None:
    """Ten thousand rows in."""
    async with driver.acquire() as session:
        await session.copy_in("target", RECORDS_10K)


async def queries(driver: Driver) -> int:
    """Twenty, one after the other, on one connection: TechEmpower's `queries`."""
    async with driver.acquire() as session:
        return sum([len(tuple(await session.fetchrow(WORLD, one_id()))) for _ in range(20)])


async def queries_of_pool(driver: Driver) -> int:
    """The same, each by the pool."""
    return sum([len(tuple(await driver.fetchrow(WORLD, one_id()))) for _ in range(20)])


async def fortunes(driver: Driver) -> int:
    """A dozen rows of text."""
    return read(await driver.fetch("SELECT id, message FROM fortune"))


async def updates(driver: Driver) -> None:
    """Twenty rows are read and written: TechEmpower's `updates`."""
    ids = sorted(random.sample(range(1, 10_001), 20))
    async with driver.acquire() as session:
        for number in ids:
            await session.fetchrow(WORLD, number)
        await session.executemany(UPDATE, [(one_id(), number) for number in ids])


async def mostly_quick(driver: Driver) -> int:
    """One query in a hundred is slow: how long do those wait that come behind it."""
    if random.random() < 0.01:
        await driver.fetchrow("SELECT pg_sleep(0.05)")
        return 2
    return await one_row(driver)


async def executemany_10k(driver: Driver) -> None:
    """Ten thousand inserts."""
    async with driver.transaction() as session:
        await session.executemany(INSERT, RECORDS_10K)


async def copy_in_1m(driver: Driver) -> None:
    """A million rows in."""
    async with driver.acquire() as session:
        await session.copy_in("target", ((n, "row number") for n in range(1_000_000)))


async def copy_out_1m(driver: Driver) -> bool:
    """A million rows out, as text."""
    async with driver.acquire() as session:
        return await session.copy_out("SELECT id, message FROM million") > 20_000_000


async def fetch_1m(driver: Driver) -> int:
    """A million rows at once."""
    async with driver.acquire() as session:
        return len(await session.fetch("SELECT id, message FROM million"))


ROWS = (
    Row("one-row", one_row, expect=2, places=EVERYWHERE),
    Row("one-row-1-task", one_row, tasks=1, expect=2, places=EVERYWHERE),
    Row("one-plus-one", one_plus_one, tasks=10, expect=2),
    Row("pg_type", types, tasks=10, expect=True),
    Row("series", series, tasks=10, expect=1000),
    Row("bytea", objects, tasks=10, expect=100),
    Row("arrays", arrays, tasks=10, expect=100),
    Row("copy-10k", copy_10k, 10_000, "row", tasks=4),
    Row("batch", batch, 1000, "row", tasks=4),
    Row("queries-20", queries, 20, expect=40),
    Row("queries-20-of-pool", queries_of_pool, 20, expect=40),
    Row("fortunes", fortunes, expect=24, places=EVERYWHERE),
    Row("updates-20", updates, 40, tasks=8),
    Row("slow-1-percent", mostly_quick, expect=2),
    Row("executemany-10k", executemany_10k, 10_000, "row", tasks=1, times=3),
    Row("copy-in-1m", copy_in_1m, 1_000_000, "row", tasks=1, times=1),
    Row("copy-out-1m", copy_out_1m, 1_000_000, "row", tasks=1, times=1, expect=True),
    Row("fetch-1m", fetch_1m, 1_000_000, "row", tasks=1, times=1, expect=1_000_000),
)
ROW_BY_NAME = {row.name: row for row in ROWS}
