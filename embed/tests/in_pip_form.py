"""Runs a file of tests in the Python that the pip form was installed into.

Only there the Rust module is in the test's own process. What such a test imports beside the
package comes from this Python, which is of the same version.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_server import binary, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

DIST = Path(os.environ.get("FASTERAPI_DIST", "not given"))
# Runs in the pip form's Python only, or stands for its run there.
HAS_PIP_FORM = DIST.is_dir()
TIMEOUT_S = 240


def run_in_pip_form(file: str, more: Mapping[str, str] | None = None) -> None:
    """Run the tests of ``file``, with more in the environment; fails when one fails."""
    # pytest lies among all the others.
    packages = Path(pytest.__file__).resolve().parents[1]
    environment = clean_environment() | {"PYTHONPATH": str(packages)} | dict(more or {})
    # Not this repository's settings, which put the package's source first.
    command = [str(binary().parent / "python"), "-m", "pytest", "-q", "--noconftest"]
    command += ["-c", os.devnull, "-p", "no:cacheprovider", file]
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd="/",
        timeout=TIMEOUT_S,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "passed" in ran.stdout
