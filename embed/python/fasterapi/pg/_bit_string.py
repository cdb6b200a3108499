"""Bit strings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import builtins
    from typing import Self, SupportsIndex

    Order = Literal["big", "little"]


class BitString:
    """Immutable representation of PostgreSQL's ``bit`` and ``varbit`` types.

    ``bitstring`` is the text of its bits, with spaces where one likes.
    """

    __slots__ = ("_bytes", "_length")

    def __init__(self, bitstring: str | builtins.bytes | None = None) -> None:
        if isinstance(bitstring, bytes):
            bitstring = bitstring.decode("ascii", "replace")
        elif bitstring is None:
            bitstring = ""
        elif not isinstance(bitstring, str):
            problem = f"expected str or bytes, got {type(bitstring).__name__}"
            raise TypeError(problem)
        bits = bitstring.replace(" ", "")
        for place, bit in enumerate(bits):
            if bit not in "01":
                problem = f"invalid bit value at position {place}"
                raise ValueError(problem)
        self._length = len(bits)
        padded = bits + "0" * (-len(bits) % 8)
        self._bytes = int(padded or "0", 2).to_bytes(len(padded) // 8, "big")

    @classmethod
    def frombytes(cls, bytes_: builtins.bytes | None = None, bitlength: int | None = None) -> Self:
        """The first ``bitlength`` bits of some bytes; all of them when it is ``None``."""
        if bytes_ is None and bitlength is None:
            return cls()
        data = bytes(bytes_ or b"")
        bitlength = len(data) * 8 if bitlength is None else bitlength
        if not len(data) * 8 - 8 < bitlength <= len(data) * 8:
            problem = "invalid bit length specified"
            raise ValueError(problem)
        made = cls.__new__(cls)
        made._bytes = data
        made._length = bitlength
        return made

    @property
    def bytes(self) -> builtins.bytes:
        """The bits in bytes, the first one highest, padded with zeros."""
        return self._bytes

    def _bits(self) -> str:
        if not self._length:
            return ""
        return f"{int.from_bytes(self._bytes, 'big'):0{len(self._bytes) * 8}b}"[: self._length]

    def as_string(self) -> str:
        """The text of the bits, in groups of four."""
        bits = self._bits()
        return " ".join(bits[start : start + 4] for start in range(0, len(bits), 4))

    def to_int(self, bitorder: Order = "big", *, signed: bool = False) -> int:
        """The number that the bits say; the last one is the lowest unless ``"little"``."""
        bits = _ordered(self._bits(), bitorder)
        number = int(bits or "0", 2)
        if signed and bits.startswith("1"):
            number -= 1 << len(bits)
        return number

    @classmethod
    def from_int(
        cls, x: int, length: int, bitorder: Order = "big", *, signed: bool = False
    ) -> Self:
        """``length`` bits that say a number.

        A number that is too large raises ``OverflowError``; as everywhere in ``asyncpg.types``,
        whole bytes decide that.
        """
        if length < 0:
            problem = "length must be a non-negative integer"
            raise ValueError(problem)
        whole = (length + 7) // 8
        bits = f"{int.from_bytes(x.to_bytes(whole, 'big', signed=signed), 'big'):0{whole * 8}b}"
        bits = bits[len(bits) - length :] if length else ""
        return cls(_ordered(bits, bitorder))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: SupportsIndex) -> int:
        place = index.__index__()
        if place < 0:
            place += self._length
        if not 0 <= place < self._length:
            problem = "index out of range"
            raise IndexError(problem)
        return self._bytes[place // 8] >> (7 - place % 8) & 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BitString):
            return NotImplemented
        return self._bits() == other._bits()

    def __hash__(self) -> int:
        return hash(self._bits())

    def __repr__(self) -> str:
        return f"<BitString {self.as_string()}>"


def _ordered(bits: str, bitorder: str) -> str:
    if bitorder == "big":
        return bits
    if bitorder == "little":
        return bits[::-1]
    problem = "bitorder must be either 'big' or 'little'"
    raise ValueError(problem)
