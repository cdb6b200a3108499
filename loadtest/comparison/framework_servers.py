"""The frameworks of the comparison: each has an application for the rows and one for middleware."""

from comparison.servers import (
    FASTAPI_PACKAGES,
    PEER_APPS,
    PINS,
    Server,
    granian,
    script,
    uvicorn,
)

PLAIN = ("checked", "body", "dependencies", "models", "invalid", "upload")
# Robyn has no nested dependencies, and none that end after the handler.
ROBYN = ("checked", "body", "models", "invalid", "upload")
WRAPPED = ("middleware",)
FASTAPI = "framework_fastapi"
# What a framework answers to a request that does not validate is its own choice.
BAD_REQUEST = {"invalid": 400}


def fasterapi(name: str) -> tuple[str, ...]:
    """FasterAPI, with the very file that FastAPI runs."""
    target = f"{PEER_APPS / FASTAPI}.py:{name}"
    return ("{fasterapi}", "run", target, "--as-fastapi", "--port", "{port}", "--shards", "1")


def both(
    name: str,
    plain: tuple[str, ...],
    wrapped: tuple[str, ...],
    packages: tuple[str, ...],
    environment: dict[str, str] | None = None,
    statuses: dict[str, int] | None = None,
) -> tuple[Server, Server]:
    """The two applications of a framework, as a server each."""
    return (
        Server(name, plain, PLAIN, packages, environment or {}, statuses or {}),
        Server(name, wrapped, WRAPPED, packages, environment or {}, part="with middleware"),
    )


FRAMEWORK_SERVERS = (
    *both(
        "fasterapi",
        fasterapi("app"),
        fasterapi("wrapped"),
        ("pydantic",),
        # Where pydantic is installed.
        {"VIRTUAL_ENV": "{venv}"},
    ),
    *both(
        "FastAPI on uvicorn",
        uvicorn(f"{FASTAPI}:app"),
        uvicorn(f"{FASTAPI}:wrapped"),
        (*FASTAPI_PACKAGES, "uvicorn", "uvloop", "httptools"),
    ),
    *both(
        "FastAPI on granian",
        granian("asgi", f"{FASTAPI}:app"),
        granian("asgi", f"{FASTAPI}:wrapped"),
        (*FASTAPI_PACKAGES, "granian", "uvloop"),
    ),
    *both(
        "Litestar on uvicorn",
        uvicorn("framework_litestar:app"),
        uvicorn("framework_litestar:wrapped"),
        ("litestar", "uvicorn", "uvloop", "httptools"),
        statuses=BAD_REQUEST,
    ),
    *both(
        "Litestar on granian",
        granian("asgi", "framework_litestar:app"),
        granian("asgi", "framework_litestar:wrapped"),
        ("litestar", "granian", "uvloop"),
        statuses=BAD_REQUEST,
    ),
    *both(
        "BlackSheep on granian",
        granian("asgi", "framework_blacksheep:app"),
        granian("asgi", "framework_blacksheep:wrapped"),
        ("blacksheep", "pydantic", "orjson", "granian", "uvloop"),
        statuses=BAD_REQUEST,
    ),
    Server(
        "robyn",
        (
            *script("framework_robyn.py", "--processes", "1", "--workers", "1"),
            *("--log-level", "ERROR", "--disable-openapi"),
        ),
        ROBYN,
        ("robyn", "pydantic"),
        {"PORT": "{port}"},
        BAD_REQUEST,
    ),
    *both(
        "django-bolt",
        script("django_bolt_server.py", "{port}", "api"),
        script("django_bolt_server.py", "{port}", "wrapped"),
        ("msgspec", "django", "django-bolt"),
    ),
)

assert {package for server in FRAMEWORK_SERVERS for package in server.packages} <= set(PINS)
