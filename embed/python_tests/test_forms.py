"""Forms: whole, byte by byte, with trailing bytes, malformed, and past the bounds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from fasterapi import HTTPException, UploadFile
from fasterapi._forms import MAX_FILE_BYTES_IN_MEMORY, parse_form
from fasterapi._multipart import MalformedForm, parse_parameters
from fasterapi.datastructures import FormData

BOUNDARY = "multipart/form-data; boundary=AaB03x"
URLENCODED = "application/x-www-form-urlencoded"


def parse(content_type: str, chunks: Iterable[bytes], **bounds: int) -> FormData:
    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return asyncio.run(parse_form(content_type, stream(), **bounds))


def cuts(body: bytes) -> dict[str, list[bytes]]:
    """The same bytes, whole, byte by byte and in every pair of pieces."""
    pairs = {f"cut at {i}": [body[:i], body[i:]] for i in range(1, len(body))}
    single = [body[i : i + 1] for i in range(len(body))]
    return {"whole": [body], "byte by byte": single, **pairs}


def shown(form: FormData) -> list[Any]:
    """Fields as text, files as their name, type and content; closes the files."""
    return [
        (key, (value.filename, value.content_type, value.size, content_of(value)))
        if isinstance(value, UploadFile)
        else (key, value)
        for key, value in form.multi_items()
    ]


def content_of(upload: UploadFile) -> bytes:
    with upload.file as file:
        return file.read()


def part(disposition: str, content: bytes, *more: str) -> bytes:
    lines = "\r\n".join([f"Content-Disposition: {disposition}", *more])
    return b"--AaB03x\r\n" + lines.encode() + b"\r\n\r\n" + content + b"\r\n"


END = b"--AaB03x--\r\n"

SEVERAL = (
    b"This is a preamble.\r\n--AaB03\r\n"
    + part('form-data; name="a"', b"one")
    + part('form-data; name="a"', "deux é".encode())
    + part('form-data; name="empty"', b"")
    + part('form-data; name="f"; filename="a.txt"', b"\r\n--AaB03\r\n-\r", "CONTENT-type: text/x")
    + part('form-data; name="n"; filename=""', b"", "Content-Type: application/octet-stream")
    + END
)
EXPECTED = [
    ("a", "one"),
    ("a", "deux é"),
    ("empty", ""),
    ("f", ("a.txt", "text/x", 13, b"\r\n--AaB03\r\n-\r")),
    ("n", ("", "application/octet-stream", 0, b"")),
]


@pytest.mark.parametrize("trailing", [b"", b"\r\nepilogue", END, b"--AaB03x\r\nnonsense"])
def test_multipart(trailing: bytes) -> None:
    for how, chunks in cuts(SEVERAL + trailing).items():
        assert shown(parse(BOUNDARY, chunks)) == EXPECTED, how


def test_the_first_boundary_may_be_the_first_byte() -> None:
    body = part('form-data; name="a"', b"\r\n\r\n") + b"--AaB03x--"
    for how, chunks in cuts(body).items():
        assert shown(parse(BOUNDARY, chunks)) == [("a", "\r\n\r\n")], how


def test_a_form_without_parts() -> None:
    assert shown(parse(BOUNDARY, [END])) == []
    assert shown(parse(BOUNDARY, [])) == []


def test_padding_after_a_boundary() -> None:
    body = part('form-data; name="a"', b"x").replace(b"AaB03x\r\n", b"AaB03x \t\r\n", 1) + END
    for how, chunks in cuts(body).items():
        assert shown(parse(BOUNDARY, chunks)) == [("a", "x")], how


@pytest.mark.parametrize(
    ("disposition", "name", "filename"),
    [
        ('form-data; name="a;b"; filename="c;d=e.txt"', "a;b", "c;d=e.txt"),
        (r'form-data; name="a\"b"; filename="C:\new\\x"', 'a"b', r"C:\new\x"),
        ("form-data; name=a; filename=b", "a", "b"),
        ('FORM-DATA; Name="a"; FileName="b"', "a", "b"),
        ('form-data; name="é"; filename="☃.txt"', "é", "☃.txt"),
        ('form-data; name="a"; filename="x"; filename*=utf-8\'\'%E2%98%83', "a", "☃"),
        ('form-data; name="a"; filename="x"; filename*=none\'\'%E2%98%83', "a", "x"),
        ('form-data;name="a";filename="b"', "a", "b"),
        ('form-data; junk; name="a"; filename = "b"', "a", "b"),
    ],
)
def test_dispositions(disposition: str, name: str, filename: str) -> None:
    ((key, upload),) = parse(BOUNDARY, [part(disposition, b"x") + END]).multi_items()
    assert isinstance(upload, UploadFile)
    assert (key, upload.filename) == (name, filename)


def test_text_that_is_not_utf_8_is_latin_1() -> None:
    assert parse(BOUNDARY, [part('form-data; name="a"', b"\xe9") + END])["a"] == "é"


@pytest.mark.parametrize(
    "body",
    [
        part('form-data; name="a"', b"x"),
        part('form-data; name="a"', b"x") + b"--AaB03x",
        part('form-data; name="a"', b"x") + b"--AaB03x-",
        b"nothing like a form",
        b"\r\n",
        b"--AaB03xjunk\r\n\r\n\r\n" + END,
        b"--AaB03x-\r\n\r\n\r\n" + END,
        b"--AaB03x \n\r\n\r\n" + END,
        b"--AaB03x\r\n\r\nx\r\n" + END,
        b"--AaB03x\r\nno colon\r\n\r\nx\r\n" + END,
        b"--AaB03x\r\nname : space\r\n\r\nx\r\n" + END,
        b'--AaB03x\r\nContent-Disposition: form-data;\r\n name="a"\r\n\r\nx\r\n' + END,
        b'--AaB03x\r\nContent-Disposition: form-data; name="a"\nX: y\r\n\r\nx\r\n' + END,
        part("form-data", b"x") + END,
        part('attachment; name="a"', b"x") + END,
        part('form-data; name="a', b"x") + END,
    ],
)
def test_malformed_multipart(body: bytes) -> None:
    for chunks in cuts(body).values():
        with pytest.raises(HTTPException) as caught:
            parse(BOUNDARY, chunks)
        assert caught.value.status_code == 400


@pytest.mark.parametrize("boundary", ["", "; boundary=", f"; boundary={'x' * 300}"])
def test_boundaries_that_cannot_be(boundary: str) -> None:
    with pytest.raises(HTTPException) as caught:
        parse(f"multipart/form-data{boundary}", [END])
    assert caught.value.status_code == 400
    assert "boundary" in str(caught.value.detail)


def test_a_quoted_boundary() -> None:
    body = b'--a b;c\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n--a b;c--'
    assert parse('Multipart/Form-Data; charset=utf-8; Boundary="a b;c"', [body])["x"] == "y"


def rejected(body: bytes, content_type: str = BOUNDARY, **bounds: int) -> str:
    with pytest.raises(HTTPException) as caught:
        parse(content_type, [body], **bounds)
    assert caught.value.status_code == 400
    return str(caught.value.detail)


def test_bounds_of_multipart() -> None:
    field, file = part('form-data; name="a"', b"x"), part('form-data; name="a"; filename="b"', b"x")
    assert len(parse(BOUNDARY, [field * 1000 + END]).multi_items()) == 1000
    assert "number of fields is 1000" in rejected(field * 1001 + END)
    assert "number of files is 2" in rejected(file * 3 + END, max_files=2)
    assert len(parse(BOUNDARY, [file * 2 + field + END], max_files=2, max_fields=1)) == 1
    assert "maximum size of 10 bytes" in rejected(
        part('form-data; name="a"', b"x" * 11) + END, max_part_size=10
    )
    assert parse(BOUNDARY, [part('form-data; name="a"', b"x" * 10) + END], max_part_size=10)
    large = part('form-data; name="a"', b"x", f"X: {'y' * 9000}")
    assert "header exceeds" in rejected(large + END)
    # Without an end, too, and before it has all arrived.
    assert "header exceeds" in rejected(b"--AaB03x\r\nX: " + b"y" * 9000)
    assert "after a boundary" in rejected(b"--AaB03x" + b" " * 9000)


def test_large_files_go_to_disk() -> None:
    content = bytes(range(256)) * 8192
    chunks = [content[i : i + 65536] for i in range(0, len(content), 65536)]
    head = b'--AaB03x\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
    small = parse(BOUNDARY, [head, b"x" * MAX_FILE_BYTES_IN_MEMORY, b"\r\n", END])["f"]
    assert small._in_memory
    upload = parse(BOUNDARY, [head, *chunks, b"\r\n", END])["f"]
    assert not upload._in_memory
    assert upload.size == len(content)
    assert asyncio.run(upload.read()) == content


def test_files_are_closed_when_the_form_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    async def close(upload: UploadFile) -> None:
        closed.append(upload.filename)

    monkeypatch.setattr(UploadFile, "close", close)
    body = part('form-data; name="f"; filename="one"', b"x")
    body += part('form-data; name="f"; filename="two"', b"y" * (2 * MAX_FILE_BYTES_IN_MEMORY))
    rejected(body)
    assert closed == ["one", "two"]

    async def disconnected() -> AsyncIterator[bytes]:
        yield body
        raise ConnectionError

    with pytest.raises(ConnectionError):
        asyncio.run(parse_form(BOUNDARY, disconnected()))
    assert closed == ["one", "two", "one", "two"]


@pytest.mark.parametrize("cut", [0, 1, 500, MAX_FILE_BYTES_IN_MEMORY])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_file_moves_to_disk_past_its_bound(cut: int, more: int) -> None:
    """However it arrives; it can be read and written like any file, from its start."""
    content = bytes(range(251)) * (MAX_FILE_BYTES_IN_MEMORY // 251 + 1)
    content = content[: MAX_FILE_BYTES_IN_MEMORY + more]
    body = part('form-data; name="f"; filename="one"', content) + END
    start = body.index(content[:251])
    pieces = [body[: start + cut], body[start + cut :]]
    upload = parse(BOUNDARY, pieces if cut else [body])["f"]
    assert isinstance(upload, UploadFile)
    assert upload.size == len(content)
    assert upload._in_memory == (more <= 0)
    with upload.file as file:
        assert file.tell() == 0
        assert file.read() == content
        file.seek(1)
        file.write(b"changed")
        file.seek(0)
        assert file.read() == content[:1] + b"changed" + content[8:]


@pytest.mark.parametrize(
    "piece", [b"\r", b"\r\n", b"\r\n--AaB03", b"-", b"\r\n--"], ids=lambda piece: repr(piece)
)
def test_time_is_linear(piece: bytes) -> None:
    head = b'--AaB03x\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'

    def seconds(size: int) -> float:
        body = head + piece * (size // len(piece)) + b"\r\n" + END
        chunks = [body[i : i + 7] for i in range(0, len(body), 7)]
        start = time.process_time()
        parse(BOUNDARY, chunks)
        return time.process_time() - start

    small = min(seconds(20_000) for _ in range(3))
    # Quadratic work would take 64 times as long; noise does not.
    assert seconds(160_000) < small * 8 * 4 + 0.1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        (b"a=%C3%A9+x%2B&%3D=%26", [("a", "é x+"), ("=", "&")]),
        (b"a&b=&=c&&", [("a", ""), ("b", ""), ("", "c")]),
        (b"a=b=c", [("a", "b=c")]),
        (b"a=%zz%4", [("a", "%zz%4")]),
        (b"a=%FF", [("a", "�")]),
        (b"a=1;b=2", [("a", "1;b=2")]),
        (b"", []),
    ],
)
def test_urlencoded(body: bytes, expected: Any) -> None:
    for how, chunks in cuts(body).items():
        assert parse(URLENCODED, chunks).multi_items() == expected, how
    assert parse(f"{URLENCODED.upper()}; charset=utf-8", [body]).multi_items() == expected


def test_bounds_of_urlencoded() -> None:
    assert len(parse(URLENCODED, [b"a=1&" * 1000]).multi_items()) == 1000
    assert "number of fields is 1000" in rejected(b"a=1&" * 1001, URLENCODED)
    assert parse(URLENCODED, [b"a=" + b"%41" * 10], max_part_size=10)["a"] == "A" * 10
    assert "maximum size" in rejected(b"a=" + b"%41" * 11, URLENCODED, max_part_size=10)
    assert "maximum size" in rejected(b"x" * 11, URLENCODED, max_part_size=10)
    # Before the field has ended.
    assert "maximum size" in rejected(b"x" * 1000, URLENCODED, max_part_size=10)


def test_other_media_types_are_empty_forms() -> None:
    assert parse("application/json", [b"{}"]) == FormData()
    assert parse("", [b"a=b"]) == FormData()


def test_parameters() -> None:
    assert parse_parameters('A/B ; C=d;e="f\\"g" ; h= i ;c=last') == (
        "a/b",
        {"c": "d", "e": 'f"g', "h": "i"},
    )
    assert parse_parameters("x;;;") == ("x", {})
    with pytest.raises(MalformedForm):
        parse_parameters('x; a="b')
