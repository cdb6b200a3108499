"""Measures the realtime rows: round by round, row by row, one server after the other."""

import argparse
import json
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any

from comparison.processes import LOADTEST_CORE, Fleet, NotAvailable, Running
from comparison.realtime_rows import IDLE, RealtimeRow
from comparison.realtime_table import RealtimeRun

WARM_UP_S = 0.5
# How long a server may go on after a load, to say goodbye to its sockets.
SETTLE_S = 0.5
# Time a run takes besides its window and warm-up, before it is given up.
RUN_GRACE_S = 150.0
# The rounds of the idle rows: memory varies less than time, and ten thousand sockets take theirs.
IDLE_ROUNDS_MAX = 3


@dataclass
class RealtimeBench:
    """One invocation: what to measure, and what was measured."""

    options: argparse.Namespace
    fleet: Fleet
    rows: list[RealtimeRow]
    runs: list[RealtimeRun] = field(default_factory=list)

    def measure(self) -> None:
        """All rounds."""
        # Whoever is not measured sleeps.
        for running in self.fleet.running:
            running.signal(signal.SIGSTOP)
        for number in range(self.options.rounds):
            print(f"realtime round {number + 1} of {self.options.rounds}", flush=True)
            for row in self.rows:
                if row.kind != IDLE or number < IDLE_ROUNDS_MAX:
                    self.measure_row(row, number)

    def measure_row(self, row: RealtimeRow, number: int) -> None:
        """One row on every server that has it."""
        having = [one for one in self.fleet.running if row.name in one.server.rows]
        # Another server goes first in each round, so that none always follows the same one.
        turn = number % max(len(having), 1)
        for running in having[turn:] + having[:turn]:
            name = running.server.name
            if f"{name} {row.name}" in self.fleet.not_available:
                continue
            try:
                report = self.idle(running, row) if row.kind == IDLE else self.load(running, row)
            except (NotAvailable, OSError, subprocess.TimeoutExpired) as error:
                self.fleet.lack(f"{name} {row.name}", f"round {number + 1}: {error}")
                continue
            self.runs.append(RealtimeRun(name, row.name, number, report))

    def idle(self, running: Running, row: RealtimeRow) -> dict[str, Any]:
        """A run on a fresh server: what another run left behind would count as this one's."""
        fresh = self.fleet.start_another(running.server)
        try:
            return self.load(fresh, row)
        finally:
            fresh.stop()

    def load(self, running: Running, row: RealtimeRow) -> dict[str, Any]:
        """One run of the load generator."""
        path = running.server.paths.get(row.name, row.path)
        duration_s: float = self.options.duration_s
        connections = self.options.idle_connections if row.kind == IDLE else row.connections
        with tempfile.NamedTemporaryFile(suffix=".json") as report, running.awake():
            command = ["taskset", "-c", LOADTEST_CORE, str(self.options.realtime), row.kind]
            command += [f"http://127.0.0.1:{running.port}{path}"]
            command += ["--connections", str(connections), "--bytes", str(row.message_bytes)]
            command += ["--workers", str(row.workers), "--burst", str(row.burst)]
            if row.has_deflate:
                command += ["--deflate"]
            command += ["--duration-s", str(duration_s), "--warmup-s", str(WARM_UP_S)]
            command += ["--pid", str(running.process.pid), "--json", report.name]
            timeout_s = duration_s + RUN_GRACE_S
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=timeout_s
            )
            time.sleep(SETTLE_S)
            if done.returncode != 0:
                raise NotAvailable(done.stderr.strip() or "no messages under load")
            numbers: dict[str, Any] = json.load(report)
            return numbers
