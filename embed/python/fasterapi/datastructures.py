"""The values that requests are made of: headers, queries, forms, uploads, URLs."""

from __future__ import annotations

from fasterapi._headers import Headers, MutableHeaders
from fasterapi._multidict import ImmutableMultiDict, MultiDict, QueryParams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO, Self, TypeVar

    from fasterapi._url import URL as URL
    from fasterapi._url import URLPath as URLPath
    from fasterapi.config import CommaSeparatedStrings as CommaSeparatedStrings
    from fasterapi.config import Secret as Secret

    Value = TypeVar("Value")

__all__ = [
    "URL",
    "Address",
    "CommaSeparatedStrings",
    "Default",
    "DefaultPlaceholder",
    "FormData",
    "Headers",
    "ImmutableMultiDict",
    "MultiDict",
    "MutableHeaders",
    "QueryParams",
    "Secret",
    "State",
    "URLPath",
    "UploadFile",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load a rarely used name when it is first used."""
        home = {"URL": "_url", "URLPath": "_url"}.get(name)
        if name in ("CommaSeparatedStrings", "Secret"):
            home = "config"
        if home is not None:
            return getattr(__import__(f"fasterapi.{home}", fromlist=(name,)), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class DefaultPlaceholder:
    """A default that was not chosen by the user, so that an outer one may win."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        """Keep the value that stands when nobody chooses another."""
        self.value = value

    def __bool__(self) -> bool:
        """Whether the value is true."""
        return bool(self.value)

    def __eq__(self, other: object) -> bool:
        """Equal to another placeholder of an equal value."""
        return isinstance(other, DefaultPlaceholder) and bool(other.value == self.value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """The value."""
        return f"Default({self.value!r})"


def Default(value: Value) -> Value:
    """Mark ``value`` as a default that was not chosen; type checkers see its own type."""
    return DefaultPlaceholder(value)  # type: ignore[return-value]


def chosen(first: Any, *others: Any) -> Any:
    """The first of the arguments that somebody chose, or else the first."""
    for value in (first, *others):
        if not isinstance(value, DefaultPlaceholder):
            return value
    return first


class Address(tuple[str, int]):
    """A peer: ``host`` (text) and ``port``; a pair, too."""

    __slots__ = ()

    def __new__(cls, host: str, port: int) -> Self:
        """Make the pair."""
        return tuple.__new__(cls, (host, port))

    def __getnewargs__(self) -> tuple[str, int]:
        """For copy and pickle."""
        return (self.host, self.port)

    @property
    def host(self) -> str:
        """The IP address, or the socket's path."""
        return self[0]

    @property
    def port(self) -> int:
        """The port; 0 where there is none."""
        return self[1]

    def __repr__(self) -> str:
        """``Address(host='127.0.0.1', port=80)``."""
        return f"Address(host={self.host!r}, port={self.port!r})"


class State:
    """A bag of attributes: ``state.pool = pool``, or ``state["pool"]``."""

    __slots__ = ("_state",)

    _state: dict[str, Any]

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        """View ``state`` (not copied), or start empty."""
        object.__setattr__(self, "_state", {} if state is None else state)

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep ``value``."""
        self._state[name] = value

    def __getattr__(self, name: str) -> Any:
        """What was kept; raises ``AttributeError``."""
        try:
            return self._state[name]
        except KeyError:
            raise AttributeError(f"'State' object has no attribute {name!r}") from None

    def __reduce__(self) -> tuple[type[State], tuple[dict[str, Any]]]:
        """For copy and pickle, which would otherwise set ``_state`` as an attribute."""
        return (type(self), (self._state,))

    def __delattr__(self, name: str) -> None:
        """Forget it; raises ``AttributeError``."""
        if name not in self._state:
            raise AttributeError(f"'State' object has no attribute {name!r}")
        del self._state[name]

    def __getitem__(self, name: str) -> Any:
        """What was kept; raises ``KeyError``."""
        return self._state[name]

    def __setitem__(self, name: str, value: Any) -> None:
        """Keep ``value``."""
        self._state[name] = value

    def __delitem__(self, name: str) -> None:
        """Forget it; raises ``KeyError``."""
        del self._state[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is such an attribute."""
        return name in self._state

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._state)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._state)

    def __repr__(self) -> str:
        """The attributes."""
        return f"State({self._state!r})"


class UploadFile:
    """A file from a form: in memory while it is small, on disk when it is not.

    ``file`` is an ordinary binary file; the asynchronous methods here use it
    without blocking the shard. ``size`` is in bytes.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        size: int | None = None,
        filename: str | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Keep the parts; ``headers`` are those of the file's part of the form."""
        self.file = file
        self.size = size
        self.filename = filename
        self.headers = Headers() if headers is None else headers

    @property
    def content_type(self) -> str | None:
        """The media type that the client gave, if any; not to be trusted."""
        return self.headers.get("content-type")

    @property
    def _in_memory(self) -> bool:
        # A SpooledTemporaryFile says whether it has moved to disk.
        return not getattr(self.file, "_rolled", True)

    async def _call(self, method: str, *arguments: Any) -> Any:
        function = getattr(self.file, method)
        if self._in_memory:
            return function(*arguments)
        from fasterapi.concurrency import run_in_threadpool

        return await run_in_threadpool(function, *arguments)

    async def read(self, size: int = -1) -> bytes:
        """The next ``size`` bytes, or all that is left."""
        data: bytes = await self._call("read", size)
        return data

    async def write(self, data: bytes) -> None:
        """Write ``data`` at the current place."""
        if self.size is not None:
            self.size += len(data)
        limit = getattr(self.file, "_max_size", 0)
        if self._in_memory and limit and self.file.tell() + len(data) > limit:
            from fasterapi.concurrency import run_in_threadpool

            # This write moves the file to disk.
            await run_in_threadpool(self.file.write, data)
            return
        await self._call("write", data)

    async def seek(self, offset: int) -> None:
        """Go to ``offset`` bytes from the start."""
        await self._call("seek", offset)

    async def close(self) -> None:
        """Close the file, which also removes it from disk."""
        await self._call("close")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: Any) -> Any:
        """For Pydantic: an upload is taken as it is, anything else is refused."""
        from pydantic_core.core_schema import with_info_plain_validator_function

        return with_info_plain_validator_function(cls._validate)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """For OpenAPI: any bytes."""
        return {"type": "string", "contentMediaType": "application/octet-stream"}

    @classmethod
    def _validate(cls, value: Any, _: Any) -> Any:
        """``value`` if it is an upload, ours or Starlette's; raises ``ValueError``."""
        if not isinstance(value, UploadFile) and not _is_starlettes_upload(value):
            raise ValueError(f"Expected UploadFile, received: {type(value)}")
        return value

    def __repr__(self) -> str:
        """Name, size and headers."""
        name = type(self).__name__
        return f"{name}(filename={self.filename!r}, size={self.size!r}, headers={self.headers!r})"


def _is_starlettes_upload(value: object) -> bool:
    return any(
        (base.__module__, base.__name__) == ("starlette.datastructures", "UploadFile")
        for base in type(value).__mro__
    )


class FormData(ImmutableMultiDict):
    """The fields of a form: text, or ``UploadFile`` for files."""

    __slots__ = ()

    async def close(self) -> None:
        """Close every upload."""
        for _, value in self._list:
            if isinstance(value, UploadFile):
                await value.close()
