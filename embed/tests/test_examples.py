"""Every example does what it says."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from live_server import REPOSITORY

if TYPE_CHECKING:
    from conftest import Serve

EXAMPLES = REPOSITORY / "examples"


def test_hello(serve: Serve) -> None:
    """The smallest one."""
    server = serve("hello:app", cwd=EXAMPLES)
    assert server.get("/").json() == {"message": "Hello, world"}
    assert server.get("/hello/you?times=2").json() == {"message": "Hello you, Hello you"}


def test_files(serve: Serve) -> None:
    """Whole files, parts of them, and none from outside the folder."""
    server = serve("files:app", cwd=EXAMPLES)
    source = (EXAMPLES / "hello.py").read_bytes()
    whole = server.get("/source/hello.py")
    assert (whole.status_code, whole.content) == (200, source)
    part = server.get("/source/hello.py", headers={"range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, source[3:10])
    assert server.get("/source/../../Makefile").status_code == 404
    download = server.get("/download/hello")
    assert download.content == source
    assert 'filename="hello.py"' in download.headers["content-disposition"]
    missing = server.get("/download/nothing")
    assert missing.status_code == 404
    assert missing.json() == {"detail": "There is no example called nothing"}


def test_streaming(serve: Serve) -> None:
    """Lines arrive while they are made; a large table arrives whole."""
    server = serve("streaming:app", cwd=EXAMPLES)
    with server.client() as client:
        with client.stream("GET", "/countdown?start=3&pause_s=0.1") as answer:
            arrived = [(line, time.monotonic()) for line in answer.iter_lines()]
        assert [line for line, _ in arrived] == ["3", "2", "1", "lift-off"]
        assert arrived[-1][1] - arrived[0][1] > 0.15, "the lines came at once"
        table = client.get("/numbers.csv?rows=50000").text.splitlines()
    assert table[0] == "number,square"
    assert (len(table), table[-1]) == (50_001, "49999,2499900001")


def test_lifespan(serve: Serve) -> None:
    """Begins before the first request and ends after the last."""
    server = serve("lifespan:app", cwd=EXAMPLES)
    reading = server.get("/load").json()
    assert reading["count"] >= 1
    assert reading["load"] >= 0
    assert server.stop() == 0
    assert "lifespan starts" in server.log
    assert "lifespan has ended after" in server.log


def test_threads(serve: Serve) -> None:
    """Blocking handlers hold up neither each other nor the others."""
    server = serve("threads:app", cwd=EXAMPLES)
    with ThreadPoolExecutor(4) as pool:
        started = time.monotonic()
        slow = [pool.submit(server.get, "/slow?seconds=2") for _ in range(3)]
        assert server.get("/quick").json() == "quick"
        assert not any(answer.done() for answer in slow)
        assert all(answer.result().json()["seconds"] >= 2 for answer in slow)
        assert time.monotonic() - started < 5.5, "one waited for the other"
    digest = hashlib.pbkdf2_hmac("sha256", b"word", b"salt", 10).hex()
    assert server.get("/digest/word?rounds=10").json() == {"digest": digest}


def test_forms(serve: Serve) -> None:
    """A field and a file are told; a form without a file is refused."""
    server = serve("forms:app", cwd=EXAMPLES)
    page = server.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert 'enctype="multipart/form-data"' in page.text
    content = bytes(range(256)) * 4096
    with server.client() as client:
        sent = client.post("/upload", data={"note": "é"}, files={"file": ("a.bin", content)})
        assert sent.json() == {
            "note": "é",
            "name": "a.bin",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        without = client.post("/upload", data={"note": "only"})
    assert without.status_code == 422
    assert without.json() == {"detail": "The form has no file"}
