"""The servers of the realtime rows, and what must be said beside their figures."""

from comparison.realtime_rows import DEFLATE_ECHO_ROWS, PLAIN_ECHO_ROWS
from comparison.servers import (
    APPS,
    FASTAPI_PACKAGES,
    PEER_APPS,
    PINS,
    Server,
    granian,
    script,
    uvicorn,
)

ECHO = tuple(row.name for row in PLAIN_ECHO_ROWS)
DEFLATE = tuple(row.name for row in DEFLATE_ECHO_ROWS)
BROADCAST = ("broadcast-1", "broadcast-1-burst")
UVICORN_PACKAGES = ("uvicorn", "uvloop", "httptools", "websockets")

NOTES = """\
- granian, gunicorn and robyn have no permessage-deflate and are missing in those rows.
- The client never repeats a message within a compressor's window, and compresses each on its own.
- A broadcast is posted to the server; the next one follows when everybody has got it (`burst`:
  8 at once, the next 8 when everybody has got them all). The peers loop over a set of connections
  in Python, but socketify and robyn have a publish of their own.
- On two workers both share the one core. FasterAPI's shards know each other; the peers' workers
  relay through Unix datagram sockets in Python, cheaper than any broker they would really use.
- `events`: FasterAPI with `app.channels.subscribe` in a handler, with `sse.join`, and with a
  handler that yields, which is FastAPI's way; FastAPI and Starlette with a queue per subscriber.
- Idle: a fresh server each time; every socket has sent and received one message of 100 bytes.
  Pages are counted, those of several processes by their share (PSS)."""


def fasterapi(shards: int) -> tuple[str, ...]:
    """FasterAPI with the realtime application."""
    target = f"{APPS / 'realtime_app.py'}:app"
    return ("{fasterapi}", "run", target, "--port", "{port}", "--shards", str(shards))


def room(name: str) -> dict[str, str]:
    """Where the workers of a server that has no broker of its own find each other."""
    return {"ROOM": f"{{room}}/{name}"}


def gunicorn(workers: int) -> tuple[str, ...]:
    """Gunicorn with its own ASGI worker."""
    return (
        *("{bin}/gunicorn", "--worker-class", "asgi", "--workers", str(workers)),
        *("--worker-connections", "20000", "--bind", "127.0.0.1:{port}"),
        *("--log-level", "warning"),
        *("--chdir", str(PEER_APPS), "realtime_asgi:app"),
    )


def ours(rows: tuple[str, ...], part: str = "", path: str = "", shards: int = 1) -> Server:
    """One of FasterAPI's ways; a part that has a path of its own has a line of its own too."""
    return Server(
        f"fasterapi {part}" if path else "fasterapi",
        fasterapi(shards),
        rows,
        ("pydantic",),
        # Where pydantic is installed.
        {"VIRTUAL_ENV": "{venv}"},
        paths={"events": path} if path else {},
        part="" if path else part,
    )


REALTIME_SERVERS = (
    ours((*ECHO, *DEFLATE, *BROADCAST, "events", "idle", "idle-deflate")),
    ours(("broadcast-2",), "two shards", shards=2),
    ours(("events",), "sse.join", "/joined"),
    ours(("events",), "yield", "/yielded"),
    Server(
        "uvicorn ASGI",
        uvicorn("realtime_asgi:app", websockets=True),
        (*ECHO, *DEFLATE, *BROADCAST, "idle", "idle-deflate"),
        UVICORN_PACKAGES,
    ),
    Server(
        "uvicorn ASGI",
        uvicorn("realtime_asgi:app", workers=2, websockets=True),
        ("broadcast-2",),
        UVICORN_PACKAGES,
        room("uvicorn"),
        part="two workers",
    ),
    Server(
        "FastAPI on uvicorn",
        uvicorn("realtime_fastapi:app", websockets=True),
        (*ECHO, *DEFLATE, "events"),
        (*FASTAPI_PACKAGES, *UVICORN_PACKAGES),
    ),
    Server(
        "Starlette on uvicorn",
        uvicorn("realtime_starlette:app"),
        ("events",),
        (*FASTAPI_PACKAGES, *UVICORN_PACKAGES),
    ),
    Server(
        "granian RSGI",
        granian("rsgi", "realtime_rsgi:app", websockets=True),
        (*ECHO, *BROADCAST, "idle"),
        ("granian", "uvloop"),
    ),
    Server(
        "granian RSGI",
        granian("rsgi", "realtime_rsgi:app", workers=2, websockets=True),
        ("broadcast-2",),
        ("granian", "uvloop"),
        room("granian"),
        part="two workers",
    ),
    Server(
        "granian ASGI",
        granian("asgi", "realtime_asgi:app", websockets=True),
        (*ECHO, "idle"),
        ("granian", "uvloop"),
    ),
    Server("gunicorn ASGI", gunicorn(1), BROADCAST, ("gunicorn", "uvloop")),
    Server(
        "gunicorn ASGI",
        gunicorn(2),
        ("broadcast-2",),
        ("gunicorn", "uvloop"),
        room("gunicorn"),
        part="two workers",
    ),
    Server(
        "socketify",
        script("realtime_socketify.py", "{port}"),
        (*ECHO, *DEFLATE, *BROADCAST, "idle", "idle-deflate"),
        ("socketify",),
    ),
    Server(
        "robyn",
        (
            *script("realtime_robyn.py", "--processes", "1", "--workers", "1"),
            *("--log-level", "ERROR", "--disable-openapi"),
        ),
        (*ECHO, *BROADCAST),
        ("robyn",),
        {"PORT": "{port}"},
    ),
)

assert {package for server in REALTIME_SERVERS for package in server.packages} <= set(PINS)
