"""Measures FasterAPI and its peers side by side: CPU per request, as a ratio to the yardstick."""

import argparse
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from comparison.framework_servers import FRAMEWORK_SERVERS
from comparison.installation import install, install_wheel
from comparison.processes import LOADTEST_CORE, Fleet, NotAvailable, Running
from comparison.realtime import RealtimeBench
from comparison.realtime_rows import selected as selected_realtime_rows
from comparison.realtime_servers import REALTIME_SERVERS
from comparison.realtime_table import realtime_markdown
from comparison.row import PIPELINES, Row
from comparison.rows import GROUPS, ROW_BY_NAME, ROWS
from comparison.servers import PINS, SERVERS, YARDSTICK, Server
from comparison.summary import summary
from comparison.table import Run, markdown
from postgres.bench import PACKAGES as POSTGRES_PACKAGES
from postgres.bench import PostgresBench, database, drivers_for, wants_fortunes
from postgres.bench import selected as selected_postgres_rows
from postgres.fortunes import ROW as FORTUNES_ROW
from postgres.fortunes import SERVERS as FORTUNES_SERVERS
from postgres.fortunes import fortunes_markdown
from postgres.table import postgres_markdown

WARM_UP_S = 0.3
# Time a run takes besides its window and warm-up, before it is given up.
RUN_GRACE_S = 30.0
# With --rest-s: how long both cores are kept busy before they rest.
BURST_S = 12.0


@dataclass
class Bench:
    """One invocation: what to measure, and what was measured."""

    options: argparse.Namespace
    fleet: Fleet
    runs: list[Run] = field(default_factory=list)
    burst_began: float = field(default_factory=time.monotonic)

    def load(self, running: Running, row: Row, pipeline: int) -> dict[str, Any]:
        """One run of the load generator."""
        self.rest()
        duration_s: float = self.options.duration_s
        with (
            tempfile.NamedTemporaryFile(suffix=".json") as report,
            tempfile.NamedTemporaryFile(suffix=".body") as body,
            running.awake(),
        ):
            command = ["taskset", "-c", LOADTEST_CORE, str(self.options.loadtest)]
            command += [f"http://127.0.0.1:{running.port}{row.path}", "--method", row.method]
            for name, value in row.headers:
                command += ["--header", f"{name}: {value}"]
            if row.body:
                body.write(row.body)
                body.flush()
                command += ["--body-file", body.name]
            command += ["--expect-status", str(running.status_of(row))]
            command += ["--connections", str(row.connections), "--pipeline", str(pipeline)]
            command += ["--duration-s", str(duration_s), "--warmup-s", str(WARM_UP_S)]
            command += ["--pid", str(running.process.pid), "--json", report.name]
            timeout_s = duration_s + RUN_GRACE_S
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=timeout_s
            )
            if done.returncode != 0:
                raise NotAvailable(f"{row.path}: {done.stderr.strip() or 'no answers under load'}")
            numbers: dict[str, Any] = json.load(report)
            return numbers

    def rest(self) -> None:
        """Lets the cores cool down between bursts, where others work on the same machine."""
        if self.options.rest_s > 0 and time.monotonic() - self.burst_began > BURST_S:
            time.sleep(self.options.rest_s)
            self.burst_began = time.monotonic()

    def measure_round(self, number: int) -> None:
        """Every row of every server, each row next to its own run of the yardstick."""
        (yardstick,) = (one for one in self.fleet.running if one.server.name == YARDSTICK)
        peers = [one for one in self.fleet.running if one is not yardstick]
        # Another server goes first in each round, so that none always follows the same one.
        turn = number % max(len(peers), 1)
        order = peers[turn:] + peers[:turn]
        for row, pipeline in selected_rows(self.options):
            if peers and not any(row.name in peer.server.rows for peer in peers):
                continue
            report = self.load(yardstick, ROW_BY_NAME["str"], pipeline)
            limit = float(report["server_cpu_us_per_request"])
            self.runs.append(Run(YARDSTICK, row.name, pipeline, number, limit, report))
            for running in order:
                name = running.server.name
                if row.name not in running.server.rows or self.is_excluded(name, row, pipeline):
                    continue
                try:
                    report = self.load(running, row, pipeline)
                except (NotAvailable, subprocess.TimeoutExpired) as error:
                    problem = f"round {number + 1}: {error}"
                    self.fleet.lack(f"{name} {row.name}/{pipeline}", problem)
                    continue
                self.runs.append(Run(name, row.name, pipeline, number, limit, report))

    def is_excluded(self, server: str, row: Row, pipeline: int) -> bool:
        """Whether the row was answered wrongly at start, or failed at this depth before."""
        names = (f"{server} {row.name}", f"{server} {row.name}/{pipeline}")
        return any(name in self.fleet.not_available for name in names)

    def check_answers(self) -> None:
        """A server that answers a row wrongly is not measured on it."""
        wanted = {row.name for row, _ in selected_rows(self.options)}
        for running in self.fleet.running:
            for name in wanted.intersection(running.server.rows):
                try:
                    running.check(ROW_BY_NAME[name])
                except NotAvailable as problem:
                    self.fleet.lack(f"{running.server.name} {name}", str(problem))
            running.signal(signal.SIGSTOP)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="interpreter of the peers")
    parser.add_argument("--fasterapi", type=Path, help="binary; left out of the table if absent")
    parser.add_argument("--loadtest", type=Path, required=True, help="load generator binary")
    parser.add_argument("--realtime", type=Path, help="realtime load generator binary")
    parser.add_argument("--wheel", type=Path, help="our package, for the rows of postgres")
    parser.add_argument("--yardstick", type=Path, required=True, help="limit server binary")
    parser.add_argument("--venv", type=Path, required=True, help="where the peers are installed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration-s", type=float, default=2.0)
    parser.add_argument(
        "--rows",
        default="all",
        help="server, framework, realtime, all (of these), postgres, or patterns such as "
        "'str/1,json*,echo-64-*,pg/one-row*'",
    )
    parser.add_argument("--servers", default="*", help="patterns of servers, such as 'gran*,robyn'")
    parser.add_argument(
        "--rest-s", type=float, default=0.0, help=f"rest after {BURST_S:.0f} s of load"
    )
    parser.add_argument("--idle-connections", type=int, default=10_000, help="of the idle rows")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    return parser.parse_args()


def selected_rows(options: argparse.Namespace) -> list[tuple[Row, int]]:
    """Rows and depths; patterns match `row/pipeline`, as in `str/16`, the row or its group."""
    patterns = options.rows.split(",")
    groups = [row for pattern in patterns for row in GROUPS.get(pattern, ())]

    def is_selected(row: Row, pipeline: int) -> bool:
        names = (row.name, f"{row.name}/{pipeline}")
        return row in groups or any(fnmatch(name, one) for name in names for one in patterns)

    return [
        (row, pipeline)
        for pipeline in PIPELINES
        for row in ROWS
        if pipeline in row.pipelines and is_selected(row, pipeline)
    ]


def is_named(server: Server, options: argparse.Namespace) -> bool:
    """Whether a server is asked for."""
    patterns = options.servers.lower().split(",")
    return any(fnmatch(server.name.lower(), one) for one in patterns)


def selected_servers(options: argparse.Namespace) -> list[Server]:
    """The servers that are asked for and have a row that is; the yardstick always."""
    rows = {row.name for row, _ in selected_rows(options)}

    def is_selected(server: Server) -> bool:
        has_rows = is_named(server, options) and not rows.isdisjoint(server.rows)
        return server.name == YARDSTICK or has_rows

    return [server for server in (*SERVERS, *FRAMEWORK_SERVERS) if is_selected(server)]


def start_all(
    options: argparse.Namespace, fleet: Fleet, servers: list[Server], room: str = ""
) -> None:
    """Installs the peers and starts every server, or notes why it is not available."""
    packages = {package for server in servers for package in server.packages}
    failures = install(options.python, options.venv, packages)
    fleet.places |= {
        "bin": str(options.venv.absolute() / "bin"),
        "venv": str(options.venv.absolute()),
        "yardstick": str(options.yardstick.absolute()),
        "room": room,
    }
    if options.fasterapi is not None:
        fleet.places["fasterapi"] = str(options.fasterapi.absolute())
    for server in servers:
        missing = [failures[package] for package in server.packages if package in failures]
        if missing:
            fleet.lack(server.label, missing[0])
        elif server.name.startswith("fasterapi") and options.fasterapi is None:
            fleet.lack(server.label, "no --fasterapi given")
        else:
            print(f"starting {server.label}", flush=True)
            fleet.start(server)


def setting(options: argparse.Namespace) -> str:
    """Where and how this was measured, in one line."""
    version = subprocess.run(
        [options.python, "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    pins = ", ".join(f"{name} {pin}" for name, pin in PINS.items())
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {load}; "
        f"{version}; {options.rounds} rounds of {options.duration_s:g} s; medians; "
        f"ratios are of runs in the same round. {pins}."
    )


def measure_requests(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The rows of plain requests: a text, and everything for the JSON file."""
    with Fleet() as fleet:
        start_all(options, fleet, selected_servers(options))
        if YARDSTICK in fleet.not_available:
            sys.exit(f"the yardstick does not start: {fleet.not_available[YARDSTICK]}")
        bench = Bench(options, fleet)
        bench.check_answers()
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", flush=True)
            bench.measure_round(number)
    parts = [summary(bench.runs), markdown(bench.runs, fleet.not_available, setting(options))]
    text = "\n\n".join(part for part in parts if part is not None)
    runs = [asdict(run) for run in bench.runs]
    return text, {"runs": runs, "not_available": fleet.not_available}


def measure_realtime(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The same of the realtime rows."""
    if options.realtime is None:
        sys.exit("the realtime rows need --realtime")
    # Ten thousand sockets in one process.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = selected_realtime_rows(options.rows)
    names = {row.name for row in rows}
    servers = [
        server
        for server in REALTIME_SERVERS
        if is_named(server, options) and not names.isdisjoint(server.rows)
    ]
    with tempfile.TemporaryDirectory(prefix="rooms-") as room, Fleet() as fleet:
        start_all(options, fleet, servers, room)
        bench = RealtimeBench(options, fleet, rows)
        bench.measure()
    text = realtime_markdown(bench.runs, fleet.not_available, setting(options))
    runs = [asdict(run) for run in bench.runs]
    return text, {"realtime_runs": runs, "realtime_not_available": fleet.not_available}


def measure_postgres(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The same of the rows of PostgreSQL drivers."""
    failures = install(options.python, options.venv, set(POSTGRES_PACKAGES))
    if failures:
        sys.exit(f"the drivers cannot be installed: {failures}")
    if options.wheel is not None:
        install_wheel(options.venv, options.wheel)
    drivers = drivers_for(options, options.wheel is not None)
    bench = PostgresBench(options, options.venv / "bin" / "python", drivers)
    bench.measure()
    text = postgres_markdown(bench.runs, bench.not_available, setting(options))
    runs = [asdict(run) for run in bench.runs]
    return text, {"postgres_runs": runs, "postgres_not_available": bench.not_available}


def measure_fortunes(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The page of fortunes, from a database of its own."""
    reports: list[tuple[str, int, dict[str, Any]]] = []
    with database() as dsn, Fleet() as fleet:
        servers = [server for server in FORTUNES_SERVERS if is_named(server, options)]
        fleet.places = {"database": dsn}
        start_all(options, fleet, servers)
        bench = Bench(options, fleet)
        for number in range(options.rounds):
            turn = number % max(len(fleet.running), 1)
            for running in fleet.running[turn:] + fleet.running[:turn]:
                running.signal(signal.SIGCONT)
                running.check(FORTUNES_ROW)
                report = bench.load(running, FORTUNES_ROW, 1)
                reports.append((running.server.name, number, report))
    found = {"fortunes_reports": reports, "fortunes_not_available": fleet.not_available}
    return fortunes_markdown(reports), found


def main() -> None:
    """Starts the servers, measures round by round, and prints the tables."""
    options = arguments()
    # Leave through `finally` on SIGTERM too, or the servers would stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    texts: list[str] = []
    content: dict[str, Any] = {"pins": PINS}
    if selected_rows(options):
        text, found = measure_requests(options)
        texts.append(text)
        content |= found
    if selected_realtime_rows(options.rows):
        text, found = measure_realtime(options)
        texts.append(text)
        content |= found
    if selected_postgres_rows(options.rows):
        text, found = measure_postgres(options)
        texts.append(text)
        content |= found
    if wants_fortunes(options.rows):
        text, found = measure_fortunes(options)
        texts.append(text)
        content |= found
    if not texts:
        sys.exit(f"no row is called {options.rows}")
    text = "\n".join(texts)
    print(f"\n{text}", end="")
    if options.markdown:
        options.markdown.write_text(text)
    if options.json:
        options.json.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
