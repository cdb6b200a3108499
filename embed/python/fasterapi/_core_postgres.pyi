"""The PostgreSQL part of ``fasterapi._core``; only its types stand here."""

from asyncio import AbstractEventLoop
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from typing import Any, overload

class Record(Sequence[Any]):
    """A row: a sequence of values that also knows its columns by name.

    It compares, sorts and hashes as the tuple of its values.
    """

    @overload
    def __getitem__(self, key: int) -> Any: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Any, ...]: ...
    def __len__(self) -> int: ...
    def get(self, key: str, default: Any = None, /) -> Any: ...
    def keys(self) -> Iterator[str]: ...
    def values(self) -> Iterator[Any]: ...
    def items(self) -> Iterator[tuple[str, Any]]: ...

def make_record(
    columns: list[str], values: list[Any], *, record_class: type[Record] | None = None
) -> Record: ...
def scram_key(password: bytes, salt: bytes, iterations: int) -> bytes: ...

class PgTypes:
    """The types that connections know, and how their values become Python objects and back.

    Built-in types are known from the start; what a server has beyond them is added. Types of
    well-known extensions are recognised by their names when they are added, unless
    ``extensions`` is false. json and jsonb are parsed, unless ``json_as_text`` is true.
    """

    def __init__(self, *, json_as_text: bool = False, extensions: bool = True) -> None: ...
    def add(
        self,
        oid: int,
        schema: str,
        name: str,
        kind: str,
        *,
        element: int = 0,
        delimiter: str = ",",
        labels: Sequence[str] = (),
        fields: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Make a type known.

        ``kind`` is ``base``, ``array``, ``enum``, ``domain``, ``composite``, ``range``,
        ``multirange`` or ``pseudo``; ``element`` the type of an array's elements, of a domain,
        of a range's bounds, or the range of a multirange. ``fields`` are a composite's.
        """

    def unknown(self, oids: Sequence[int], /) -> list[int]:
        """The types to be added before there are codecs for ``oids``."""

    def info(self, oid: int, /) -> tuple[str, str, str] | None:
        """Schema, name and kind; ``None`` for an unknown type."""

    def format(self, oid: int, /) -> int:
        """1 where values travel in the binary format, 0 where as text."""

    def set_custom(
        self,
        oid: int,
        encoder: Callable[[Any], Any],
        decoder: Callable[[Any], Any],
        format: str = "text",  # noqa: A002  # as asyncpg names it
    ) -> None:
        """Give a type to functions of the application's.

        ``format`` is ``text``, ``binary`` or ``tuple``; ``NotImplementedError`` for a tuple where
        the type has no such form.
        """

    def use_builtin(self, oid: int, name: str, /) -> None:
        """Give a type the codec of a built-in type, or of a known extension's.

        Raises ``KeyError`` when there is none of that name.
        """

    def forget(self) -> None:
        """Forget every type that was added; what programs have set stays."""

    def reset_custom(self, oid: int, /) -> None:
        """Give a type its own codec back."""

    @property
    def generation(self) -> int:
        """Grows with every change; what was defined before it may be outdated."""

    def encode(self, oid: int, value: Any, /) -> bytes:
        """The bytes of a value, as they stand in a message or in binary COPY.

        Raises ``TypeError``, ``ValueError`` or ``OverflowError`` for what is no value of the
        type, ``NotImplementedError`` for a type that nothing can be written to, ``KeyError`` for
        an unknown type.
        """

    def decode(self, oid: int, data: bytes, /) -> Any:
        """The object that a value's bytes say.

        Raises ``ValueError`` for what is no value of the type, ``NotImplementedError`` for a row
        with a column of an unknown type.
        """

    def json(self, oid: int, data: bytes, /) -> bytes:
        """The JSON of a value's bytes, without an object in between."""

class PgOperation(Coroutine[Any, Any, Any]):
    """An operation of the driver, to be awaited once; it begins when it is first awaited."""

    def __await__(self) -> Generator[Any, Any, Any]: ...
    def send(self, value: Any, /) -> Any: ...
    def throw(self, exception: Any, value: Any = None, traceback: Any = None) -> Any: ...
    def close(self) -> None: ...

class PgTls:
    """Settings of TLS, read and checked once; contents of PEM files."""

    def __init__(
        self,
        mode: str,
        *,
        roots: bytes | str | None = None,
        certificate: tuple[bytes, bytes, bytes | None] | None = None,
        revoked: list[bytes] = ...,
        versions: tuple[str | None, str | None] = ...,
        is_direct: bool = False,
        without_sni: bool = False,
    ) -> None: ...

class PgStatement:
    """A statement that the server has prepared."""

    @property
    def name(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def parameter_oids(self) -> tuple[int, ...]: ...
    @property
    def columns(self) -> tuple[tuple[str, int, int, int, int], ...]:
        """Name, table's oid, attribute's number, type's oid, type modifier."""

class PgCopyOut:
    """The data of a COPY ... TO STDOUT."""

    def take(self) -> bytes: ...
    @property
    def is_over(self) -> bool: ...
    def abandon(self) -> None: ...

class PgCopyIn:
    """Where the data of a COPY ... FROM STDIN goes."""

    @property
    def is_open(self) -> bool: ...
    @property
    def is_over(self) -> bool: ...
    def write(self, data: bytes) -> bool: ...
    def finish(self) -> bool: ...
    def fail(self, reason: str) -> bool: ...

class PgRecords:
    """Encodes the records of one COPY ... FROM STDIN (FORMAT binary).

    Raises ``InternalClientError`` for a type whose values travel as text, ``DataError`` for a
    value that does not fit its column.
    """

    def __init__(self, types: PgTypes, oids: Sequence[int]) -> None: ...
    def add(self, record: Iterable[Any]) -> int:
        """Encode one record: how many bytes are ready."""

    def fill(self, records: Iterator[Iterable[Any]], size: int) -> bool:
        """Encode records until ``size`` bytes are ready; false when there are no more."""

    def take(self) -> bytes:
        """Take what is ready."""

    def finish(self) -> bytes:
        """Take what is ready, and the end."""

class PgBatch:
    """The rest of a batch whose operation is in flight."""

    @property
    def is_complete(self) -> bool: ...
    @property
    def is_refused(self) -> bool: ...
    def feed(self) -> None: ...
    def abandon(self) -> None: ...

class PgDescriptions:
    """What the connections of a pool share of their queries."""

    def __init__(self) -> None: ...
    def __len__(self) -> int: ...

class PgState:
    """What is known of a connection to a server, and what it tells."""

    is_dirty: bool
    exclusive: bool
    @property
    def queries(self) -> int: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def is_held(self) -> bool: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def is_stuck(self) -> bool: ...
    @property
    def unsent(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def last_status(self) -> str | None: ...
    @property
    def parameters(self) -> dict[str, str]: ...
    @property
    def pid(self) -> int: ...
    @property
    def is_tls(self) -> bool: ...
    @property
    def is_accepted(self) -> bool: ...
    @property
    def secret(self) -> bytes: ...
    @property
    def error(self) -> BaseException | None: ...
    def set_owner(self, owner: Any) -> None: ...
    def set_hook(self, name: str, hook: Callable[..., Any] | None, /) -> None: ...
    def limit_statements(self, size: int, lifetime_s: float) -> None: ...
    def find_statement(self, sql: str) -> PgStatement | None: ...
    def statements(self) -> list[PgStatement]: ...
    def forget(self, sql: str | None = None) -> None: ...
    def take_evicted(self) -> list[str]: ...
    def change(self) -> Awaitable[None]: ...
    def hold(self) -> None: ...
    def resume(self) -> None: ...
    def cork(self) -> None: ...
    def uncork(self) -> None: ...
    def terminate(self) -> None: ...
    def say_goodbye(self) -> None: ...
    def close_soon(self) -> None: ...

class PgConnection(PgState):
    """One connection to a server."""

    def __init__(
        self,
        fd: int,
        loop_: AbstractEventLoop,
        types: PgTypes,
        *,
        descriptions: PgDescriptions | None = None,
        record_class: type[Record] | None = None,
        message_bytes_max: int = ...,
    ) -> None: ...
    def tls(self, settings: PgTls, host: str) -> PgOperation: ...
    def start(
        self,
        parameters: list[tuple[str, str]],
        password: bytes | None = None,
        *,
        methods: list[str] | None = None,
        must_bind: bool = False,
    ) -> PgOperation: ...
    def authenticate(self, key: bytes) -> PgOperation: ...
    def query(
        self,
        sql: str,
        args: tuple[Any, ...],
        *,
        mode: int = 0,
        limit: int = 0,
        column: int | str | None = None,
        timeout: float | None = None,
    ) -> PgOperation: ...
    def run(
        self,
        statement: PgStatement,
        args: tuple[Any, ...],
        *,
        mode: int = 0,
        limit: int = 0,
        column: int | str | None = None,
        timeout: float | None = None,
    ) -> PgOperation: ...
    def run_many(
        self,
        statement: PgStatement,
        args: Iterable[Any],
        *,
        rows: bool = False,
        timeout: float | None = None,
    ) -> tuple[PgOperation, PgBatch]: ...
    def simple(self, sql: str, *, timeout: float | None = None) -> PgOperation: ...
    def prepare(self, name: str, sql: str, *, timeout: float | None = None) -> PgOperation: ...
    def define(
        self,
        name: str,
        sql: str,
        parameter_oids: Iterable[int],
        columns: Iterable[tuple[str, int, int, int, int]],
        *,
        record_class: type[Record] | None = None,
        cache: bool = False,
        share: bool = False,
    ) -> PgStatement: ...
    def bind(
        self,
        statement: PgStatement,
        portal: str,
        args: tuple[Any, ...],
        *,
        timeout: float | None = None,
    ) -> PgOperation: ...
    def execute_portal(
        self, statement: PgStatement, portal: str, limit: int, *, timeout: float | None = None
    ) -> PgOperation: ...
    def close_portal(self, portal: str, *, timeout: float | None = None) -> PgOperation: ...
    def close_statement(self, name: str, *, timeout: float | None = None) -> PgOperation: ...
    def copy_out(
        self, sql: str, *, timeout: float | None = None
    ) -> tuple[PgOperation, PgCopyOut]: ...
    def copy_in(
        self, sql: str, *, timeout: float | None = None
    ) -> tuple[PgOperation, PgCopyIn]: ...

class PgPool:
    """The connections of a pool, and who gets which."""

    def __init__(
        self,
        loop_: AbstractEventLoop,
        *,
        size_max: int,
        depth_max: int,
        pipelining: bool,
        wait_s_max: float | None = None,
    ) -> None: ...
    def set_growing(self, count: int, /) -> None: ...
    def set_growth_error(self, error: Exception | None, /) -> None: ...
    def set_on_demand(self, hook: Callable[[], Any] | None, /) -> None: ...
    def set_on_dirty(self, hook: Callable[[Any], Any] | None, /) -> None: ...
    def fail_first(self, error: BaseException) -> bool: ...
    def add(self, connection: PgConnection, item: Any, /, *, leased: bool = False) -> None: ...
    def remove(self, connection: PgConnection) -> None: ...
    def reserve(self, connection: PgConnection) -> bool: ...
    def query(
        self,
        sql: str,
        args: tuple[Any, ...],
        *,
        mode: int = 0,
        limit: int = 0,
        column: int | str | None = None,
        timeout: float | None = None,
    ) -> PgOperation: ...
    def acquire(self) -> PgOperation: ...
    def release(self, connection: PgConnection) -> None: ...
    def fail_waiting(self, error: BaseException) -> None: ...
    @property
    def size(self) -> int: ...
    @property
    def idle(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def lent(self) -> int: ...
