"""Throwaway PostgreSQL clusters: made from a cached template, started as an ordinary user, removed.

A cluster lives in a folder of its own directly below the temporary folder (the path of a Unix
socket is at most 107 bytes long). A guardian process removes it even when the tests are killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

from postgres_certificates import make_certificates
from postgres_remains import wait_gone
from processes import children_of, is_stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
# Between picking a free port and listening on it somebody else may take it.
PORT_ATTEMPTS_MAX = 5

# Users by how each must prove who it is; see HBA. `trusting` needs no password.
SUPERUSER = "postgres"
PASSWORDS = {
    SUPERUSER: "super secret",
    "scram": "scram's s\u00e9cret",
    "md5": "md5 secret",
    "cleartext": "clear secret",
    "encrypted": "tls secret",
    "certified": "unused",
}
USERS = (*PASSWORDS, "trusting")

HBA = """
local   all trusting                    trust
local   all md5                         md5
local   all all                         scram-sha-256
host    all trusting     127.0.0.1/32   trust
host    all md5          127.0.0.1/32   md5
host    all cleartext    127.0.0.1/32   password
hostssl all encrypted    127.0.0.1/32   scram-sha-256
host    all encrypted    127.0.0.1/32   reject
hostssl all certified    127.0.0.1/32   cert
host    all certified    127.0.0.1/32   reject
host    all all          127.0.0.1/32   scram-sha-256
"""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "jit": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": 60,
    # Leaves nothing in /dev/shm when it is killed.
    "dynamic_shared_memory_type": "mmap",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "ssl": "on",
    "ssl_ca_file": "certificates/ca.crt",
    "ssl_cert_file": "certificates/server.crt",
    "ssl_key_file": "certificates/server.key",
}

# Waits until its standard input ends, which is when whoever holds the other end is gone, and then
# removes what is left. Runs on its own: only the standard library, no site packages.
GUARDIAN = """
import sys
sys.stdin.buffer.read()
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from postgres_remains import remove
remove(Path(sys.argv[2]))
"""


class NoPostgres(RuntimeError):
    """There is no server program here, or no way to run it."""


def find_programs() -> Path:
    """The folder of `postgres`, `initdb` and the rest; raises ``NoPostgres``."""
    candidates = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name)
    )
    if given := os.environ.get("FASTERAPI_POSTGRES_BIN"):
        candidates = [Path(given)]
    elif config := shutil.which("pg_config"):
        done = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        candidates.append(Path(done.stdout.strip()))
    for folder in candidates:
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            return folder
    raise NoPostgres("there is no PostgreSQL server: install Debian's postgresql")


def owner() -> pwd.struct_passwd | None:
    """Whom the server runs as, when these tests run as root (which it refuses to)."""
    if os.geteuid() != 0:
        return None
    if shutil.which("setpriv") is None:
        raise NoPostgres("PostgreSQL does not run as root, and there is no setpriv")
    return pwd.getpwnam("nobody")


def as_owner(*command: str | Path) -> list[str]:
    """The command, as an ordinary user."""
    text = [str(part) for part in command]
    if (user := owner()) is None:
        return text
    who = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return ["setpriv", *who, "--", *text]


def give_to_owner(folder: Path) -> None:
    """Hand a folder and all that is in it to whom the server runs as."""
    if user := owner():
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def environment() -> dict[str, str]:
    """The environment of these tests without what would point PostgreSQL's programs elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C.UTF-8"}


def run(*command: str | Path, cwd: Path, stdin: str = "") -> str:
    """What a program of PostgreSQL's prints; raises ``RuntimeError`` with it when it fails."""
    done = subprocess.run(
        as_owner(*command),
        cwd=cwd,
        env=environment(),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def literal(text: str) -> str:
    """An SQL string."""
    return "'" + text.replace("'", "''") + "'"


def roles() -> str:
    """One line of SQL for each user but the superuser, whom initdb makes."""
    lines = []
    for user, password in PASSWORDS.items():
        if user != SUPERUSER:
            method = "md5" if user == "md5" else "scram-sha-256"
            lines.append(f"SET password_encryption = '{method}'")
            lines.append(f"CREATE ROLE {user} LOGIN PASSWORD {literal(password)}")
    lines.append("CREATE ROLE trusting LOGIN SUPERUSER")
    lines.append("GRANT ALL ON DATABASE postgres TO PUBLIC")
    lines.append("GRANT ALL ON SCHEMA public TO PUBLIC")
    return "\n".join(lines) + "\n"


def make_template(programs: Path, place: Path) -> None:
    """Make a cluster with its users and certificates in the folder ``place``."""
    with tempfile.TemporaryDirectory(prefix="pg-template-") as name:
        folder = Path(name)
        (folder / "password").write_text(PASSWORDS[SUPERUSER])
        give_to_owner(folder)
        data = folder / "data"
        options = ["--username", SUPERUSER, "--pwfile", "password", "--auth", "scram-sha-256"]
        options += ["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--wal-segsize", "1"]
        run(programs / "initdb", "-D", data, *options, cwd=folder)
        with (data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
        (data / "pg_hba.conf").write_text(HBA)
        make_certificates(data / "certificates")
        give_to_owner(data)
        run(programs / "postgres", "--single", "-D", data, "postgres", cwd=folder, stdin=roles())
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        # Not a rename: the two may be on different file systems.
        subprocess.run(["cp", "-a", data, place], check=True, timeout=60)
        (place / "complete").touch()


def template(programs: Path) -> Path:
    """The template's folder; the first who asks makes it, the others wait for it."""
    version = subprocess.run(
        [programs / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    sources = [HERE / "postgres_cluster.py", HERE / "postgres_certificates.py"]
    text = version + str(os.geteuid()) + "".join(source.read_text() for source in sources)
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "postgres"
    target.mkdir(parents=True, exist_ok=True)
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / key / "complete").exists():
            for old in target.glob("????????????"):
                shutil.rmtree(old, ignore_errors=True)
            make_template(programs, target / key)
    return target / key


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def guard(folder: Path) -> subprocess.Popen[bytes]:
    """Start who removes the folder, and the servers in it, once its standard input is closed."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", GUARDIAN, str(HERE), str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


class Cluster:
    """One server with a data folder of its own. Not running until it is started."""

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        self.programs = find_programs()
        source = template(self.programs)
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.data = self.folder / "data"
        self.certificates = self.data / "certificates"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._guardian = guard(self.folder)
        subprocess.run(["cp", "-a", "--reflink=auto", source, self.data], check=True, timeout=60)
        self.folder.chmod(0o755)
        self.data.chmod(0o700)
        if user := owner():
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.configure(**(settings or {}))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def socket_folder(self) -> str:
        """What to give as host for the Unix socket."""
        return str(self.folder)

    @property
    def log(self) -> str:
        """All that the server has written so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def configure(self, **settings: Any) -> None:
        """Change settings; a running server sees them after ``reload`` or ``restart``."""
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def hba(self, *lines: str) -> None:
        """Put lines before those of pg_hba.conf; the template's alone, when there are none."""
        (self.data / "pg_hba.conf").write_text("\n".join(lines) + "\n" + HBA)

    def start(self) -> None:
        """Start the server, and wait until it answers. The port stays the same after a stop."""
        assert self.process is None or self.process.poll() is not None, "it runs already"
        first = self.process is None
        for attempt in range(PORT_ATTEMPTS_MAX):
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    as_owner(
                        *(self.programs / "postgres", "-D", self.data),
                        *("-p", str(self.port), "-k", self.folder),
                    ),
                    cwd=self.folder,
                    env=environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            if self._wait_ready():
                return
            if not first or attempt == PORT_ATTEMPTS_MAX - 1:
                break
            self.port = free_port()
        raise AssertionError(f"PostgreSQL does not start:\n{self.log}")

    def _wait_ready(self) -> bool:
        deadline = time.monotonic() + START_TIMEOUT_S
        pid_file = self.data / "postmaster.pid"
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                return False
            # The eighth line says how far it is (src/include/utils/pidfile.h).
            with contextlib.suppress(FileNotFoundError):
                lines = pid_file.read_text().splitlines()
                if len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready":
                    return True
            time.sleep(0.01)
        return False

    @property
    def pid(self) -> int:
        """The postmaster."""
        assert self.process is not None, "it was not started"
        return self.process.pid

    @property
    def pids(self) -> list[int]:
        """The postmaster and all it has started."""
        return [self.pid, *children_of(self.pid)]

    def send_signal(self, number: int) -> None:
        """Send a signal to every process of the server, the postmaster first."""
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def pause(self) -> None:
        """Stop every process: connections stay open, and nothing answers."""
        # First the one that starts others: what it has started by then can be counted.
        os.kill(self.pid, signal.SIGSTOP)
        self._wait_stopped([self.pid])
        self.send_signal(signal.SIGSTOP)
        self._wait_stopped(self.pids)

    @staticmethod
    def _wait_stopped(pids: list[int]) -> None:
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while not all(map(is_stopped, pids)):
            assert time.monotonic() < deadline, "not every process of the server has stopped"
            time.sleep(0.001)

    def resume(self) -> None:
        """Let a paused server go on."""
        self.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End every process with SIGKILL."""
        self.send_signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(STOP_TIMEOUT_S)
        assert wait_gone(self.folder), "killed processes are still there"

    def stop(self, how: int = signal.SIGINT) -> None:
        """Shut down: SIGINT ends the sessions, SIGTERM waits for them, SIGQUIT is immediate."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.pid, how)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def restart(self) -> None:
        """Stop and start on the same port."""
        self.stop()
        self.start()

    def reload(self) -> None:
        """Make the server read its settings and pg_hba.conf, and wait until it has."""
        before = self.log.count("received SIGHUP")
        os.kill(self.pid, signal.SIGHUP)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.log.count("received SIGHUP") == before:
            assert time.monotonic() < deadline, "the server does not reload"
            time.sleep(0.01)

    def sql(self, text: str, database: str = "postgres") -> str:
        """What psql prints for the statements, as the superuser ``trusting``."""
        done = subprocess.run(
            [
                *(self.programs / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.folder),
                *("-p", str(self.port), "-U", "trusting", "-d", database, "-f", "-"),
            ],
            env=environment(),
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    @contextlib.contextmanager
    def database(self, name: str = "test") -> Iterator[str]:
        """A new database; whoever is connected to it at the end is thrown out."""
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.sql(f'CREATE DATABASE "{name}"; GRANT ALL ON DATABASE "{name}" TO PUBLIC')
        self.sql("GRANT ALL ON SCHEMA public TO PUBLIC", name)
        try:
            yield name
        finally:
            if self.process is not None and self.process.poll() is None:
                self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def sessions(self, where: str = "backend_type = 'client backend'") -> int:
        """How many sessions there are, without the one that asks."""
        answer = self.sql(
            f"SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {where}"
        )
        return int(answer)

    def arguments(self, user: str = "scram", **more: Any) -> dict[str, Any]:
        """Arguments of ``connect``, over TCP unless ``host`` says otherwise."""
        known = {"host": "127.0.0.1", "port": self.port, "user": user, "database": "postgres"}
        if user in PASSWORDS:
            known["password"] = PASSWORDS[user]
        return known | more

    def dsn(self, user: str = "scram", database: str = "postgres", **parameters: str) -> str:
        """A URL with the password in it."""
        password = f":{quote(PASSWORDS[user], safe='')}" if user in PASSWORDS else ""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"postgresql://{user}{password}@127.0.0.1:{self.port}/{database}{query}"

    def close(self) -> None:
        """End and remove everything; returns when it is gone."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.pid, signal.SIGQUIT)
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()
        self._guardian.wait(STOP_TIMEOUT_S * 2)
        if self.process is not None:
            self.process.wait(STOP_TIMEOUT_S)


def main() -> int:
    """Run a command with a throwaway server, whose URL is in DATABASE_URL; gives its exit code."""
    if not sys.argv[1:]:
        sys.exit(f"usage: {sys.argv[0]} COMMAND...")
    with Cluster() as cluster:
        print(f"PostgreSQL: {cluster.dsn('trusting')}", file=sys.stderr)
        process = subprocess.Popen(
            sys.argv[1:], env=environment() | {"DATABASE_URL": cluster.dsn("trusting")}
        )
        # The command ends itself, as it would without us.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
