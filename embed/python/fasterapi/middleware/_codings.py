"""Content codings: which one a client takes, and compressors that can flush.

Names are those of the registry of RFC 9110, section 18.6: ``gzip``, ``br``, ``zstd``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    class Compressor(Protocol):
        """One body on its way out."""

        def piece(self, data: bytes) -> bytes:
            """``data`` compressed so that the receiver can read all of it now."""

        def end(self, data: bytes) -> bytes:
            """The last piece, and what ends the body."""


_ACCEPT_BYTES_MAX = 4096
"""How much of ``Accept-Encoding`` is read, in bytes."""
_BROTLI_WINDOW_BITS = 22
_GZIP_WINDOW_BITS = 16 + 15


def choose(accept_encoding: str, offered: Sequence[str]) -> str | None:
    """The coding that the client likes best (RFC 9110, section 12.5.3), or ``None``.

    Where it likes several alike, the first of ``offered`` wins. A weight of 0 or a
    malformed one refuses; ``*`` stands for every coding that is not named.
    """
    if not accept_encoding:
        return None
    weights = _weights(accept_encoding[:_ACCEPT_BYTES_MAX])
    others = weights.get("*", 0)
    best, most = None, 0
    for coding in offered:
        weight = weights.get(coding, others)
        if weight > most:
            best, most = coding, weight
    return best if most >= weights.get("identity", 0) else None


def _weights(field: str) -> dict[str, int]:
    """The weight of each coding that is named, in thousandths."""
    weights = {}
    for element in field.split(","):
        name, *parameters = element.split(";")
        coding = name.strip(" \t").lower()
        if coding:
            weight = 1000
            for parameter in parameters:
                key, _, value = parameter.strip(" \t").partition("=")
                if key in ("q", "Q"):
                    weight = _weight(value)
            weights["gzip" if coding == "x-gzip" else coding] = weight
    return weights


def _weight(text: str) -> int:
    """A quality value (RFC 9110, section 12.4.2) in thousandths; 0 if it is none."""
    whole, dot, fraction = text.partition(".")
    if whole not in ("0", "1") or len(fraction) > 3:
        return 0
    if dot and fraction and not (fraction.isascii() and fraction.isdigit()):
        return 0
    return min(1000, int(whole) * 1000 + int(fraction.ljust(3, "0")))


class GzipCompressor:
    """RFC 1952; ``level`` is 0 to 9."""

    def __init__(self, level: int) -> None:
        """Start a body."""
        from zlib import DEFLATED, Z_SYNC_FLUSH, compressobj

        self._flush = Z_SYNC_FLUSH
        self._zlib = compressobj(level, DEFLATED, _GZIP_WINDOW_BITS)

    def piece(self, data: bytes) -> bytes:
        """``data`` compressed so that the receiver can read all of it now."""
        return self._zlib.compress(data) + self._zlib.flush(self._flush)

    def end(self, data: bytes) -> bytes:
        """The last piece, and what ends the body."""
        return self._zlib.compress(data) + self._zlib.flush()


class BrotliCompressor:
    """RFC 7932, by the package ``brotli`` or ``brotlicffi``; ``level`` is 0 to 11."""

    def __init__(self, level: int) -> None:
        """Start a body; raises ``ImportError`` where neither package is installed."""
        try:
            import brotli  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except ImportError:
            import brotlicffi as brotli  # type: ignore[import-not-found, import-untyped, unused-ignore]
        self._brotli = brotli.Compressor(quality=level, lgwin=_BROTLI_WINDOW_BITS)

    def piece(self, data: bytes) -> bytes:
        """``data`` compressed so that the receiver can read all of it now."""
        compressed: bytes = self._brotli.process(data) + self._brotli.flush()
        return compressed

    def end(self, data: bytes) -> bytes:
        """The last piece, and what ends the body."""
        compressed: bytes = self._brotli.process(data) + self._brotli.finish()
        return compressed


class ZstdCompressor:
    """RFC 8878, by the package ``zstandard``; ``level`` is 1 to 22."""

    def __init__(self, level: int) -> None:
        """Start a body; raises ``ImportError`` where the package is not installed."""
        import zstandard  # type: ignore[import-not-found, import-untyped, unused-ignore]

        self._flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK
        self._zstd = zstandard.ZstdCompressor(level=level).compressobj()

    def piece(self, data: bytes) -> bytes:
        """``data`` compressed so that the receiver can read all of it now."""
        compressed: bytes = self._zstd.compress(data) + self._zstd.flush(self._flush)
        return compressed

    def end(self, data: bytes) -> bytes:
        """The last piece, and what ends the body."""
        compressed: bytes = self._zstd.compress(data) + self._zstd.flush()
        return compressed


COMPRESSORS: dict[str, Callable[[int], Compressor]] = {
    "gzip": GzipCompressor,
    "br": BrotliCompressor,
    "zstd": ZstdCompressor,
}
"""What makes a compressor of a coding, given its level."""


def is_available(coding: str) -> bool:
    """Whether this interpreter can compress with ``coding``."""
    try:
        COMPRESSORS[coding](1)
    except ImportError:
        return False
    return True
