"""What the framework rows answer, the same for every framework: plain values of Python's own."""

from typing import Any

PRODUCTS = 100
REPORT_LINES = 25


def products() -> list[dict[str, Any]]:
    """What the row `models` gives to the framework to serialise."""
    return [
        {
            "id": number,
            "name": f"Product {number}",
            "price": number * 1.25,
            "stock": number * 3,
            "is_active": number % 2 == 0,
            "tags": ["new", "sale"] if number % 3 == 0 else [],
        }
        for number in range(1, PRODUCTS + 1)
    ]


def report() -> dict[str, Any]:
    """About 2 KiB of JSON that compress as JSON does."""
    lines = [
        {
            "line": number,
            "title": f"Entry {number:04}",
            "amount": number * 17.5,
            "note": "as usual" * 3,
        }
        for number in range(1, REPORT_LINES + 1)
    ]
    return {"title": "Report", "lines": lines}
