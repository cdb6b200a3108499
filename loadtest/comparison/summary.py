"""The framework rows at a glance: one line for each row, one column for each framework."""

from collections.abc import Callable
from statistics import median

from comparison.rows import FRAMEWORK_ROWS
from comparison.servers import YARDSTICK
from comparison.table import Run, markdown_table

OURS, THEIRS = "fasterapi", "FastAPI on uvicorn"
HEADING = """### What frameworks do: CPU time per request, in multiples of the yardstick's

The yardstick answers a constant to a plain GET, whatever a row sends; its run is the one beside the
row's in the same round. Medians of the rounds; `-` where a framework does not have what a row asks
for, or answers it otherwise than it should."""


def summary(runs: list[Run]) -> str | None:
    """The table, or `None` when no framework row was measured."""
    rows = [row.name for row in FRAMEWORK_ROWS if any(run.row == row.name for run in runs)]
    measured = [run for run in runs if run.row in rows and run.server != YARDSTICK]
    servers = list(dict.fromkeys(run.server for run in measured))
    if not servers:
        return None
    servers.sort(key=lambda name: (name != OURS, name != THEIRS))
    lines = [
        (row, *(middle(measured, row, server) for server in servers), gain(measured, row))
        for row in rows
    ]
    headings = ("row", *servers, f"{THEIRS} / {OURS}")
    return f"{HEADING}\n\n{markdown_table(headings, lines, names=1)}"


def of_rounds(
    runs: list[Run], row: str, server: str, value: Callable[[Run], float]
) -> dict[int, float]:
    """A value of each round's run."""
    return {run.round: value(run) for run in runs if (run.row, run.server) == (row, server)}


def middle(runs: list[Run], row: str, server: str) -> str:
    """The median ratio to the yardstick."""
    ratios = of_rounds(runs, row, server, lambda run: run.ratio)
    return f"{median(ratios.values()):.1f}" if ratios else "-"


def gain(runs: list[Run], row: str) -> str:
    """How many times as much CPU time FastAPI takes: the median over rounds that have both."""
    ours = of_rounds(runs, row, OURS, lambda run: run.ratio)
    theirs = of_rounds(runs, row, THEIRS, lambda run: run.ratio)
    gains = [theirs[number] / ours[number] for number in ours.keys() & theirs.keys()]
    return f"{median(gains):.1f}" if gains else "-"
