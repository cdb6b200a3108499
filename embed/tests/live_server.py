"""Starts the real binary, finds out where it listens, and ends it without leaving a trace."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from processes import children_of, is_running, session_members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
APPS = HERE / "apps"
# How much longer than on an idle machine anything may take: the others' tests run beside.
UNDER_LOAD = 4
START_TIMEOUT_S = 15.0
BANNER = re.compile(r"serves .* on (\S+) with \d+ shards?")


def binary() -> Path:
    """The program under test."""
    given = os.environ.get("FASTERAPI_BIN")
    return Path(given) if given else REPOSITORY / "target" / "debug" / "fasterapi"


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of this process without what would change the server, and ``extra``."""
    dropped = ("FASTERAPI_", "PYTHON", "VIRTUAL_ENV", "LISTEN_", "NOTIFY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, **(extra or {})}


def own_virtual_environment() -> dict[str, str]:
    """Makes the server run in the virtual environment that runs these tests."""
    if sys.prefix == sys.base_prefix:
        raise RuntimeError(
            "run pytest from a virtual environment of the Python that the binary was built for, "
            "with embed/tests/requirements.txt installed"
        )
    return {"VIRTUAL_ENV": sys.prefix}


def wait_until(condition: Callable[[], Any], timeout_s: float = 10.0, what: str = "") -> Any:
    """What ``condition`` gives once it is true.

    ``timeout_s`` is for an idle machine; after it and some more this raises ``AssertionError``.
    """
    timeout_s *= UNDER_LOAD
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or condition}")
        time.sleep(0.01)
    return value


def rss_bytes(pid: int) -> int:
    """The resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_descriptors(pid: int) -> int:
    """How many descriptors a process holds."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def run_to_end(
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 20.0,
) -> subprocess.CompletedProcess[str]:
    """Run the binary until it ends by itself; fails the test when it does not."""
    return subprocess.run(
        [str(binary()), *arguments],
        cwd=cwd,
        env=clean_environment(env),
        capture_output=True,
        text=True,
        timeout=timeout_s * UNDER_LOAD,
        check=False,
        stdin=subprocess.DEVNULL,
    )


class Server:
    """One running ``fasterapi run`` or ``fasterapi dev``."""

    def __init__(
        self,
        arguments: Iterable[str],
        log_path: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Iterable[int] = (),
        drain_timeout_s: float = 3.0,
        command: str = "run",
    ) -> None:
        self.arguments = list(arguments)
        self.log_path = log_path
        self.drain_timeout_s = drain_timeout_s
        self.url = ""
        self._told_to_end = False
        with log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [str(binary()), command, *self.arguments],
                cwd=cwd,
                env=clean_environment(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=tuple(pass_fds),
                # A session of its own, so that every process that stays behind can be found.
                start_new_session=True,
            )
        self.pid = self.process.pid

    @property
    def log(self) -> str:
        """All that the server has written so far."""
        return self.log_path.read_text(errors="replace")

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self.url.rpartition(":")[2])

    @property
    def shard_pids(self) -> list[int]:
        """The shard processes that live now."""
        return [pid for pid in children_of(self.pid) if is_running(pid)]

    @property
    def shard_pid(self) -> int:
        """The only shard's process."""
        (pid,) = self.shard_pids
        return pid

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait for the line that says where the server listens."""

        def banner() -> re.Match[str] | None:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.process.returncode}\n{self.log}")
            return BANNER.search(self.log)

        found: re.Match[str] = wait_until(banner, timeout_s, f"the server's banner in {self.log}")
        self.url = found[1]

    def wait_log(self, text: str, timeout_s: float = 5.0) -> None:
        """Wait until ``text`` is in the log."""
        wait_until(lambda: text in self.log, timeout_s, f"{text!r} in the log:\n{self.log}")

    def signal(self, number: int) -> None:
        """Send a signal to the supervisor."""
        self._told_to_end |= number in {signal.SIGTERM, signal.SIGINT}
        os.kill(self.pid, number)

    def client(self, **options: Any) -> httpx.Client:
        """An HTTP client for this server; it follows no redirects."""
        options.setdefault("timeout", 15.0 * UNDER_LOAD)
        return httpx.Client(base_url=self.url, trust_env=False, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """One GET on a connection of its own."""
        with self.client() as client:
            return client.get(path, **options)

    def connect(self, timeout_s: float = 10.0) -> socket.socket:
        """A plain connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def exchange(self, request: bytes, timeout_s: float = 10.0) -> bytes:
        """All that comes back for ``request`` until the server closes."""
        with self.connect(timeout_s) as connection:
            connection.sendall(request)
            return read_all(connection)

    def wait_end(self, timeout_s: float) -> int:
        """The exit code; raises ``subprocess.TimeoutExpired``."""
        return self.process.wait(timeout_s)

    def stop(self) -> int:
        """Ask the server to end; raises ``AssertionError`` when it does not in time."""
        if self.process.poll() is None and not self._told_to_end:
            self.signal(signal.SIGTERM)  # a second one would end it without draining
        try:
            return self.wait_end(self.drain_timeout_s + 5.0 * UNDER_LOAD)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end:\n{self.log}") from None

    def leftovers(self) -> list[int]:
        """The processes of this server's session that still run."""
        return [pid for pid in session_members(self.pid) if is_running(pid)]

    def kill(self) -> None:
        """End everything at once."""
        for pid in {self.pid, *session_members(self.pid)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(5.0 * UNDER_LOAD)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the peer closes."""
    received = bytearray()
    while chunk := connection.recv(65536):
        received += chunk
    return bytes(received)


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Everything up to and with ``end``, or up to the peer's close."""
    received = bytearray()
    while end not in received and (chunk := connection.recv(65536)):
        received += chunk
    return bytes(received)
