"""The Python package: what `pip install .` puts into a virtual environment.

`make test` installs it, and names its command in FASTERAPI_BIN and its wheel's folder in
FASTERAPI_DIST.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_server import REPOSITORY, binary, clean_environment, run_to_end, wait_until

if TYPE_CHECKING:
    from conftest import Serve

DIST = Path(os.environ.get("FASTERAPI_DIST", "not given"))
pytestmark = pytest.mark.skipif(not DIST.is_dir(), reason="FASTERAPI_DIST is not given")

EXAMPLES = REPOSITORY / "examples"

SLOW = """
import asyncio, os, signal, sys
from fasterapi import FasterAPI

app = FasterAPI()


@app.get("/slow")
async def slow():
    print("slow began", flush=True)
    await asyncio.sleep(60)


@app.get("/process")
async def process():
    return {
        "argv": sys.orig_argv,
        "prefix": sys.prefix,
        "path": sys.path,
        "sigint": str(signal.getsignal(signal.SIGINT)),
    }
"""


def python(*arguments: str) -> str:
    """What the environment's own Python prints."""
    done = subprocess.run(
        [str(binary().parent / "python"), *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
        cwd="/",
    )
    return done.stdout.strip()


def test_the_package_is_importable_and_typed() -> None:
    """In an ordinary Python, whose own program holds libpython."""
    assert python("-c", "import fasterapi; print(fasterapi.__version__)") == "0.1.0"
    origin = Path(python("-c", "from fasterapi import _core; print(_core.__file__)"))
    assert origin.suffix == ".so"
    names = {path.name for path in origin.parent.iterdir()}
    assert {"py.typed", "_core.pyi", "__init__.py"} <= names
    linked = subprocess.run(["ldd", origin], capture_output=True, text=True, check=True).stdout
    assert "libpython" not in linked
    version = run_to_end("--version").stdout.split()
    assert version == ["fasterapi", "0.1.0"]
    assert python("-m", "fasterapi", "--version").split() == version


def is_source(path: Path) -> bool:
    """A module, or the types of one that is Rust."""
    return path.suffix in (".py", ".pyi")


def test_the_wheel_holds_the_package_and_its_licence() -> None:
    """And nothing of the tests."""
    (wheel,) = DIST.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    package = REPOSITORY / "embed/python/fasterapi"
    sources = {str(path.relative_to(package)) for path in package.rglob("*.py*") if is_source(path)}
    # Those of the documentation pages, if they could be fetched.
    assets = {f"openapi/_assets/{path.name}" for path in package.glob("openapi/_assets/*")}
    packed = {name.removeprefix("fasterapi/") for name in names if name.startswith("fasterapi/")}
    expected = sources | assets | {"py.typed"}
    assert expected == {name for name in packed if not name.endswith(".so")}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    others = {name.split("/")[0] for name in names} - {"fasterapi"}
    assert all(name.endswith(".dist-info") for name in others), others


def test_the_source_archive_holds_all_that_is_built(tmp_path: Path) -> None:
    """The crates that the extension needs, the package, the lock file and the licence."""
    subprocess.run(
        [sys.executable, "-m", "maturin", "sdist", "--out", tmp_path],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    needed = {"Cargo.lock", "Cargo.toml", "LICENSE", "pyproject.toml", "embed/build.rs"}
    needed |= {f"{crate}/src/lib.rs" for crate in ("protocols", "runtime", "embed")}
    needed |= {"embed/python/fasterapi/__init__.py", "embed/python/fasterapi/py.typed"}
    assert needed <= names, needed - names


def test_sqlalchemy_finds_the_dialect() -> None:
    """By the name in a URL."""
    code = "from importlib import metadata as m; print(m.entry_points(group='sqlalchemy.dialects'))"
    found = python("-c", code)
    assert "postgresql.fasterapi" in found
    assert "fasterapi.pg.sqlalchemy:Dialect" in found


def test_it_serves_and_its_shards_are_python_processes(serve: Serve) -> None:
    """With the options of the Python that was started, and no more on `sys.path`."""
    server = serve(SLOW, shards=2)
    process = server.get("/process").json()
    assert process["argv"][1:] == ["-P", "-m", "fasterapi", "shard"]
    assert process["prefix"] == str(binary().parent.parent)
    assert process["sigint"] == "0"
    assert len(server.shard_pids) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_ends_it_quietly(serve: Serve, number: signal.Signals) -> None:
    """Sent to every process, as the terminal does."""
    server = serve("hello:app", cwd=EXAMPLES, shards=2)
    assert server.get("/").status_code == 200
    os.killpg(server.pid, number)
    assert server.wait_end(8.0) == 0
    assert "Traceback" not in server.log
    assert "KeyboardInterrupt" not in server.log


def test_two_interrupts_end_it_at_once(serve: Serve) -> None:
    """Although an answer is not finished."""
    server = serve(SLOW, drain_timeout_s=20.0, exit_code=None)
    with server.connect() as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_log("slow began")
        os.killpg(server.pid, signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            server.wait_end(0.5)
        os.killpg(server.pid, signal.SIGINT)
        server.wait_end(5.0)
    wait_until(lambda: not server.leftovers())
    assert "Traceback" not in server.log
    assert "KeyboardInterrupt" not in server.log
