"""Records in COPY's binary format."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from fasterapi._core import PgRecords, PgTypes

__all__ = ["encode_records"]

CHUNK_BYTES = 1 << 16
"""Records are sent in pieces of about this length, in bytes."""


def encode_records(
    types: PgTypes,
    oids: Sequence[int],
    records: Iterable[Sequence[Any]] | AsyncIterable[Sequence[Any]],
) -> Iterator[bytes] | AsyncIterator[bytes]:
    """The records as the server wants them, in pieces of a useful size.

    Raises ``InternalClientError`` for a column whose codec deals in text, and while it is
    iterated ``DataError`` for a value that does not fit its column.
    """
    from fasterapi._core import PgRecords

    encoder = PgRecords(types, oids)
    if isinstance(records, AsyncIterable):
        return _encode_as_they_come(encoder, records)
    return _encode(encoder, iter(records))


def _encode(encoder: PgRecords, records: Iterator[Sequence[Any]]) -> Iterator[bytes]:
    while encoder.fill(records, CHUNK_BYTES):
        yield encoder.take()
    yield encoder.finish()


async def _encode_as_they_come(
    encoder: PgRecords, records: AsyncIterable[Sequence[Any]]
) -> AsyncIterator[bytes]:
    async for record in records:
        if encoder.add(record) >= CHUNK_BYTES:
            yield encoder.take()
    yield encoder.finish()
