"""Header fields: case-insensitive views over a list of byte pairs.

Names are compared without case (RFC 9110, section 5.1); text is Latin-1, which
maps every byte to one character and back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self

RawHeaders = list[tuple[bytes, bytes]]


def encode_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> RawHeaders:
    """Lower the names and encode both sides as Latin-1, order kept."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


class Headers(Mapping[str, str]):
    """An immutable view of header fields; names in lower case, duplicates kept.

    ``headers[name]`` gives the first value; ``getlist(name)`` gives all of them.
    """

    __slots__ = ("_list",)

    def __init__(
        self,
        headers: Mapping[str, str] | None = None,
        raw: RawHeaders | None = None,
        scope: Mapping[str, Any] | None = None,
    ) -> None:
        """View ``raw`` (names in lower case, not copied) or encode ``headers``.

        Those of an ASGI ``scope`` are viewed, too. Raises ``TypeError`` when more
        than one is given.
        """
        if (headers is not None) + (raw is not None) + (scope is not None) > 1:
            raise TypeError("give one of headers, raw and scope")
        if scope is not None:
            # A list, because middleware may hand over any iterable.
            raw = scope["headers"] = list(scope["headers"])  # type: ignore[index]
        self._list: RawHeaders = raw if raw is not None else encode_headers(headers or {})

    @property
    def raw(self) -> RawHeaders:
        """The byte pairs themselves, in the order of the wire."""
        return self._list

    def keys(self) -> list[str]:  # type: ignore[override]
        """Every name, once for each field."""
        return [name.decode("latin-1") for name, _ in self._list]

    def values(self) -> list[str]:  # type: ignore[override]
        """Every value."""
        return [value.decode("latin-1") for _, value in self._list]

    def items(self) -> list[tuple[str, str]]:  # type: ignore[override]
        """Every field, as text."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._list]

    def getlist(self, key: str) -> list[str]:
        """All values of the fields called ``key``."""
        wanted = key.lower().encode("latin-1")
        return [value.decode("latin-1") for name, value in self._list if name == wanted]

    def mutablecopy(self) -> MutableHeaders:
        """An independent copy that may be changed."""
        return MutableHeaders(raw=self._list[:])

    def __getitem__(self, key: str) -> str:
        """The first value; raises ``KeyError``."""
        wanted = key.lower().encode("latin-1")
        for name, value in self._list:
            if name == wanted:
                return value.decode("latin-1")
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        """Whether there is a field called ``key``."""
        if not isinstance(key, str):
            return False
        try:
            wanted = key.lower().encode("latin-1")
        except UnicodeEncodeError:
            return False
        return any(name == wanted for name, _ in self._list)

    def __iter__(self) -> Iterator[str]:
        """The names, once for each field."""
        return iter(self.keys())

    def __len__(self) -> int:
        """The number of fields."""
        return len(self._list)

    def __eq__(self, other: object) -> bool:
        """Equal when the same fields are there, in any order."""
        if not isinstance(other, Headers):
            return NotImplemented
        return sorted(self._list) == sorted(other._list)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """As a dict where names are unique, otherwise as the raw list."""
        name = type(self).__name__
        fields = dict(self.items())
        if len(fields) == len(self._list):
            return f"{name}({fields!r})"
        return f"{name}(raw={self._list!r})"


class MutableHeaders(Headers):
    """Header fields that may be changed, in place and in the list they view."""

    __slots__ = ()

    def __setitem__(self, key: str, value: str) -> None:
        """Replace all fields called ``key`` by one, at the place of the first."""
        name = key.lower().encode("latin-1")
        field = (name, value.encode("latin-1"))
        found = [index for index, pair in enumerate(self._list) if pair[0] == name]
        if not found:
            self._list.append(field)
            return
        self._list[found[0]] = field
        for index in reversed(found[1:]):
            del self._list[index]

    def __delitem__(self, key: str) -> None:
        """Remove all fields called ``key``; none is fine."""
        name = key.lower().encode("latin-1")
        self._list[:] = [pair for pair in self._list if pair[0] != name]

    def setdefault(self, key: str, value: str) -> str:
        """The value of ``key``, which becomes ``value`` when there is none."""
        try:
            return self[key]
        except KeyError:
            self.append(key, value)
            return value

    def update(self, other: Mapping[str, str]) -> None:
        """Set every field of ``other``."""
        for key, value in other.items():
            self[key] = value

    def append(self, key: str, value: str) -> None:
        """Add a field, whether or not there is one of that name."""
        self._list.append((key.lower().encode("latin-1"), value.encode("latin-1")))

    def add_vary_header(self, vary: str) -> None:
        """Add ``vary`` to the ``Vary`` field (RFC 9110, section 12.5.5)."""
        existing = self.get("vary")
        self["vary"] = vary if existing is None else f"{existing}, {vary}"

    def __ior__(self, other: Any) -> Self:
        """``headers |= mapping`` is ``update``."""
        if not isinstance(other, Mapping):
            raise TypeError(f"expected a mapping, not {type(other).__name__}")
        self.update(other)
        return self

    def __or__(self, other: Any) -> MutableHeaders:
        """A copy with ``other``'s fields set."""
        if not isinstance(other, Mapping):
            raise TypeError(f"expected a mapping, not {type(other).__name__}")
        copy = self.mutablecopy()
        copy.update(other)
        return copy
