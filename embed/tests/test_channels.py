"""Channels across shards, through deaths and reloads, and across servers."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest
from live_server import Server, open_descriptors, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Serve


class Shard:
    """A connection that stays with one shard."""

    def __init__(self, server: Server) -> None:
        self._client = server.client()
        self.pid: int = self._client.get("/pid").json()

    def get(self, path: str, **query: Any) -> Any:
        """What a GET answers."""
        return self._client.get(path, params=query).raise_for_status().json()

    def post(self, path: str, **query: Any) -> Any:
        """What a POST answers."""
        return self._client.post(path, params=query).raise_for_status().json()

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()


def shards_of(server: Server, count: int) -> list[Shard]:
    """A connection to each shard."""
    found: dict[int, Shard] = {}

    def all_found() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            shard = Shard(server)
            if found.setdefault(shard.pid, shard) is not shard:
                shard.close()
        return len(found) >= count

    wait_until(all_found, what=f"{count} shards")
    return list(found.values())


class Listener:
    """A streaming answer of one shard, read on a thread; joined when this returns."""

    def __init__(self, server: Server, channel: str, pid: int | None = None, **query: Any) -> None:
        self.messages: list[dict[str, Any]] = []
        while True:
            self._client = server.client(timeout=30.0)
            request = self._client.build_request("GET", f"/stream/{channel}", params=query)
            self._response = self._client.send(request, stream=True)
            self._lines = self._response.iter_lines()
            self.pid = json.loads(next(self._lines))["pid"]
            if pid in {None, self.pid}:
                break
            self.close()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(httpx.HTTPError, httpx.StreamError):
            for line in self._lines:
                self.messages.append(json.loads(line))

    def wait(self, count: int, timeout_s: float = 10.0) -> list[Any]:
        """The data, once there are so many messages."""
        wait_until(lambda: len(self.messages) >= count, timeout_s, f"{count} messages")
        return self.data

    @property
    def data(self) -> list[Any]:
        """The data of all messages so far."""
        return [message["data"] for message in self.messages]

    def close(self) -> None:
        """Go away."""
        # A blocked reader notices, unlike with a mere close.
        stream = self._response.extensions["network_stream"]
        with contextlib.suppress(OSError):
            stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(Exception):
            self._response.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def counted(first: int, count: int) -> list[str]:
    """What the application numbers its messages with."""
    return [str(n) for n in range(first, first + count)]


def test_a_message_reaches_every_shard(serve: Serve) -> None:
    """Whoever publishes, in order, and once."""
    server = serve("channels", shards=2)
    one, two = shards_of(server, 2)
    with Listener(server, "room", one.pid) as at_one, Listener(server, "room", two.pid) as at_two:
        ids = one.post("/publish/room", count=500) + two.post("/publish/room", first=500, count=500)
        at_one.wait(1000)
        at_two.wait(1000)
        for listener in (at_one, at_two):
            # What one shard publishes stays in order, and nothing comes twice.
            numbers = [int(n) for n in listener.data]
            assert [n for n in numbers if n < 500] == list(range(500))
            assert [n for n in numbers if n >= 500] == list(range(500, 1000))
            assert {message["id"] for message in listener.messages} == set(ids)
    stats = one.get("/stats")
    assert (stats["peers"], stats["published"], stats["received"]) == (1, 500, 500)
    assert (stats["dropped_to_peers"], stats["malformed_packets"]) == (0, 0)


def test_every_kind_of_thread_may_publish(serve: Serve) -> None:
    """Handlers on threads, threads of the application's own; ids stay in order."""
    server = serve("channels", shards=2)
    one, two = shards_of(server, 2)
    with Listener(server, "room", one.pid) as at_one, Listener(server, "room", two.pid) as at_two:
        ids = one.post("/publish-in-thread/room", count=6000)
        ids.append(one.post("/publish-in-own-thread/room", text="6000"))
        assert at_one.wait(6001) == counted(0, 6001)
        arrived = [int(n) for n in at_two.wait(1)]
        wait_until(lambda: at_two.data[-1:] == ["6000"])
        arrived = [int(n) for n in at_two.data]
        assert arrived == sorted(arrived)
        dropped = one.get("/stats")["dropped_to_peers"]
        assert len(arrived) + dropped == 6001
    numbers = [tuple(map(int, id_.split("-"))) for id_ in ids]
    assert numbers == sorted(set(numbers))


def test_messages_are_text_binary_or_json(serve: Serve) -> None:
    """And have their bounds."""
    server = serve("channels", shards=2)
    one, two = shards_of(server, 2)
    with Listener(server, "room", one.pid) as here, Listener(server, "room", two.pid) as there:
        one.post("/publish-kinds/room")
        kinds = ["t\u00e9xt", [255, 0], [97, 98], '{"a":[1,null]}', "7"]
        assert here.wait(5) == there.wait(5) == kinds
    name, longer, size, kind = one.post("/refused")
    assert name == longer == "a channel's name has 1 to 200 characters"
    assert size == "a channel's message has at most 131072 bytes"
    assert "object" in kind


def test_who_lags_loses_the_oldest(serve: Serve) -> None:
    """Counted, and nobody else notices."""
    server = serve("channels", shards=2)
    one, two = shards_of(server, 2)
    two.post("/lag/room", queue=5)
    with Listener(server, "room", two.pid) as quick:
        one.post("/publish/room", count=100)
        assert quick.wait(100) == counted(0, 100)
    assert two.get("/lag/room") == {"data": counted(95, 5), "dropped": 95}
    assert two.get("/stats")["dropped_by_subscriptions"] == 95
    assert one.get("/stats")["dropped_by_subscriptions"] == 0


def test_a_cancelled_reader_loses_nothing(serve: Serve) -> None:
    """The message goes to whoever reads next."""
    server = serve("channels")
    assert server.client().post("/wake-two/room").json() == ["CancelledError", "for the second"]


def test_history_is_kept_on_every_shard(serve: Serve) -> None:
    """Bounded, for ``after`` and for who asks."""
    server = serve("channels", shards=2)
    one, two = shards_of(server, 2)
    ids = one.post("/publish/kept:a", count=30)
    one.post("/publish/other", count=30)
    wait_until(lambda: len(two.get("/history/kept:a")) == 20)
    for shard in (one, two):
        wait_until(lambda shard=shard: shard.get("/history/kept:a")[-1]["data"] == "29")
        assert [kept["data"] for kept in shard.get("/history/kept:a")] == counted(10, 20)
        assert [kept["id"] for kept in shard.get("/history/kept:a", after=ids[27])] == ids[28:]
        assert shard.get("/history/kept:a") == shard.get("/history-in-thread/kept:a")
        assert shard.get("/history/other") == []
        with Listener(server, "kept:a", shard.pid, after=ids[-3]) as resumed:
            assert resumed.wait(2) == ["28", "29"]
        assert shard.get("/poll/kept:a", after=ids[-2])["id"] == ids[-1]
        assert shard.get("/poll/kept:a", after="nonsense")["data"] == "10"
        assert shard.get("/poll/kept:a", wait_s=0.05) == {"data": None}


def test_presence_counts_all_shards(serve: Serve) -> None:
    """Those who leave too, and those of a shard that is killed."""
    server = serve("channels", shards=2, exit_code=None)
    one, two = shards_of(server, 2)

    def everywhere(count: int) -> None:
        wait_until(lambda: [s.get("/presence/room") for s in (one, two)] == [count] * 2)

    with Listener(server, "room", one.pid):
        with Listener(server, "room", two.pid), Listener(server, "room", two.pid):
            everywhere(3)
        everywhere(1)
        with Listener(server, "room", two.pid):
            everywhere(2)
            os.kill(two.pid, signal.SIGKILL)
            wait_until(lambda: one.get("/presence/room") == 1)
        new = next(shard for shard in shards_of(server, 2) if shard.pid != one.pid)
        wait_until(lambda: new.get("/presence/room") == 1)
        assert one.get("/stats")["peers"] == 1


def test_publishers_go_on_when_a_shard_is_killed(serve: Serve) -> None:
    """Everybody else gets all of it; the new shard is part of it again, with what was kept."""
    server = serve("channels", shards=3, exit_code=None)
    one, two, three = shards_of(server, 3)
    with Listener(server, "kept:a", two.pid) as at_two:
        one.post("/publish/kept:a", count=10)
        os.kill(three.pid, signal.SIGKILL)
        for part in range(1, 20):
            one.post("/publish/kept:a", first=part * 10, count=10)
        assert at_two.wait(200) == counted(0, 200)
    living = {one.pid, two.pid}
    new = next(shard for shard in shards_of(server, 3) if shard.pid not in living)
    assert [kept["data"] for kept in new.get("/history/kept:a")] == counted(180, 20)
    with Listener(server, "room", new.pid) as at_new:
        one.post("/publish/room")
        at_new.wait(1)


def test_a_shard_that_is_stuck_holds_nobody_up(serve: Serve) -> None:
    """What it does not take in time is dropped and counted; then it goes on."""
    server = serve("channels", shards=3)
    one, two, stuck = shards_of(server, 3)
    blocking = threading.Thread(target=lambda: stuck.get("/block", seconds=5))
    with Listener(server, "room", two.pid) as at_two, Listener(server, "room", stuck.pid) as late:
        blocking.start()
        for part in range(200):
            one.post("/publish/room", first=part * 100, count=100)
        assert at_two.wait(20_000) == counted(0, 20_000)
        assert blocking.is_alive()
        wait_until(lambda: late.data[-1:] == ["19999"])
        blocking.join()
        numbers = [int(n) for n in late.data]
        assert numbers == sorted(set(numbers))


def test_a_shard_that_was_stuck_goes_on_while_others_publish(serve: Serve) -> None:
    """It hears of it that there is room again, also if there is no pause."""
    server = serve("channels", shards=2)
    one, stuck = shards_of(server, 2)
    publishing = threading.Thread(target=lambda: one.post("/publish-for/room", seconds=3.0))
    with Listener(server, "room", stuck.pid) as late:
        publishing.start()
        stuck.get("/block", seconds=1.0)
        count = len(late.messages)
        wait_until(lambda: len(late.messages) > count + 1000, 2.0)
        assert publishing.is_alive()
        publishing.join()
        numbers = [int(n) for n in late.data]
        assert numbers == sorted(set(numbers))


def test_a_reload_keeps_histories_and_links(serve: Serve) -> None:
    """Ids go on, so does every listener that comes back with its last one."""
    server = serve("channels", shards=2)
    old = shards_of(server, 2)
    ids = old[0].post("/publish/kept:a", count=25)
    wait_until(lambda: len(old[1].get("/history/kept:a")) == 20)
    before = [open_descriptors(pid) for pid in (server.pid, *server.shard_pids)]
    for shard in old:
        shard.close()
    for reload in range(1, 4):
        server.signal(signal.SIGHUP)
        wait_until(lambda n=reload: server.log.count("(reloaded after") == n)
        # The first answer of a new shard has it all.
        wait_until(lambda: len(server.shard_pids) == 2)
        shards = shards_of(server, 2)
        for shard in shards:
            assert [kept["id"] for kept in shard.get("/history/kept:a")] == ids[-20:]
        new_ids = shards[0].post("/publish/kept:a", first=reload)
        assert [kept["id"] for kept in shards[0].get("/history/kept:a", after=ids[-1])] == new_ids
        ids += new_ids
        last = ids[-1]
        wait_until(lambda two=shards[1], id_=last: two.get("/history/kept:a")[-1]["id"] == id_)
        for shard in shards:
            shard.close()
    wait_until(
        lambda: [open_descriptors(pid) for pid in (server.pid, *server.shard_pids)] <= before,
        what="the descriptors of before",
    )


def test_one_generation_hears_the_other(serve: Serve) -> None:
    """A client that stays with an old shard hears what is published on a new one."""
    server = serve("channels", shards=1, drain_timeout_s=6.0)
    with Listener(server, "room") as old:
        server.signal(signal.SIGHUP)
        server.wait_log("(reloaded after")
        with server.client() as client:
            assert client.get("/pid").json() != old.pid
            client.post("/publish/room", params={"first": 7})
            assert old.wait(1) == ["7"]
            assert client.get("/presence/room").json() == 1


def test_an_idle_server_stays_idle(serve: Serve) -> None:
    """Links wait; they do not poll."""
    server = serve("channels", shards=2)
    one, two = shards_of(server, 2)
    with Listener(server, "room", one.pid), Listener(server, "room", two.pid):
        one.post("/publish/room")
        time.sleep(0.3)

        def cpu_ticks() -> int:
            fields = [Path(f"/proc/{pid}/stat").read_text().split() for pid in server.shard_pids]
            return sum(int(f[13]) + int(f[14]) for f in fields)

        before = cpu_ticks()
        time.sleep(1.0)
        assert cpu_ticks() - before <= 2


class Hub:
    """Sends every byte that a connection brings to all connections, frame by frame."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._buffers: dict[socket.socket, bytearray] = {}
        self._running = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ)
        while self._running:
            for key, _ in selector.select(0.1):
                if key.fileobj is self._listener:
                    connection, _ = self._listener.accept()
                    self._buffers[connection] = bytearray()
                    selector.register(connection, selectors.EVENT_READ)
                else:
                    connection = key.fileobj
                    received = connection.recv(65536)
                    if not received:
                        selector.unregister(connection)
                        del self._buffers[connection]
                        connection.close()
                    else:
                        self._take(connection, received)

    def _take(self, connection: socket.socket, received: bytes) -> None:
        buffer = self._buffers[connection]
        buffer += received
        while len(buffer) >= 8:
            size = 8 + int.from_bytes(buffer[:4]) + int.from_bytes(buffer[4:8])
            if len(buffer) < size:
                return
            frame = bytes(buffer[:size])
            del buffer[:size]
            for other in list(self._buffers):
                with contextlib.suppress(OSError):
                    other.sendall(frame)

    @property
    def connections(self) -> int:
        """How many are connected."""
        return len(self._buffers)

    def send(self, frame: bytes) -> None:
        """Send something of its own to all."""
        for connection in self._buffers:
            connection.sendall(frame)

    def close(self) -> None:
        """Disconnect all."""
        self._running = False
        self._thread.join()
        self._listener.close()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub that ends with the test."""
    running = Hub(tmp_path / "hub")
    yield running
    running.close()


def test_a_backplane_joins_servers_without_doubles(serve: Serve, hub: Hub) -> None:
    """Two servers of two shards: everybody has each message once, in order per publisher."""
    servers = [serve("channels", shards=2, env={"HUB": hub.path}) for _ in range(2)]
    wait_until(lambda: hub.connections == 4)
    shards = [shards_of(server, 2) for server in servers]
    with contextlib.ExitStack() as stack:
        listeners = [
            stack.enter_context(Listener(server, "kept:a", shard.pid))
            for server, of_server in zip(servers, shards, strict=True)
            for shard in of_server
        ]
        ids = [
            shard.post("/publish/kept:a", first=at * 100, count=100)
            for at, shard in enumerate([*shards[0], *shards[1]])
        ]
        for listener in listeners:
            listener.wait(400)
        time.sleep(0.3)  # for doubles, which must not come
        for listener in listeners:
            numbers = [int(n) for n in listener.data]
            assert sorted(numbers) == list(range(400))
            for first in range(0, 400, 100):
                own = [n for n in numbers if first <= n < first + 100]
                assert own == sorted(own)
            assert {m["id"] for m in listener.messages} == {id_ for some in ids for id_ in some}
        kept = [shard.get("/history/kept:a") for of_server in shards for shard in of_server]
        assert all(history == kept[0] for history in kept)
        for of_server in shards:
            for shard in of_server:
                stats = shard.get("/stats")
                assert (stats["published"], stats["received"], stats["foreign"]) == (100, 100, 200)
                # Presence is of one server.
                assert shard.get("/presence/kept:a") == 2


def test_a_backplane_may_fail_and_talk_nonsense(serve: Serve, hub: Hub) -> None:
    """It costs the messages that it loses, and is counted."""
    server = serve("channels", env={"HUB": hub.path})
    wait_until(lambda: hub.connections == 1)
    (shard,) = shards_of(server, 1)
    with Listener(server, "refused") as here:
        shard.post("/publish/refused")
        here.wait(1)
    server.wait_log("the backplane lost a message of channel 'refused'")
    for envelope in (b"", b"nonsense", b"FAC1" + bytes(28) + b"\x01" + bytes(3)):
        hub.send((4).to_bytes(4) + len(envelope).to_bytes(4) + b"room" + envelope)
    bad_text = b"FAC1" + bytes(16) + b"\x01" + bytes(12) + b"\xff"
    hub.send((4).to_bytes(4) + len(bad_text).to_bytes(4) + b"room" + bad_text)
    wait_until(lambda: shard.get("/stats")["malformed_envelopes"] >= 3)
    assert shard.get("/stats")["backplane_errors"] == 1
    shard.post("/publish/room")
    assert server.stop() == 0
    wait_until(lambda: hub.connections == 0)
