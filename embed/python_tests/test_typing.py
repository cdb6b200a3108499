"""What a user writes passes a strict type checker, with the types that one expects."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
USER_APP = ROOT / "embed" / "tests" / "typing" / "user_app.py"
EXAMPLES = ROOT / "examples"
MYPY_TIMEOUT_S = 300


def check(tmp_path_factory, *paths):
    """What mypy says about some files that use the package."""
    pytest.importorskip("mypy")
    pytest.importorskip("pydantic")
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", sys.executable]
    command += ["--config-file", str(write_settings(tmp_path_factory)), *map(str, paths)]
    done = subprocess.run(
        command, cwd=EXAMPLES, capture_output=True, text=True, timeout=MYPY_TIMEOUT_S, check=False
    )
    return done.stdout + done.stderr


def write_settings(tmp_path_factory):
    """Settings of the user's, not this repository's; both tests share the cache."""
    folder = tmp_path_factory.getbasetemp()
    settings = folder / "mypy.ini"
    package = ROOT / "embed" / "python"
    settings.write_text(
        f"[mypy]\ncache_dir = {folder / 'mypy'}\nmypy_path = {package}\n"
        # As an installed package is: its types count, its own errors are not the user's.
        "[mypy-fasterapi.*]\nfollow_imports = silent\n"
    )
    return settings


def test_a_users_application(tmp_path_factory):
    assert "Success" in (said := check(tmp_path_factory, USER_APP)), said


def test_the_examples(tmp_path_factory):
    said = check(tmp_path_factory, "crud.py", "uploads.py", "accounts")
    assert "Success" in said, said
