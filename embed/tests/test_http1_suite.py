"""The HTTP/1.1 suite, whose expectations others wrote, against the echo application."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_server import REPOSITORY

if TYPE_CHECKING:
    from conftest import Serve


def suites() -> Path:
    """Where the suites are: beside the repository unless FASTERAPI_SUITES says otherwise."""
    given = os.environ.get("FASTERAPI_SUITES")
    return Path(given) if given else REPOSITORY.parent / "shared" / "suites"


def test_every_case_passes_as_preferred(serve: Serve) -> None:
    """No failure of any level, and nothing that is merely allowed."""
    program = suites() / "http1" / "run.py"
    if not program.is_file():
        reason = f"there is no {program}: set FASTERAPI_SUITES to run the HTTP/1.1 suite"
        warnings.warn(reason, stacklevel=1)
        pytest.skip(reason)
    server = serve("echo")
    done = subprocess.run(
        [sys.executable, str(program), "127.0.0.1", str(server.port), "--echo", "-v"],
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(
        r"MUST failed 0, SHOULD/MAY failed 0, allowed but not preferred 0", done.stdout
    )
    assert found, done.stdout
    assert re.search(r"^\d+ passed, 0 failed$", done.stdout, re.MULTILINE), done.stdout
    assert "panicked" not in server.log
