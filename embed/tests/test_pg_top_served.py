"""An application's database under real servers: pools per shard, disconnects, the backplane."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest
from live_server import APPS, Server, clean_environment, own_virtual_environment, wait_until
from postgres_driver import OURS

from test_channels import Shard, shards_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Serve
    from postgres_cluster import Cluster

pytestmark = [
    pytest.mark.seconds(60),
    pytest.mark.skipif(not OURS, reason="this is not in asyncpg"),
]


def environment(cluster: Cluster, database: str = "postgres", **more: str) -> dict[str, str]:
    """What the application reads, and where its packages are."""
    dsn = cluster.dsn("trusting", database)
    return {**own_virtual_environment(), "PG_TOP_DSN": dsn, **more}


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    """A database of its own."""
    with postgres.database("served") as name:
        yield name


def sessions(cluster: Cluster, database: str, more: str = "true") -> int:
    """How many sessions there are in a database."""
    return cluster.sessions(f"datname = '{database}' AND {more}")


def test_a_handler_returns_rows(serve: Serve, postgres: Cluster, database: str) -> None:
    """As JSON and as models; the pool is there before, and gone after."""
    server = serve("pg_top", env=environment(postgres, database))
    assert sessions(postgres, database) == 1
    with server.client() as client:
        answer = client.get("/json")
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == [{"n": n, "text": str(n)} for n in (1, 2, 3)]
        assert client.get("/json?count=0").content == b"[]"
        assert client.get("/models").json() == [{"n": 1, "text": None}]
        assert client.get("/size").json()["max"] == 4
    server.stop()
    wait_until(lambda: sessions(postgres, database) == 0, what="the end of the sessions")


def test_a_pipeline_in_a_shard(serve: Serve, postgres: Cluster, database: str) -> None:
    """Its results, its failure, and that it ends with its client."""
    server = serve("pg_top", env=environment(postgres, database, PG_TOP_CONNECTIONS="1"))
    with server.client() as client:
        assert client.get("/pipeline?mark=a&s=0&value=0").status_code == 500
        assert "in statement 3 of 4 of a pipeline" in server.log
        assert postgres.sql("SELECT to_regclass('done') IS NULL", database) == "t"
        for _ in range(2):
            answer = client.get("/pipeline?mark=a&s=0&value=2")
            assert answer.json() == [5, 10]
        running = "state <> 'idle' AND query LIKE '%gone%'"
        connection = ask(server, "/pipeline?mark=gone&s=30&value=1")
        wait_until(lambda: sessions(postgres, database, running) == 1, what="the query")
        connection.close()
        wait_until(lambda: sessions(postgres, database, running) == 0, 5, "the query's end")
        assert client.get("/json").is_success
    assert sessions(postgres, database) == 1


def test_the_budget_is_split_over_the_shards(
    serve: Serve, postgres: Cluster, database: str
) -> None:
    """The first gets what is left over; together they never have more."""
    more = {"PG_TOP_CONNECTIONS": "5"}
    server = serve("pg_top", shards=2, env=environment(postgres, database, **more))
    shards = shards_of(server, 2)
    assert sorted(shard.get("/size")["max"] for shard in shards) == [2, 3]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(16)]
        sockets = [ask(server, f"/sleep-in-transaction?mark=budget{n}&s=1") for n in range(16)]
        busy = "state <> 'idle'"
        wait_until(lambda: sessions(postgres, database, busy) == 5, what="five busy sessions")
        assert sessions(postgres, database) == 5
        for waiting in sockets:
            waiting.close()
        assert all(client.get("/pid").is_success for client in clients)
    for shard in shards:
        shard.close()


def test_a_budget_below_the_shards_is_refused(
    serve: Serve, postgres: Cluster, database: str
) -> None:
    """The server does not start, and says why."""
    more = {"PG_TOP_CONNECTIONS": "1"}
    env = environment(postgres, database, **more)
    server = serve("pg_top", shards=2, env=env, ready=False, exit_code=None)
    assert server.process.wait(20) != 0
    assert "total_connections=1 is not enough for 2 shards" in server.log


def test_a_database_that_is_not_there(serve: Serve, postgres: Cluster) -> None:
    """An application does not start without it, unless ``min_size`` is 0."""
    server = serve("pg_top", env=environment(postgres, "nowhere"), ready=False, exit_code=None)
    assert server.process.wait(20) != 0
    assert 'database "nowhere" does not exist' in server.log
    env = environment(postgres, "nowhere", PG_TOP_MIN_SIZE="0")
    server = serve("pg_top", env=env)
    with server.client() as client:
        assert client.get("/pid").is_success
        assert client.get("/json").status_code == 500


def ask(server: Server, path: str) -> socket.socket:
    """A connection on which a request is sent, and whose answer nobody reads."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
    return connection


@pytest.mark.parametrize("path", ["sleep", "sleep-in-transaction"])
def test_a_client_that_leaves_ends_its_query(
    serve: Serve, postgres: Cluster, database: str, path: str
) -> None:
    """The server works no longer for it, and the connection is of use again."""
    server = serve("pg_top", env=environment(postgres, database, PG_TOP_CONNECTIONS="1"))
    running = "state <> 'idle' AND query LIKE '%gone%'"
    for _ in range(3):
        connection = ask(server, f"/{path}?mark=gone&s=30")
        wait_until(lambda: sessions(postgres, database, running) == 1, what="the query")
        connection.close()
        wait_until(lambda: sessions(postgres, database, running) == 0, 5, "the query's end")
        with server.client() as client:
            assert client.get("/json").is_success
    assert sessions(postgres, database) == 1


def test_a_deadline_ends_the_query(serve: Serve, postgres: Cluster, database: str) -> None:
    """That of the handler's ``asyncio.timeout``."""
    server = serve("pg_top", env=environment(postgres, database, PG_TOP_CONNECTIONS="1"))
    with server.client() as client:
        assert client.get("/deadline?mark=late&s=30").json() == "too late"
        running = "state <> 'idle' AND query LIKE '%late%'"
        wait_until(lambda: sessions(postgres, database, running) == 0, 5, "the query's end")
        assert client.get("/json").is_success


@pytest.mark.parametrize("long_messages", ["store", "refuse"])
def test_two_servers_share_channels(
    serve: Serve, postgres: Cluster, database: str, long_messages: str
) -> None:
    """In order, once, whatever the length, from each shard of one to each shard of the other."""
    env = environment(postgres, database, PG_TOP_BACKPLANE=long_messages)
    servers = [serve("pg_top", shards=2, env=env), serve("pg_top", shards=1, env=env)]
    first, second = shards_of(servers[0], 2)
    (third,) = shards_of(servers[1], 1)
    everybody = [first, second, third]
    for shard in everybody:
        assert shard.get("/join/room") == shard.pid
    for n in range(20):
        first.post("/publish/room", text=f"short {n}")
    for letter, times in (("a", 5_000), ("b", 6_500), ("c", 100_000)):
        first.post("/publish/room", text=letter, times=times)
    first.post("/publish/room", text="last")
    short = [f"short {n}" for n in range(20)]
    long = ["b * 6500", "c * 100000"]
    everything = [*short, "a * 5000", *long, "last"]
    there = everything if long_messages == "store" else [*short, "a * 5000", "last"]
    wait_for(first, everything)
    wait_for(second, everything)
    wait_for(third, there)
    third.post("/publish/room", text="answer")
    for shard, before in ((first, everything), (second, everything), (third, there)):
        wait_for(shard, [*before, "answer"])
    if long_messages == "refuse":
        assert "MessageTooLongError" in servers[0].log
    else:
        assert postgres.sql("SELECT count(*) FROM fasterapi_channel_messages", database) == "2"
    for shard in everybody:
        shard.close()


def test_the_backplane_comes_back(serve: Serve, postgres: Cluster, database: str) -> None:
    """After its connection was cut it carries messages again."""
    env = environment(postgres, database, PG_TOP_BACKPLANE="store")
    one, two = (serve("pg_top", env=env) for _ in range(2))
    (here,), (there,) = shards_of(one, 1), shards_of(two, 1)
    there.get("/join/room")
    here.post("/publish/room", text="before")
    wait_for(there, ["before"])
    postgres.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{database}' AND query LIKE 'LISTEN%'"
    )
    listening = "query LIKE 'LISTEN%'"
    wait_until(lambda: sessions(postgres, database, listening) == 2, what="listening again")
    here.post("/publish/room", text="after")
    wait_for(there, ["before", "after"])
    wait_until(lambda: "the backplane had no connection" in two.log, what="the warning")
    here.close()
    there.close()


def wait_for(shard: Shard, messages: list[str]) -> None:
    """Wait until a shard has these messages; it must not get others."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: len(shard.get("/received")) >= len(messages))
    assert shard.get("/received") == messages


TEST_CLIENT = """
import sys
from fasterapi.testclient import TestClient
from pg_top import app
for _ in range(2):
    with TestClient(app) as client:
        assert client.get("/json").json()[0] == {"n": 1, "text": "1"}
        assert client.get("/json").headers["content-type"] == "application/json"
        assert client.get("/models").json() == [{"n": 1, "text": None}]
try:
    app.pg.pool
except RuntimeError as error:
    assert "not open" in str(error)
else:
    sys.exit("the pool is still there")
"""


def in_python(*arguments: str, **env: str) -> subprocess.Popen[bytes]:
    """Start this Python with the package and the applications."""
    path = os.pathsep.join([str(APPS), *sys.path])
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=clean_environment({**env, "PYTHONPATH": path}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def has_core() -> bool:
    """Whether the package has its compiled part here, as the pip-installed one has."""
    try:
        import fasterapi._core
    except ImportError:
        return False
    return hasattr(fasterapi._core, "PgPool")


@pytest.mark.skipif(not has_core(), reason="the package is not installed")
def test_the_test_client_opens_the_database(postgres: Cluster, database: str) -> None:
    """Each time anew."""
    env = {"PG_TOP_DSN": postgres.dsn("trusting", database)}
    process = in_python("-c", TEST_CLIENT, **env)
    output, _ = process.communicate(timeout=40)
    assert process.returncode == 0, output.decode()
    wait_until(lambda: sessions(postgres, database) == 0, what="the end of the sessions")


@pytest.mark.skipif(not has_core(), reason="the package is not installed")
def test_an_asgi_server_opens_the_database(postgres: Cluster, database: str) -> None:
    """As its lifespan messages say."""
    pytest.importorskip("uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    env = {"PG_TOP_DSN": postgres.dsn("trusting", database)}
    process = in_python("-m", "uvicorn", "pg_top:app", "--port", str(port), **env)
    try:

        def answers() -> bool:
            assert process.poll() is None, "uvicorn has ended"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        wait_until(answers, 30, "uvicorn")
        rows = httpx.get(f"http://127.0.0.1:{port}/json", timeout=5).json()
        assert rows[2] == {"n": 3, "text": "3"}
        assert sessions(postgres, database) >= 1
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=20)
    assert b"Traceback" not in output, output.decode()
    wait_until(lambda: sessions(postgres, database) == 0, what="the end of the sessions")
