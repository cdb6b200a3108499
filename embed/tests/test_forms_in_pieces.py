"""Multipart forms as they come from sockets: cut anywhere, huge, broken, given up."""

from __future__ import annotations

import hashlib
import json
import random
import time
from typing import TYPE_CHECKING, Any

import pytest
from live_server import own_virtual_environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Serve
    from live_server import Server

BOUNDARY = b"cut here"
END = b"--cut here--\r\n"


@pytest.fixture(scope="module")
def server(serve_for_module: Serve) -> Server:
    """One server for all of these."""
    return serve_for_module("forms", env=own_virtual_environment())


def part(disposition: str, content: bytes, kind: str = "") -> bytes:
    """One part of a form."""
    fields = f"content-disposition: form-data; {disposition}\r\n"
    if kind:
        fields += f"content-type: {kind}\r\n"
    return b"--" + BOUNDARY + b"\r\n" + fields.encode() + b"\r\n" + content + b"\r\n"


def file(name: str, content: bytes, field: str = "file") -> bytes:
    """One file."""
    return part(f'name="{field}"; filename="{name}"', content, "text/x")


def sha(content: bytes) -> str:
    """What the application says of a content."""
    return hashlib.sha256(content).hexdigest()


def post(
    server: Server, path: str, pieces: Iterable[bytes], length: int | None, pause_s: float = 0.0
) -> tuple[int, Any]:
    """Sends pieces, chunked where there is no length; the status and what was answered."""
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{framing}\r\n"
    head += f'content-type: multipart/form-data; boundary="{BOUNDARY.decode()}"\r\n\r\n'
    received = b""
    with server.connect() as connection:
        connection.sendall(head.encode())
        try:
            for piece in pieces:
                time.sleep(pause_s)
                if length is None:
                    connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                else:
                    connection.sendall(piece)
            if length is None:
                connection.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered before all was sent
        while data := connection.recv(65536):
            received += data
    answer, _, content = received.partition(b"\r\n\r\n")
    return int(answer.split()[1]), json.loads(content)


def cut(body: bytes, chosen: random.Random, longest: int) -> list[bytes]:
    """Pieces of random lengths."""
    pieces = []
    while body:
        length = chosen.randint(1, longest)
        pieces.append(body[:length])
        body = body[length:]
    return pieces


# Content that looks like the beginning of a boundary again and again.
TRAPS = b"\r\n--cut her\r\n--cut\r\r\n-" * 997
CONTENTS = {
    "small": b"x",
    "empty": b"",
    "traps": TRAPS,
    "a MiB": bytes(range(256)) * 4096,
    "more": random.Random(7).randbytes(3_500_000),
}


@pytest.mark.seconds(60)
@pytest.mark.parametrize("longest", [60, 3_000, 300_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_cut_anywhere(server: Server, longest: int, is_chunked: bool) -> None:
    """All that was sent, in its order."""
    names = ["small", "empty", "traps", *(["a MiB", "more"] if longest > 1_000 else [])]
    body = part('name="first"', "é".encode() * 500)
    body += b"".join(file(name, CONTENTS[name]) for name in names)
    body += part('name="last"', b"") + END + b"an epilogue"
    pieces = cut(body, random.Random(longest), longest)
    status, answer = post(server, "/any", pieces, None if is_chunked else len(body))
    assert status == 200
    expected: list[Any] = [["first", [500, sha("é".encode() * 500)]]]
    expected += [["file", [name, "text/x", sha(CONTENTS[name])]] for name in names]
    assert answer == [*expected, ["last", [0, sha(b"")]]]


def test_byte_by_byte(server: Server) -> None:
    """A body of single bytes, each in a chunk of its own."""
    body = file("a", b"\r\n--cut her-") + part('name="number"', b"7") + END
    body = body.replace(b'name="file"', b'name="files"')
    status, answer = post(server, "/composed", [body[i : i + 1] for i in range(len(body))], None)
    assert (status, answer) == (200, [7, [["a", "text/x", sha(b"\r\n--cut her-")]]])


def closed(server: Server, count: int) -> bool:
    """Whether as many files were given, and are closed now."""
    with server.client() as client:
        # They are closed after the answer has been sent.
        time.sleep(0.1)
        found = client.get("/closed").json()
    assert len(found) == count
    return all(found)


def test_files_are_closed_after_the_answer(server: Server) -> None:
    """Also after one that is an error."""
    closed_or_none(server)
    body = file("a", CONTENTS["a MiB"], "files") + file("b", CONTENTS["more"], "files") + END
    status, answer = post(server, "/composed", [body], len(body))
    assert status == 200
    assert [name for name, *_ in answer[1]] == ["a", "b"]
    assert closed(server, 2)
    body = file("a", b"abc") + file("b", b"de", "more") + END
    assert post(server, "/thread", [body[:90], body[90:]], len(body), 0.05) == (200, [3, 2])
    assert closed(server, 1)
    assert post(server, "/refused", [body[:90], body[90:]], len(body), 0.05)[0] == 409
    assert closed(server, 1)


def closed_or_none(server: Server) -> list[bool] | None:
    """What other tests have left behind."""
    with server.client() as client:
        found: list[bool] | None = client.get("/closed").json()
    return found


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("/any", file("a", b"x"), 400, "The form ends before its last boundary."),
        (
            "/any",
            file("a", b"x") + b"--cut here junk" + END,
            400,
            "Unexpected bytes after a boundary.",
        ),
        ("/any", b"--cut here\r\nno-colon\r\n\r\nx" + END, 400, None),
        (
            "/any",
            b"--cut here\r\n" + b"a: b\r\n" * 3_000 + END,
            400,
            "A part's header exceeds 8192 bytes.",
        ),
        ("/any", part('name="a"', b"x" * 1_100_000) + END, 400, None),
        ("/any", part('name="a"', b"") * 1_001 + END, 400, None),
        ("/limited", part('name="a"', b"") * 1_400 + file("a", b"xy") + END, 200, None),
        ("/limited", part('name="a"', b"") * 1_501 + file("a", b"xy") + END, 400, None),
        ("/limited", file("a", b"x") * 3 + END, 400, None),
        ("/bounded", file("a", b"x" * 99_000) + END, 200, None),
        ("/bounded", file("a", b"x" * 100_001) + END, 413, None),
        ("/composed", part('name="number"', b"x") + END, 422, None),
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_what_is_wrong_is_said(
    server: Server, path: str, body: bytes, status: int, detail: str | None, is_chunked: bool
) -> None:
    """However it is sent, and by the same words whether it comes at once or not."""
    for pieces in ([body], cut(body, random.Random(3), 20_000)):
        found, answer = post(server, path, pieces, None if is_chunked else len(body), 0.001)
        assert found == status
        if detail is not None:
            assert answer == {"detail": detail}


def test_a_bound_is_kept_before_the_end(server: Server) -> None:
    """The answer does not wait for a body that is too large already."""
    head = b"POST /bounded HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
    head += b'content-type: multipart/form-data; boundary="cut here"\r\n\r\n'
    with server.connect() as connection:
        connection.sendall(head)
        for piece in (file("a", b"x" * 60_000)[:-2], b"y" * 60_000):
            time.sleep(0.05)
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_a_client_that_goes_away(server: Server) -> None:
    """Nothing is left of it, and the next is served."""
    head = b"POST /any HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n"
    head += b'content-type: multipart/form-data; boundary="cut here"\r\n\r\n'
    for sent in (b"", file("a", b"x" * 10)[:-5], file("a", b"x" * 2_000_000)):
        with server.connect() as connection:
            connection.sendall(head + sent)
            time.sleep(0.1)
    body = part('name="a"', b"1") + END
    assert post(server, "/any", [body], len(body))[0] == 200
    wait_until(lambda: closed_or_none(server) == [], what="files that are left")
    assert "Traceback" not in server.log
