"""Measures FasterAPI and its peers side by side: CPU per request, as a ratio to the yardstick."""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from comparison.installation import install
from comparison.processes import Fleet, NotAvailable, Running
from comparison.rows import CONNECTIONS, PIPELINES, ROW_BY_NAME, ROWS, Row
from comparison.servers import PINS, SERVERS, YARDSTICK, Server
from comparison.table import Run, markdown

LOADTEST_CORE = "1"
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

    def selected(self) -> Iterator[tuple[Row, int]]:
        """Patterns match `row/pipeline`, as in `str/16`, or the row alone."""
        patterns = self.options.rows.split(",")
        for pipeline in PIPELINES:
            for row in ROWS:
                names = (row.name, f"{row.name}/{pipeline}")
                if any(fnmatch(name, pattern) for name in names for pattern in patterns):
                    yield row, pipeline

    def load(self, running: Running, row: Row, pipeline: int) -> dict[str, Any]:
        """One run of the load generator."""
        self.rest()
        duration_s: float = self.options.duration_s
        with tempfile.NamedTemporaryFile(suffix=".json") as report, running.awake():
            command = ["taskset", "-c", LOADTEST_CORE, str(self.options.loadtest)]
            command += [f"http://127.0.0.1:{running.port}{row.path}", "--method", row.method]
            command += ["--connections", str(CONNECTIONS), "--pipeline", str(pipeline)]
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
        by_name = {running.server.name: running for running in self.fleet.running}
        yardstick = by_name.pop(YARDSTICK)
        peers = list(by_name.values())
        # Another server goes first in each round, so that none always follows the same one.
        turn = number % max(len(peers), 1)
        order = peers[turn:] + peers[:turn]
        for row, pipeline in self.selected():
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
                    self.fleet.not_available[f"{name} {row.name}/{pipeline}"] = problem
                    continue
                self.runs.append(Run(name, row.name, pipeline, number, limit, report))

    def is_excluded(self, server: str, row: Row, pipeline: int) -> bool:
        """Whether the row was answered wrongly at start, or failed at this depth before."""
        names = (f"{server} {row.name}", f"{server} {row.name}/{pipeline}")
        return any(name in self.fleet.not_available for name in names)

    def check_answers(self) -> None:
        """A server that answers a row wrongly is not measured on it."""
        wanted = {row.name for row, _ in self.selected()}
        for running in self.fleet.running:
            for name in wanted.intersection(running.server.rows):
                try:
                    running.check(ROW_BY_NAME[name])
                except NotAvailable as problem:
                    self.fleet.not_available[f"{running.server.name} {name}"] = str(problem)
            running.signal(signal.SIGSTOP)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="interpreter of the peers")
    parser.add_argument("--fasterapi", type=Path, help="binary; left out of the table if absent")
    parser.add_argument("--loadtest", type=Path, required=True, help="load generator binary")
    parser.add_argument("--yardstick", type=Path, required=True, help="limit server binary")
    parser.add_argument("--venv", type=Path, required=True, help="where the peers are installed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration-s", type=float, default=2.0)
    parser.add_argument("--rows", default="*", help="patterns of rows, such as 'str/1,json*'")
    parser.add_argument("--servers", default="*", help="patterns of servers, such as 'gran*,robyn'")
    parser.add_argument(
        "--rest-s", type=float, default=0.0, help=f"rest after {BURST_S:.0f} s of load"
    )
    parser.add_argument("--json", type=Path, help="write every run to this file")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    return parser.parse_args()


def selected_servers(options: argparse.Namespace) -> list[Server]:
    """The servers asked for; the yardstick always, since the ratios need it."""
    patterns = options.servers.lower().split(",")
    return [
        server
        for server in SERVERS
        if server.name == YARDSTICK or any(fnmatch(server.name.lower(), one) for one in patterns)
    ]


def start_all(options: argparse.Namespace, fleet: Fleet) -> None:
    """Installs the peers and starts every server, or notes why it is not available."""
    servers = selected_servers(options)
    packages = {package for server in servers for package in server.packages}
    failures = install(options.python, options.venv, packages)
    places = {
        "bin": str(options.venv.absolute() / "bin"),
        "yardstick": str(options.yardstick.absolute()),
    }
    if options.fasterapi is not None:
        places["fasterapi"] = str(options.fasterapi.absolute())
    for server in servers:
        missing = [failures[package] for package in server.packages if package in failures]
        if missing:
            fleet.not_available[server.name] = missing[0]
        elif server.name == "fasterapi" and options.fasterapi is None:
            fleet.not_available[server.name] = "no --fasterapi given"
        else:
            print(f"starting {server.name}", flush=True)
            fleet.start(server, places)
    if YARDSTICK in fleet.not_available:
        sys.exit(f"the yardstick does not start: {fleet.not_available[YARDSTICK]}")


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
        f"ratios to the yardstick's run in the same round. {pins}."
    )


def main() -> None:
    """Starts the servers, measures round by round, and prints the table."""
    options = arguments()
    # Leave through `finally` on SIGTERM too, or the servers would stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Fleet() as fleet:
        start_all(options, fleet)
        bench = Bench(options, fleet)
        bench.check_answers()
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", flush=True)
            bench.measure_round(number)
    text = markdown(bench.runs, fleet.not_available, setting(options))
    print(f"\n{text}", end="")
    if options.markdown:
        options.markdown.write_text(text)
    if options.json:
        runs = [asdict(run) for run in bench.runs]
        content = {"runs": runs, "not_available": fleet.not_available, "pins": PINS}
        options.json.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
