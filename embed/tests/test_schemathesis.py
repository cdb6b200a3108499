"""Schemathesis asks the examples all that their OpenAPI documents allow, and what they forbid."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from live_server import REPOSITORY, Server, clean_environment, own_virtual_environment

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Serve

EXAMPLES = REPOSITORY / "examples"
# The same requests in every run: a test that fails today failed because of today's change.
SEED = 20_261_122
EXAMPLES_PER_OPERATION_MAX = 8
REQUEST_TIMEOUT_S = 20
RUN_TIMEOUT_S = 300
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "use_after_free",
)
PASSWORD = "of the administrator"


def explore(server: Server, folder: Path, *options: str) -> None:
    """Runs schemathesis against the server's own document; fails with all that it found."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"]
    command += ["--checks", ",".join(CHECKS), "--seed", str(SEED), "--no-color", "--no-shrink"]
    command += ["--max-examples", str(EXAMPLES_PER_OPERATION_MAX), "--warnings", "off"]
    command += ["--request-timeout", str(REQUEST_TIMEOUT_S), "--generation-deterministic"]
    done = subprocess.run(
        [*command, *options],
        # It keeps its notes in the working directory.
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{server.log}"
    assert "No issues found" in done.stdout, done.stdout
    assert server.get("/openapi.json").status_code == 200
    assert "Traceback" not in server.log


@pytest.mark.seconds(RUN_TIMEOUT_S + 10)
def test_crud(serve: Serve, tmp_path: Path) -> None:
    """Models, a query model and problems that are documented."""
    env = own_virtual_environment() | {"BOOKS_DATABASE": str(tmp_path / "books.sqlite3")}
    explore(serve("crud:app", cwd=EXAMPLES, env=env), tmp_path)


@pytest.mark.seconds(RUN_TIMEOUT_S + 10)
def test_uploads(serve: Serve, tmp_path: Path) -> None:
    """Multipart forms, files and streams."""
    env = own_virtual_environment() | {"UPLOADS_FOLDER": str(tmp_path / "files")}
    explore(serve("uploads:app", cwd=EXAMPLES, env=env), tmp_path)


@pytest.mark.seconds(RUN_TIMEOUT_S + 10)
def test_accounts(serve: Serve, tmp_path: Path) -> None:
    """Everything the administrator may do, and that nobody may without a token."""
    env = own_virtual_environment() | {
        "ACCOUNTS_DATABASE": str(tmp_path / "accounts.sqlite3"),
        "ACCOUNTS_ADMINISTRATOR_PASSWORD": PASSWORD,
    }
    server = serve("accounts.main:app", cwd=EXAMPLES, env=env)
    with server.client() as client:
        form = {"username": "admin", "password": PASSWORD}
        token = client.post("/auth/token", data=form).json()["access_token"]
    header = f"Authorization: Bearer {token}"
    explore(server, tmp_path, "--header", header, "--checks", ",".join([*CHECKS, "ignored_auth"]))
