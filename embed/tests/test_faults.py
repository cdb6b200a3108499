"""What breaks stays where it is: shards, clients and handlers that fail."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import pytest
from live_server import (
    UNDER_LOAD,
    open_descriptors,
    read_until,
    rss_bytes,
    wait_until,
)
from processes import is_running, session_members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Serve
    from live_server import Server

RESET = struct.pack("ii", 1, 0)
GET = "GET {} HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture(scope="module")
def server(serve_for_module: Serve) -> Server:
    """The misbehaving application, on one shard."""
    return serve_for_module("faults")


def keep_alive(server: Server) -> http.client.HTTPConnection:
    """A connection for several requests."""
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[int, str]:
    """Status and body of one GET."""
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def close_with_reset(connection: socket.socket) -> None:
    """Close so that the peer gets a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def connection_to(server: Server, pid: int) -> http.client.HTTPConnection:
    """A connection that a certain shard serves."""
    for _ in range(100):
        connection = keep_alive(server)
        if ask(connection, "/pid") == (200, str(pid)):
            return connection
        connection.close()
    raise AssertionError(f"no connection reaches {pid}")


class Prober:
    """Asks again and again from a thread, each time anew, and keeps how long it took.

    It asks at least ``LOOKS_MIN`` times, however busy the machine is.
    """

    LOOKS_MIN = 5

    def __init__(self, server: Server, path: str = "/", pause_s: float = 0.01) -> None:
        self.took_s: list[float] = []
        self.failures: list[str] = []
        self._server = server
        self._path = path
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(15)

    def _run(self) -> None:
        while not self._stop.is_set() or len(self.took_s) < self.LOOKS_MIN:
            began = time.monotonic()
            try:
                connection = keep_alive(self._server)
                status, _ = ask(connection, self._path)
                connection.close()
                if status != 200:
                    self.failures.append(f"status {status}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            self.took_s.append(time.monotonic() - began)
            self._stop.wait(self._pause_s)

    def check(self, longest_s: float) -> None:
        """Nothing failed, and (but for a hiccup of the machine) nothing took long.

        ``longest_s`` is for an idle machine.
        """
        assert not self.failures
        assert len(self.took_s) >= self.LOOKS_MIN
        slow = [took for took in self.took_s if took > longest_s * UNDER_LOAD]
        assert len(slow) <= len(self.took_s) // 50, sorted(slow)[-10:]


class TestHandlers:
    """One handler's fault is one request's fault."""

    @pytest.mark.parametrize(
        "path",
        [
            "/raise",
            "/nonsense",
            "/exit",
            "/exit_def",
            "/exit_late",
            "/exit_task",
            "/interrupt",
        ],
    )
    def test_a_failure_is_a_500(self, serve: Serve, path: str) -> None:
        """And the shard lives, with all its other connections."""
        server = serve("faults")
        pid = server.shard_pid
        other = keep_alive(server)
        assert ask(other, "/pid") == (200, str(pid))
        connection = keep_alive(server)
        assert ask(connection, path) == (500, "Internal Server Error")
        assert ask(connection, "/pid") == (200, str(pid))
        assert ask(other, "/pid") == (200, str(pid))
        assert server.shard_pid == pid
        assert "panicked" not in server.log

    def test_a_dying_shard_is_replaced(self, serve: Serve) -> None:
        """``os._exit`` in a handler."""
        server = serve("faults", shards=2)
        before = set(server.shard_pids)
        connection = keep_alive(server)
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(connection, "/die")
        wait_until(lambda: len(set(server.shard_pids) | before) == 3, 3.0)
        with Prober(server) as prober:
            time.sleep(0.5)
        prober.check(2.0)

    def test_a_blocked_shard(self, serve: Serve) -> None:
        """Its clients wait and are all answered; the other shard takes no notice."""
        server = serve("faults", shards=2)
        blocked, free = server.shard_pids
        victims = [connection_to(server, blocked) for _ in range(5)]
        others = [connection_to(server, free) for _ in range(3)]
        with ThreadPoolExecutor(10) as pool:
            began = time.monotonic()
            blocking = pool.submit(ask, victims[0], "/block/4")
            time.sleep(0.2)
            waiting = [pool.submit(ask, victim, "/pid") for victim in victims[1:]]
            while time.monotonic() - began < 2.0:
                for other in others:
                    asked = time.monotonic()
                    assert ask(other, "/pid") == (200, str(free))
                    assert time.monotonic() - asked < 1.5
                time.sleep(0.05)
            assert not any(future.done() for future in waiting)
            assert blocking.result(30) == (200, str(blocked))
            assert [f.result(30) for f in waiting] == [(200, str(blocked))] * 4
        assert set(server.shard_pids) == {blocked, free}

    @pytest.mark.parametrize("kind", ["sleep", "task"])
    def test_a_handler_that_only_gives_way(self, serve: Serve, kind: str) -> None:
        """Others on the same shard are served, by coroutines, threads and timers."""
        server = serve("faults")
        with server.connect() as spinning:
            spinning.sendall(GET.format(f"/spin/{kind}").encode())
            connection = keep_alive(server)
            wait_until(lambda: ask(connection, "/notes/spin")[1] != "null")
            for path in ("/", "/def", "/wait/0.01", "/stream/spun?chunks=3&pause=0.01"):
                for _ in range(5):
                    began = time.monotonic()
                    assert ask(connection, path)[0] == 200
                    assert time.monotonic() - began < 0.5 * UNDER_LOAD, path
            # A new connection too.
            with Prober(server) as prober:
                time.sleep(0.5)
            prober.check(0.5)
        # Its client has gone, so it is cancelled, and the shard rests again.
        time.sleep(0.5)
        with open(f"/proc/{server.shard_pid}/stat") as file:
            before = file.read().rpartition(")")[2].split()[11:13]
        time.sleep(1.0)
        with open(f"/proc/{server.shard_pid}/stat") as file:
            after = file.read().rpartition(")")[2].split()[11:13]
        assert sum(map(int, after)) - sum(map(int, before)) <= 5

    def test_a_handler_that_never_gives_way(self, serve: Serve) -> None:
        """Takes its own shard only, and does not keep the server from ending."""
        server = serve("faults", shards=2, drain_timeout_s=1.0, exit_code=None)
        taken, free = server.shard_pids
        other = connection_to(server, free)
        spinning = connection_to(server, taken)
        spinning.request("GET", "/spin/never")
        time.sleep(0.3)
        for _ in range(20):
            began = time.monotonic()
            assert ask(other, "/pid") == (200, str(free))
            assert time.monotonic() - began < 0.5 * UNDER_LOAD
        assert server.stop() == 1
        assert not server.leftovers()

    def test_a_full_thread_pool(self, serve: Serve) -> None:
        """``async`` handlers go on; the calls that wait are answered in the end."""
        server = serve("faults")
        with ThreadPoolExecutor(50) as pool:
            began = time.monotonic()
            blocking = [
                pool.submit(lambda: ask(keep_alive(server), "/block_thread/4")) for _ in range(45)
            ]
            time.sleep(0.3)
            with Prober(server) as prober:
                time.sleep(0.8)
            prober.check(0.3)
            waited = pool.submit(lambda: ask(keep_alive(server), "/def"))
            time.sleep(0.1)
            assert not waited.done()
            assert [future.result(30)[0] for future in blocking] == [200] * 45
            assert waited.result(30) == (200, '"thread"')
            # Forty at once and then the rest.
            assert time.monotonic() - began > 7.9

    @pytest.mark.parametrize("how", ["works", "fails"])
    def test_a_background_function(self, server: Server, how: str) -> None:
        """``Response(background=...)`` runs after the answer; its failure is only logged."""
        connection = keep_alive(server)
        assert ask(connection, f"/background/{how}") == (200, "sent")
        wait_until(lambda: ask(connection, f"/notes/background_{how}")[1] == '"ran"', 2.0)
        if how == "fails":
            server.wait_log("failed after the answer")


class TestClients:
    """A client's fault is that client's alone."""

    @pytest.mark.parametrize("reset", [False, True])
    @pytest.mark.parametrize(
        "path",
        [
            "/awaits/{}",
            "/awaits_in_cleanup/{}",
            "/stream/{}",
            "/stream/{}?pause=60",
            "/stream_sync/{}",
            "/stream_def/{}",
        ],
    )
    def test_a_client_that_goes(self, server: Server, path: str, reset: bool) -> None:
        """The handler's ``finally`` runs within a second."""
        name = re.sub(r"\W", "_", f"{path}{reset}")
        connection = server.connect()
        connection.sendall(GET.format(path.format(name)).encode())
        if "stream" in path:
            assert b"tick" in read_until(connection, b"tick")
        else:
            time.sleep(0.1)
        if reset:
            close_with_reset(connection)
        else:
            connection.close()
        other = keep_alive(server)
        wait_until(lambda: ask(other, f"/notes/{name}")[1] != "null", 1.0, path)

    @pytest.mark.parametrize("reset", [False, True])
    @pytest.mark.parametrize("path", ["/reads/{}", "/reads_stream/{}"])
    @pytest.mark.parametrize("head", ["content-length: 100", "transfer-encoding: chunked"])
    def test_a_client_that_goes_in_its_body(
        self, server: Server, path: str, head: str, reset: bool
    ) -> None:
        """While the handler waits for the rest of it."""
        name = re.sub(r"\W", "_", f"{path}{head}{reset}")
        connection = server.connect()
        body = "5\r\nhello\r\n" if "chunked" in head else "hello"
        connection.sendall(
            f"POST {path.format(name)} HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n{body}".encode()
        )
        time.sleep(0.1)
        if reset:
            close_with_reset(connection)
        else:
            connection.close()
        other = keep_alive(server)
        wait_until(lambda: ask(other, f"/notes/{name}")[1] == '"finally"', 1.0, name)

    def test_a_handler_that_ignores_its_cancellation(self, server: Server) -> None:
        """Goes on to its end."""
        connection = server.connect()
        connection.sendall(GET.format("/stubborn/stubborn").encode())
        time.sleep(0.1)
        connection.close()
        other = keep_alive(server)
        wait_until(lambda: ask(other, "/notes/stubborn")[1] == '"finished"', 2.0)

    def test_a_reader_of_one_byte_a_second(self, serve: Serve) -> None:
        """Of 100 MB: the shard does not keep them, and others take no notice."""
        server = serve("faults")
        pid = server.shard_pid
        for _ in range(3):
            assert ask(keep_alive(server), "/")[0] == 200
        before = rss_bytes(pid)
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", server.port))
            slow.sendall(GET.format("/large/100").encode())
            most = before
            with Prober(server) as prober:
                for _ in range(5):
                    assert len(slow.recv(1)) == 1
                    for _ in range(10):
                        time.sleep(0.1)
                        most = max(most, rss_bytes(pid))
            prober.check(0.3)
            assert most - before < 40 << 20
        wait_until(lambda: ask(keep_alive(server), "/")[0] == 200)

    def test_a_reader_that_stops(self, serve: Serve) -> None:
        """Is given up after ``--send-timeout-s``, and its handler is ended."""
        server = serve("faults", "--send-timeout-s", "1")
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", server.port))
            slow.sendall(GET.format("/large/100").encode())
            assert slow.recv(1) == b"H"
            descriptors = open_descriptors(server.shard_pid)
            wait_until(lambda: open_descriptors(server.shard_pid) < descriptors, 5.0)
        with Prober(server) as prober:
            time.sleep(0.2)
        prober.check(0.3)

    def test_half_heads(self, serve: Serve) -> None:
        """Two thousand of them get 408 on time, and others are served the while."""
        server = serve("faults", "--header-timeout-s", "2")
        with contextlib.ExitStack() as stack:
            poller = select.poll()
            waiting: dict[int, tuple[socket.socket, float]] = {}
            with Prober(server, pause_s=0.05) as prober:
                for _ in range(2000):
                    connection = stack.enter_context(server.connect())
                    connection.sendall(b"GET / HTTP/1.1\r\nhost: ")
                    waiting[connection.fileno()] = (connection, time.monotonic())
                    poller.register(connection, select.POLLIN)
                deadline = time.monotonic() + 3.0 * UNDER_LOAD
                took_s = []
                while waiting and time.monotonic() < deadline:
                    for descriptor, _ in poller.poll(100):
                        connection, began = waiting.pop(descriptor)
                        took_s.append(time.monotonic() - began)
                        poller.unregister(descriptor)
                        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
            assert not waiting
            assert min(took_s) > 1.95
            assert max(took_s) < 2.0 * UNDER_LOAD
        prober.check(0.5)

    def test_slowloris(self, serve: Serve) -> None:
        """A head that comes byte by byte has to be complete in time all the same."""
        server = serve("faults", "--header-timeout-s", "1", "--body-timeout-s", "1")
        with server.connect() as connection:
            began = time.monotonic()
            head = b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x-header: 1\r\n" * 10
            closed = False
            for byte in head:
                with contextlib.suppress(OSError):
                    connection.sendall(bytes([byte]))
                readable, _, _ = select.select([connection], [], [], 0.1)
                if readable:
                    assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
                    closed = True
                    break
            assert closed
            assert 0.95 < time.monotonic() - began < 2.5 * UNDER_LOAD

    @pytest.mark.parametrize("path", ["/reads/body", "/reads_stream/body"])
    def test_a_body_that_stops(self, serve: Serve, path: str) -> None:
        """408 after ``--body-timeout-s``, counted from its last byte."""
        server = serve("faults", "--body-timeout-s", "2")
        with server.connect() as connection:
            connection.sendall(
                f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n".encode()
            )
            for byte in (b"a", b"b", b"c"):
                time.sleep(0.5)
                connection.sendall(byte)
            began = time.monotonic()
            assert read_until(connection, b"\r\n").startswith(b"HTTP/1.1 408 ")
            assert 1.95 < time.monotonic() - began < 3.0 * UNDER_LOAD
        wait_until(lambda: ask(keep_alive(server), "/notes/body")[1] == '"finally"', 1.0)

    def test_an_idle_connection(self, serve: Serve) -> None:
        """Is closed after ``--keep-alive-timeout-s``."""
        server = serve("faults", "--keep-alive-timeout-s", "1")
        with server.connect() as connection:
            connection.sendall(GET.format("/").encode())
            read_until(connection, b'"here"')
            began = time.monotonic()
            assert connection.recv(1) == b""
            assert 0.95 < time.monotonic() - began < 3.0 * UNDER_LOAD

    def test_a_hundred_thousand_resets(self, serve: Serve) -> None:
        """Leave neither descriptors nor memory behind."""
        server = serve("faults")
        pid = server.shard_pid
        reset_connections(server.port, 10_000)
        settle(server)
        descriptors, memory = open_descriptors(pid), rss_bytes(pid)
        reset_connections(server.port, 100_000)
        settle(server)
        assert server.shard_pid == pid
        assert open_descriptors(pid) <= descriptors + 2
        assert rss_bytes(pid) - memory < 10 << 20
        with Prober(server) as prober:
            time.sleep(0.3)
        prober.check(0.3)
        assert "panicked" not in server.log

    def test_too_many_connections(self, serve: Serve) -> None:
        """503 past ``--connections-max``, and room again when some have gone."""
        server = serve("faults", "--connections-max", "20")
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                connection = keep_alive(server)
                stack.callback(connection.close)
                assert ask(connection, "/")[0] == 200
            assert ask(keep_alive(server), "/")[0] == 503
        wait_until(lambda: ask(keep_alive(server), "/")[0] == 200, 2.0)


RESETTER = """
import socket, struct, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
sent = [b"", b"GET / HTTP/1.1\\r\\nho", b"GET / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n",
        b"GET /wait/5 HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n",
        b"POST /reads/x HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 9\\r\\n\\r\\nabc"]
linger = struct.pack("ii", 1, 0)
for n in range(count):
    with socket.socket() as s:
        s.settimeout(20)
        s.connect(("127.0.0.1", port))
        if text := sent[n % len(sent)]:
            s.send(text)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
"""


def reset_connections(port: int, count: int) -> None:
    """Open and reset connections from two processes."""
    command = [sys.executable, "-c", RESETTER, str(port), str(count // 2)]
    processes = [subprocess.Popen(command) for _ in range(2)]
    try:
        assert [process.wait(70) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()


def settle(server: Server) -> None:
    """Wait until the shard has done away with what is gone."""
    pid = server.shard_pid
    seen = [open_descriptors(pid)]

    def steady() -> bool:
        time.sleep(0.2)
        seen.append(open_descriptors(pid))
        return len(seen) > 3 and len(set(seen[-3:])) == 1

    wait_until(steady, 10.0)


class TestProcesses:
    """Shards and the supervisor come and go."""

    def test_a_shard_is_killed_under_load(self, serve: Serve) -> None:
        """Only what it was working on is lost, and it is replaced within a second."""
        server = serve("faults", shards=2)
        victim, survivor = server.shard_pids
        doomed = [connection_to(server, victim) for _ in range(5)]
        safe = [connection_to(server, survivor) for _ in range(5)]
        for connection in (*doomed, *safe):
            connection.request("GET", "/wait/1")
        with contextlib.ExitStack() as stack:
            probers = [stack.enter_context(Prober(server, "/pid")) for _ in range(4)]
            time.sleep(0.3)
            earlier = [len(prober.failures) for prober in probers]
            killed = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            known = {victim, survivor}
            wait_until(lambda: set(server.shard_pids) - known, 1.0, "a new shard process")
            (new,) = set(server.shard_pids) - known
            wait_until(lambda: "starts again" in server.log, 1.0)
            connection_to(server, new)
            replaced_s = time.monotonic() - killed
            time.sleep(0.7)
        assert replaced_s < 1.0 * UNDER_LOAD
        assert earlier == [0] * 4
        # A prober whose request the victim had in hand may have lost that one.
        for prober in probers:
            assert len(prober.failures) <= 1, prober.failures
            assert len(prober.took_s) > 20
            assert max(prober.took_s) < 2.0 * UNDER_LOAD
        for connection in doomed:
            with pytest.raises((OSError, http.client.HTTPException)):
                connection.getresponse()
        for connection in safe:
            response = connection.getresponse()
            assert (response.status, response.read().decode()) == (200, str(survivor))

    def test_connections_that_wait_in_a_killed_shards_socket(self, serve: Serve) -> None:
        """Are served by its successor."""
        server = serve("faults")
        (victim,) = server.shard_pids
        blocking = keep_alive(server)
        blocking.request("GET", "/block/30")
        time.sleep(0.3)
        with contextlib.ExitStack() as stack:
            queued = []
            for _ in range(50):
                connection = keep_alive(server)
                stack.callback(connection.close)
                connection.request("GET", "/pid")
                queued.append(connection)
            os.kill(victim, signal.SIGKILL)
            for connection in queued:
                response = connection.getresponse()
                assert response.status == 200
                assert response.read().decode() != str(victim)

    def test_five_reloads_under_load(self, serve: Serve) -> None:
        """No connection is refused and no request is lost."""
        server = serve("faults", shards=2)
        before = set(server.shard_pids)
        with keep_alive_load(server, 20) as load, Prober(server, pause_s=0.05) as prober:
            for _ in range(5):
                time.sleep(3)
                server.signal(signal.SIGHUP)
        assert not load.problems, load.problems
        assert not prober.failures
        assert load.requests > 1000
        assert server.log.count("(reloaded after") == 5, server.log
        assert len(server.shard_pids) == 2
        assert not before & set(server.shard_pids)

    def test_a_reload_with_a_stream_open(self, serve: Serve) -> None:
        """The stream goes on until the drain's deadline; then the old shard is gone."""
        server = serve("faults", drain_timeout_s=2.0)
        old = server.shard_pid
        with server.connect() as streaming:
            streaming.sendall(GET.format("/stream/endless").encode())
            assert b"tick" in read_until(streaming, b"tick")
            server.signal(signal.SIGHUP)
            server.wait_log("(reloaded after")
            assert b"tick" in read_until(streaming, b"tick")
            new = int(ask(keep_alive(server), "/pid")[1])
            assert new != old
            wait_until(lambda: server.shard_pids == [new], 4.0)
        assert "is killed" not in server.log

    def test_sigterm_under_load(self, serve: Serve) -> None:
        """What is in flight is answered; an endless stream does not hold the server up."""
        server = serve("faults", shards=2, drain_timeout_s=8.0)
        with contextlib.ExitStack() as stack:
            streaming = stack.enter_context(server.connect())
            streaming.sendall(GET.format("/stream/endless").encode())
            assert b"tick" in read_until(streaming, b"tick")
            idle = keep_alive(server)
            assert ask(idle, "/")[0] == 200
            waiting = []
            for path in ["/wait/1"] * 10 + ["/block_thread/1"] * 5 + ["/stream/s?chunks=20"] * 5:
                connection = keep_alive(server)
                stack.callback(connection.close)
                connection.request("GET", path)
                waiting.append(connection)
            time.sleep(0.3)
            began = time.monotonic()
            server.signal(signal.SIGTERM)
            for connection in waiting:
                response = connection.getresponse()
                assert response.status == 200
                assert response.read()
            # Long before the deadline, which is the endless stream's.
            assert time.monotonic() - began < 6.0
            assert server.wait_end(20) == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        assert not server.leftovers()

    def test_sigterm_while_idle(self, serve: Serve) -> None:
        """Idle connections do not hold the server up."""
        server = serve("faults", shards=2, drain_timeout_s=20.0)
        connections = [keep_alive(server) for _ in range(20)]
        for connection in connections:
            assert ask(connection, "/")[0] == 200
        silent = server.connect()
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 2.5 * UNDER_LOAD
        silent.close()

    def test_a_draining_server_says_close(self, serve: Serve) -> None:
        """So that its clients know to go elsewhere."""
        server = serve("faults")
        connection = keep_alive(server)
        connection.request("GET", "/wait/0.8")
        time.sleep(0.2)
        server.signal(signal.SIGTERM)
        response = connection.getresponse()
        assert response.status == 200
        assert response.getheader("connection") == "close"

    def test_sigint_twice(self, serve: Serve) -> None:
        """The second one does not wait."""
        server = serve("faults", shards=2, drain_timeout_s=20.0, exit_code=130)
        connection = keep_alive(server)
        connection.request("GET", "/wait/15")
        time.sleep(0.2)
        server.signal(signal.SIGINT)
        time.sleep(0.3)
        assert server.process.poll() is None
        server.signal(signal.SIGINT)
        assert server.wait_end(2.0) == 130

    def test_the_supervisor_is_killed(self, serve: Serve) -> None:
        """Its shards answer what they have, and end."""
        server = serve("faults", shards=2, exit_code=None)
        shards = server.shard_pids
        connection = keep_alive(server)
        connection.request("GET", "/wait/1")
        time.sleep(0.2)
        os.kill(server.pid, signal.SIGKILL)
        assert server.wait_end(2.0) == -signal.SIGKILL
        response = connection.getresponse()
        assert response.status == 200
        assert int(response.read()) in shards
        wait_until(lambda: not any(map(is_running, shards)), 4.0, "the shards' end")
        assert not [pid for pid in session_members(server.pid) if is_running(pid)]
        with pytest.raises(ConnectionRefusedError):
            server.connect()


class Load:
    """What came of a load on keep-alive connections."""

    def __init__(self) -> None:
        self.requests = 0
        self.problems: list[str] = []


@contextlib.contextmanager
def keep_alive_load(server: Server, seconds: int) -> Iterator[Load]:
    """Load the server for so long; by wrk where there is one, else by threads."""
    load = Load()
    if wrk := shutil.which("wrk"):
        command = [wrk, "-t1", "-c16", f"-d{seconds}s", "--latency", f"{server.url}/"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            yield load
            output, _ = process.communicate(timeout=seconds + 15)
        finally:
            process.kill()
        for line in output.splitlines():
            if "Socket errors" in line or "Non-2xx" in line:
                load.problems.append(line.strip())
        found = re.search(r"(\d+) requests in", output)
        load.requests = int(found[1]) if found else 0
        return
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=load_once, args=(server, end, load)) for _ in range(8)]
    for thread in threads:
        thread.start()
    yield load
    for thread in threads:
        thread.join()


def load_once(server: Server, end: float, load: Load) -> None:
    """One client that asks on one connection until the server closes it."""
    connection = keep_alive(server)
    while time.monotonic() < end:
        try:
            status, _ = ask(connection, "/")
            load.requests += 1
            if status != 200:
                load.problems.append(f"status {status}")
        except (OSError, http.client.HTTPException) as error:
            load.problems.append(repr(error))
            connection.close()
    connection.close()
