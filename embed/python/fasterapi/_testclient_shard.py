"""A Rust shard within the test's own process, and connections to it."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import threading
import warnings
import weakref

from fasterapi._snapshot import snapshot_of
from fasterapi._testclient_portal import Portal, PortalPool

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextvars import Context
    from typing import Any

    from fasterapi.applications import FasterAPI

    Origin = tuple[str, str, int]  # scheme, host and port
    OnEnd = Callable[[list[BaseException]], object]

__all__ = ["Connection", "LocalServer", "can_serve", "native_portals"]

SERVERS_MAX = 8
"""How many clients outside of a ``with`` block keep their reactor at one time."""

_connection_ids = itertools.count(1)


class NativePortal(Portal):
    """A portal whose loop runs around a reactor of Rust's."""

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Make the loop; raises ``OSError`` where the kernel gives no io_uring."""
        from fasterapi._serve import new_event_loop

        return new_event_loop()

    def is_tidy(self) -> bool:
        """Also whether nothing is kept in channels, or was published in any."""
        return super().is_tidy() and not self.call(_has_used_channels)

    def after_loop(self) -> None:
        """End the reactor."""
        from fasterapi import _core

        _core.uninstall_loop()


async def _has_used_channels() -> bool:
    from fasterapi import _core

    channels = _core.current_channels()
    return channels is not None and any(channels.stats().values())


native_portals = PortalPool(NativePortal)
_verdict: list[bool] = []


def can_serve(app: object) -> bool:
    """Whether requests to ``app`` can go through Rust here.

    It takes an application of ours, the Rust module, and a kernel that gives
    io_uring; where only the last is missing, a warning says so, once.
    """
    from fasterapi.applications import FasterAPI

    if not isinstance(app, FasterAPI):
        return False
    own = type(app).__mro__[: type(app).__mro__.index(FasterAPI)]
    if any("__call__" in vars(cls) for cls in own):
        return False  # it has its own way with ASGI
    if not _verdict:
        _verdict.append(_has_reactor())
    return _verdict[0]


def _has_reactor() -> bool:
    try:
        from fasterapi._core import LocalShard  # noqa: F401 -- is it there?
    except ImportError:
        return False
    try:
        native_portals.give_back(native_portals.take())
    except OSError as error:
        warnings.warn(
            f"TestClient calls applications through ASGI, not through the server's Rust: {error}",
            RuntimeWarning,
            stacklevel=5,
        )
        return False
    return True


class Connection:
    """The client's end of one connection to a shard."""

    __slots__ = ("_shard", "id", "origin", "socket")

    def __init__(self, end: socket.socket, id_: int, origin: Origin, shard: Any) -> None:
        """``shard`` serves the other end."""
        self.socket = end
        self.id = id_
        self.origin = origin
        self._shard = shard

    def expect(self, context: Context, on_end: OnEnd) -> None:
        """Say who sends the next request, and whom to tell when all of it has ended."""
        self._shard.expect(self.id, context, on_end)

    def forget(self) -> bool:
        """Take ``expect`` back; false when the application has been called."""
        taken: bool = self._shard.forget(self.id)
        return taken

    def is_open(self) -> bool:
        """Whether the server has not closed it. Bytes that nobody asked for count as that."""
        return not select.select([self.socket], [], [], 0)[0]

    def close(self) -> None:
        """Close this end, which cancels what the server still does for it."""
        self.socket.close()


class LocalServer:
    """Serves one application to one client; started by the first connection.

    The plan that Rust serves by is made anew when the application has changed since.
    """

    def __init__(
        self, app: FasterAPI, root_path: str, client: tuple[str, int], state: dict[str, Any]
    ) -> None:
        """``state`` is the lifespan's; nothing runs yet."""
        self.app = app
        self._state = state
        self._root_path = root_path
        self._client = client
        self._lock = threading.RLock()
        self._idle: list[Connection] = []
        self._portal: Portal | None = None
        self._own_portal = False
        self._shard: Any = None
        self._snapshot: list[Any] | None = None
        self._busy = 0

    def sibling(self) -> LocalServer:
        """Another server of the same application."""
        return LocalServer(self.app, self._root_path, self._client, self._state)

    def use(self, portal: Portal | None) -> None:
        """Serve on ``portal`` from now on; ``None``: on one that the server takes itself."""
        self.close()
        with self._lock:
            self._portal = portal

    def connect(self, origin: Origin) -> Connection:
        """A connection on which the application believes to be at ``origin``.

        Raises what compiling the application raises.
        """
        with self._lock:
            self._busy += 1
            try:
                self._start()
                for at in range(len(self._idle) - 1, -1, -1):
                    if self._idle[at].origin == origin:
                        connection = self._idle.pop(at)
                        if connection.is_open():
                            return connection
                        connection.close()
                return self._open(origin)
            except BaseException:
                self._busy -= 1
                raise

    def give_back(self, connection: Connection, *, keep: bool) -> None:
        """End the use of ``connection``; ``keep`` it for other requests."""
        with self._lock:
            self._busy -= 1
            if keep and connection._shard is self._shard:
                self._idle.append(connection)
                return
        connection.close()

    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self._busy == 0

    def stop(self) -> None:
        """Forget the shard and its connections; the next connection makes another."""
        with self._lock:
            self._close_shard()

    def close(self) -> None:
        """Stop serving, and give an own portal back; the next connection starts again."""
        self.stop()
        with self._lock:
            portal, self._portal = self._portal, None
            own, self._own_portal = self._own_portal, False
        if portal is not None and own:
            native_portals.give_back(portal)

    def _start(self) -> None:
        snapshot = snapshot_of(self.app)
        if self._shard is not None and snapshot == self._snapshot:
            return
        self._close_shard()
        if self._portal is None:
            self._portal = native_portals.take()
            self._own_portal = True
            _residents.enter(self)
        root_path = self.app.root_path or self._root_path
        self._shard = self._portal.call(_make_shard, self.app, root_path, self._state)
        self._snapshot = snapshot

    def _close_shard(self) -> None:
        shard, self._shard = self._shard, None
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        if shard is not None and self._portal is not None:
            with contextlib.suppress(RuntimeError):  # its loop has ended, and it with that
                self._portal.loop.call_soon_threadsafe(shard.close)

    def _open(self, origin: Origin) -> Connection:
        scheme, host, port = origin
        assert self._portal is not None
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        connection = Connection(ours, next(_connection_ids), origin, self._shard)
        self._portal.loop.call_soon_threadsafe(
            self._shard.adopt, theirs.detach(), connection.id, scheme, self._client, (host, port)
        )
        return connection


class _Residents:
    """The servers that hold a portal of their own: the longest unused one makes room."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: list[weakref.ref[LocalServer]] = []

    def enter(self, server: LocalServer) -> None:
        with self._lock:
            known = [ref for ref in self._servers if ref() not in (None, server)]
            known.append(weakref.ref(server))
            surplus = len(known) - SERVERS_MAX
            leaving = [ref for ref in known if surplus > 0 and _is_idle(ref())][: max(surplus, 0)]
            self._servers = [ref for ref in known if ref not in leaving]
        for ref in leaving:
            resident = ref()
            if resident is not None:
                resident.close()


_residents = _Residents()


def _is_idle(server: LocalServer | None) -> bool:
    return server is None or server.is_idle()


async def _make_shard(app: FasterAPI, root_path: str, state: dict[str, Any]) -> Any:
    from fasterapi import _core

    return _core.LocalShard(app, root_path=root_path, state=state)
