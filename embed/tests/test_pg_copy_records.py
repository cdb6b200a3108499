"""Records in COPY's binary format, without a server ("COPY, Binary Format")."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

pg = pytest.importorskip(
    "fasterapi.pg", reason="this Python has no fasterapi", exc_type=ImportError
)
core = pytest.importorskip("fasterapi._core", reason="needs the pip form", exc_type=ImportError)

INT4, MONEY, UNKNOWN = 23, 790, 0xFFFF_FFFF
# Signature, flags, length of the extension; in place of a record's count.
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
TRAILER = struct.pack("!h", -1)


def encoded(oids: list[int], records: Any) -> list[bytes]:
    """The pieces."""
    from fasterapi.pg._copy_records import encode_records

    async def collect(pieces: AsyncIterator[bytes]) -> list[bytes]:
        return [piece async for piece in pieces]

    pieces = encode_records(core.PgTypes(), oids, records)
    return asyncio.run(collect(pieces)) if isinstance(pieces, AsyncIterator) else list(pieces)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", [tuple, list, iter])
def test_records(is_async: bool, kind: Any) -> None:
    """A count of values, and each with its length; NULL has the length -1."""
    records = [kind((1, None)), kind((2, 3))]

    async def later() -> AsyncIterator[Any]:
        for record in records:
            yield record

    rows = struct.pack("!hiii", 2, 4, 1, -1) + struct.pack("!hiiii", 2, 4, 2, 4, 3)
    pieces = encoded([INT4, INT4], later() if is_async else records)
    assert pieces == [HEADER + rows + TRAILER]


@pytest.mark.parametrize("is_async", [False, True])
def test_pieces(is_async: bool) -> None:
    """Many records are no single piece."""

    async def later() -> AsyncIterator[Any]:
        for number in range(20_000):
            yield (number,)

    records = ((number,) for number in range(20_000))
    pieces = encoded([INT4], later() if is_async else records)
    assert len(pieces) > 2
    rows = b"".join(struct.pack("!hii", 1, 4, number) for number in range(20_000))
    assert b"".join(pieces) == HEADER + rows + TRAILER


@pytest.mark.parametrize(
    ("oids", "records", "error", "words"),
    [
        ([INT4], [("x",)], "DataError", "invalid input for COPY of 'x'"),
        ([INT4], [(1, 2)], "DataError", "2 values, 1 are expected"),
        ([INT4], [(1,), ["x"]], "DataError", "invalid input for COPY of 'x'"),
        ([MONEY], [], "InternalClientError", "no binary format encoder for type pg_catalog.money"),
    ],
)
def test_what_does_not_fit(oids: list[int], records: Any, error: str, words: str) -> None:
    """The error says what was given."""
    with pytest.raises(getattr(pg, error), match=words):
        encoded(oids, records)


def test_records_that_fail() -> None:
    """What the source or a record raises is raised as it is; an unknown type is known to nobody."""

    def source() -> Any:
        yield (1,)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        encoded([INT4], source())
    with pytest.raises(TypeError):
        encoded([INT4], [1])
    with pytest.raises(KeyError):
        encoded([UNKNOWN], [])
