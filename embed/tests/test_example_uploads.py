"""`examples/uploads.py` through the binary: files in, files out, and what happened."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from live_server import REPOSITORY, own_virtual_environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx
    from conftest import Serve

EXAMPLES = REPOSITORY / "examples"
FILE_BYTES_MAX = 300_000


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example keeps its files."""
    return tmp_path_factory.mktemp("uploads") / "files"


@pytest.fixture
def client(serve: Serve, folder: Path) -> Iterator[httpx.Client]:
    """A client of the example."""
    env = own_virtual_environment() | {
        "UPLOADS_FOLDER": str(folder),
        "UPLOADS_FILE_BYTES_MAX": str(FILE_BYTES_MAX),
    }
    server = serve("uploads:app", cwd=EXAMPLES, env=env)
    with server.client() as client:
        yield client


def keep(client: httpx.Client, content: bytes, name: str = "a.txt") -> dict[str, Any]:
    """Uploads one file and gives what is known of it."""
    answer = client.post("/files", files={"files": (name, content, "text/plain")})
    assert answer.status_code == 201, answer.text
    (info,) = answer.json()
    return dict(info)


def test_upload_and_describe(client: httpx.Client) -> None:
    """Several files of one form, with a note."""
    large = bytes(range(256)) * 1_000
    files = [
        ("files", ("é.bin", large, "application/x-test")),
        ("files", ("../../etc/empty", b"")),
    ]
    answer = client.post("/files", files=files, data={"note": "für später"})
    assert answer.status_code == 201
    first, second = answer.json()
    assert first["name"] == "é.bin"
    assert first["media_type"] == "application/x-test"
    assert first["note"] == second["note"] == "für später"
    assert first["size"] == len(large)
    assert first["sha256"] == hashlib.sha256(large).hexdigest()
    assert (second["name"], second["size"]) == ("empty", 0)
    assert client.get(f"/files/{first['id']}").json() == first
    assert client.get("/files").json() == [second, first]
    assert client.get("/files?limit=1").json() == [second]
    assert client.get("/totals").json() == {"files": 2, "bytes": len(large)}


def test_bounds(client: httpx.Client, folder: Path) -> None:
    """A file that is too large is refused and leaves nothing behind."""
    for size, status in ((FILE_BYTES_MAX, 201), (FILE_BYTES_MAX + 1, 413)):
        answer = client.post("/files", files={"files": ("a", b"x" * size)})
        assert answer.status_code == status
    assert answer.json() == {"detail": f"a has more than {FILE_BYTES_MAX} bytes"}
    assert not list(folder.glob("*.part"))
    assert client.get("/totals").json()["files"] == 1
    too_many = client.post("/files", files=[("files", (str(n), b"x")) for n in range(11)])
    assert too_many.status_code == 422
    (error,) = too_many.json()["detail"]
    assert (error["loc"], error["type"]) == (["body", "files"], "too_long")


def test_missing_parts(client: httpx.Client) -> None:
    """A form without files, and a body that is no form."""
    for sent in ({"data": {"note": "only"}}, {"json": {"files": []}}):
        answer = client.post("/files", **sent)
        assert answer.status_code == 422
        (error,) = answer.json()["detail"]
        assert (error["loc"], error["type"]) == (["body", "files"], "missing")


def test_download(client: httpx.Client) -> None:
    """The whole, parts, and only what has changed."""
    content = bytes(range(256)) * 100
    info = keep(client, content, 'quo"te é.bin')
    path = f"/files/{info['id']}/content"
    whole = client.get(path)
    assert whole.content == content
    assert whole.headers["x-sha256"] == info["sha256"]
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.headers["content-disposition"].startswith("attachment; filename*=")
    part = client.get(path, headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
    beyond = client.get(path, headers={"range": "bytes=99999-"})
    assert beyond.status_code == 416
    missing = client.get("/files/0123456789abcdef/content")
    assert missing.status_code == 404
    assert missing.json() == {"detail": "There is no file 0123456789abcdef"}


def test_lines_are_streamed_as_json(client: httpx.Client) -> None:
    """One JSON object per line."""
    text = "".join(f"line {number}\n" for number in range(1, 2_001))
    info = keep(client, text.encode())
    answer = client.get(f"/files/{info['id']}/lines")
    assert answer.headers["content-type"].startswith("application/jsonl")
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert found[0] == {"number": 1, "text": "line 1"}
    assert len(found) == 2_000
    answer = client.get(f"/files/{info['id']}/lines", params={"contains": "99"})
    assert [json.loads(line)["number"] for line in answer.text.splitlines()][:3] == [99, 199, 299]


def test_delete_and_journal(client: httpx.Client) -> None:
    """Background tasks write down what happened, in the order of the requests."""
    info = keep(client, b"x")
    assert client.get("/files/nonsense").status_code == 422
    deleted = client.delete(f"/files/{info['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.delete(f"/files/{info['id']}").status_code == 404

    def events() -> list[tuple[str, str]]:
        answer = client.get("/journal")
        assert answer.headers["content-type"] == "application/x-ndjson"
        entries = [json.loads(line) for line in answer.text.splitlines()]
        return [(entry["what"], entry["id"]) for entry in entries]

    wait_until(lambda: len(events()) == 2, what="two events in the journal")
    assert events() == [("kept", info["id"]), ("deleted", info["id"])]


def test_digest_of_a_raw_body(client: httpx.Client) -> None:
    """A body in chunks, read while it comes."""
    pieces = [bytes([number]) * 5_000 for number in range(20)]
    content = b"".join(pieces)
    expected = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert client.post("/digest", content=iter(pieces)).json() == expected
    assert client.post("/digest", content=content).json() == expected
    empty = client.post("/digest")
    assert empty.json() == {"size": 0, "sha256": hashlib.sha256().hexdigest()}
    large = client.post("/digest", content=b"x" * (FILE_BYTES_MAX + 1))
    assert (large.status_code, large.json()) == (413, {"detail": "The body is too large"})
