"""The realtime rows as tables: medians over rounds, ratios to FasterAPI's run in the same round."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from comparison.realtime_rows import BROADCAST, ECHO, EVENTS, IDLE, REALTIME_ROWS, RealtimeRow
from comparison.realtime_servers import NOTES
from comparison.table import latency, markdown_table

OURS = "fasterapi"
ROW_BY_NAME = {row.name: row for row in REALTIME_ROWS}
LOAD_HEADINGS = ("messages/s", "messages/CPU s", "p50", "p99", "memory MiB", "errors")
# Kinds of rows, the heading above their table, and what its cost column is called.
SECTIONS = (
    ((ECHO,), "WebSocket echo: sockets, bytes", "us CPU/message"),
    ((BROADCAST,), "Broadcast of 64 B to 1,000 sockets", "us CPU/receipt"),
    ((EVENTS,), "Server-sent events of 64 B to 1,000 subscribers", "us CPU/receipt"),
    ((IDLE,), "Memory of an idle WebSocket", "KiB/socket"),
)


@dataclass(frozen=True)
class RealtimeRun:
    """One measurement: a report of the load generator and where it belongs."""

    server: str
    row: str
    round: int
    report: dict[str, Any]

    @property
    def cost(self) -> float:
        """CPU time for each message in microseconds, or memory for each idle socket in KiB."""
        footprint = self.report["footprint"]
        if footprint is None:
            return float(self.report["server_cpu_us_per_message"])
        each = footprint["pss_bytes_per_connection"] or footprint["rss_bytes_per_connection"]
        return float(each) / 1024

    @property
    def errors(self) -> int:
        """Wrong or late messages, receipts given up, sockets lost."""
        footprint = self.report["footprint"]
        lost = int(footprint["lost"]) if footprint else 0
        kinds = ("socket_errors", "timeouts", "unexpected")
        return lost + sum(int(self.report[kind]) for kind in kinds)


def memory_mib(run: RealtimeRun) -> float:
    """What the server had after the load."""
    memory = run.report["server_memory"]
    return float(memory["pss_bytes"] or memory["rss_bytes"]) / 2**20


def ratios(runs: list[RealtimeRun], ours: dict[tuple[str, int], float]) -> list[float]:
    """The cost over FasterAPI's, in order of size, of those rounds that have both."""
    both = [run for run in runs if ours.get((run.row, run.round))]
    return sorted(run.cost / ours[run.row, run.round] for run in both)


def cells(runs: list[RealtimeRun], ours: dict[tuple[str, int], float]) -> tuple[str, ...]:
    """One line of a table: medians over a server's runs of one row."""

    def middle(pick: Callable[[RealtimeRun], float]) -> float:
        return median(pick(run) for run in runs)

    def number(name: str) -> float:
        return middle(lambda run: float(run.report[name] or 0))

    def percentile(name: str) -> str:
        return latency(middle(lambda run: float(run.report["latency"][name])))

    found = ratios(runs, ours)
    line: tuple[str, ...] = (
        runs[0].row,
        runs[0].server,
        f"{middle(lambda run: run.cost):.2f}",
        f"{median(found):.2f}" if found else "-",
        f"{found[0]:.1f}-{found[-1]:.1f}" if found else "-",
    )
    errors = str(sum(run.errors for run in runs))
    if ROW_BY_NAME[runs[0].row].kind == IDLE:
        sockets = runs[0].report["footprint"]["connections"]
        return (*line, f"{sockets:,}", f"{middle(memory_mib):.1f}", errors)
    return (
        *line,
        f"{number('messages_per_s'):,.0f}",
        f"{number('messages_per_cpu_s'):,.0f}",
        percentile("p50_us"),
        percentile("p99_us"),
        f"{middle(memory_mib):.1f}",
        errors,
    )


def grouped(runs: list[RealtimeRun], row: RealtimeRow) -> list[list[RealtimeRun]]:
    """The runs of one row by server: FasterAPI first, the rest from cheap to dear."""
    groups: dict[str, list[RealtimeRun]] = {}
    for run in runs:
        if run.row == row.name:
            groups.setdefault(run.server, []).append(run)

    def order(group: list[RealtimeRun]) -> tuple[bool, float]:
        return (group[0].server != OURS, median(run.cost for run in group))

    return sorted(groups.values(), key=order)


def realtime_markdown(runs: list[RealtimeRun], not_available: dict[str, str], setting: str) -> str:
    """All tables, what to know about them, and what is missing."""
    ours = {(run.row, run.round): run.cost for run in runs if run.server == OURS}
    parts = ["## Realtime", setting]
    for kinds, heading, cost in SECTIONS:
        rows = [row for row in REALTIME_ROWS if row.kind in kinds]
        lines = [cells(group, ours) for row in rows for group in grouped(runs, row)]
        if lines:
            more = ("sockets", "memory MiB", "errors") if IDLE in kinds else LOAD_HEADINGS
            headings = ("row", "server", cost, f"x {OURS}", "(spread)", *more)
            parts += [f"### {heading}", markdown_table(headings, lines)]
    parts.append(NOTES)
    if not_available:
        parts.append(
            "\n".join(f"- {name}: not available: {why}" for name, why in not_available.items())
        )
    return "\n\n".join(parts) + "\n"
