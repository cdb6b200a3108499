"""From single runs to the table: medians over rounds, ratios within a round."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from comparison.row import CONNECTIONS
from comparison.rows import ROWS
from comparison.servers import YARDSTICK

HEADINGS = (
    *("server", "row", "us CPU/request", "x yardstick", "(spread)", "requests/s"),
    *("p50", "p99", "p99.9", "memory MiB", "errors"),
)


@dataclass(frozen=True)
class Run:
    """One measurement: a report of the load generator and where it belongs."""

    server: str
    row: str
    pipeline: int
    round: int
    # Of the run of the yardstick next to this one.
    yardstick_us: float
    report: dict[str, Any]

    @property
    def cpu_us(self) -> float:
        """The server's CPU time per request in microseconds."""
        return float(self.report["server_cpu_us_per_request"])

    @property
    def ratio(self) -> float:
        """CPU time per request over that of the yardstick next to it."""
        return self.cpu_us / self.yardstick_us


def latency(us: float) -> str:
    """Microseconds in the unit that reads best."""
    return f"{us / 1e3:.2f} ms" if us >= 1e3 else f"{us:.0f} us"


def errors(runs: list[Run]) -> int:
    """Lost requests, and answers with another status than the row's."""
    kinds = ("socket_errors", "timeouts", "unexpected")
    return sum(int(run.report[kind]) for run in runs for kind in kinds)


def cells(runs: list[Run]) -> tuple[str, ...]:
    """One line of the table: medians over a server's runs of one row."""

    def middle(pick: Callable[[Run], float]) -> float:
        return median(pick(run) for run in runs)

    def percentile(name: str) -> str:
        return latency(middle(lambda run: float(run.report["latency"][name])))

    def memory_bytes(run: Run) -> float:
        memory = run.report["server_memory"]
        return float(memory["pss_bytes"] or memory["rss_bytes"])

    ratios = sorted(run.ratio for run in runs)
    return (
        runs[0].server,
        runs[0].row,
        f"{middle(lambda run: run.cpu_us):.2f}",
        f"{median(ratios):.2f}",
        f"{ratios[0]:.1f}-{ratios[-1]:.1f}",
        f"{middle(lambda run: float(run.report['requests_per_s'])):,.0f}",
        percentile("p50_us"),
        percentile("p99_us"),
        percentile("p99_9_us"),
        f"{middle(memory_bytes) / 2**20:.1f}",
        str(errors(runs)),
    )


def markdown_table(
    headings: tuple[str, ...], lines: Iterable[tuple[str, ...]], names: int = 2
) -> str:
    """Lines below their headings, padded so that the source reads as a table too.

    The first `names` columns hold words, the others numbers.
    """
    table = [headings, *lines]
    widths = [max(len(line[at]) for line in table) for at in range(len(headings))]

    def render(line: tuple[str, ...]) -> str:
        # Names to the left, numbers to the right.
        padded = [
            text.ljust(width) if at < names else text.rjust(width)
            for at, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        ("-" * width) if at < names else ("-" * (width - 1) + ":")
        for at, width in enumerate(widths)
    ]
    return "\n".join([render(headings), f"| {' | '.join(rule)} |", *map(render, table[1:])])


def markdown(runs: list[Run], not_available: dict[str, str], setting: str) -> str:
    """The whole comparison, one table for each depth of pipelining."""
    parts = [setting]
    for pipeline in sorted({run.pipeline for run in runs}):
        how = "not pipelined" if pipeline == 1 else f"{pipeline} pipelined"
        parts.append(f"### {CONNECTIONS} connections{exceptions(runs)}, {how}")
        lines = [cells(group) for row in ROWS for group in grouped(runs, row.name, pipeline)]
        parts.append(markdown_table(HEADINGS, lines))
    if not_available:
        parts.append(
            "\n".join(f"- {name}: not available: {why}" for name, why in not_available.items())
        )
    return "\n\n".join(parts) + "\n"


def exceptions(runs: list[Run]) -> str:
    """Which of the rows were measured with another number of connections."""
    measured = {run.row for run in runs}
    others = [row for row in ROWS if row.name in measured and row.connections != CONNECTIONS]
    return "".join(f" ({row.name}: {row.connections})" for row in others)


def grouped(runs: list[Run], row: str, pipeline: int) -> list[list[Run]]:
    """The runs of one row by server: the yardstick first, the rest from cheap to dear."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.row == row and run.pipeline == pipeline:
            groups.setdefault(run.server, []).append(run)

    def order(group: list[Run]) -> tuple[bool, float]:
        return (group[0].server != YARDSTICK, median(run.ratio for run in group))

    return sorted(groups.values(), key=order)
