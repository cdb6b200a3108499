"""Removes a PostgreSQL cluster: its processes, its shared memory, its folder.

Needs nothing but the standard library: it runs when the process that made the cluster is gone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

# How long the server has to end by itself after SIGQUIT, and its folder to be gone.
END_TIMEOUT_S = 3.0


def processes_in(folder: Path) -> list[int]:
    """Every process that works below the folder: PostgreSQL's all do in their data folder."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if Path(os.readlink(f"/proc/{entry}/cwd")).is_relative_to(folder):
                    found.append(int(entry))
    return found


def send(pids: list[int], number: int) -> None:
    """A signal to each that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_gone(folder: Path) -> bool:
    """Whether nobody works in the folder any more, within the time."""
    deadline = time.monotonic() + END_TIMEOUT_S
    while processes_in(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def remove(folder: Path) -> None:
    """End the servers whose data folders are in the folder, and delete it."""
    pid_files = list(folder.glob("*/postmaster.pid"))
    for pid_file in pid_files:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(pid_file.read_text().split()[0])
            if pid in processes_in(folder):
                os.kill(pid, signal.SIGQUIT)
    # One that is paused sees no signal but these two.
    send(processes_in(folder), signal.SIGCONT)
    if not wait_gone(folder):
        send(processes_in(folder), signal.SIGKILL)
        wait_gone(folder)
    for pid_file in pid_files:
        with contextlib.suppress(OSError, ValueError, IndexError):
            # A killed server leaves a few bytes of System V memory; the seventh line has the id.
            memory = pid_file.read_text().splitlines()[6].split()[1]
            subprocess.run(["ipcrm", "-m", memory], check=False, stderr=subprocess.DEVNULL)
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
