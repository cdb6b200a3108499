"""Running servers: one process group each, pinned to a core, stopped by its own id."""

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from comparison.row import Answer, Row
from comparison.rows import ROW_BY_NAME
from comparison.servers import Server

SERVER_CORE = "0"
LOADTEST_CORE = "1"
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 5.0
# Asked for at the start of a server whose first row is no plain request.
READY = Row("ready", "/ready")


class NotAvailable(Exception):
    """A server did not start, or answers otherwise than it should; the message says how."""


def free_port() -> int:
    """A port that is free now; it is taken a moment later, which is close enough here."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fetch(port: int, row: Row) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request(row.method, row.path, row.body or None, dict(row.headers))
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())
    finally:
        connection.close()


@dataclass
class Running:
    """A started server. Its process is the root of the tree that is measured."""

    server: Server
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, server: Server, places: Mapping[str, str], log: Path) -> Self:
        """Starts a server pinned to its core and waits until it answers."""
        port = free_port()
        values = {**places, "port": str(port)}
        command = [part.format_map(values) for part in server.command]
        extra = {name: value.format_map(values) for name, value in server.environment.items()}
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **extra}
        with log.open("wb") as output:
            # taskset replaces itself, so this process id is the server's.
            process = subprocess.Popen(
                ["taskset", "-c", SERVER_CORE, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        running = cls(server, port, process, log)
        try:
            running.wait_until_ready()
        except BaseException:
            running.stop()
            raise
        return running

    def wait_until_ready(self) -> None:
        """Returns when any request is answered, with whatever status."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise NotAvailable(f"exited at start: {self.last_log_line()}")
            try:
                fetch(self.port, ROW_BY_NAME.get(self.server.rows[0], READY))
                return
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
        raise NotAvailable(f"does not answer within {START_TIMEOUT_S:.0f} s")

    def check(self, row: Row) -> None:
        """Raises unless the server answers this row as every other server does."""
        try:
            answer = fetch(self.port, row)
        except (OSError, http.client.HTTPException) as error:
            raise NotAvailable(f"{row.path}: {error!r}") from error
        problem = row.problem(answer, self.status_of(row))
        if problem is not None:
            raise NotAvailable(f"{row.path}: {problem}")

    def status_of(self, row: Row) -> int:
        """The status that is right."""
        return self.server.statuses.get(row.name, row.status)

    def last_log_line(self) -> str:
        """The last thing the server said, for whoever wonders why it is missing."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else f"code {self.process.returncode}, no output"

    def signal(self, number: signal.Signals) -> None:
        """Signals the whole process group, workers included."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Lets the server run; outside it is stopped, so that idle it costs the others nothing."""
        self.signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.signal(signal.SIGSTOP)

    def stop(self) -> None:
        """Ends the server: asked first, killed when that does not help."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_TIMEOUT_S)
        # Some supervisors leave workers behind; the group is this server's alone.
        self.signal(signal.SIGKILL)
        self.process.wait()


class Fleet:
    """All servers that could be started, and why the others could not."""

    def __init__(self) -> None:
        self.running: list[Running] = []
        self.not_available: dict[str, str] = {}
        # What stands for `{bin}` and the like in the servers' commands.
        self.places: dict[str, str] = {}
        self._logs = tempfile.TemporaryDirectory(prefix="loadtest-")
        self._started = 0

    def start(self, server: Server) -> None:
        """Starts a server, or notes why it is not available."""
        try:
            running = self.start_another(server)
        except (NotAvailable, OSError) as error:
            self.lack(server.label, str(error))
            return
        self.running.append(running)

    def start_another(self, server: Server) -> Running:
        """Starts a server that the caller stops."""
        self._started += 1
        log = Path(self._logs.name) / f"{server.label.replace(' ', '-')}-{self._started}.log"
        return Running.start(server, self.places, log)

    def lack(self, name: str, why: str) -> None:
        """Notes what cannot be measured, and says so at once."""
        self.not_available[name] = why
        print(f"NOT AVAILABLE: {name}: {why}", flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for running in self.running:
            running.stop()
        self._logs.cleanup()
