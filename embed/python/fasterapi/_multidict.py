"""Dictionaries whose keys may have several values, as queries and forms do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import ItemsView, KeysView, ValuesView
    from typing import Any, Self

    Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]


class ImmutableMultiDict(Mapping[str, "Any"]):
    """A mapping of the last value of each key, which also knows the others.

    Made from another one, a mapping, pairs, or nothing. Plain mapping operations
    (``d[key]``, ``items()``, ``len``) see one value per key; ``getlist`` and
    ``multi_items`` see all, in their order.
    """

    __slots__ = ("_dict", "_list")

    def __init__(self, values: ImmutableMultiDict | Pairs | None = None, /, **more: Any) -> None:
        """Copy the pairs of ``values``, then those of ``more``."""
        self._list: list[tuple[str, Any]] = [*_pairs(values), *more.items()]
        self._dict: dict[str, Any] = dict(self._list)

    def getlist(self, key: str) -> list[Any]:
        """All values of ``key``; an empty list when there is none."""
        return [value for name, value in self._list if name == key]

    def multi_items(self) -> list[tuple[str, Any]]:
        """All pairs, in their order."""
        return list(self._list)

    def keys(self) -> KeysView[str]:
        """Each key once."""
        return self._dict.keys()

    def values(self) -> ValuesView[Any]:
        """The last value of each key."""
        return self._dict.values()

    def items(self) -> ItemsView[str, Any]:
        """Each key with its last value."""
        return self._dict.items()

    def __getitem__(self, key: str) -> Any:
        """The last value of ``key``; raises ``KeyError``."""
        return self._dict[key]

    def __contains__(self, key: object) -> bool:
        """Whether ``key`` has a value."""
        return key in self._dict

    def __iter__(self) -> Iterator[str]:
        """Each key once."""
        return iter(self._dict)

    def __len__(self) -> int:
        """The number of different keys."""
        return len(self._dict)

    def __eq__(self, other: object) -> bool:
        """Equal when the class and the pairs are, in any order."""
        if not isinstance(other, type(self)):
            return NotImplemented
        if len(self._list) != len(other._list) or self._dict.keys() != other._dict.keys():
            return False
        # Not sorted by value: uploads have no order.
        rest = list(other._list)
        try:
            for pair in self._list:
                rest.remove(pair)
        except ValueError:
            return False
        return True

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """The pairs."""
        return f"{type(self).__name__}({self._list!r})"


class MultiDict(ImmutableMultiDict):
    """An ``ImmutableMultiDict`` that may be changed."""

    __slots__ = ()

    def __setitem__(self, key: str, value: Any) -> None:
        """Make ``value`` the only one of ``key``."""
        self.setlist(key, [value])

    def __delitem__(self, key: str) -> None:
        """Remove all values of ``key``; raises ``KeyError``."""
        del self._dict[key]
        self._list = [pair for pair in self._list if pair[0] != key]

    def append(self, key: str, value: Any) -> None:
        """Add one more value."""
        self._list.append((key, value))
        self._dict[key] = value

    def setlist(self, key: str, values: list[Any]) -> None:
        """Replace all values of ``key``; an empty list removes it."""
        self._list = [pair for pair in self._list if pair[0] != key]
        self._dict.pop(key, None)
        for value in values:
            self.append(key, value)

    def poplist(self, key: str) -> list[Any]:
        """Remove ``key`` and return all its values."""
        values = self.getlist(key)
        self.setlist(key, [])
        return values

    def pop(self, key: str, default: Any = None) -> Any:
        """Remove ``key`` and return its last value, or ``default``."""
        values = self.poplist(key)
        return values[-1] if values else default

    def popitem(self) -> tuple[str, Any]:
        """Remove the last key and return it with its last value."""
        key, value = self._dict.popitem()
        self._list = [pair for pair in self._list if pair[0] != key]
        return key, value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of ``key``, which becomes ``default`` when there is none."""
        if key not in self._dict:
            self.append(key, default)
        return self._dict[key]

    def update(self, values: ImmutableMultiDict | Pairs | None = None, /, **more: Any) -> None:
        """Replace the values of every key that is given."""
        new = [*_pairs(values), *more.items()]
        names = {name for name, _ in new}
        self._list = [pair for pair in self._list if pair[0] not in names] + new
        self._dict = dict(self._list)

    def clear(self) -> None:
        """Remove everything."""
        self._list.clear()
        self._dict.clear()

    def copy(self) -> Self:
        """An independent copy."""
        return type(self)(self)


class QueryParams(ImmutableMultiDict):
    """The query of a URL, decoded (``application/x-www-form-urlencoded``).

    Made from the text or bytes after the ``?``, or like any multi-dict, in which
    case values become text. ``str(params)`` encodes it again.
    """

    __slots__ = ()

    def __init__(
        self, values: ImmutableMultiDict | Pairs | str | bytes | None = None, /, **more: Any
    ) -> None:
        """Parse or copy ``values``; bytes that are not UTF-8 become U+FFFD."""
        if isinstance(values, bytes):
            values = values.decode("latin-1")
        if isinstance(values, str):
            from urllib.parse import parse_qsl

            values = parse_qsl(values, keep_blank_values=True) if values else ()
        super().__init__(values, **more)
        if not all(isinstance(value, str) for _, value in self._list):
            self._list = [(str(name), str(value)) for name, value in self._list]
            self._dict = dict(self._list)

    if TYPE_CHECKING:

        def __getitem__(self, key: str) -> str: ...

    def __str__(self) -> str:
        """Encoded, without the ``?``."""
        from urllib.parse import urlencode

        return urlencode(self._list)

    def __repr__(self) -> str:
        """The encoded text."""
        return f"{type(self).__name__}({str(self)!r})"


def _pairs(values: ImmutableMultiDict | Pairs | None) -> Iterable[tuple[str, Any]]:
    if values is None:
        return ()
    if isinstance(values, ImmutableMultiDict):
        return values._list
    return values.items() if isinstance(values, Mapping) else values
