"""Records in COPY's binary format."""

from __future__ import annotations

import struct
from typing import Any

from fasterapi.pg.exceptions import DataError, InternalClientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence

    from fasterapi._core import PgTypes

__all__ = ["encode_records"]

# COPY, "Binary Format": signature, flags, length of the extension.
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
TRAILER = struct.pack("!h", -1)
NULL = struct.pack("!i", -1)
CHUNK_BYTES = 1 << 16
"""Records are sent in pieces of about this length, in bytes."""


class _Encoder:
    """Turns records into bytes, one after the other."""

    def __init__(self, types: PgTypes, oids: Sequence[int]) -> None:
        for oid in oids:
            if types.format(oid) != 1:
                info = types.info(oid)
                name = f"{info[0]}.{info[1]}" if info else str(oid)
                raise InternalClientError(f"no binary format encoder for type {name} (OID {oid})")
        self._encode = types.encode
        self._oids = oids
        self._head = struct.pack("!h", len(oids))
        self._length = struct.Struct("!i").pack

    def add(self, record: Sequence[Any], out: bytearray) -> None:
        """Append one record to ``out``."""
        if len(record) != len(self._oids):
            raise DataError(f"record has {len(record)} values, {len(self._oids)} are expected")
        out += self._head
        encode, length = self._encode, self._length
        for oid, value in zip(self._oids, record, strict=True):
            if value is None:
                out += NULL
                continue
            try:
                data = encode(oid, value)
            except (TypeError, ValueError, OverflowError) as error:
                raise DataError(f"invalid input for COPY of {value!r}: {error}") from error
            out += length(len(data))
            out += data


async def encode_records(
    types: PgTypes,
    oids: Sequence[int],
    records: Iterable[Sequence[Any]] | AsyncIterable[Sequence[Any]],
) -> AsyncIterator[bytes]:
    """The records as the server wants them, in pieces of a useful size.

    Raises ``DataError`` for a value that does not fit its column, ``InternalClientError`` for a
    column whose codec deals in text.
    """
    encoder = _Encoder(types, oids)
    out = bytearray(HEADER)
    if hasattr(records, "__aiter__"):
        async for record in records:
            encoder.add(record, out)
            if len(out) >= CHUNK_BYTES:
                yield bytes(out)
                out.clear()
    else:
        for record in records:
            encoder.add(record, out)
            if len(out) >= CHUNK_BYTES:
                yield bytes(out)
                out.clear()
    out += TRAILER
    yield bytes(out)
