"""From single runs to the tables of the drivers: medians over rounds, ratios within a round."""

from collections.abc import Callable, Iterator
from statistics import median

from comparison.table import latency, markdown_table
from postgres.bench import CONNECTIONS, THEIRS, DriverRun
from postgres.rows import PLACES, ROW_BY_NAME, ROWS

HEADINGS = (
    *("row", "driver", "us CPU", "(spread)", "per s", "CPU: x less", "rate: x more"),
    *("p50", "p99", "p99.9", "memory MiB"),
)


def of(runs: list[DriverRun], figure: str) -> list[float]:
    """One figure of every run that has it."""
    return [run.figures[figure] for run in runs if figure in run.figures]


def gain(
    runs: list[DriverRun], theirs: list[DriverRun], ratio: Callable[[DriverRun, DriverRun], float]
) -> str:
    """The median of a ratio to asyncpg's pool, over the rounds that have both."""
    beside = {run.round: run for run in theirs}
    ratios = [ratio(run, beside[run.round]) for run in runs if run.round in beside]
    return f"{median(ratios):.2f}" if ratios else "-"


def cells(runs: list[DriverRun], theirs: list[DriverRun]) -> tuple[str, ...]:
    """One line of a table."""
    cpu = sorted(of(runs, "cpu_us_per_unit"))
    digits = 2 if median(cpu) < 10 else 1

    def less(run: DriverRun, other: DriverRun) -> float:
        return other.figures["cpu_us_per_unit"] / run.figures["cpu_us_per_unit"]

    def more(run: DriverRun, other: DriverRun) -> float:
        return run.figures["units_per_s"] / other.figures["units_per_s"]

    percentiles = [of(runs, name) for name in ("p50_us", "p99_us", "p99_9_us")]
    memory = of(runs, "memory_bytes")
    row = ROW_BY_NAME[runs[0].row]
    return (
        row.name if row.unit == "query" else f"{row.name} (per row)",
        runs[0].driver,
        f"{median(cpu):.{digits}f}",
        f"{cpu[0]:.{digits}f}-{cpu[-1]:.{digits}f}",
        f"{median(of(runs, 'units_per_s')):,.0f}",
        gain(runs, theirs, less),
        gain(runs, theirs, more),
        *(latency(median(values)) if values else "-" for values in percentiles),
        f"{median(memory) / 2**20:.0f}" if memory else "-",
    )


def lines(runs: list[DriverRun], place: str) -> Iterator[tuple[str, ...]]:
    """The lines of one place, in the order of the rows and then of the drivers."""
    for row in ROWS:
        of_row = [run for run in runs if (run.row, run.place) == (row.name, place)]
        theirs = [run for run in of_row if run.driver == THEIRS]
        for driver in dict.fromkeys(
            run.driver for run in sorted(of_row, key=lambda run: run.round)
        ):
            yield cells([run for run in of_row if run.driver == driver], theirs)


def postgres_markdown(runs: list[DriverRun], not_available: dict[str, str], setting: str) -> str:
    """The whole comparison, one table for each place."""
    parts = [
        f"{setting} CPU time is the client's, per query unless the row says otherwise. The last "
        f"ratios are to {THEIRS} in the same round: how many times less CPU time, how many times "
        f"more per second. Pools have {CONNECTIONS} connections; latencies are of whole operations."
    ]
    for place, description in PLACES.items():
        found = list(lines(runs, place))
        if found:
            parts += [f"### PostgreSQL drivers: {description}", markdown_table(HEADINGS, found)]
    if not_available:
        parts.append("\n".join(f"- {name}: {why}" for name, why in not_available.items()))
    return "\n\n".join(parts) + "\n"
