"""What the kernel tells of processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Process(NamedTuple):
    """A process as proc_pid_stat(5) has it."""

    pid: int
    state: str
    """One letter: Z only waits to be reaped, T is stopped by a signal."""
    parent: int
    session: int


def process(pid: int) -> Process | None:
    """The process ``pid``; ``None`` where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in brackets, may hold anything.
    state, parent, _, session, *_ = text.rpartition(")")[2].split()
    return Process(pid, state, int(parent), int(session))


def processes() -> Iterator[Process]:
    """All processes."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := process(int(name))) is not None:
            yield found


def is_running(pid: int) -> bool:
    """Whether there is such a process, other than one that only waits to be reaped."""
    found = process(pid)
    return found is not None and found.state not in {"Z", "X"}


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped the process."""
    found = process(pid)
    return found is not None and found.state == "T"


def children_of(pid: int) -> list[int]:
    """The processes that ``pid`` has started."""
    # Not its own list of them (proc_pid_children(5)): that leaves some out while others end.
    return [one.pid for one in processes() if one.parent == pid]


def session_members(session: int) -> list[int]:
    """The processes of a session."""
    return [one.pid for one in processes() if one.session == session]
