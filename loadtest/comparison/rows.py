"""The rows of the comparison: first what a server does, then what a framework does."""

import json
import runpy

from comparison.row import Row
from comparison.servers import PEER_APPS

TEXT = "Hello, world"
UPLOAD_BYTES = 2**20
UPLOAD_CONNECTIONS = 8
# What the frameworks are given to serialise.
DATA = runpy.run_path(str(PEER_APPS / "framework_data.py"))
JSON = (("content-type", "application/json"),)
FORM = (("content-type", "multipart/form-data; boundary=comparison"),)
BROWSER = (("origin", "https://example.com"), ("accept-encoding", "gzip"))

ORDER = {
    "order_id": 1234,
    "customer": "Ada Lovelace",
    "email": "ada@example.com",
    "amount": 99.5,
    "quantity": 3,
    "is_paid": True,
    "placed": "2026-11-22T10:30:00Z",
    "tags": ["new", "gift"],
    "note": "ring twice",
}

SERVER_ROWS = (
    Row("missing", "/missing", status=404),
    Row("static-head", "/static/file.txt", method="HEAD"),
    Row("str", "/str", text=TEXT),
    Row("json", "/json", value={"message": TEXT, "id": 42}),
    Row("params", "/items/42?q=abc", value={"item_id": 42, "q": "abc"}),
    Row("sleep", "/sleep", text=TEXT),
    Row("thread", "/thread", text=TEXT),
)


def multipart(content: bytes) -> bytes:
    """A form with one file."""
    disposition = 'content-disposition: form-data; name="file"; filename="file.bin"'
    head = f"--comparison\r\n{disposition}\r\ncontent-type: application/octet-stream\r\n\r\n"
    return head.encode() + content + b"\r\n--comparison--\r\n"


FRAMEWORK_ROWS = (
    # An int in the path and two query parameters, all with bounds.
    Row(
        "checked",
        "/items/42?q=hammer&limit=10",
        value={"item_id": 42, "q": "hammer", "limit": 10},
        pipelines=(1,),
    ),
    # A body of ten fields, and the same ten in the answer.
    Row(
        "body",
        "/orders",
        method="POST",
        headers=JSON,
        body=json.dumps(ORDER).encode(),
        value=ORDER | {"coupon": None},
        pipelines=(1,),
    ),
    # Three dependencies, one inside the other; the one in the middle ends after the handler.
    Row(
        "dependencies",
        "/profile?user_id=7",
        value={"id": 7, "name": "user-7", "is_open": True},
        pipelines=(1,),
    ),
    # A list of 100 models.
    Row("models", "/products", value=DATA["products"](), pipelines=(1,)),
    # CORS, compression and a middleware of the application's own around 2 KiB of JSON.
    Row(
        "middleware",
        "/report",
        headers=BROWSER,
        value=DATA["report"](),
        answer_headers=(
            ("content-encoding", "gzip"),
            ("access-control-allow-origin", "https://example.com"),
            ("x-served-by", "bench"),
        ),
        pipelines=(1,),
    ),
    # A path parameter that is no int, and a query parameter that is not there.
    Row("invalid", "/items/abc?limit=10", status=422, mentions="item", pipelines=(1,)),
    # A file of 1 MiB; the answer is its length.
    Row(
        "upload",
        "/upload",
        method="POST",
        headers=FORM,
        body=multipart(bytes(range(256)) * (UPLOAD_BYTES // 256)),
        value={"size": UPLOAD_BYTES},
        connections=UPLOAD_CONNECTIONS,
        pipelines=(1,),
    ),
)

ROWS = (*SERVER_ROWS, *FRAMEWORK_ROWS)
ROW_BY_NAME = {row.name: row for row in ROWS}
GROUPS = {"server": SERVER_ROWS, "framework": FRAMEWORK_ROWS, "all": ROWS}
