"""The binary stands on its own: whatever environment is active, wherever it lies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_server import (
    APPS,
    binary,
    clean_environment,
    own_virtual_environment,
    run_to_end,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Serve

PYTHON = """
import os
import sys

from fasterapi import FasterAPI
import fasterapi.applications

app = FasterAPI()


@app.get("/python")
async def python():
    return {
        "executable": sys.executable,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "path": sys.path,
        "version": list(sys.version_info[:2]),
        "package": repr(fasterapi.applications),
    }


@app.get("/multiprocessing")
def other_process():
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(os.getpid) != os.getpid()


@app.get("/traceback")
async def traceback():
    import traceback

    try:
        app.add_event_handler("never", print)
    except AssertionError:
        return traceback.format_exc()
"""

# Other environments' packages must not be seen: the binary carries its own.
DECOY = "raise RuntimeError('a decoy was imported')\n"


def is_binary() -> bool:
    """Whether the program under test is the binary, not the Python package's command."""
    return binary().read_bytes()[:4] == b"\x7fELF"


pytestmark = pytest.mark.skipif(
    not binary().is_file() or not is_binary(), reason="this is about the self-contained binary"
)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Path]:
    """Copies the binary to a folder; that copy is what serves from then on."""

    def copy(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        copy = Path(shutil.copy2(binary(), folder / "fasterapi"))
        monkeypatch.setenv("FASTERAPI_BIN", str(copy))
        return copy

    return copy


def test_without_an_environment_it_is_the_base_interpreter(serve: Serve) -> None:
    """Although it may have been built in a virtual environment."""
    answer = serve(PYTHON).get("/python").json()
    assert answer["prefix"] == answer["base_prefix"]
    assert answer["version"] == list(sys.version_info[:2]), "another Python than that of the tests"
    said = subprocess.run(
        [answer["executable"], "-c", "import sys; print(sys.prefix, sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
    )
    assert said.stdout.strip() == f"{answer['prefix']} {sys.version_info[:2]}"
    assert "<fasterapi>" in answer["package"]


def test_an_active_environment_is_used(serve: Serve) -> None:
    """As `python` itself would be in it, down to `sys.path`."""
    answer = serve(PYTHON, env=own_virtual_environment()).get("/python").json()
    assert answer["prefix"] == sys.prefix
    assert answer["executable"] == f"{sys.prefix}/bin/python"
    said = subprocess.run(
        [f"{sys.prefix}/bin/python", "-P", "-c", "import sys; print(sys.path)"],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
    )
    # The first is the application's folder.
    assert repr(answer["path"][1:]) == said.stdout.strip()


def test_other_processes_can_be_spawned(serve: Serve) -> None:
    """`sys.executable` is a Python, not this binary."""
    server = serve(PYTHON)
    assert server.get("/multiprocessing").json() is True
    assert server.stop() == 0
    # multiprocessing's own helper ends when it sees that the shard has ended.
    wait_until(lambda: not server.leftovers())


def test_an_environment_of_another_version_is_refused(tmp_path: Path) -> None:
    """In one sentence that says what to do."""
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.9.2\n")
    done = run_to_end(
        "run", "echo:app", "--port", "0", cwd=APPS, env={"VIRTUAL_ENV": str(tmp_path)}
    )
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert len(lines) == 1, done.stderr
    ours = ".".join(map(str, sys.version_info[:2]))
    assert f"has Python 3.9.2, but this fasterapi is built for Python {ours}" in lines[0]
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_no_environment_is_refused(tmp_path: Path) -> None:
    """So is one that was deleted."""
    env = {"VIRTUAL_ENV": str(tmp_path / "gone")}
    done = run_to_end("run", "echo:app", "--port", "0", cwd=APPS, env=env)
    assert done.returncode != 0
    assert "is no virtual environment" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_runs_from_any_folder(
    serve: Serve, copied: Callable[[Path], Path], tmp_path: Path
) -> None:
    """Without the repository, LD_LIBRARY_PATH or PATH."""
    copied(tmp_path)
    answer = serve(PYTHON, env={"LD_LIBRARY_PATH": "", "PATH": ""}).get("/python").json()
    assert answer["prefix"] == answer["base_prefix"]


def test_it_belongs_to_the_environment_it_lies_in(
    serve: Serve, copied: Callable[[Path], Path], tmp_path: Path
) -> None:
    """As the commands that pip installs do."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    copied(venv / "bin")
    answer = serve(PYTHON).get("/python").json()
    assert answer["prefix"] == str(venv)


def test_it_brings_its_own_package(serve: Serve, tmp_path: Path) -> None:
    """Whatever is called fasterapi elsewhere."""
    (tmp_path / "fasterapi").mkdir()
    (tmp_path / "fasterapi" / "__init__.py").write_text(DECOY)
    server = serve(PYTHON, env={"PYTHONPATH": str(tmp_path)})
    answer = server.get("/python").json()
    assert str(tmp_path) in answer["path"]


def test_tracebacks_show_the_lines_of_the_package(serve: Serve) -> None:
    """Although there are no files."""
    text = serve(PYTHON).get("/traceback").json()
    assert 'File "<fasterapi>/fasterapi.applications"' in text
    assert 'raise AssertionError(f"event {event_type!r}' in text


def test_it_links_to_what_the_system_has(copied: Callable[[Path], Path], tmp_path: Path) -> None:
    """The library is found by the path that is in the binary."""
    env = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    linked = subprocess.run(
        ["ldd", copied(tmp_path)], capture_output=True, text=True, check=True, env=env
    ).stdout
    assert "not found" not in linked
    assert "libpython3." in linked
