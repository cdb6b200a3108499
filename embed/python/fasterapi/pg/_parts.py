"""What the parts of a connection share: its attributes, and what they call of each other."""

from __future__ import annotations

from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable
    from traceback import StackSummary

    from fasterapi._core import PgConnection, PgTypes, Record
    from fasterapi.pg._config import Address, ConnectParameters
    from fasterapi.pg._connect_config import ConnectionConfig
    from fasterapi.pg._deadline import Deadline
    from fasterapi.pg._introspect import Catalog
    from fasterapi.pg._listeners import Listener
    from fasterapi.pg._socket import Peer
    from fasterapi.pg._statements import Statement
    from fasterapi.pg.transaction import Transaction
    from fasterapi.pg.types import ServerVersion

__all__ = ["ConnectionParts"]


class ConnectionParts:
    """The state of a connection."""

    __slots__ = (
        "__weakref__",
        "_addr",
        "_by_class",
        "_cancelling",
        "_catalog",
        "_config",
        "_core",
        "_created_at",
        "_direct",
        "_is_given_up",
        "_is_tls",
        "_listeners",
        "_log_listeners",
        "_loop",
        "_on_end",
        "_owner",
        "_params",
        "_peer",
        "_proxy",
        "_query_loggers",
        "_record_class",
        "_releases",
        "_slow",
        "_stmts_to_close",
        "_termination_listeners",
        "_top_xact",
        "_types",
    )

    _addr: Address
    _by_class: dict[tuple[str, type[Record]], Statement]
    _cancelling: asyncio.Task[None] | None
    _catalog: Catalog
    _config: ConnectionConfig
    _core: PgConnection
    _created_at: StackSummary | None
    _direct: bool
    """Queries may go to the driver without a detour."""
    _is_given_up: bool
    """The begin or the end of a transaction was: it may be open, and nobody has left it so."""
    _is_tls: bool
    _listeners: dict[str, dict[Listener, None]]
    _log_listeners: dict[Listener, None]
    _loop: asyncio.AbstractEventLoop
    _on_end: Callable[[Any], None] | None
    _owner: Any
    """The pool, if it belongs to one."""
    _params: ConnectParameters
    _peer: Peer
    _proxy: Any
    _query_loggers: dict[Listener, None]
    _record_class: type[Record]
    _releases: int
    """How often it went back to the pool."""
    _slow: int
    """How many queries are on their way by the long path."""
    _stmts_to_close: set[Statement]
    _termination_listeners: dict[Listener, None]
    _top_xact: Transaction | None
    _types: PgTypes

    if TYPE_CHECKING:

        def _check_open(self) -> None: ...

        def is_closed(self) -> bool: ...

        def get_server_version(self) -> ServerVersion: ...

        def _unique_name(self, prefix: str) -> str: ...

        def _find_direct(self) -> None: ...

        def _timeout(self, timeout: float | None) -> float | None: ...

        def _drop_statements(self) -> None: ...

        def _drop_type_cache(self) -> None: ...

        def _drop_everywhere(self, *, types: bool) -> None: ...

        async def _ready(self, timeout_s: float | None) -> None: ...

        async def _learn(self, oids: Iterable[int], timeout: float | None) -> None: ...

        async def _fetch_script(self, sql: str) -> str: ...

        async def _logged(
            self,
            query: str,
            args: tuple[Any, ...],
            timeout: float | None,
            work: Awaitable[Any],
        ) -> Any: ...

        async def _watched(
            self,
            work: Awaitable[Any],
            query: str,
            args: tuple[Any, ...],
            timeout_s: float | None,
        ) -> Any: ...

        async def _get_statement(
            self,
            query: str,
            timeout: float | None,
            *,
            named: str | bool = False,
            use_cache: bool = True,
            record_class: type[Record] | None = None,
        ) -> Statement: ...

        async def _statement_for(
            self, query: str, deadline: Deadline, record_class: type[Record] | None
        ) -> Statement: ...
