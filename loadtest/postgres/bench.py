"""Measures PostgreSQL drivers round by round: a cluster of its own, a process for each run."""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from comparison.processes import NotAvailable
from postgres.drivers import OPEN
from postgres.rows import ROW_BY_NAME, ROWS, SETUP, Row

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "embed/tests"))

PACKAGES = ("uvloop", "asyncpg", "psycopg", "psycopg-binary", "psycopg-pool")
CLIENT_CORE, SERVER_CORE = "0", 1
CONNECTIONS = 8
# What all others are compared with.
THEIRS = "asyncpg pool"
SETTINGS = {"shared_buffers": "256MB", "synchronous_commit": "off", "jit": "off"}
# Time a run takes besides its window, before it is given up.
RUN_GRACE_S = 90.0
PREFIX = "pg/"
FORTUNES = "http-fortunes"
# What pgbench can do of the rows, and how: the floor that no driver in Python can reach.
FLOOR_ROWS = ("one-row", "one-row-1-task")
FLOOR_SCRIPT = "\\set id random(1, 10000)\nSELECT id, randomnumber FROM world WHERE id = :id;\n"
FLOOR_DEPTH = 8
FLOORS = {
    "pgbench -M prepared": (FLOOR_SCRIPT, 1),
    f"pgbench, {FLOOR_DEPTH} pipelined": (
        f"\\startpipeline\n{FLOOR_SCRIPT * FLOOR_DEPTH}\\endpipeline\n",
        FLOOR_DEPTH,
    ),
}


@dataclass(frozen=True)
class DriverRun:
    """One measurement of one driver on one row."""

    driver: str
    row: str
    place: str
    round: int
    figures: dict[str, float]


def selected(patterns: str) -> list[Row]:
    """The rows whose `pg/name` is asked for; all of them by `postgres`."""
    parts = patterns.split(",")
    return [
        row for row in ROWS if any(p == "postgres" or fnmatch(PREFIX + row.name, p) for p in parts)
    ]


def wants_fortunes(patterns: str) -> bool:
    """Whether the page of fortunes over HTTP is asked for, which `pg/http-fortunes` is."""
    names = (PREFIX + FORTUNES, "postgres")
    return any(fnmatch(name, one) for name in names for one in patterns.split(","))


@contextmanager
def database() -> Iterator[str]:
    """The URL of a cluster on the server's core, with the tables of the rows."""
    from postgres_cluster import Cluster

    with Cluster(SETTINGS) as cluster:
        cluster.sql(SETUP)
        pin(cluster, "tcp")
        yield cluster.dsn("trusting", sslmode="disable")


@dataclass
class PostgresBench:
    """One invocation: what to measure, and what was measured."""

    options: argparse.Namespace
    python: Path
    drivers: list[str]
    runs: list[DriverRun] = field(default_factory=list)
    not_available: dict[str, str] = field(default_factory=dict)

    def measure(self) -> None:
        """Starts the cluster, and measures every round."""
        from postgres_cluster import Cluster

        with Cluster(SETTINGS) as cluster:
            cluster.sql(SETUP)
            for number in range(self.options.rounds):
                print(f"round {number + 1} of {self.options.rounds}", flush=True)
                # Another driver goes first in each round, so that none always follows the same one.
                turn = number % len(self.drivers)
                for row in selected(self.options.rows):
                    for place in row.places:
                        pin(cluster, place)
                        for driver in self.drivers[turn:] + self.drivers[:turn]:
                            self.measure_one(cluster, driver, row, place, number)
                    cluster.sql("TRUNCATE target")

    def measure_one(self, cluster: Any, driver: str, row: Row, place: str, number: int) -> None:
        """One run, unless the driver has failed on the row before."""
        name = f"{driver} {row.name}"
        if name in self.not_available or (driver in FLOORS and row.name not in FLOOR_ROWS):
            return
        time.sleep(self.options.rest_s)
        measure = floor if driver in FLOORS else client
        try:
            figures = measure(self, cluster, driver, row, place)
        except (NotAvailable, subprocess.TimeoutExpired) as problem:
            self.not_available[name] = str(problem)
            return
        self.runs.append(DriverRun(driver, row.name, place, number, figures))

    def pinned(self, command: list[str], place: str) -> list[str]:
        """The command on the client's core."""
        return command if place == "unpinned" else ["taskset", "-c", CLIENT_CORE, *command]


def pin(cluster: Any, place: str) -> None:
    """Puts the server, and what it will start, where it belongs."""
    cores = set(range(os.cpu_count() or 1)) if place == "unpinned" else {SERVER_CORE}
    for pid in cluster.pids:
        # A session may end meanwhile.
        with suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cores)


def client(
    bench: PostgresBench, cluster: Any, driver: str, row: Row, place: str
) -> dict[str, float]:
    """A driver, in a process that measures itself."""
    host = cluster.socket_folder if place == "unix" else "127.0.0.1"
    dsn = f"postgresql://trusting@/postgres?host={host}&port={cluster.port}&sslmode=disable"
    command = [str(bench.python), str(HERE / "client.py"), "--driver", driver, "--row", row.name]
    command += ["--dsn", dsn, "--connections", str(CONNECTIONS)]
    command += ["--duration-s", str(bench.options.duration_s)]
    done = subprocess.run(
        bench.pinned(command, place),
        capture_output=True,
        text=True,
        timeout=bench.options.duration_s + RUN_GRACE_S,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise NotAvailable(lines[-1] if lines else f"ended with {done.returncode}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def floor(
    bench: PostgresBench, cluster: Any, driver: str, row: Row, place: str
) -> dict[str, float]:
    """PostgreSQL's own load generator, in C."""
    script, queries = FLOORS[driver]
    clients = 1 if ROW_BY_NAME[row.name].tasks == 1 else CONNECTIONS
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        host = cluster.socket_folder if place == "unix" else "127.0.0.1"
        command = [str(cluster.programs / "pgbench"), "-n", "-M", "prepared", "-f", file.name]
        command += ["-h", host, "-p", str(cluster.port), "-U", "trusting", "-c", str(clients)]
        command += ["-T", str(max(round(bench.options.duration_s), 1)), "postgres"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            bench.pinned(command, place),
            capture_output=True,
            text=True,
            env={**os.environ, "PGSSLMODE": "disable"},
            timeout=bench.options.duration_s + RUN_GRACE_S,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    count = re.search(r"actually processed: (\d+)", done.stdout)
    if done.returncode != 0 or not rate or not count:
        raise NotAvailable(done.stderr.strip() or "pgbench says nothing")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "units_per_s": float(rate[1]) * queries,
        "cpu_us_per_unit": 1e6 * spent / (int(count[1]) * queries),
    }


def drivers_for(options: argparse.Namespace, has_ours: bool) -> list[str]:
    """The drivers that are asked for; the one that all are compared with always."""
    patterns = options.servers.lower().split(",")
    wanted = [
        name
        for name in (*OPEN, *FLOORS)
        if name == THEIRS or any(fnmatch(name.lower(), one) for one in patterns)
    ]
    return [name for name in wanted if has_ours or not name.startswith("fasterapi")]
