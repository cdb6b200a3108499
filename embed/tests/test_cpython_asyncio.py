"""CPython's own event loop tests, on the shard's loop.

They need the loop in an ordinary Python, so the pip form runs them, and only where the interpreter
ships its tests: Debian's does not.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from live_server import binary, clean_environment

pytestmark = pytest.mark.skipif(
    not Path(os.environ.get("FASTERAPI_DIST", "not given")).is_dir(),
    reason="FASTERAPI_DIST is not given",
)

PROGRAM = """
import unittest

try:
    from test.test_asyncio import test_events as events
    from test.test_asyncio import utils
except ImportError:
    raise SystemExit(77)

from fasterapi._serve import new_event_loop


class ShardLoopTests(
    events.UnixEventLoopTestsMixin,
    events.SubprocessTestsMixin,
    events.EventLoopTestsMixin,
    utils.TestCase,
):
    def create_event_loop(self):
        return new_event_loop()


unittest.main(argv=["asyncio"], verbosity=2)
"""

NOT_SHIPPED = 77


def test_cpython_s_event_loop_tests_pass() -> None:
    """Timers, threads, signals, sockets, TLS, pipes, ptys, datagrams and subprocesses."""
    ended = subprocess.run(
        [str(binary().parent / "python"), "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=180,
        env=clean_environment(),
        cwd="/tmp",
        check=False,
    )
    if ended.returncode == NOT_SHIPPED:
        pytest.skip("this Python does not ship test.test_asyncio")
    assert ended.returncode == 0, ended.stderr[-8000:]
    assert "Ran " in ended.stderr
