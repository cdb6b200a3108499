"""The realtime examples as real clients see them: Python's, Node's, and a browser."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import pytest
import websockets
from browser import Browser, Page
from cutting_proxy import CuttingProxy
from httpx_sse import EventSource, ServerSentEvent, connect_sse
from live_server import HERE, REPOSITORY, clean_environment, wait_until
from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Serve
    from live_server import Server

EXAMPLES = REPOSITORY / "examples"
# The folder that pictures of the pages go to (the README's are in docs); without it none is made.
SCREENSHOTS = os.environ.get("FASTERAPI_SCREENSHOTS")
TIMEOUT_S = 15.0
STREAM = "text/event-stream; charset=utf-8"


@pytest.fixture(scope="module")
def chat(serve_for_module: Serve) -> Server:
    """The chat, on two shards."""
    return serve_for_module("chat:app", cwd=EXAMPLES, shards=2)


@pytest.fixture(scope="module")
def ticks(serve_for_module: Serve) -> Server:
    """The dashboard, on two shards."""
    return serve_for_module("ticks:app", cwd=EXAMPLES, shards=2)


@pytest.fixture(scope="module")
def tokens(serve_for_module: Serve) -> Server:
    """The streamed answer."""
    return serve_for_module("tokens:app", cwd=EXAMPLES)


def reload(server: Server) -> None:
    """Replace all shards."""
    count = server.log.count("(reloaded after")
    server.signal(signal.SIGHUP)
    wait_until(lambda: server.log.count("(reloaded after") > count, TIMEOUT_S, server.log)


def room_path(room: str, name: str) -> str:
    """Where somebody enters a room."""
    return f"/rooms/{room}?{urlencode({'name': name})}"


class Person:
    """Somebody in the chat, by the ``websockets`` library."""

    def __init__(self, server: Server, room: str, name: str, **options: Any) -> None:
        """Enter, and read what was said before."""
        url = server.url.replace("http", "ws") + room_path(room, name)
        # Past some messages that nobody takes it would not read the answer to its close either.
        options = {"proxy": None, "max_queue": None, **options}
        with contextlib.ExitStack() as stack:
            self.connection = stack.enter_context(connect(url, **options))
            self._stack = stack.pop_all()
        self.count = 0
        first = self.receive()
        assert first["kind"] == "history"
        self.history = [message["text"] for message in first["messages"]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def receive(self) -> dict[str, Any]:
        """The next message."""
        message: dict[str, Any] = json.loads(self.connection.recv(TIMEOUT_S))
        if message["kind"] == "count":
            self.count = message["count"]
        return message

    def wait(self, kind: str, **expected: object) -> dict[str, Any]:
        """The next message of that kind with these values."""
        while True:
            message = self.receive()
            if message["kind"] == kind and expected.items() <= message.items():
                return message

    def wait_count(self, count: int) -> None:
        """Until so many are said to be here."""
        while self.count != count:
            self.receive()

    def say(self, text: str) -> None:
        """Say something to all."""
        self.connection.send(text)

    def heard(self, count: int) -> list[tuple[str, str]]:
        """Who has said what."""
        messages = [self.wait("said") for _ in range(count)]
        return [(message["name"], message["text"]) for message in messages]

    def wait_end(self) -> tuple[int, str]:
        """How the server closes."""
        with pytest.raises(websockets.ConnectionClosed) as closed:
            self.wait("never")
        assert closed.value.rcvd is not None, "there was no close frame"
        return closed.value.rcvd.code, closed.value.rcvd.reason


class NodeProgram:
    """One of the programs in ``node``, which talk in lines of JSON."""

    def __init__(self, name: str, *arguments: str) -> None:
        """Start it; skips the test, loudly, where there is no Node.js."""
        installed = subprocess.run(
            [REPOSITORY / ".ci" / "node_clients"],
            stdout=subprocess.PIPE,
            text=True,
            timeout=120,
            check=True,
        ).stdout.strip()
        if not installed:
            reason = "there is no Node.js"
            warnings.warn(f"clients from npm are NOT TESTED: {reason}", stacklevel=1)
            pytest.skip(reason)
        self._process = subprocess.Popen(
            ["node", HERE / "node" / name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment({"NODE_PATH": installed}),
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(5)

    def receive(self) -> dict[str, Any]:
        """The next thing that it says."""
        line = self._lines.get(timeout=TIMEOUT_S)
        assert line, "the program has ended"
        said: dict[str, Any] = json.loads(line)
        return said

    def wait(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The next thing that fits."""
        while True:
            said = self.receive()
            if condition(said):
                return said

    def send(self, line: str) -> None:
        """Give it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def finish(self) -> None:
        """Let it end in order."""
        assert self._process.stdin is not None
        self._process.stdin.close()


class TestChat:
    """Rooms over WebSocket."""

    def test_people_talk(self, chat: Server) -> None:
        """All hear all, in the same order, on whatever shard they are."""
        names = [f"person {number}" for number in range(8)]
        with contextlib.ExitStack() as stack:
            people = [stack.enter_context(Person(chat, "talk", name)) for name in names]
            for person in people:
                person.wait_count(len(people))
            people[0].say("first")
            assert [person.heard(1) for person in people] == [[(names[0], "first")]] * 8
            people[7].say("änd ünicode ✓ " + "x" * 1500)
            people[7].say("third")
            heard = [(names[7], "änd ünicode ✓ " + "x" * 1500), (names[7], "third")]
            assert [person.heard(2) for person in people] == [heard] * 8
            people[3].connection.close()
            people[0].wait("went", name=names[3])
            people[0].wait_count(7)
            with Person(chat, "talk", "late") as late:
                assert late.history == ["first", heard[0][1], "third"]
                people[0].wait("came", name="late")
            with Person(chat, "elsewhere", "stranger") as stranger:
                assert stranger.history == []
                stranger.wait_count(1)

    @pytest.mark.parametrize("compression", ["deflate", None])
    def test_compression(self, chat: Server, compression: str | None) -> None:
        """Is the client's choice."""
        options = {"compression": compression}
        with Person(chat, f"compression_{compression}", "one", **options) as person:
            agreed = person.connection.protocol.extensions
            assert bool(agreed) == (compression is not None)
            for number in range(20):
                person.say(f"{number} " + "the same again and again " * 20)
                assert person.heard(1)[0][1].startswith(f"{number} the same")

    def test_names_have_bounds(self, chat: Server) -> None:
        """Who breaks them is not let in."""
        for name in ("", "n" * 25):
            with pytest.raises(websockets.InvalidStatus) as refused:
                Person(chat, "bounds", name)
            assert 400 <= refused.value.response.status_code < 500

    def test_a_reload(self, chat: Server) -> None:
        """Everybody is told to come back, and then knows what was said before."""
        with Person(chat, "reload", "one") as one, Person(chat, "reload", "two") as two:
            one.say("before")
            assert two.heard(1) == [("one", "before")]
            reload(chat)
            assert one.wait_end()[0] == 1012
            assert two.wait_end()[0] == 1012
        with Person(chat, "reload", "one") as one, Person(chat, "reload", "two") as two:
            assert one.history == two.history == ["before"]
            two.say("after")
            assert one.heard(1) == [("two", "after")]

    def test_ws_of_npm(self, chat: Server) -> None:
        """Talks with everybody else, compressed, and closes in both directions."""
        url = chat.url.replace("http", "ws")
        with (
            NodeProgram("talk.cjs", url + room_path("npm", "nöde")) as node,
            Person(chat, "npm", "person") as person,
        ):
            assert "permessage-deflate" in node.receive()["open"]
            person.say("hello node")
            node.wait(lambda said: "hello node" in said.get("message", ""))
            long = "✓ long " * 280
            for text in ("hello person", long, "and again"):
                node.send(text)
            assert person.heard(4)[1:] == [
                ("nöde", "hello person"),
                ("nöde", long),
                ("nöde", "and again"),
            ]
            person.wait_count(2)
            node.finish()
            closed = node.wait(lambda said: "close" in said)
            assert closed == {"close": 1000, "reason": ""}
            person.wait("went", name="nöde")
        with NodeProgram("talk.cjs", url + room_path("npm", "node")) as node:
            history = json.loads(node.wait(lambda said: "message" in said)["message"])
            assert [message["text"] for message in history["messages"]][-1] == "and again"
            reload(chat)
            assert node.wait(lambda said: "close" in said)["close"] == 1012


def tick_numbers(events: list[ServerSentEvent]) -> list[int]:
    """The numbers of some ticks."""
    assert {event.event for event in events} == {"tick"}
    return [int(event.json()["number"]) for event in events]


def is_run(numbers: list[int]) -> bool:
    """Whether each number is one more than the one before."""
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


class TestTicks:
    """A feed of server-sent events."""

    @staticmethod
    def listen(server: Server, count: int, after: str = "") -> list[ServerSentEvent]:
        """So many events, as the browser would ask for them."""
        headers = {"last-event-id": after} if after else {}
        with (
            server.client() as client,
            connect_sse(client, "GET", "/ticks", headers=headers) as source,
        ):
            assert source.response.headers["content-type"] == STREAM
            assert "content-encoding" not in source.response.headers
            events = source.iter_sse()
            return [next(events) for _ in range(count)]

    def test_httpx_sse(self, ticks: Server) -> None:
        """Gets every tick once, and goes on after the last one."""
        first = self.listen(ticks, 4)
        second = self.listen(ticks, 4, first[-1].id)
        # What is kept comes at once, to whatever shard one asks.
        again = self.listen(ticks, 4, first[1].id)
        assert all(event.retry == 500 for event in first)
        assert len({event.id for event in first + second}) == 8
        numbers = tick_numbers(first + second)
        assert is_run(numbers)
        assert tick_numbers(again) == numbers[2:6]
        from_query = ticks.client()
        with from_query as client, client.stream("GET", f"/ticks?after={first[1].id}") as answer:
            event = next(EventSource(answer).iter_sse())
        assert event.id == first[2].id

    def test_eventsource_of_npm(self, ticks: Server) -> None:
        """Misses nothing when its connection is cut and when all shards are replaced."""
        with (
            CuttingProxy(ticks.port) as proxy,
            NodeProgram("listen.cjs", f"{proxy.url}/ticks", "tick") as node,
        ):
            numbers: list[int] = []
            opened = 0

            def listen(connections: int) -> None:
                """Until it has connected so many times, and for some ticks more."""
                nonlocal opened
                more = 3
                while opened < connections or more > 0:
                    said = node.receive()
                    opened += "open" in said
                    if "kind" in said:
                        numbers.append(json.loads(said["data"])["number"])
                        more -= opened == connections
                assert opened == connections

            listen(1)
            assert proxy.cut() == 1
            listen(2)
            reload(ticks)
            listen(3)
            assert is_run(numbers), numbers


class TestTokens:
    """An answer that comes word by word."""

    QUESTION = "Why is it 10 % ünlike that?"

    def ask(
        self, server: Server, after: str = "", pause_s: float = 0.0
    ) -> list[tuple[str, str, str]]:
        """The kinds, the data and the ids of the events of an answer."""
        query = {"question": self.QUESTION, "pause_s": pause_s}
        headers = {"last-event-id": after} if after else {}
        with (
            server.client() as client,
            connect_sse(client, "GET", "/answer", params=query, headers=headers) as source,
        ):
            return [(event.event, event.data, event.id) for event in source.iter_sse()]

    def as_text(self, server: Server, pause_s: float = 0.0) -> str:
        """The same answer as text."""
        query = urlencode({"question": self.QUESTION, "pause_s": pause_s})
        return server.get(f"/answer.txt?{query}").text

    def test_httpx_sse(self, tokens: Server) -> None:
        """Events and text say the same; who has lost some gets the rest."""
        text = self.as_text(tokens)
        assert text.startswith(f"You ask: {self.QUESTION}\n\n")
        *parts, done = events = self.ask(tokens)
        kinds, data, ids = zip(*parts, strict=True)
        assert set(kinds) == {"token"}
        assert "".join(data) == text
        assert list(ids) == [str(number) for number in range(len(parts))]
        assert (done[0], json.loads(done[1])) == ("done", {"tokens": len(parts)})
        assert self.ask(tokens, "9") == events[10:]
        assert self.ask(tokens, ids[-1])[0][0] == "done"

    def test_tokens_come_while_they_are_made(self, tokens: Server) -> None:
        """By events and by text."""
        for path in ("/answer", "/answer.txt"):
            query = {"question": "q", "pause_s": 0.1}
            with (
                tokens.client() as client,
                client.stream("GET", path, params=query) as answer,
            ):
                parts = answer.iter_raw()
                first = next(parts)
                began = time.monotonic()
                assert b"You" in first
                assert b"good" not in first
                while b"good" not in next(parts):
                    pass
                assert time.monotonic() - began > 0.2

    def test_a_question_is_wanted(self, tokens: Server) -> None:
        """Else it is a 422 like any other."""
        for path in ("/answer", "/answer.txt"):
            answer = tokens.get(path)
            assert answer.status_code == 422
            assert answer.json()["detail"][0]["loc"] == ["query", "question"]

    def test_eventsource_of_npm(self, tokens: Server) -> None:
        """Loses its connection on the way and has the whole answer all the same."""
        query = urlencode({"question": self.QUESTION, "pause_s": 0.02})
        kinds = ("token", "done")
        with (
            CuttingProxy(tokens.port) as proxy,
            NodeProgram("listen.cjs", f"{proxy.url}/answer?{query}", *kinds) as node,
        ):
            text = ""
            opened = 0
            while True:
                said = node.receive()
                opened += "open" in said
                if said.get("kind") == "done":
                    break
                if said.get("kind") == "token":
                    text += said["data"]
                    if said["id"] == "9":
                        proxy.cut()
            node.finish()
        assert opened == 2
        assert text == self.as_text(tokens)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for the tests of this module."""
    with Browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


class TestChromium:
    """The pages in a real browser."""

    def test_chat(self, chat: Server, browser: Browser) -> None:
        """Two pages talk, and go on doing so after a reload and after a cut."""
        with CuttingProxy(chat.port) as proxy:
            ann = browser.open(f"{chat.url}/#browser")
            bob = browser.open(f"{proxy.url}/#browser")
            for page, name in ((ann, "Ann"), (bob, "Bob")):
                page.type("#name", name)
                page.click("#enter button")
            for page in (ann, bob):
                page.wait("document.querySelector('#state').dataset.state == 'online'")
                page.wait("document.querySelector('#count').textContent == '2'")
            said = "[...document.querySelectorAll('.said p')].map((p) => p.textContent)"
            expected: list[str] = []

            def say(page: Page, text: str) -> None:
                page.wait("document.querySelector('#state').dataset.state == 'online'")
                page.type("#text", text + "\n")
                expected.append(text)
                for each in (ann, bob):
                    each.wait(f"{said}.length >= {len(expected)}")
                    assert each.run(said) == expected

            say(ann, "Hello Bob")
            say(bob, "<b>Hello</b> Ann & all")
            bob.run("(window.before = socket, true)")
            assert proxy.cut() >= 1
            bob.wait("socket != before")
            say(ann, "Said while Bob is away, perhaps")
            say(bob, "I am back")
            for page in (ann, bob):
                page.run("(window.before = socket, true)")
            reload(chat)
            for page in (ann, bob):
                page.wait("socket != before")
            say(bob, "Said after the reload")
            say(ann, "Heard")
            assert ann.run("document.querySelectorAll('.own').length") == 3
            for page in (ann, bob):
                page.wait("document.querySelector('#count').textContent == '2'")

    def test_ticks(self, ticks: Server, browser: Browser) -> None:
        """The chart goes on, without a gap, after a cut and after a reload."""
        with CuttingProxy(ticks.port) as proxy:
            page = browser.open(f"{proxy.url}/")
            pixels = "document.querySelector('#chart').toDataURL()"
            count = "Number(document.querySelector('#count').textContent)"
            connections = "Number(document.querySelector('#connections').textContent)"
            live = "document.querySelector('#state').dataset.state == 'live'"

            def goes_on() -> None:
                page.wait(live)
                before, chart = page.run(count), page.run(pixels)
                page.wait(f"{count} >= {before + 3}")
                page.wait(f"{pixels} != {json.dumps(chart)}")
                assert page.count("#missed") == 0

            goes_on()
            assert page.run("document.querySelectorAll('#prices dd').length") == 3
            assert page.count("#connections") == 1
            assert proxy.cut() >= 1
            page.wait(f"{connections} == 2")
            goes_on()
            reload(ticks)
            page.wait(f"{connections} == 3")
            goes_on()
            # Every tick has come once.
            first = "ticks[0].number"
            assert page.run(f"ticks.at(-1).number - {first} + 1 == ticks.length")

    def test_tokens(self, tokens: Server, browser: Browser) -> None:
        """Both ways give the whole answer, one of them over a cut."""
        with CuttingProxy(tokens.port) as proxy:
            page = browser.open(f"{proxy.url}/")
            answer = "document.querySelector('#answer').textContent"
            busy = "document.querySelector('#answer').getAttribute('aria-busy')"
            query = urlencode({"question": "Why?", "pause_s": 0})
            whole = tokens.get(f"/answer.txt?{query}").text
            page.type("#question", "Why?\n")
            page.wait(f"{answer}.length > 20")
            assert page.run(busy) == "true", "it was there at once"
            assert proxy.cut() >= 1
            page.wait(f"{busy} == 'false'")
            assert page.run(answer) == whole
            page.click("input[value=text]")
            page.click("form button:not([type])")
            page.wait(f"{answer} == {json.dumps(whole)} && {busy} == 'false'")
            page.click("form button:not([type])")
            page.wait(f"{answer}.length > 20")
            page.click("#stop")
            assert page.run(answer) != whole
            assert page.text("#state") == "stopped"


@pytest.mark.skipif(not SCREENSHOTS, reason="FASTERAPI_SCREENSHOTS names no folder")
class TestPictures:
    """The README's."""

    SIZE = (1000, 600)
    BYTES_MAX = 150_000

    def take(self, page: Page, name: str) -> None:
        """Write one."""
        path = Path(str(SCREENSHOTS)) / name
        path.write_bytes(page.screenshot())
        if optipng := shutil.which("optipng"):
            subprocess.run([optipng, "-quiet", "-o5", "-strip", "all", path], check=True)
        assert path.stat().st_size < self.BYTES_MAX

    def test_chat(self, serve: Serve, browser: Browser) -> None:
        """Some people in a room, by daylight."""
        server = serve("chat:app", cwd=EXAMPLES, shards=2)
        page = browser.open(f"{server.url}/#lobby")
        page.resize(*self.SIZE)
        page.prefer("light")
        with (
            Person(server, "lobby", "Grace") as grace,
            Person(server, "lobby", "Ada") as ada,
            Person(server, "lobby", "Edsger") as edsger,
        ):
            grace.say("Which shard are you on?")
            ada.heard(1)
            ada.say("No idea. Does it matter?")
            grace.heard(2)
            grace.say("Not to us: a message crosses them without a broker.")
            edsger.heard(3)
            page.type("#name", "Barbara")
            page.click("#enter button")
            page.wait("document.querySelectorAll('.said').length == 3")
            edsger.say("And who comes late reads what was said before.")
            page.wait("document.querySelectorAll('.said').length == 4")
            page.type("#text", "I did, thank you!\n")
            page.wait("document.querySelectorAll('.said').length == 5")
            page.wait("document.querySelector('#count').textContent == '4'")
            self.take(page, "chat.png")

    @pytest.mark.seconds(180)
    def test_ticks(self, ticks: Server, browser: Browser) -> None:
        """A full chart, by night."""
        page = browser.open(f"{ticks.url}/")
        page.resize(*self.SIZE)
        page.prefer("dark")
        page.wait("ticks.length == SHOWN_TICKS_MAX", 150.0)
        page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.take(page, "ticks.png")
