"""The console script of the pip form: everything is decided in Rust."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``fasterapi`` with this process's arguments and exit with its code."""
    from fasterapi._core import main as run_command

    sys.exit(run_command(sys.argv))
