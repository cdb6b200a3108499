"""The rows of the comparison: one request each, and the answer that proves a server serves it."""

from dataclasses import dataclass

CONNECTIONS = 64
PIPELINES = (1, 16)
TEXT = "Hello, world"


@dataclass(frozen=True)
class Row:
    """One request. The JSON answers are compared without spaces, which servers set differently."""

    name: str
    path: str
    answer: str
    method: str = "GET"
    status: int = 200


ROWS = (
    Row("missing", "/missing", "", status=404),
    Row("static-head", "/static/file.txt", "", method="HEAD"),
    Row("str", "/str", TEXT),
    Row("json", "/json", '{"message":"Hello,world","id":42}'),
    Row("params", "/items/42?q=abc", '{"item_id":42,"q":"abc"}'),
    Row("sleep", "/sleep", TEXT),
    Row("thread", "/thread", TEXT),
)
ROW_BY_NAME = {row.name: row for row in ROWS}
