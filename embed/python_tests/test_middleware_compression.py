"""Compression in Python: negotiation, what stays as it is, streams."""

import asyncio
import gzip
import zlib

import pytest

from fasterapi.middleware import gzip as module
from fasterapi.middleware._codings import choose, is_available
from fasterapi.middleware.gzip import CompressionMiddleware, GZipMiddleware
from middleware_support import ask, plain, run, scope

TEXT = b"".join(b"%x pieces, " % number for number in range(400))
GZIP = [("Accept-Encoding", "gzip")]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP;q=0.5, br", "br"),
        ("gzip, br, zstd", "zstd"),
        ("gzip;q=1.0, br;q=0.9", "gzip"),
        ("gzip;q=0", None),
        ("*", "zstd"),
        ("zstd;q=0, *", "br"),
        ("*;q=0, gzip", "gzip"),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("gzip;q=", None),
        ("gzip;q=2", None),
        ("gzip;q=1.0000", None),
        ("gzip;q=.5", None),
        ("gzip;q=1.5", "gzip"),
        (" ,;q=1,gzipped", None),
    ],
)
def test_the_heaviest_coding_wins(field, expected):
    assert choose(field, ["zstd", "br", "gzip"]) == expected


def test_gzip():
    app = GZipMiddleware(plain(TEXT, headers=[("content-length", "1"), ("etag", '"1"')]))
    answer = run(app, scope(headers=GZIP))
    assert answer.field("content-encoding") == "gzip"
    assert answer.field("content-length") == str(len(answer.body))
    assert answer.field("vary") == "Accept-Encoding"
    assert answer.field("etag") == '"1"'
    assert gzip.decompress(answer.body) == TEXT
    answer = run(app, scope())
    assert (answer.body, answer.field("vary")) == (TEXT, "Accept-Encoding")


@pytest.mark.parametrize(
    ("status", "fields", "body"),
    [
        (200, [], b"short"),
        (206, [], TEXT),
        (200, [("content-encoding", "x")], TEXT),
        (200, [("content-type", "text/event-stream; charset=utf-8")], TEXT),
        (200, [("content-type", "Audio/OGG")], TEXT),
        (200, [("content-type", "application/grpc+proto")], TEXT),
    ],
)
def test_what_must_stay_stays(status, fields, body):
    answer = run(GZipMiddleware(plain(body, status, fields)), scope(headers=GZIP))
    assert answer.body == body
    assert answer.fields == fields


def test_pieces_do_not_wait():
    app = GZipMiddleware(plain(pieces=[b"one;", TEXT], headers=[("content-length", "9")]))
    answer = run(app, scope(headers=GZIP))
    assert answer.field("content-length") is None
    decoder = zlib.decompressobj(31)
    assert decoder.decompress(answer.pieces[0]) == b"one;"
    assert decoder.decompress(b"".join(answer.pieces[1:])) == TEXT
    assert decoder.eof


def test_large_bodies_are_compressed_in_threads():
    body = TEXT * 100
    answer = run(GZipMiddleware(plain(body)), scope(headers=GZIP))
    assert gzip.decompress(answer.body) == body


def test_two_requests_do_not_share_a_compressor():
    app = GZipMiddleware(plain(pieces=[TEXT, TEXT]))

    async def both():
        return await asyncio.gather(*[ask(app, scope(headers=GZIP)) for _ in range(2)])

    for answer in asyncio.run(both()):
        assert gzip.decompress(answer.body) == TEXT * 2


def test_codings_that_are_not_installed_are_not_offered(monkeypatch):
    monkeypatch.setattr(module, "is_available", lambda coding: coding == "gzip")
    answer = run(
        CompressionMiddleware(plain(TEXT)), scope(headers=[("Accept-Encoding", "br, gzip")])
    )
    assert answer.field("content-encoding") == "gzip"
    with pytest.raises(ValueError, match="unknown coding 'lzma'"):
        CompressionMiddleware(plain(), codings=["lzma"])


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_other_codings(coding):
    if not is_available(coding):
        pytest.skip(f"{coding} is not installed")
    app = CompressionMiddleware(plain(pieces=[b"one;", TEXT]))
    answer = run(app, scope(headers=[("Accept-Encoding", coding)]))
    assert answer.field("content-encoding") == coding
    if coding == "br":
        import brotli

        assert brotli.decompress(answer.body) == b"one;" + TEXT
    else:
        import zstandard

        assert zstandard.ZstdDecompressor().decompressobj().decompress(answer.body) == (
            b"one;" + TEXT
        )
