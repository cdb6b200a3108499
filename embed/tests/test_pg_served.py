"""PostgreSQL asked by handlers that the binary serves, through faults of server and clients."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from live_server import own_virtual_environment, wait_until
from postgres_driver import NAME, OURS

if TYPE_CHECKING:
    import httpx
    from conftest import Serve
    from live_server import Server
    from postgres_cluster import Cluster

pytestmark = pytest.mark.seconds(120)

# Of the application's pool, in each shard.
POOL_SIZE = 4
SOON_S = 15.0


def start(
    serve: Serve,
    postgres: Cluster,
    *options: str,
    shards: int = 1,
    exit_code: int | None = 0,
) -> Server:
    """The application over this server; skips what this binary does not have."""
    env = own_virtual_environment()
    env |= {"PG_DRIVER": NAME, "DATABASE_URL": postgres.dsn(sslmode="prefer")}
    if OURS and not binary_has_driver(serve, env):
        pytest.skip(f"this binary has no {NAME}")
    return serve("postgres_app", *options, shards=shards, env=env, exit_code=exit_code)


def binary_has_driver(serve: Serve, env: dict[str, str]) -> bool:
    """Whether the package inside the binary has the driver."""
    app = f"""
import importlib
from fasterapi import FasterAPI
app = FasterAPI()
@app.get("/has")
async def has() -> bool:
    try:
        importlib.import_module({NAME!r}).create_pool
    except (ImportError, AttributeError):
        return False
    return True
"""
    server = serve(app, env=env)
    found: bool = server.get("/has").json()
    server.stop()
    return found


def ask(client: httpx.Client, path: str) -> Any:
    """The value of an answer that must be there."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def check_every_way(client: httpx.Client, number: int) -> None:
    """Each route answers with what belongs to this request."""
    assert ask(client, f"/one/{number}") == number
    assert ask(client, f"/rows/{number}?count=30") == [[number, n] for n in range(1, 31)]
    assert ask(client, f"/own/{number}") == [number + n for n in (0, 1, 2, *range(10))]
    assert ask(client, f"/many/{number}") == [number + n for n in range(20)]


def settled(server: Server) -> dict[str, int]:
    """The state of the pool when nobody uses it."""

    def idle() -> dict[str, int] | None:
        state: dict[str, int] = server.get("/pool").json()
        return state if state["idle"] == state["size"] else None

    found: dict[str, int] = wait_until(idle, SOON_S, "every connection to be idle")
    assert found["size"] <= POOL_SIZE
    return found


def recovers(server: Server) -> None:
    """Requests are answered again."""
    wait_until(lambda: server.get("/one/1").status_code == 200, SOON_S, "the database to be back")


def test_every_request_gets_its_own_rows(serve: Serve, postgres: Cluster) -> None:
    """Many clients at once, on two shards."""
    server = start(serve, postgres, shards=2)

    def client(number: int) -> None:
        with server.client() as one:
            for turn in range(15):
                check_every_way(one, number * 1000 + turn * 30)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(client, range(8)))
    settled(server)


def test_clients_that_go_away(serve: Serve, postgres: Cluster) -> None:
    """Their queries end at the server, their connections go back, and no row reaches another."""
    server = start(serve, postgres)
    generator = random.Random(7)
    ended = threading.Event()

    def impatient() -> None:
        while not ended.is_set():
            path = generator.choice(["/slow/1", "/rows/5?count=5000", "/own/9", "/many/3"])
            with server.connect() as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
                time.sleep(generator.uniform(0, 0.02))

    def patient(number: int) -> int:
        answered = 0
        with server.client() as client:
            while not ended.is_set():
                answer = client.get(f"/rows/{number}?count=50")
                # All connections may be busy with the others for as long as a query may take.
                assert answer.status_code in {200, 503}, answer.text
                if answer.status_code == 200:
                    assert answer.json() == [[number, n] for n in range(1, 51)]
                    answered += 1
        return answered

    with ThreadPoolExecutor(8) as threads:
        going = [threads.submit(impatient) for _ in range(4)]
        staying = [threads.submit(patient, number) for number in range(4)]
        time.sleep(3)
        ended.set()
        for one in going:
            one.result()
        assert sum(one.result() for one in staying) > 10
    settled(server)
    asleep = "query LIKE '%pg_sleep(20)%' AND state = 'active' AND usename = 'scram'"
    wait_until(lambda: postgres.sessions(asleep) == 0, SOON_S, "abandoned queries to end")
    with server.client() as client:
        for number in range(20):
            check_every_way(client, number * 100)


def test_an_answer_that_takes_too_long(serve: Serve, postgres: Cluster) -> None:
    """504, the query ends at the server, and the shard goes on."""
    server = start(serve, postgres, "--answer-timeout-s", "1")
    with server.client() as client:
        began = time.monotonic()
        answer = client.get("/slow/1")
        assert answer.status_code == 504
        assert answer.json() == {"detail": "Gateway Timeout"}
        assert 0.9 < time.monotonic() - began < SOON_S
        asleep = "query LIKE '%pg_sleep(20)%' AND state = 'active' AND usename = 'scram'"
        wait_until(lambda: postgres.sessions(asleep) == 0, SOON_S, "the late query to end")
        check_every_way(client, 1000)
    settled(server)


@pytest.mark.parametrize("how", ["kill", "restart"])
def test_server_goes_and_comes(serve: Serve, own_postgres: Cluster, how: str) -> None:
    """Requests fail while it is away, and only then."""
    server = start(serve, own_postgres)
    with server.client() as client:
        check_every_way(client, 1000)
    if how == "kill":
        own_postgres.kill()
    else:
        own_postgres.stop()
    assert server.get("/one/1").status_code == 503
    assert server.get("/own/1").status_code == 503
    own_postgres.start()
    recovers(server)
    with server.client() as client:
        for number in range(10):
            check_every_way(client, number * 100)
    settled(server)
    assert "panicked" not in server.log


def test_paused_server(serve: Serve, own_postgres: Cluster) -> None:
    """Half-open: requests end with the timeout, and the shard serves others meanwhile."""
    server = start(serve, own_postgres)
    with server.client() as client:
        check_every_way(client, 1)
    own_postgres.pause()
    try:
        began = time.monotonic()
        with ThreadPoolExecutor(6) as threads:
            asked = [threads.submit(server.get, f"/one/{n}") for n in range(6)]
            # The shard is not blocked.
            assert server.get("/pool").status_code == 200
            assert time.monotonic() - began < SOON_S / 2
            assert {one.result().status_code for one in asked} == {503}
        assert time.monotonic() - began < SOON_S * 2
    finally:
        own_postgres.resume()
    recovers(server)
    with server.client() as client:
        check_every_way(client, 500)
    settled(server)


def test_shutdown_with_queries_under_way(serve: Serve, postgres: Cluster) -> None:
    """Who no longer waits is not waited for; no session stays behind."""
    # Those of the tests before may take a moment to end.
    wait_until(lambda: postgres.sessions("usename = 'scram'") == 0, SOON_S, "a quiet server")
    server = start(serve, postgres)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /slow/1 HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(0.3)
        assert postgres.sessions("usename = 'scram'") > 0
    assert server.stop() == 0
    wait_until(lambda: postgres.sessions("usename = 'scram'") == 0, SOON_S, "the sessions to end")


def test_pipelined_requests(serve: Serve, postgres: Cluster) -> None:
    """Many requests in one write: each answer is its own, in order."""
    server = start(serve, postgres)
    count = 30
    with server.connect() as connection:
        request = "GET /one/{} HTTP/1.1\r\nhost: x\r\n\r\n"
        connection.sendall("".join(request.format(n) for n in range(count)).encode())
        for number in range(count):
            head = read_until_exactly(connection, b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = b""
            while len(body) < length:
                body += connection.recv(length - len(body))
            assert json.loads(body) == number


def read_until_exactly(connection: socket.socket, end: bytes) -> bytes:
    """Everything up to and with ``end``, and not a byte more."""
    received = b""
    while not received.endswith(end):
        byte = connection.recv(1)
        assert byte, received
        received += byte
    return received
