"""The servers of the comparison: what to install, how to start each with one worker on one core."""

from dataclasses import dataclass, field
from pathlib import Path

YARDSTICK = "yardstick"
APPS = Path(__file__).resolve().parent.parent / "apps"
PEER_APPS = APPS / "peers"

# Pinned, so that a ratio means the same thing next month. uvloop stays at 0.22: robyn requires it,
# and uvicorn is about a fifth slower on 0.23.0.
PINS = {
    "granian": "2.8.7",
    "uvloop": "0.22.1",
    "uvicorn": "0.54.0",
    "httptools": "0.9.0",
    "websockets": "17.4",
    "gunicorn": "27.0.1",
    "pydantic": "2.14.3",
    "fastapi": "0.165.0",
    "python-multipart": "0.0.34",
    "fastpysgi": "0.6",
    "robyn": "0.88.0",
    "socketify": "0.0.31",
    "msgspec": "0.22.0",
    "litestar": "2.25.0",
    "orjson": "3.13.0",
    "blacksheep": "2.6.4",
    "django": "6.1.3",
    "django-bolt": "0.13.0",
    "asyncpg": "0.32.0",
    "psycopg": "3.3.9",
    "psycopg-binary": "3.3.9",
    "psycopg-pool": "3.3.3",
}
FASTAPI_PACKAGES = ("pydantic", "fastapi", "python-multipart")

ALL_ROWS = ("missing", "static-head", "str", "json", "params", "sleep", "thread")
ASYNC_ROWS = ("str", "json", "params", "sleep")
SYNC_ROWS = ("str", "json", "params")


@dataclass(frozen=True)
class Server:
    """One server. `{bin}`, `{port}` and the like in `command` are filled in when it starts."""

    name: str
    command: tuple[str, ...]
    rows: tuple[str, ...]
    packages: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    # Of rows that this server answers with another status than the others.
    statuses: dict[str, int] = field(default_factory=dict)
    # Of rows that this server has somewhere else than the others.
    paths: dict[str, str] = field(default_factory=dict)
    # Which part of a framework's rows, where one application does not serve them all.
    part: str = ""

    @property
    def label(self) -> str:
        """The name for people who look for a server that is missing."""
        return f"{self.name} {self.part}".strip()


def granian(
    interface: str, app: str, *, workers: int = 1, websockets: bool = False
) -> tuple[str, ...]:
    """Granian with one runtime thread in each worker."""
    return (
        *("{bin}/granian", "--interface", interface, "--port", "{port}"),
        *("--workers", str(workers), "--ws" if websockets else "--no-ws"),
        *("--loop", "uvloop", "--runtime-mode", "st", "--http", "1"),
        *("--http1-pipeline-flush", "--log-level", "warning", "--working-dir", str(PEER_APPS), app),
    )


def uvicorn(app: str, *, workers: int = 1, websockets: bool = False) -> tuple[str, ...]:
    """Uvicorn with its compiled loop and parser."""
    return (
        *("{bin}/uvicorn", "--port", "{port}", "--loop", "uvloop", "--http", "httptools"),
        *("--ws", "websockets-sansio" if websockets else "none", "--workers", str(workers)),
        *("--no-access-log", "--log-level", "warning", "--app-dir", str(PEER_APPS), app),
    )


def script(name: str, *arguments: str) -> tuple[str, ...]:
    """A peer that is started by a script of its own."""
    return ("{bin}/python", str(PEER_APPS / name), *arguments)


FASTERAPI_APP = f"{APPS / 'fasterapi_app.py'}:app"

SERVERS = (
    Server(YARDSTICK, ("{yardstick}", "--port", "{port}"), ("str",)),
    Server(
        "fasterapi",
        ("{fasterapi}", "run", FASTERAPI_APP, "--port", "{port}", "--shards", "1"),
        ALL_ROWS,
    ),
    Server("granian RSGI", granian("rsgi", "rsgi_app:app"), ASYNC_ROWS, ("granian", "uvloop")),
    Server("granian ASGI", granian("asgi", "asgi_app:app"), ASYNC_ROWS, ("granian", "uvloop")),
    Server(
        "uvicorn ASGI",
        uvicorn("asgi_app:app"),
        ASYNC_ROWS,
        ("uvicorn", "uvloop", "httptools"),
    ),
    Server(
        "FastAPI on uvicorn",
        uvicorn("fastapi_app:app"),
        (*ASYNC_ROWS, "thread"),
        (*FASTAPI_PACKAGES, "uvicorn", "uvloop", "httptools"),
    ),
    Server(
        "fastpysgi WSGI",
        script("fastpysgi_server.py", "wsgi", "{port}"),
        SYNC_ROWS,
        ("fastpysgi",),
    ),
    Server(
        "fastpysgi ASGI",
        script("fastpysgi_server.py", "asgi", "{port}"),
        ASYNC_ROWS,
        ("fastpysgi",),
    ),
    Server(
        "robyn",
        (
            *script("robyn_app.py", "--processes", "1", "--workers", "1"),
            *("--log-level", "ERROR", "--disable-openapi"),
        ),
        (*ASYNC_ROWS, "thread"),
        ("robyn",),
        {"PORT": "{port}"},
    ),
    Server("socketify", script("socketify_app.py", "{port}"), ASYNC_ROWS, ("socketify",)),
)
