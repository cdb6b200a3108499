"""What breaks in long-lived connections stays where it is: peers, handlers, shards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from live_server import HERE, UNDER_LOAD, open_descriptors, rss_bytes, wait_until
from test_faults import Prober
from ws_client import (
    CLOSE,
    CONTINUATION,
    DEFLATE,
    PING,
    TEXT,
    Closed,
    Crowd,
    Refused,
    WebSocket,
    close_payload,
    deflated,
    frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from conftest import Serve
    from live_server import Server

APP = "realtime_faults"
MESSAGE_BYTES_MAX = 1000
# How long what must happen at once may take on a busy machine.
SOON_S = 5.0


@pytest.fixture(scope="module")
def server(serve_for_module: Serve) -> Server:
    """The application, on one shard, with a small bound on messages."""
    bound = str(MESSAGE_BYTES_MAX)
    return serve_for_module(APP, "--websocket-message-bytes-max", bound)


def ask(server: Server, path: str) -> object:
    """What one GET answers."""
    answer = server.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(server: Server, path: str, **query: int) -> object:
    """What one POST answers."""
    with server.client(timeout=30.0) as client:
        answer = client.post(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def handlers(server: Server) -> int:
    """How many WebSockets the only shard's handlers hold."""
    told = ask(server, "/here")
    assert isinstance(told, dict)
    return int(told["now"])


def wait_note(server: Server, name: str, expected: str, timeout_s: float = SOON_S) -> None:
    """Wait until a handler has left that note."""
    wait_until(lambda: ask(server, f"/notes/{name}") == expected, timeout_s, f"{name}: {expected}")


def numbers(messages: Iterable[str | bytes]) -> list[int]:
    """The numbers of what was published, without the shard's greeting."""
    words = [message.split()[0] for message in messages]
    return [int(word) for word in words if word not in {b"pid", "pid"}]


class TestHandlers:
    """One handler's fault is one WebSocket's fault."""

    @pytest.mark.parametrize("when", ["after", "in_answer"])
    def test_a_handler_that_raises(self, server: Server, when: str) -> None:
        """1011 for its peer, a traceback in the log, nothing for the others."""
        with (
            WebSocket(server.port, "/echo") as other,
            WebSocket(server.port, f"/raise/{when}") as it,
        ):
            if when == "in_answer":
                it.send("x")
                assert it.receive() == "said x"
            closed = it.wait_closed()
            assert closed.code == 1011
            assert "on purpose" not in closed.reason, "the peer is told what went wrong"
            assert it.answer_close()
            other.send("still here")
            assert other.receive() == "still here"
        server.wait_log(f"LookupError: on purpose, {when}")

    def test_a_handler_that_raises_before_it_accepts(self, server: Server) -> None:
        """Is a 500, and logged."""
        with pytest.raises(Refused) as refused:
            WebSocket(server.port, "/raise/before")
        assert refused.value.status == 500
        server.wait_log("LookupError: on purpose, before")


class TestPeers:
    """A peer's fault is that peer's alone."""

    @pytest.mark.parametrize("reset", [False, True])
    def test_a_peer_that_goes(self, server: Server, reset: bool) -> None:
        """The handler that receives is told at once."""
        name = f"goes_{reset}"
        websocket = WebSocket(server.port, f"/echo/{name}")
        websocket.send("x")
        assert websocket.receive() == "x"
        if reset:
            websocket.reset()
        else:
            websocket.socket.close()
        wait_note(server, name, "disconnect 1006")

    @pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
    def test_a_peer_that_closes_in_order(self, server: Server, code: int) -> None:
        """Gets its own code back, and the handler is told it."""
        websocket = WebSocket(server.port, f"/echo/close_{code}")
        assert websocket.close(code, "bye").code == code
        wait_note(server, f"close_{code}", f"disconnect {code}")

    @pytest.mark.parametrize("reset", [False, True])
    def test_a_peer_that_goes_while_nobody_receives(self, server: Server, reset: bool) -> None:
        """The handler is cancelled where it waits, so its ``finally`` runs."""
        name = f"asleep_{reset}"
        websocket = WebSocket(server.port, f"/asleep/{name}")
        if reset:
            websocket.reset()
        else:
            websocket.socket.close()
        wait_note(server, name, "CancelledError", 12.0)

    def test_a_peer_that_does_not_read(self, serve: Serve) -> None:
        """The sender waits, then fails within ``--send-timeout-s``; others are served."""
        server = serve(APP, "--send-timeout-s", "1")
        assert ask(server, "/pid")
        before = rss_bytes(server.shard_pid)
        with WebSocket(server.port, "/flood/slow", receive_buffer_bytes=4096):
            began = time.monotonic()
            with Prober(server, "/pid") as prober:
                wait_note(server, "slow", "WebSocketSlow 1006", 1.0 + SOON_S)
            assert time.monotonic() - began > 0.9
            prober.check(0.5)
            assert rss_bytes(server.shard_pid) - before < 16 << 20

    def test_a_peer_that_sends_what_nobody_takes(self, server: Server) -> None:
        """Is made to wait: the shard keeps only so much of it."""
        before = rss_bytes(server.shard_pid)
        with WebSocket(server.port, "/asleep/full", timeout_s=1.0) as websocket:
            data = frame(TEXT, b"x" * MESSAGE_BYTES_MAX) * 1000
            with pytest.raises(TimeoutError):
                websocket.socket.sendall(data * 50)
            assert rss_bytes(server.shard_pid) - before < 16 << 20

    def test_pings_whose_answers_nobody_reads(self, serve: Serve) -> None:
        """Do not pile up."""
        server = serve(APP, "--send-timeout-s", "2")
        assert ask(server, "/pid")
        before = rss_bytes(server.shard_pid)
        options = {"timeout_s": 1.0, "receive_buffer_bytes": 4096}
        with WebSocket(server.port, "/echo/pings", **options) as websocket:
            data = frame(PING, b"x" * 125) * 1000
            with contextlib.suppress(OSError):
                for _ in range(400):
                    websocket.socket.sendall(data)
            assert rss_bytes(server.shard_pid) - before < 16 << 20
        assert ask(server, "/pid")

    def test_half_a_message_and_silence(self, serve: Serve) -> None:
        """Is no reason to be kept when pings stay without an answer."""
        pings = ("--websocket-ping-interval-s", "0.5", "--websocket-ping-timeout-s", "0.5")
        server = serve(APP, *pings)
        with WebSocket(server.port, "/echo/half") as websocket:
            websocket.socket.sendall(frame(TEXT, b"x" * 100)[:50])
            assert websocket.receive_frame().opcode == PING
            wait_note(server, "half", "disconnect 1006")
            assert websocket.is_at_end()

    def test_a_peer_that_answers_no_close(self, serve: Serve) -> None:
        """Is not waited for longer than ``--websocket-close-timeout-s``."""
        server = serve(APP, "--websocket-close-timeout-s", "1")
        with WebSocket(server.port, "/pid") as websocket:
            assert websocket.wait_closed().code == 1000
            began = time.monotonic()
            assert websocket.is_at_end()
            assert 0.5 < time.monotonic() - began < 1.0 + SOON_S * UNDER_LOAD


VANISHING = """
import sys
from ws_client import Crowd
host, port, path, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
with Crowd(port, path, count, host=host) as crowd:
    print("open", flush=True)
    while True:
        crowd.read(0.1)
        for member in crowd.members:
            member.messages.clear()
"""


class Namespace:
    """A network namespace with one link to this one, whose packets can be dropped."""

    def __init__(self) -> None:
        """Make it; raises ``OSError`` or ``CalledProcessError`` where that is not possible."""
        number = os.getpid()
        self.name = f"fasterapi{number}"
        self.link = f"fa{number}"
        network = f"10.203.{number >> 6 & 255}"
        first = (number & 63) * 4
        self.host = f"{network}.{first + 1}"
        inside = f"{network}.{first + 2}"
        self._processes: list[subprocess.Popen[str]] = []
        ip("netns", "add", self.name)
        try:
            peer = f"{self.link}p"
            ip("link", "add", self.link, "type", "veth", "peer", peer, "netns", self.name)
            ip("address", "add", f"{self.host}/30", "dev", self.link)
            ip("link", "set", self.link, "up")
            ip("-n", self.name, "address", "add", f"{inside}/30", "dev", peer)
            ip("-n", self.name, "link", "set", peer, "up")
        except BaseException:
            self.close()
            raise

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a program in it."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.name, *command],
            cwd=HERE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def drop_everything(self) -> None:
        """From now on no packet comes in or goes out."""
        run = ("netns", "exec", self.name)
        if shutil.which("nft"):
            ip(*run, "nft", "add", "table", "inet", "drops")
            for hook in ("input", "output"):
                chain = f"{{ type filter hook {hook} priority 0; policy drop; }}"
                ip(*run, "nft", "add", "chain", "inet", "drops", hook, chain)
        else:
            for chain in ("INPUT", "OUTPUT"):
                ip(*run, "iptables", "-P", chain, "DROP")

    def close(self) -> None:
        """End the programs in it, and it."""
        for process in self._processes:
            process.kill()
            process.wait(5)
        # The link goes with it, but only when the kernel comes to it.
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "delete", self.link)
        ip("netns", "delete", self.name)


def ip(*arguments: str) -> None:
    """Run ``ip``."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=10)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A network namespace of the test's own, where that is allowed."""
    problem = ""
    if os.geteuid() != 0:
        problem = "only root makes network namespaces"
    elif not shutil.which("ip"):
        problem = "there is no ip (Debian's iproute2)"
    elif not (shutil.which("nft") or shutil.which("iptables")):
        problem = "there is neither nft nor iptables"
    else:
        try:
            made = Namespace()
        except (OSError, subprocess.CalledProcessError) as error:
            problem = f"no network namespace can be made: {getattr(error, 'stderr', error)}"
    if problem:
        warnings.warn(f"peers that vanish are NOT TESTED: {problem}", stacklevel=1)
        pytest.skip(problem)
    yield made
    made.close()


class TestVanishing:
    """A firewall drops all packets of the peers: neither FIN nor RST ever comes."""

    COUNT = 200

    @pytest.mark.parametrize("path", ["/echo/vanishing", "/room/vanishing"])
    def test_peers_that_vanish(self, serve: Serve, namespace: Namespace, path: str) -> None:
        """Pings find them inside their deadline: handlers end, and what they held is free."""
        server = serve(
            APP,
            *("--websocket-ping-interval-s", "1", "--websocket-ping-timeout-s", "1"),
            listen=("--host", "0.0.0.0", "--port", "0"),
        )
        pid = server.shard_pid
        assert ask(server, "/here") == {"now": 0, "ended": 0}
        descriptors = open_descriptors(pid)
        arguments = (namespace.host, str(server.port), path, str(self.COUNT))
        memory = 0
        with Crowd(server.port, "/room/vanishing", 3) as others:
            peers = namespace.start(sys.executable, "-c", VANISHING, *arguments)
            assert peers.stdout is not None
            assert peers.stdout.readline() == "open\n"
            memory = rss_bytes(pid)
            # They live through pings as long as they are there.
            began = time.monotonic()
            while time.monotonic() - began < 2.5:
                others.read(0.1)
            assert handlers(server) == self.COUNT + 3
            namespace.drop_everything()
            began = time.monotonic()
            published = 0
            while handlers(server) > 3:
                assert time.monotonic() - began < 2.0 + SOON_S * UNDER_LOAD, handlers(server)
                published = int(str(post(server, "/publish/vanishing", first=published, size=100)))
                others.read(0.05)
            assert ask(server, "/here") == {"now": 3, "ended": self.COUNT}
            others.wait_messages(1 + published)
            for member in others.members:
                assert numbers(member.messages) == list(range(published))
            wait_until(lambda: ask(server, "/presence/vanishing") == 3, SOON_S)
            wait_until(lambda: open_descriptors(pid) <= descriptors + 3, SOON_S, "descriptors")
        # The C library keeps some of what is freed.
        assert rss_bytes(pid) - memory < 4 << 20


class TestCrowd:
    """A thousand in one channel."""

    COUNT = 999

    def test_one_that_never_reads(self, serve: Serve) -> None:
        """Is disconnected; the others get every message, in order."""
        server = serve(APP, "--websocket-outbox-bytes-max", "65536")
        with (
            WebSocket(server.port, "/room/many", receive_buffer_bytes=4096) as stuck,
            Crowd(server.port, "/room/many", self.COUNT) as crowd,
        ):
            wait_until(lambda: ask(server, "/presence/many") == self.COUNT + 1)
            published = self.publish_until(
                server, crowd, lambda: ask(server, "/presence/many") == self.COUNT
            )
            wait_until(lambda: handlers(server) == self.COUNT, 2 * SOON_S)
            stuck.socket.settimeout(5.0)
            got, _ = stuck.receive_all()
            assert numbers(got) == list(range(len(got) - 1)), "it got them out of order"
            assert len(got) <= published
            for member in crowd.members:
                assert numbers(member.messages) == list(range(published))
                assert member.closed is None

    def test_one_that_never_reads_and_may_miss_some(self, serve: Serve) -> None:
        """Loses the oldest, which are counted; the newest are there when it reads again."""
        server = serve(APP, "--websocket-outbox-bytes-max", "65536", "--send-timeout-s", "60")

        def lost() -> int:
            return int(str(ask(server, "/dropped")))

        with (
            WebSocket(server.port, "/room/many?drop=true", receive_buffer_bytes=4096) as stuck,
            Crowd(server.port, "/room/many", 99) as crowd,
        ):
            published = self.publish_until(server, crowd, lambda: lost() > 20)
            for member in crowd.members:
                assert numbers(member.messages) == list(range(published))
            assert ask(server, "/presence/many") == 100
            got = [stuck.receive()]
            while numbers(got)[-1:] != [published - 1]:
                got.append(stuck.receive())
            seen = numbers(got)
            assert seen == sorted(set(seen)), "it got them out of order"
            assert len(seen) == published - lost()

    @staticmethod
    def publish_until(server: Server, crowd: Crowd, done: Callable[[], bool]) -> int:
        """Publish, read by all the crowd, until ``done``; how many it took."""
        published = 0
        with ThreadPoolExecutor(1) as pool:
            for _ in range(80):
                query = {"first": published, "count": 20, "size": 4096}
                publishing = pool.submit(lambda query=query: post(server, "/publish/many", **query))
                published += 20
                crowd.wait_messages(1 + published)
                assert publishing.result() == published
                if done():
                    return published
        raise AssertionError("nothing was done about the one that does not read")

    @pytest.mark.parametrize(("stop", "code"), [(signal.SIGHUP, 1012), (signal.SIGTERM, 1001)])
    def test_a_reload_with_a_thousand_open(self, serve: Serve, stop: int, code: int) -> None:
        """All are told, all close inside the deadline, and every handler ends."""
        drain_timeout_s = 10.0
        server = serve(APP, shards=2, drain_timeout_s=drain_timeout_s)
        old = set(server.shard_pids)
        with Crowd(server.port, "/echo/told", 1000) as crowd:
            crowd.restart_clock()
            server.signal(stop)
            crowd.wait_ended(drain_timeout_s + 10.0)
            codes = {member.closed.code if member.closed else None for member in crowd.members}
            assert codes == {code}
        if stop == signal.SIGHUP:
            server.wait_log("(reloaded after")
            with WebSocket(server.port, "/echo") as websocket:
                websocket.send("new")
                assert websocket.receive() == "new"
            wait_until(lambda: not old & set(server.shard_pids), drain_timeout_s)
        else:
            assert server.wait_end(drain_timeout_s) == 0
        assert server.log.count("the handler has ended") == 1000
        assert "is killed" not in server.log

    def test_a_drain_with_peers_that_answer_nothing(self, serve: Serve) -> None:
        """Ends inside its deadline all the same, whatever the handlers wait for."""
        server = serve(APP, drain_timeout_s=3.0)
        with contextlib.ExitStack() as stack:
            peers = [
                stack.enter_context(WebSocket(server.port, path))
                for path in ("/echo/deaf", "/asleep/deaf", "/flood/deaf", "/room/deaf")
                for _ in range(10)
            ]
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 3.0 + SOON_S * UNDER_LOAD
            assert "is killed" not in server.log
            # Those that were not flooded have been told.
            assert peers[0].wait_closed().code == 1001
            assert peers[-1].wait_closed().code == 1001


class TestShards:
    """Channels cross shards as long as there are any."""

    @staticmethod
    def members(server: Server, count: int) -> dict[int, list[WebSocket]]:
        """Members of a channel, by the shard that serves them."""
        by_pid: dict[int, list[WebSocket]] = {}
        for _ in range(count):
            member = WebSocket(server.port, "/room/across")
            by_pid.setdefault(int(str(member.receive()).removeprefix("pid ")), []).append(member)
        return by_pid

    def test_a_shard_with_subscribers_is_killed(self, serve: Serve) -> None:
        """Publishers on the other one go on, and its successor is linked again."""
        server = serve(APP, shards=2)
        by_pid = self.members(server, 24)
        victim, survivor = server.shard_pids
        assert set(by_pid) == {victim, survivor}
        publisher, *others = by_pid[survivor]
        members = list(chain(*by_pid.values()))
        wait_until(lambda: ask(server, "/presence/across") == 24)
        for number in range(100):
            publisher.send(f"{number}")
            if number == 50:
                os.kill(victim, signal.SIGKILL)
        for member in (publisher, *others):
            assert [member.receive() for _ in range(100)] == [f"{n}" for n in range(100)]
        for member in by_pid[victim]:
            got, _ = member.receive_all()
            assert numbers(got) == list(range(len(got))), "it got them out of order"
        wait_until(lambda: len(set(server.shard_pids) - {victim}) == 2, SOON_S)
        (new,) = set(server.shard_pids) - {survivor}
        server.wait_log("starts again")
        joined: list[WebSocket] = []

        def reaches_the_new_one() -> bool:
            more = self.members(server, 1)
            joined.extend(more.get(new, []))
            others.extend(more.get(survivor, []))
            return bool(joined)

        wait_until(reaches_the_new_one, 10.0)
        # What the newcomer hears first may be any of these: it is being linked.
        wait_until(lambda: ask(server, "/presence/across") == len(others) + 2, SOON_S)
        publisher.send("from the old one")
        assert joined[0].receive() == "from the old one"
        joined[0].send("from the new one")
        for member in (publisher, *others):
            heard = [member.receive()]
            while heard[-1] != "from the new one":
                heard.append(member.receive())
            assert heard == ["from the old one", "from the new one"]
        for member in (*members, *others, *joined):
            member.socket.close()

    def test_a_reload_keeps_channels_together(self, serve: Serve) -> None:
        """Members of the old generation and of the new one hear each other while both live."""
        server = serve(APP, shards=2, drain_timeout_s=3.0)
        for _ in range(2):
            by_pid = self.members(server, 10)
            members = list(chain(*by_pid.values()))
            members[0].send("hello")
            assert [member.receive() for member in members] == ["hello"] * 10
            reloads = server.log.count("(reloaded after")
            server.signal(signal.SIGHUP)
            for member in members:
                assert member.wait_closed().code == 1012
                assert member.answer_close()
            wait_until(lambda n=reloads: server.log.count("(reloaded after") > n, 10.0)


class TestBounds:
    """One byte less is right, one byte more is not."""

    def echoes(self, server: Server, *frames: bytes, deflate: bool = False) -> str | bytes:
        """What comes back; raises ``Closed``."""
        fields = [DEFLATE] if deflate else []
        with WebSocket(server.port, "/echo/bounds", *fields) as websocket:
            websocket.socket.sendall(b"".join(frames))
            try:
                answer = websocket.receive_frame()
                if answer.opcode == CLOSE:
                    raise Closed(int.from_bytes(answer.payload[:2], "big"))
            except Closed:
                assert websocket.answer_close()
                raise
        return answer.payload

    @pytest.mark.parametrize("form", ["whole", "parts", "deflated", "deflated parts"])
    def test_a_message(self, server: Server, form: str) -> None:
        """``--websocket-message-bytes-max``, however it comes: 1009."""

        def frames(size: int) -> list[bytes]:
            data = b"x" * size
            if "deflated" in form:
                data = deflated(data)
            deflate = "deflated" in form
            if "parts" not in form:
                return [frame(TEXT, data, rsv1=deflate)]
            half = len(data) // 2
            return [
                frame(TEXT, data[:half], fin=False, rsv1=deflate),
                frame(PING, b"between"),
                frame(CONTINUATION, data[half:]),
            ]

        deflate = "deflated" in form
        self.echoes(server, *frames(MESSAGE_BYTES_MAX), deflate=deflate)
        if "parts" in form:  # the pong comes first
            with WebSocket(server.port, "/echo/bounds", *([DEFLATE] if deflate else [])) as one:
                one.socket.sendall(b"".join(frames(MESSAGE_BYTES_MAX + 1)))
                assert one.wait_closed().code == 1009
                assert one.answer_close()
            return
        with pytest.raises(Closed) as closed:
            self.echoes(server, *frames(MESSAGE_BYTES_MAX + 1), deflate=deflate)
        assert closed.value.code == 1009
        wait_note(server, "bounds", "disconnect 1009")

    @pytest.mark.parametrize("announced", [MESSAGE_BYTES_MAX + 1, 1 << 40, (1 << 63) - 1])
    def test_an_announced_message(self, server: Server, announced: int) -> None:
        """Its head is enough."""
        with pytest.raises(Closed) as closed:
            self.echoes(server, frame(TEXT, b"", length=announced))
        assert closed.value.code == 1009

    def test_a_length_of_64_bits(self, server: Server) -> None:
        """The highest bit must not be set (RFC 6455, section 5.2)."""
        with pytest.raises(Closed) as closed:
            self.echoes(server, frame(TEXT, b"", length=1 << 63))
        assert closed.value.code == 1002

    def test_a_bomb(self, server: Server) -> None:
        """Half a megabyte in half a kilobyte is not inflated beyond the bound."""
        before = rss_bytes(server.shard_pid)
        bomb = frame(TEXT, deflated(bytes(1 << 19)), rsv1=True)
        assert len(bomb) < MESSAGE_BYTES_MAX
        for _ in range(20):
            with pytest.raises(Closed) as closed:
                self.echoes(server, bomb, deflate=True)
            assert closed.value.code == 1009
        assert rss_bytes(server.shard_pid) - before < 4 << 20

    def test_a_control_frame(self, server: Server) -> None:
        """Has at most 125 bytes (RFC 6455, section 5.5)."""
        assert self.echoes(server, frame(PING, b"x" * 125)) == b"x" * 125
        with pytest.raises(Closed) as closed:
            self.echoes(server, frame(PING, b"x" * 126))
        assert closed.value.code == 1002
        with pytest.raises(Closed) as closed:
            self.echoes(server, frame(CLOSE, close_payload(1000, "x" * 123)))
        assert closed.value.code == 1000
        with pytest.raises(Closed) as closed:
            self.echoes(server, frame(CLOSE, close_payload(1000, "x" * 124)))
        assert closed.value.code == 1002

    def test_a_message_of_a_channel(self, server: Server) -> None:
        """128 KiB; its name 200 characters."""
        assert post(server, "/publish_size/bounds", size=131_072) == "published"
        refused = post(server, "/publish_size/bounds", size=131_073)
        assert str(refused).startswith("refused: ")
        assert post(server, f"/publish_size/{'n' * 200}", size=1) == "published"
        refused = post(server, f"/publish_size/{'n' * 201}", size=1)
        assert str(refused).startswith("refused: ")

    @pytest.mark.parametrize("over", [-1, 0, 1, 1_000_000])
    def test_a_message_that_fills_the_outbox(self, serve: Serve, over: int) -> None:
        """``--websocket-outbox-bytes-max`` makes the next one wait; it loses none."""
        server = serve(APP, "--websocket-outbox-bytes-max", "65536")
        with WebSocket(server.port, f"/big/{65536 + over}") as websocket:
            assert len(websocket.receive()) == 65536 + over
            assert websocket.receive() == "after"
            assert websocket.close().code == 1000

    def test_connections(self, serve: Serve) -> None:
        """``--connections-max`` counts them, and there is room again when one has gone."""
        server = serve(APP, "--connections-max", "5")
        with contextlib.ExitStack() as stack:
            some = [stack.enter_context(WebSocket(server.port, "/echo")) for _ in range(5)]
            with pytest.raises(Refused) as refused:
                WebSocket(server.port, "/echo")
            assert refused.value.status == 503
            some[0].close()

            def has_room() -> bool:
                with contextlib.suppress(Refused), WebSocket(server.port, "/echo") as one:
                    return one.close().code == 1000
                return False

            wait_until(has_room, SOON_S)


RESETTER = """
import sys
from ws_client import RESET, TEXT, frame, request
import socket
port, count = int(sys.argv[1]), int(sys.argv[2])
sent = [b"", request("/echo")[:60], request("/echo"), request("/room/resets"),
        request("/echo") + frame(TEXT, b"x" * 1000), request("/room/resets") + frame(TEXT, b"1 x"),
        request("/echo") + frame(TEXT, b"x" * 1000)[:500]]
asleep = request("/asleep/resets")
for n in range(count):
    with socket.socket() as s:
        s.settimeout(20)
        s.connect(("127.0.0.1", port))
        # A handler that does not receive lives on for some seconds: few of those.
        if data := asleep if n % 50 == 0 else sent[n % len(sent)]:
            s.send(data)
        # Some live long enough to be answered.
        if n % 21 >= 16:
            s.recv(1000)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
"""


def test_fifty_thousand_resets(serve: Serve) -> None:
    """Leave neither handlers nor descriptors nor memory behind."""
    server = serve(APP)
    pid = server.shard_pid

    def reset(count: int) -> None:
        command = [sys.executable, "-c", RESETTER, str(server.port), str(count // 2)]
        processes = [subprocess.Popen(command, cwd=HERE) for _ in range(2)]
        try:
            assert [process.wait(70) for process in processes] == [0, 0]
        finally:
            for process in processes:
                process.kill()
        # Handlers that do not receive are told some seconds later.
        wait_until(lambda: handlers(server) == 0, 15.0, "no handlers")
        wait_until(lambda: ask(server, "/presence/resets") == 0, 5.0, "nobody present")

    reset(5_000)
    descriptors, memory = open_descriptors(pid), rss_bytes(pid)
    reset(50_000)
    assert server.shard_pid == pid
    wait_until(lambda: open_descriptors(pid) <= descriptors + 2, 10.0, "descriptors")
    wait_until(lambda: rss_bytes(pid) - memory < 10 << 20, 10.0, "memory")
    with WebSocket(server.port, "/echo") as websocket:
        websocket.send("still here")
        assert websocket.receive() == "still here"
    assert "panicked" not in server.log
