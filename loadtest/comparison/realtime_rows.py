"""The realtime rows: what is sent over WebSockets and event streams, and what is looked at."""

from dataclasses import dataclass
from fnmatch import fnmatch

ECHO, BROADCAST, EVENTS, IDLE = "echo", "broadcast", "events", "idle"
SIZES = {"16": 16, "16k": 16 * 1024}
MEMBERS = 1_000


@dataclass(frozen=True)
class RealtimeRow:
    """One load, the same on every server that has the row."""

    name: str
    # A load of the binary `realtime`, and the path it connects to.
    kind: str
    path: str
    connections: int
    message_bytes: int
    has_deflate: bool = False
    # Messages that are published together.
    burst: int = 1
    # Processes of the server; each has the same number of the sockets.
    workers: int = 1


def echo(connections: int, size: str, has_deflate: bool) -> RealtimeRow:
    """One of the echo rows."""
    name = f"echo-{connections}-{size}{'-deflate' if has_deflate else ''}"
    return RealtimeRow(name, ECHO, "/echo", connections, SIZES[size], has_deflate)


PLAIN_ECHO_ROWS = tuple(echo(count, size, False) for count in (64, 1_000) for size in SIZES)
DEFLATE_ECHO_ROWS = tuple(echo(count, size, True) for count in (64, 1_000) for size in SIZES)

REALTIME_ROWS = (
    *PLAIN_ECHO_ROWS,
    *DEFLATE_ECHO_ROWS,
    RealtimeRow("broadcast-1", BROADCAST, "/room", MEMBERS, 64),
    RealtimeRow("broadcast-1-burst", BROADCAST, "/room", MEMBERS, 64, burst=8),
    RealtimeRow("broadcast-2", BROADCAST, "/room", MEMBERS, 64, workers=2),
    RealtimeRow("events", EVENTS, "/events", MEMBERS, 64),
    # `connections` may be fewer with --idle-connections.
    RealtimeRow("idle", IDLE, "/echo", 10_000, 100),
    RealtimeRow("idle-deflate", IDLE, "/echo", 10_000, 100, has_deflate=True),
)
GROUPS = ("realtime", "all")


def selected(patterns: str) -> list[RealtimeRow]:
    """The rows that are asked for, by name or group."""
    wanted = patterns.split(",")
    if not set(wanted).isdisjoint(GROUPS):
        return list(REALTIME_ROWS)
    return [row for row in REALTIME_ROWS if any(fnmatch(row.name, one) for one in wanted)]
