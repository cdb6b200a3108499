"""The console script of the pip form: everything is decided in Rust."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run ``fasterapi`` with this process's arguments and exit with its code."""
    # Rust takes the signals. Python's own handler would turn the first Ctrl-C into a
    # KeyboardInterrupt as soon as Python code runs again.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from fasterapi._core import main as run_command

    code = run_command(sys.argv)
    if sys.argv[1:2] == ["shard"]:
        # Rust has run the exit functions and flushed the streams: threads that block in the
        # application's code would keep the interpreter from ending.
        os._exit(code)
    sys.exit(code)
