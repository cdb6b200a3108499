"""Measures one driver on one row in this process, and prints the figures as JSON."""

import argparse
import asyncio
import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from postgres.drivers import ONE_CONNECTION, OPEN, new_loop
from postgres.rows import ROW_BY_NAME, Row

WARM_UP_S = 0.3
# Longer than any row takes besides its window.
STALLED_S = 60.0


async def measure(driver: Any, row: Row, tasks: int, duration_s: float) -> dict[str, float]:
    """Runs the tasks through the warm-up and the window."""
    took: list[float] = []
    clock, cpu_s = time.perf_counter, time.process_time
    until = clock() + WARM_UP_S

    async def once() -> None:
        began = clock()
        found = await row.work(driver)
        took.append(clock() - began)
        if found != row.expect:
            raise RuntimeError(f"{row.name} gave {found!r} instead of {row.expect!r}")

    async def task() -> None:
        while clock() < until:
            await once()

    if row.times is None:
        await asyncio.gather(*(task() for _ in range(tasks)))
        took.clear()
    until = clock() + duration_s
    began, cpu_began = clock(), cpu_s()
    if row.times is None:
        await asyncio.gather(*(task() for _ in range(tasks)))
    for _ in range(row.times or 0):
        await once()
    spent, cpu_spent = clock() - began, cpu_s() - cpu_began
    took.sort()

    def percentile(share: float) -> float:
        return 1e6 * took[min(int(len(took) * share), len(took) - 1)]

    units = len(took) * row.units
    return {
        "operations": len(took),
        "units_per_s": units / spent,
        "cpu_us_per_unit": 1e6 * cpu_spent / units,
        "p50_us": percentile(0.5),
        "p99_us": percentile(0.99),
        "p99_9_us": percentile(0.999),
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


async def run(options: argparse.Namespace) -> dict[str, float]:
    """Opens the driver, measures, and closes it."""
    row = ROW_BY_NAME[options.row]
    driver = await OPEN[options.driver](options.dsn, options.connections)
    async with asyncio.timeout(options.duration_s + STALLED_S):
        tasks = 1 if options.driver in ONE_CONNECTION else row.tasks
        figures = await measure(driver, row, tasks, options.duration_s)
        await driver.close()
    return figures


def main() -> None:
    """Prints one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", required=True, choices=OPEN)
    parser.add_argument("--row", required=True, choices=ROW_BY_NAME)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--duration-s", type=float, default=2.0)
    options = parser.parse_args()
    random.seed(1)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        print(json.dumps(runner.run(run(options))))


if __name__ == "__main__":
    main()
