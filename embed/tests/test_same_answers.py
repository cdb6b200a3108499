"""The same answers on every way: called by Rust, composed, through middleware, over ASGI.

The applications and their requests are in ``apps/same_*.py``. What is compared with is
our own ASGI interface, which has one way for everything; where FastAPI itself is
installed, in the version whose interface we have, its answers are compared too.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import types
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

try:
    from fasterapi import _core
except ImportError:
    HERE = False
else:
    HERE = hasattr(_core, "LocalShard")

here = pytest.mark.skipif(not HERE, reason="this Python has no fasterapi with a Rust module")
DIST = Path(os.environ.get("FASTERAPI_DIST", "not given"))
APPS = Path(__file__).parent / "apps"
NAMES = sorted(path.stem for path in APPS.glob("same_*.py"))
# The version whose interface ours is.
FASTAPI = "0.165.0"
# Fields that are the server's own, or that say what the others do.
OWN_FIELDS = frozenset(
    {"content-length", "date", "server", "connection", "keep-alive", "transfer-encoding"}
)
SHOWN_MAX = 40
# Where the ways still differ: the request's method, path or content has this in it.
KNOWN = (
    "URN:UUID:",  # Rust takes the prefix of a UUID in capitals
    "POST /float " + "9" * 100,  # JSON text: infinity; the parsed integer: an error
)

Request = tuple[str, str, Any, bytes]
Answer = tuple[Any, ...]


@pytest.mark.skipif(HERE, reason="the tests run in this Python")
@pytest.mark.skipif(not DIST.is_dir(), reason="FASTERAPI_DIST is not given")
@pytest.mark.seconds(300)
def test_in_the_pip_form() -> None:
    """With this Python's httpx and pytest, which are pure Python."""
    from live_server import binary, clean_environment

    found = importlib.util.find_spec("httpx2") or importlib.util.find_spec("httpx")
    if found is None or found.origin is None:
        pytest.skip("httpx is not installed")
    environment = clean_environment() | {"PYTHONPATH": str(Path(found.origin).parents[1])}
    command = [str(binary().parent / "python"), "-m", "pytest", "-q", "--noconftest"]
    ran = subprocess.run(
        [*command, "-c", os.devnull, "-p", "no:cacheprovider", __file__],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd="/",
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "passed" in ran.stdout


def load(name: str, package: str = "fasterapi") -> Any:
    """A new application of ``apps/name.py``, with the interface of ``package``."""
    text = (APPS / f"{name}.py").read_text().replace("from fasterapi", f"from {package}")
    module = types.ModuleType(f"{name}_with_{package}")
    sys.modules[module.__name__] = module
    exec(compile(text, f"{name}.py", "exec", dont_inherit=True), module.__dict__)
    return module


def answers(module: Any, client_class: Any, **options: Any) -> list[Answer]:
    """What the application answers to its requests, and what its functions noted."""
    client = client_class(module.app, raise_server_exceptions=False, **options)
    notes: list[str] = getattr(module, "NOTES", [])
    found = []
    with client:
        for method, path, fields, content in module.REQUESTS:
            notes.clear()
            response = client.request(
                method, path, headers=fields, content=content, follow_redirects=False
            )
            found.append(seen(response, notes))
    return found


def seen(response: Any, notes: list[str]) -> Answer:
    """What counts: status, header fields, body, and the order of what was called."""
    own_fields = OWN_FIELDS
    if response.request.method == "HEAD":  # what it says of the body is the answer
        own_fields -= {"content-length"}
    fields = sorted(
        (name.lower(), shown(name.lower(), value))
        for name, value in response.headers.multi_items()
        if name.lower() not in own_fields
    )
    content: Any = response.content
    kind = response.headers.get("content-type", "")
    if kind.endswith(("json", "jsonl")):
        lines = content.splitlines() if kind.endswith("l") else [content] if content else []
        content = [json.loads(line) for line in lines]
    return response.status_code, fields, content, list(notes)


def is_known(method: str, path: str, content: bytes) -> bool:
    """Whether the request is one of those that are answered differently."""
    text = f"{method} {path} {content.decode('latin-1')}"
    return any(part in text for part in KNOWN)


def shown(name: str, value: str) -> str:
    """A field's value without what differs on purpose."""
    if name == "location":
        return value.removeprefix("http://testserver")
    if name == "allow":  # HEAD and OPTIONS are answered without being asked for
        return ", ".join(sorted({*value.split(", ")} - {"HEAD", "OPTIONS"}))
    if name == "vary":  # in Python an answer that a function has passed on is a stream
        return value.removeprefix("Accept-Encoding, ")
    return value


def differences(requests: list[Request], ours: list[Answer], others: list[Answer]) -> list[str]:
    """A text for each request that was answered differently."""
    return [
        f"{method} {path[:100]} {fields} {content[:100]!r}\n  {our!r:.700}\n  {other!r:.700}"
        for (method, path, fields, content), our, other in zip(requests, ours, others, strict=True)
        # By their text, for NaN is not itself.
        if repr(our) != repr(other) and not is_known(method, path, content)
    ]


def assert_same(requests: list[Request], ours: list[Answer], others: list[Answer]) -> None:
    """With the first few differences."""
    found = differences(requests, ours, others)
    shown = "\n".join(found[:SHOWN_MAX])
    assert not found, f"{len(found)} of {len(ours)} differ:\n{shown}"


def is_documented(ours: Answer, fastapi: Answer) -> bool:
    """Whether we differ on purpose.

    What JSON cannot say is no error of the server's; what is wrong with a form is said
    in our words.
    """
    return (ours[0], fastapi[0]) in {(422, 500), (400, 400)}


def pass_through(module: Any) -> None:
    """Put a function that changes nothing around every request."""

    @module.app.middleware("http")
    async def middle(request: Any, call_next: Any) -> Any:
        return await call_next(request)


class PassThrough:
    """An ASGI middleware that changes nothing."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass everything on."""
        await self.app(scope, receive, send)


@cache
def answers_over_asgi(name: str, package: str = "fasterapi") -> list[Answer]:
    """What all others are compared with, found once."""
    from fasterapi.testclient import TestClient

    return answers(load(name, package), TestClient, asgi=True)


@here
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["rust", "chain", "asgi in rust"])
def test_as_over_asgi(name: str, way: str) -> None:
    """Whoever calls the handler."""
    from fasterapi.testclient import TestClient

    module = load(name)
    if way == "chain":
        pass_through(module)
    elif way == "asgi in rust":
        module.app.add_middleware(PassThrough)
    assert_same(module.REQUESTS, answers(module, TestClient), answers_over_asgi(name))


@here
@pytest.mark.parametrize("name", NAMES)
def test_as_fastapi(name: str) -> None:
    """FastAPI's own answers."""
    try:
        if version("fastapi") != FASTAPI:
            pytest.skip("another version of FastAPI is installed")
    except PackageNotFoundError:
        pytest.skip("FastAPI is not installed")
    compared = zip(
        load(name).REQUESTS,
        answers_over_asgi(name),
        answers_over_asgi(name, "fastapi"),
        strict=True,
    )
    found = [each for each in compared if not is_documented(each[1], each[2])]
    assert_same(*map(list, zip(*found, strict=True)))


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
