"""The command line: targets, environments, sockets, logs."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
import venv
from typing import TYPE_CHECKING

import httpx
import pytest
from live_server import (
    APPS,
    UNDER_LOAD,
    clean_environment,
    own_virtual_environment,
    run_to_end,
    wait_until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Serve

APP = """
import os
import sys
from fasterapi import FasterAPI

app = FasterAPI()

@app.get("/")
async def root(): return "main"

@app.get("/env/{name}")
async def env(name: str): return os.environ.get(name)

@app.get("/sys")
async def system():
    return {
        "prefix": sys.prefix,
        "executable": sys.executable,
        "base_prefix": sys.base_prefix,
        "path": sys.path,
        "optimize": sys.flags.optimize,
        "dev_mode": sys.flags.dev_mode,
        "utf8_mode": sys.flags.utf8_mode,
        "dont_write_bytecode": sys.dont_write_bytecode,
        "unbuffered": sys.stdout.line_buffering or sys.stdout.write_through,
        "debug": __debug__,
        "cwd": os.getcwd(),
        "argv": sys.argv,
        "warnoptions": sys.warnoptions,
    }

@app.get("/fails/{word}")
async def fails(word: str):
    raise ValueError("secret " + word)

@app.get("/thread_fails")
def thread_fails():
    return 1 / 0

def make():
    made = FasterAPI()
    made.add_api_route("/", lambda: "made")
    return made

class Holder:
    inner = app

def broken_factory():
    raise RuntimeError("no parts")

async def async_factory():
    return app

number = 7
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with modules to serve."""
    (tmp_path / "main.py").write_text(APP)
    (tmp_path / "syntax.py").write_text("from fasterapi import FasterAPI\napp = = 1\n")
    (tmp_path / "raises.py").write_text("x = {}\nx['missing key']\n")
    (tmp_path / "imports.py").write_text("import not_there_at_all\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "several.py").write_text(
        "from fasterapi import FasterAPI\none = FasterAPI()\ntwo = FasterAPI()\n"
    )
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text(
        "from fasterapi import FasterAPI\nfrom . import helper\napp = FasterAPI()\n"
        "app.add_api_route('/', lambda: helper.WORD)\n"
    )
    (package / "helper.py").write_text("WORD = 'packaged'\n")
    return tmp_path


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ("main:app", "main"),
        ("main", "main"),
        ("main.py", "main"),
        ("./main.py", "main"),
        ("main.py:app", "main"),
        ("main:make", "made"),
        ("main:make()", "made"),
        ("main:Holder.inner", "main"),
        ("package.inner:app", "packaged"),
        ("package.inner", "packaged"),
        ("package/inner.py", "packaged"),
    ],
)
def test_a_target(serve: Serve, project: Path, target: str, word: str) -> None:
    """Every form that names an application."""
    assert serve(target, cwd=project).get("/").json() == word


def test_an_absolute_file(
    serve: Serve, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """From another folder."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert serve(str(project / "package" / "inner.py"), cwd=elsewhere).get("/").json() == "packaged"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nope:app", ["nope"]),
        ("package.nope:app", ["package.nope"]),
        ("main:nope", ["main", "nope"]),
        ("main:ap", ["ap", "Did you mean app"]),
        ("main:number", ["main:number", "int"]),
        ("main:broken_factory", ["broken_factory", "no parts"]),
        ("main:async_factory", ["async_factory", "coroutine"]),
        ("syntax:app", ["syntax.py", "line 2", "SyntaxError"]),
        ("raises:app", ["raises.py", "missing key"]),
        ("imports:app", ["imports", "not_there_at_all"]),
        ("empty", ["empty", "no FasterAPI instance"]),
        ("several", ["one", "two"]),
        ("missing/file.py", ["missing/file.py", "does not exist"]),
        ("main:", ["main:"]),
        (":app", [":app"]),
        ("not a module:app", ["not a module"]),
    ],
)
@pytest.mark.parametrize("command", ["run", "routes"])
def test_a_bad_target(project: Path, command: str, target: str, said: list[str]) -> None:
    """One clear text, an exit code, and no second try."""
    options = ["--port", "0", "--shards", "2"] if command == "run" else []
    began = time.monotonic()
    ended = run_to_end(command, target, *options, cwd=project)
    assert time.monotonic() - began < 5.0 * UNDER_LOAD
    assert ended.returncode != 0
    for words in said:
        assert words in ended.stderr
    assert ended.stderr.count("fasterapi: ") == 1
    assert "starts again" not in ended.stderr
    # Our own inside is nobody's business.
    assert "_find_app" not in ended.stderr
    assert "importlib" not in ended.stderr


@pytest.mark.parametrize("command", ["run", "dev", "routes"])
def test_no_target(tmp_path: Path, command: str) -> None:
    """Says what is missing, where nothing is found either."""
    ended = run_to_end(command, cwd=tmp_path)
    assert ended.returncode == 2
    assert "main:app" in ended.stderr


def test_a_bad_handler_is_named(project: Path) -> None:
    """File, line, function and parameter of what cannot be served."""
    (project / "bad.py").write_text(
        "from fasterapi import FasterAPI\napp = FasterAPI()\n\n"
        "class Thing: ...\n\n@app.get('/')\ndef handler(thing: Thing): ...\n"
    )
    ended = run_to_end("run", "bad:app", "--port", "0", cwd=project)
    assert ended.returncode == 1
    for words in ("bad.py", "handler()", "'thing'"):
        assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_port_is_taken(serve: Serve, project: Path) -> None:
    """Names the port."""
    server = serve("main:app", cwd=project)
    ended = run_to_end("run", "main:app", "--port", str(server.port), cwd=project)
    assert ended.returncode == 1
    assert f"port {server.port}" in ended.stderr
    assert server.get("/").json() == "main"


def test_an_exception_stays_inside(serve: Serve, project: Path) -> None:
    """500 for the client, the traceback for the log."""
    server = serve("main:app", cwd=project)
    with server.client() as client:
        for path in ("/fails/word", "/thread_fails"):
            response = client.get(path)
            assert (response.status_code, response.text) == (500, "Internal Server Error")
    server.wait_log("ValueError: secret word")
    server.wait_log("ZeroDivisionError")
    assert re.search(r'File ".*main\.py", line \d+, in fails', server.log)
    assert server.log.count("Traceback") == 2


@pytest.mark.parametrize("how", ["option", "environment", "application"])
def test_debug_puts_the_traceback_into_the_body(serve: Serve, project: Path, how: str) -> None:
    """Only then."""
    if how == "application":
        (project / "main.py").write_text(
            APP.replace("app = FasterAPI()", "app = FasterAPI(debug=True)")
        )
    options = ["--debug"] if how == "option" else []
    env = {"FASTERAPI_DEBUG": "1"} if how == "environment" else {}
    response = serve("main:app", *options, cwd=project, env=env).get("/fails/word")
    assert response.status_code == 500
    assert "Traceback" in response.text
    assert "ValueError: secret word" in response.text


def test_the_access_log_as_text(serve: Serve, project: Path) -> None:
    """Peer, request line, status, size and time."""
    server = serve("main:app", "--access-log", cwd=project)
    server.get("/?q=1")
    server.get("/nowhere")
    server.wait_log("/nowhere")
    assert re.search(
        r'info +\[shard 0\] 127\.0\.0\.1:\d+ "GET /\?q=1 HTTP/1\.1" 200 6 \d+\.\d+ms', server.log
    )
    assert re.search(r'"GET /nowhere HTTP/1\.1" 404 22 ', server.log)


def test_the_access_log_as_json(serve: Serve, project: Path) -> None:
    """Every line is an object."""
    server = serve("main:app", "--access-log", "--log-format", "json", cwd=project)
    server.get('/?q="1"')
    server.get("/fails/word")
    server.wait_log("/fails/word HTTP")
    lines = [json.loads(line) for line in server.log.splitlines()]
    (entry,) = (line for line in lines if str(line.get("target", "")).startswith("/?q"))
    assert (entry["method"], entry["status"], entry["bytes"]) == ("GET", 200, 6)
    assert (entry["level"], entry["shard"]) == ("info", 0)
    assert entry["took_ms"] > 0
    assert entry["peer"].startswith("127.0.0.1:")
    assert any("ValueError: secret word" in line["message"] for line in lines)


def test_no_access_log_unless_asked_for(serve: Serve, project: Path) -> None:
    """It costs time."""
    server = serve("main:app", cwd=project)
    server.get("/quiet")
    server.stop()
    assert "/quiet" not in server.log


def test_the_access_log_holds_no_control_characters(serve: Serve, project: Path) -> None:
    """A request cannot forge a line."""
    server = serve("main:app", "--access-log", cwd=project)
    server.exchange(b"GET /%0a%1bforged HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    server.exchange(b"GET /\x1b[31mred HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    server.exchange(b"GET /\xc2\x85x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    server.get("/last")
    server.wait_log("/last")
    assert "\x1b" not in server.log
    assert "\x85" not in server.log


def test_an_env_file(serve: Serve, project: Path) -> None:
    """For the application and for the options; the real environment wins."""
    (project / "test.env").write_text(
        "# a comment\nexport ONE=1\nTWO='two words'\nTHREE=\"a\\nb\"\nKEPT=file\n"
        "FASTERAPI_ACCESS_LOG=1\n"
    )
    server = serve("main:app", "--env-file", "test.env", cwd=project, env={"KEPT": "environment"})
    with server.client() as client:
        assert client.get("/env/ONE").json() == "1"
        assert client.get("/env/TWO").json() == "two words"
        assert client.get("/env/THREE").json() == "a\nb"
        assert client.get("/env/KEPT").json() == "environment"
    server.wait_log('"GET /env/ONE HTTP/1.1" 200')


def test_an_env_file_is_read_for_routes_too(project: Path) -> None:
    """The application may need it to be imported."""
    (project / "needs.py").write_text(
        "import os\nfrom fasterapi import FasterAPI\napp = FasterAPI()\n"
        "app.add_api_route(os.environ['WHERE'], lambda: 1)\n"
    )
    (project / "test.env").write_text("WHERE=/there\n")
    ended = run_to_end("routes", "needs:app", "--env-file", "test.env", cwd=project)
    assert ended.returncode == 0, ended.stderr
    assert "/there" in ended.stdout


@pytest.mark.parametrize("name", ["missing.env", "bad.env"])
def test_a_bad_env_file(project: Path, name: str) -> None:
    """Named, with its line."""
    (project / "bad.env").write_text("A=1\n1A=x\n")
    ended = run_to_end("run", "main:app", "--env-file", name, cwd=project)
    assert ended.returncode == 2
    assert name in ended.stderr


def test_the_target_in_the_environment(project: Path) -> None:
    """For ``routes`` as for ``run``."""
    ended = run_to_end("routes", cwd=project, env={"FASTERAPI_TARGET": "main:app"})
    assert ended.returncode == 0, ended.stderr
    assert "main.thread_fails" in ended.stdout


def test_options_in_the_environment(serve: Serve, project: Path) -> None:
    """Each option has its variable; the command line wins."""
    env = {
        "FASTERAPI_TARGET": "main:app",
        "FASTERAPI_SHARDS": "2",
        "FASTERAPI_ROOT_PATH": "/api",
        "FASTERAPI_LOG_FORMAT": "json",
        "FASTERAPI_ACCESS_LOG": "true",
        "FASTERAPI_BODY_BYTES_MAX": "5",
        "FASTERAPI_DRAIN_TIMEOUT_S": "1",
    }
    server = serve("main:app", cwd=project, env=env)
    assert len(server.shard_pids) == 1
    assert server.get("/").json() == "main"
    server.wait_log('"target":"/"')


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "70000"], "70000"),
        (["--shards", "0"], "must be auto or a number"),
        (["--threads", "0"], "--threads 0"),
        (["--fd", "999"], "999"),
        (["--uds", "x", "--fd", "3"], "only one"),
        (["--app-dir", "missing"], "missing"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_a_bad_option(project: Path, options: list[str], said: str) -> None:
    """Named, with exit code 2, or 1 for what only the system knows."""
    ended = run_to_end("run", "main:app", *options, cwd=project)
    assert ended.returncode in {1, 2}
    assert said in ended.stderr
    assert "panicked" not in ended.stderr


def test_version_and_help() -> None:
    """On stdout, with exit code 0."""
    version = run_to_end("--version")
    assert (version.returncode, version.stdout.split()[0]) == (0, "fasterapi")
    for arguments in (["--help"], ["run", "--help"], ["routes", "--help"]):
        shown = run_to_end(*arguments)
        assert shown.returncode == 0
        assert "Usage" in shown.stdout


def test_routes(project: Path) -> None:
    """Methods, path and handler of each route."""
    ended = run_to_end("routes", "main:app", cwd=project)
    assert ended.returncode == 0, ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert lines[0][:3] == ["METHODS", "PATH", "HANDLER"]
    assert ["GET", "/", "main.root", "on", "the", "shard"] in lines
    assert ["GET", "/thread_fails", "main.thread_fails", "on", "a", "thread"] in lines


def test_routes_as_json(project: Path) -> None:
    """``--format json`` is for machines."""
    ended = run_to_end("routes", "main:app", "--format", "json", cwd=project)
    assert ended.returncode == 0, ended.stderr
    text = ended.stdout.strip()
    try:
        rows = json.loads(text)
    except ValueError:
        rows = [json.loads(line) for line in text.splitlines()]
    assert any(row["path"] == "/thread_fails" for row in rows)


def test_a_unix_socket(serve: Serve, project: Path) -> None:
    """With its permissions; gone at the end."""
    path = project / "server.sock"
    server = serve(
        "main:app",
        "--uds-permissions",
        "660",
        shards=2,
        cwd=project,
        listen=("--uds", str(path)),
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    transport = httpx.HTTPTransport(uds=str(path))
    with httpx.Client(transport=transport, base_url="http://server") as client:
        assert client.get("/").json() == "main"
    assert server.stop() == 0
    assert not path.exists()


def test_a_passed_descriptor(serve: Serve, project: Path) -> None:
    """``--fd``: the caller's socket outlives the server."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fd = listening.fileno()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        for _ in range(2):
            server = serve(
                "main:app", shards=2, cwd=project, listen=("--fd", str(fd)), pass_fds=(fd,)
            )
            assert httpx.get(url, trust_env=False).json() == "main"
            assert server.stop() == 0


def test_the_folder_and_pythonpath_are_on_sys_path(serve: Serve, project: Path) -> None:
    """The current directory first, then ``PYTHONPATH``."""
    extra = project / "extra"
    extra.mkdir()
    (extra / "only_here.py").write_text("WORD = 'extra'\n")
    (project / "uses.py").write_text(
        "import only_here\n" + APP.replace('return "main"', "return only_here.WORD")
    )
    server = serve("uses:app", cwd=project, env={"PYTHONPATH": str(extra)})
    assert server.get("/").json() == "extra"
    path = server.get("/sys").json()["path"]
    assert path[0] == str(project)
    assert str(extra) in path


def test_app_dir(serve: Serve, project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another folder instead of the current one, which stays the current one."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    server = serve("main:app", "--app-dir", str(project), cwd=elsewhere)
    got = server.get("/sys").json()
    assert (got["path"][0], got["cwd"]) == (str(project), str(elsewhere))


def test_python_variables_are_honoured(serve: Serve, project: Path) -> None:
    """As ``python`` itself would."""
    env = {
        "PYTHONOPTIMIZE": "1",
        "PYTHONDEVMODE": "1",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore::UserWarning",
    }
    got = serve("main:app", cwd=project, env=env).get("/sys").json()
    assert (got["optimize"], got["debug"]) == (1, False)
    assert (got["dev_mode"], got["utf8_mode"]) == (True, 1)
    assert got["dont_write_bytecode"] is True
    assert "ignore::UserWarning" in got["warnoptions"]
    assert not (project / "__pycache__").exists()


def test_without_python_variables(serve: Serve, project: Path) -> None:
    """The defaults."""
    got = serve("main:app", cwd=project).get("/sys").json()
    assert (got["optimize"], got["debug"], got["dev_mode"]) == (0, True, False)
    assert got["prefix"] == got["base_prefix"]


def test_a_virtual_environment(serve: Serve, project: Path, tmp_path: Path) -> None:
    """Its prefix, and a package that is installed only there."""
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "lib" / version / "site-packages"
    (site / "only_in_venv.py").write_text("WORD = 'from the venv'\n")
    (site / "hook.pth").write_text("import os; os.environ['PTH_RAN'] = 'yes'\n")
    (project / "uses.py").write_text(
        "import only_in_venv\n" + APP.replace('return "main"', "return only_in_venv.WORD")
    )
    server = serve("uses:app", cwd=project, env={"VIRTUAL_ENV": str(folder)})
    assert server.get("/").json() == "from the venv"
    assert server.get("/env/PTH_RAN").json() == "yes"
    got = server.get("/sys").json()
    assert got["prefix"] == str(folder)
    assert got["base_prefix"] != str(folder)
    assert got["executable"] == str(folder / "bin" / "python")
    assert got["path"][0] == str(project)


def test_the_environment_of_these_tests(serve: Serve, project: Path) -> None:
    """The packages that the other tests need can be imported."""
    (project / "uses.py").write_text("import aiohttp, anyio, httpx, sniffio\n" + APP)
    server = serve("uses:app", cwd=project, env=own_virtual_environment())
    assert server.get("/sys").json()["prefix"] == sys.prefix


def test_a_virtual_environment_of_another_python(project: Path, tmp_path: Path) -> None:
    """Said in one sentence."""
    folder = tmp_path / "venv"
    folder.mkdir()
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.8.1\n")
    ended = run_to_end(
        "run", "main:app", "--port", "0", cwd=project, env={"VIRTUAL_ENV": str(folder)}
    )
    assert ended.returncode == 1
    assert "3.8.1" in ended.stderr
    assert ended.stderr.count("fasterapi: ") == 1


def test_python_started_by_a_handler(serve: Serve, project: Path) -> None:
    """``sys.executable`` is a Python, and knows the same packages."""
    (project / "runs.py").write_text(
        """
import subprocess, sys
from fasterapi import FasterAPI
app = FasterAPI()

@app.get("/")
def root():
    done = subprocess.run([sys.executable, "-c", "import httpx; print('fine')"],
                          capture_output=True, text=True)
    return [done.returncode, done.stdout]
"""
    )
    server = serve("runs:app", cwd=project, env=own_virtual_environment())
    assert server.get("/").json() == [0, "fine\n"]


def test_what_the_application_prints(serve: Serve, project: Path) -> None:
    """Is not lost, also when it is not flushed."""
    (project / "prints.py").write_text(
        "import atexit\nprint('imported')\n" + APP + "atexit.register(print, 'at exit')\n"
    )
    server = serve("prints:app", cwd=project)
    assert server.stop() == 0
    assert "imported" in server.log
    assert "at exit" in server.log


def test_the_logging_module(serve: Serve, project: Path) -> None:
    """Warnings of the application reach stderr."""
    (project / "logs.py").write_text(
        "import logging\n"
        + APP.replace('return "main"', 'logging.warning("from the handler"); return "main"')
    )
    server = serve("logs:app", cwd=project)
    server.get("/")
    server.wait_log("WARNING:root:from the handler")


def test_a_pid_file(serve: Serve, project: Path) -> None:
    """Holds the supervisor's process id while it runs."""
    server = serve("main:app", "--pid-file", "server.pid", cwd=project)
    assert (project / "server.pid").read_text().strip() == str(server.pid)
    assert server.stop() == 0
    assert not (project / "server.pid").exists()


def test_multiprocessing_and_fork(serve: Serve, project: Path) -> None:
    """Children of a handler do not answer requests and end with it."""
    (project / "forks.py").write_text(
        """
import concurrent.futures, multiprocessing, os
from fasterapi import FasterAPI
app = FasterAPI()

@app.get("/")
def root():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(pow, 2, 10).result(15)
"""
    )
    assert serve("forks:app", cwd=project).get("/").json() == 1024


def test_the_shard_command_is_not_for_people() -> None:
    """It says so instead of hanging."""
    ended = run_to_end("shard")
    assert ended.returncode == 2
    assert "fasterapi run" in ended.stderr


def test_a_closed_stderr_does_not_stop_the_server(project: Path) -> None:
    """Whoever reads the log may go."""
    from live_server import binary

    reading, writing = os.pipe()
    process = subprocess.Popen(
        [str(binary()), "run", "main:app", "--port", "0", "--shards", "1", "--access-log"],
        cwd=project,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=writing,
    )
    os.close(writing)
    try:
        text = b""
        while b"serves" not in text:
            text += os.read(reading, 65536)
        url = re.search(rb"http://\S+", text)
        assert url
        os.close(reading)
        for _ in range(3):
            assert httpx.get(f"{url[0].decode()}/", trust_env=False).json() == "main"
    finally:
        process.terminate()
        try:
            assert process.wait(8.0) == 0
        finally:
            process.kill()
    wait_until(lambda: process.poll() is not None)


def test_the_suite_application_exists() -> None:
    """The folder of applications is where the fixtures look."""
    assert (APPS / "echo.py").is_file()
