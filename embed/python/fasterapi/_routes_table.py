"""Prints the table of an application's routes, for ``fasterapi routes``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fasterapi._plan import RoutePlan

__all__ = ["print_routes", "routes_table"]


def routes_table(plans: Sequence[RoutePlan]) -> list[str]:
    """The lines of the table: methods, path, handler, where it runs."""
    rows = [("METHODS", "PATH", "HANDLER", "RUNS")]
    rows += [_row(plan) for plan in plans]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def print_routes(plans: Sequence[RoutePlan], as_json: bool = False) -> None:
    """Print the table on standard output, or one JSON array of objects."""
    if not as_json:
        print("\n".join(routes_table(plans)))
        return
    import json

    names = ("methods", "path", "handler", "runs")
    print(json.dumps([dict(zip(names, _row(plan), strict=True)) for plan in plans]))


def _row(plan: RoutePlan) -> tuple[str, str, str, str]:
    methods = ",".join(plan.methods)
    if plan.static is not None:
        return methods, plan.original_path, f"files in {plan.static.directory}", "in Rust"
    where = {"async": "on the shard", "inline": "on the shard", "thread": "on a thread"}
    # The plan's own endpoint may be a function that is made of the route's.
    endpoint = getattr(plan.route, "endpoint", None) or plan.endpoint
    module = getattr(endpoint, "__module__", "?")
    name = getattr(endpoint, "__qualname__", None) or repr(endpoint)
    return methods, plan.original_path, f"{module}.{name}", where[plan.run]
