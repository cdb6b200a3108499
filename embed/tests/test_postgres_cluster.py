"""The throwaway clusters that the database tests use: what they promise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_server import wait_until
from postgres_cluster import HERE, PASSWORDS, environment
from postgres_remains import processes_in

if TYPE_CHECKING:
    from postgres_cluster import Cluster

IN_ANOTHER_PROCESS = """
import sys, time
from postgres_cluster import Cluster
with Cluster() as cluster:
    if sys.argv[1] == "paused":
        cluster.pause()
    print(cluster.folder, flush=True)
    time.sleep(60)
"""


def connect(cluster: Cluster, user: str, password: str | None, parameters: str) -> str:
    """What psql prints when it asks who it is over TCP, or how it fails."""
    more = {} if password is None else {"PGPASSWORD": password}
    target = f"host=127.0.0.1 port={cluster.port} user={user} dbname=postgres {parameters}"
    done = subprocess.run(
        [cluster.programs / "psql", "-XAtqw", "-c", "SELECT current_user", target],
        env=environment() | more,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize("user", [user for user in PASSWORDS if user != "certified"])
def test_every_user_needs_its_password(postgres: Cluster, user: str) -> None:
    """Over TLS, and not without it."""
    assert connect(postgres, user, PASSWORDS[user], "sslmode=require") == user
    assert "password" in connect(postgres, user, "wrong", "sslmode=require")
    assert "no password supplied" in connect(postgres, user, None, "sslmode=require")


def test_tls(postgres: Cluster) -> None:
    """A certificate that verifies, one that is revoked, and users that need TLS."""
    folder = postgres.certificates
    verified = f"sslmode=verify-full sslrootcert={folder}/ca.crt"
    assert connect(postgres, "trusting", None, verified) == "trusting"
    assert connect(postgres, "trusting", None, f"{verified} sslcrl={folder}/ca.crl") == "trusting"
    other = f"sslmode=verify-ca sslrootcert={folder}/other-ca.crt"
    assert "certificate verify failed" in connect(postgres, "trusting", None, other)
    plain = connect(postgres, "encrypted", PASSWORDS["encrypted"], "sslmode=disable")
    assert "rejects connection" in plain
    client = f"sslcert={folder}/certified.crt sslkey={folder}/certified.key"
    assert connect(postgres, "certified", None, f"sslmode=require {client}") == "certified"
    assert "certificate" in connect(postgres, "certified", None, "sslmode=require")


def test_revoked_certificate(own_postgres: Cluster) -> None:
    """The list names the second certificate of the server."""
    own_postgres.configure(
        ssl_cert_file="certificates/revoked.crt", ssl_key_file="certificates/revoked.key"
    )
    own_postgres.reload()
    folder = own_postgres.certificates
    verified = f"sslmode=verify-full sslrootcert={folder}/ca.crt"
    assert connect(own_postgres, "trusting", None, verified) == "trusting"
    refused = connect(own_postgres, "trusting", None, f"{verified} sslcrl={folder}/ca.crl")
    assert "certificate verify failed" in refused


def test_kill_pause_and_start_again(own_postgres: Cluster) -> None:
    """The same port and the same data after whatever happened."""
    own_postgres.sql("CREATE TABLE kept (value int); INSERT INTO kept VALUES (42); CHECKPOINT")
    own_postgres.kill()
    own_postgres.start()
    assert own_postgres.sql("SELECT value FROM kept") == "42"
    own_postgres.restart()
    own_postgres.pause()
    own_postgres.resume()
    assert own_postgres.sql("SELECT value FROM kept") == "42"


@pytest.mark.parametrize("state", ["running", "paused"])
def test_removed_when_the_tests_are_killed(state: str, postgres: Cluster) -> None:
    """SIGKILL leaves no time to clean up, yet nothing stays."""
    assert postgres.folder.is_dir()
    with subprocess.Popen(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, state],
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE,
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert len(processes_in(folder)) > 1
        os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not folder.exists(), 15, f"{folder} to be removed")
    assert not processes_in(folder)
