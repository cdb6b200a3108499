"""Fixtures: servers that are started for a test or a module and always ended."""

from __future__ import annotations

import signal
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from live_server import APPS, Server, binary
from postgres_cluster import Cluster, NoPostgres, find_programs, owner
from postgres_driver import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

# Longest time for one test, in seconds, unless it is marked otherwise: only one that hangs takes
# so long, also on a machine that does much else.
TEST_TIMEOUT_S = 120


class Serve:
    """Starts servers; ``close`` ends them all and fails when one does not end well."""

    def __init__(self, make_folder: Callable[[], Path]) -> None:
        self._make_folder = make_folder
        self._servers: list[tuple[Server, int | None]] = []

    def __call__(
        self,
        app: str,
        *options: str,
        shards: int = 1,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        listen: tuple[str, ...] = ("--port", "0"),
        pass_fds: tuple[int, ...] = (),
        drain_timeout_s: float = 3.0,
        exit_code: int | None = 0,
        ready: bool = True,
        command: str = "run",
    ) -> Server:
        """Serve ``app`` and wait until it is ready.

        ``app`` is the name of a module in ``apps``, a target such as ``module:attribute``, or
        (when it has more than one line) the text of an application that is written to
        ``main.py`` in a folder of its own; ``""`` lets the server find one in ``cwd``.
        ``command`` is ``run`` or ``dev``. ``exit_code`` is what the server must end with;
        ``None`` for a server that is killed.
        """
        folder = self._make_folder()
        target = app
        if "\n" in app:
            cwd = cwd or folder
            (cwd / "main.py").write_text(app)
            target = "main:app"
        elif ":" not in app and (APPS / f"{app}.py").exists():
            cwd = cwd or APPS
            target = f"{app}:app"
        arguments = [*([target] if target else []), *listen, "--shards", str(shards)]
        arguments += ["--drain-timeout-s", str(drain_timeout_s), *options]
        server = Server(
            arguments,
            folder / "server.log",
            cwd=cwd,
            env=env,
            pass_fds=pass_fds,
            drain_timeout_s=drain_timeout_s,
            command=command,
        )
        self._servers.append((server, exit_code))
        if ready:
            server.wait_ready()
        return server

    def close(self) -> None:
        """End every server."""
        problems = []
        for server, exit_code in self._servers:
            try:
                code = server.stop()
                # Helpers of the application's, such as multiprocessing's, end a moment later.
                deadline = time.monotonic() + 2
                while (left := server.leftovers()) and time.monotonic() < deadline:
                    time.sleep(0.02)
                if exit_code is not None and code != exit_code:
                    problems.append(f"exit code {code}, not {exit_code}")
                if left:
                    problems.append(f"processes left behind: {left}")
                if problems:
                    problems.append(server.log)
            except AssertionError as error:
                problems.append(str(error))
            finally:
                server.kill()
        assert not problems, "\n".join(problems)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of this folder."""
    config.addinivalue_line("markers", "seconds(limit): how long the test may take")


@pytest.fixture(scope="session", autouse=True)
def _binary_exists() -> None:
    path = binary()
    if not path.is_file():
        pytest.exit(f"there is no {path}: build it, or set FASTERAPI_BIN", returncode=3)


@pytest.fixture(autouse=True)
def _bounded(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that takes too long, wherever it hangs."""
    marker = request.node.get_closest_marker("seconds")
    limit = marker.args[0] if marker else TEST_TIMEOUT_S

    def too_long(*_: object) -> None:
        raise TimeoutError(f"the test took longer than {limit} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(limit)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts servers that end with the test."""
    factory = Serve(lambda: tmp_path_factory.mktemp("server"))
    yield factory
    factory.close()


@pytest.fixture(scope="module")
def serve_for_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts servers that end with the module."""
    factory = Serve(lambda: tmp_path_factory.mktemp("server"))
    yield factory
    factory.close()


def start_cluster() -> Cluster:
    """A cluster that runs; skips the test where there is no PostgreSQL."""
    try:
        find_programs()
        owner()
    except NoPostgres as problem:
        warnings.warn(str(problem), stacklevel=1)
        pytest.skip(str(problem))
    return Cluster()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server for the tests of one process, which must leave it as it was."""
    with start_cluster() as cluster:
        yield cluster


@pytest.fixture
def own_postgres() -> Iterator[Cluster]:
    """A PostgreSQL server that a test may reconfigure, stop and kill."""
    with start_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def pg() -> Any:
    """The PostgreSQL driver under test."""
    return load()
