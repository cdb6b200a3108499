"""Fortunes over HTTP: one row of a database's every request, as a page."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from comparison.row import Row
from comparison.servers import FASTAPI_PACKAGES, Server, uvicorn
from comparison.table import latency, markdown_table

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples/fortunes.py"
NAME = "http-fortunes"
ROW = Row(NAME, "/fortunes", mentions="フレームワークのベンチマーク")
THEIRS = "FastAPI and asyncpg on uvicorn"
DATABASE = {"DATABASE_URL": "{database}"}
SERVERS = (
    Server(
        "fasterapi",
        ("{fasterapi}", "run", str(EXAMPLE), "--port", "{port}", "--shards", "1"),
        (NAME,),
        environment=DATABASE | {"VIRTUAL_ENV": "{venv}"},
        packages=("pydantic",),
    ),
    Server(
        THEIRS,
        uvicorn("fortunes_fastapi:app"),
        (NAME,),
        (*FASTAPI_PACKAGES, "uvicorn", "uvloop", "httptools", "asyncpg"),
        DATABASE,
    ),
)
HEADINGS = (
    *("server", "us CPU/request", "(spread)", "requests/s", "CPU: x less", "rate: x more"),
    *("p50", "p99", "p99.9"),
)
# A report of the load generator, with the name of the server and the number of the round.
Report = tuple[str, int, dict[str, Any]]


def fortunes_markdown(reports: list[Report]) -> str:
    """The table; ratios are to FastAPI in the same round."""
    beside = {number: report for name, number, report in reports if name == THEIRS}
    lines = []
    for server in dict.fromkeys(name for name, _, _ in reports):
        of_server = [(number, report) for name, number, report in reports if name == server]

        def middle(value: Callable[[dict[str, Any]], float]) -> float:
            return median(value(report) for _, report in of_server)  # noqa: B023

        cpu = sorted(float(report["server_cpu_us_per_request"]) for _, report in of_server)
        both = [(report, beside[number]) for number, report in of_server if number in beside]
        less = [b["server_cpu_us_per_request"] / a["server_cpu_us_per_request"] for a, b in both]
        more = [a["requests_per_s"] / b["requests_per_s"] for a, b in both]
        lines.append(
            (
                server,
                f"{median(cpu):.1f}",
                f"{cpu[0]:.1f}-{cpu[-1]:.1f}",
                f"{middle(lambda report: report['requests_per_s']):,.0f}",
                f"{median(less):.2f}" if less else "-",
                f"{median(more):.2f}" if more else "-",
                *(
                    latency(middle(lambda report, name=name: report["latency"][name]))
                    for name in ("p50_us", "p99_us", "p99_9_us")
                ),
            )
        )
    heading = (
        "### Fortunes over HTTP: server on core 0, load generator and PostgreSQL on core 1, "
        f"{ROW.connections} connections, 8 to the database"
    )
    return f"{heading}\n\n{markdown_table(HEADINGS, lines, names=1)}\n"
