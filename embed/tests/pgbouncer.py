"""A PgBouncer in transaction mode in front of a cluster, as an ordinary user."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from postgres_cluster import (
    PASSWORDS,
    STOP_TIMEOUT_S,
    Cluster,
    as_owner,
    environment,
    free_port,
    give_to_owner,
    guard,
)

START_TIMEOUT_S = 10.0
# Sessions at the server for each user and database: fewer than the clients of the tests.
POOL_SIZE = 3
# Since this version it follows prepared statements from server to server.
PREPARES_SINCE = (1, 21)


def find_pgbouncer() -> str | None:
    """The program, which Debian keeps outside the path of ordinary users."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


def version() -> tuple[int, int]:
    """Major and minor."""
    program = find_pgbouncer()
    assert program is not None
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", text)
    assert found, text
    return int(found[1]), int(found[2])


class PgBouncer:
    """One process; its clients are let in with a password, as the cluster's are."""

    def __init__(self, cluster: Cluster, *, max_prepared_statements: int = 0) -> None:
        self.cluster = cluster
        self.folder = Path(tempfile.mkdtemp(prefix="pgb-"))
        self._guardian = guard(self.folder)
        self.port = free_port()
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": self.folder / "users",
            "pool_mode": "transaction",
            "default_pool_size": POOL_SIZE,
            "max_client_conn": 200,
            "logfile": self.folder / "log",
            "ignore_startup_parameters": "extra_float_digits,search_path,statement_timeout",
        }
        if max_prepared_statements:
            settings["max_prepared_statements"] = max_prepared_statements
        lines = ["[databases]", f"* = host=127.0.0.1 port={cluster.port}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        (self.folder / "ini").write_text("\n".join(lines) + "\n")
        users = [f'"{user}" "{password}"\n' for user, password in PASSWORDS.items()]
        (self.folder / "users").write_text("".join(users))
        give_to_owner(self.folder)
        program = find_pgbouncer()
        assert program is not None
        self.process = subprocess.Popen(
            as_owner(program, "-q", self.folder / "ini"),
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_TIMEOUT_S
        while "process up" not in self.log:
            assert self.process.poll() is None, f"PgBouncer ended:\n{self.log}"
            assert time.monotonic() < deadline, f"PgBouncer does not start:\n{self.log}"
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_TIMEOUT_S / 5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_TIMEOUT_S)
        self._guardian.communicate()

    @property
    def log(self) -> str:
        """All that it has written."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def arguments(self, user: str = "scram", **more: Any) -> dict[str, Any]:
        """Arguments of ``connect`` through it."""
        return self.cluster.arguments(user, port=self.port, **more)
