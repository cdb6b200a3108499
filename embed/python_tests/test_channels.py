"""Channels within one process, as under an ASGI server."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fasterapi import FasterAPI
from fasterapi._channels_backplane import pack, unpack
from fasterapi._channels_local import LocalChannels
from fasterapi.channels import Backplane, Channels, Message, Subscription


def in_loop(function: Callable[[], Coroutine[Any, Any, Any]]) -> Callable[[], None]:
    """A test that runs where an ASGI server would run it."""

    def test() -> None:
        asyncio.run(asyncio.wait_for(function(), 10))

    test.__name__ = function.__name__
    return test


async def taken(subscription: Subscription, count: int) -> list[Any]:
    return [(await anext(subscription)).data for _ in range(count)]


def test_an_application_makes_its_channels_when_they_are_used() -> None:
    app = FasterAPI()
    assert app._channels is None
    assert app.channels is app.channels
    assert isinstance(app.channels, Channels)


@in_loop
async def test_messages_come_in_order_to_all() -> None:
    channels = Channels()
    one, two = channels.subscribe("room"), channels.subscribe("room")
    other = channels.subscribe("hall")
    assert channels.presence("room") == 2
    ids = [
        channels.publish("room", message)
        for message in ("t\u00e9xt", b"\x00", bytearray(b"b"), memoryview(b"m"), {"a": [1, None]})
    ]
    kinds = ["t\u00e9xt", b"\x00", b"b", b"m", '{"a":[1,null]}']
    assert await taken(one, 5) == await taken(two, 5) == kinds
    numbers = [tuple(map(int, id_.split("-"))) for id_ in ids]
    assert numbers == sorted(set(numbers))
    channels.publish("hall", "x")
    message = await anext(other)
    assert (message.channel, message.data) == ("hall", "x")
    assert repr(message) == f"Message(channel='hall', data='x', id={message.id!r})"
    assert Message("c", '{"a": 1}', "1-1").json() == {"a": 1}


@in_loop
async def test_a_subscription_ends_by_closing_and_by_being_dropped() -> None:
    channels = Channels()
    async with channels.subscribe("room") as subscription:
        channels.publish("room", "last")
        waiting = asyncio.create_task(taken(channels.subscribe("room"), 1))
        await asyncio.sleep(0)
        assert channels.presence("room") == 2
        waiting.cancel()
        await asyncio.wait([waiting])
        del waiting
    assert [message.data async for message in subscription] == ["last"]
    gc.collect()
    assert channels.presence("room") == 0
    assert channels.stats()["channels"] == 0


@in_loop
async def test_closing_wakes_who_waits() -> None:
    channels = Channels()
    subscription = channels.subscribe("room")

    async def all_of_it() -> list[Any]:
        return [message async for message in subscription]

    waiting = asyncio.create_task(all_of_it())
    await asyncio.sleep(0)
    subscription.close()
    subscription.close()
    assert await waiting == []


@in_loop
async def test_who_lags_loses_the_oldest() -> None:
    channels = Channels()
    slow = channels.subscribe("room", queue_messages_max=2)
    for n in range(5):
        channels.publish("room", str(n))
    assert (slow.dropped, await taken(slow, 2)) == (3, ["3", "4"])
    large = channels.subscribe("large")
    for _ in range(33):
        channels.publish("large", b"x" * 128 * 1024)
    assert large.dropped == 1
    assert channels.stats()["dropped_by_subscriptions"] == 4


@in_loop
async def test_history() -> None:
    channels = Channels()
    channels.keep("room:*", 3)
    channels.keep("room:one", messages_max=1)
    ids = [channels.publish("room:a", str(n)) for n in range(5)]
    for n in range(5):
        channels.publish("room:one", str(n))
        channels.publish("other", str(n))
    assert [message.data for message in channels.history("room:a")] == ["2", "3", "4"]
    assert [message.id for message in channels.history("room:a", ids[3])] == ids[4:]
    assert [message.data for message in channels.history("room:one")] == ["4"]
    assert channels.history("other") == []
    resumed = channels.subscribe("room:a", after=ids[2])
    channels.publish("room:a", "5")
    assert await taken(resumed, 3) == ["3", "4", "5"]
    assert await taken(channels.subscribe("room:a", after="nonsense"), 3) == ["3", "4", "5"]
    for _ in range(9):
        channels.publish("room:b", b"x" * 128 * 1024)
    channels.publish("room:b", b"y")
    assert channels.stats()["kept_bytes"] < 1024 * 1024


@in_loop
async def test_what_was_said_before_the_loop_ran_counts() -> None:
    channels = await asyncio.to_thread(Channels)
    await asyncio.to_thread(channels.keep, "a", 2)
    channels.publish("a", "x")
    assert len(channels.history("a")) == 1


@in_loop
async def test_threads_publish_and_do_not_subscribe() -> None:
    channels = Channels()
    subscription = channels.subscribe("room")
    waiting = asyncio.create_task(taken(subscription, 200))
    await asyncio.sleep(0)

    def publish() -> None:
        for n in range(100):
            channels.publish("room", str(n))

    threads = [threading.Thread(target=publish) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert sorted(await waiting) == sorted([str(n) for n in range(100)] * 2)
    for thread in threads:
        thread.join()
    with pytest.raises(RuntimeError):
        await asyncio.to_thread(channels.subscribe, "room")


@in_loop
async def test_bounds() -> None:
    channels = Channels()
    for name in ("", "x" * 201):
        for refused in (
            lambda name=name: channels.publish(name, "x"),
            lambda name=name: channels.subscribe(name),
        ):
            with pytest.raises(ValueError, match="a channel's name has 1 to 200 characters"):
                refused()
    channels.publish("x" * 200, "x" * (128 * 1024))
    for message in ("\u00e9" * (64 * 1024 + 1), b"x" * (128 * 1024 + 1)):
        with pytest.raises(ValueError, match="at most 131072 bytes"):
            channels.publish("room", message)
    with pytest.raises(ValueError, match="surrogates"):
        channels.publish("room", "\ud800")
    for count in (0, 10_001):
        with pytest.raises(ValueError, match="messages_max must be 1 to 10000"):
            channels.keep("room", count)
    for count in (0, 100_001):
        with pytest.raises(ValueError, match="queue_messages_max must be"):
            channels.subscribe("room", queue_messages_max=count)


def test_members_without_a_loop() -> None:
    channels = LocalChannels()
    seen: list[Any] = []

    def member(data: Any, id_: str) -> bool:
        seen.append((data, id_))
        return len(seen) < 2

    channels.join("room", member)
    ids = [channels.publish("room", data) for data in ("a", b"b", "c")]
    assert seen == [("a", ids[0]), (b"b", ids[1])]
    channels.leave("room", member)
    assert channels.presence("room") == 0


def test_an_envelope_is_opened_as_it_was_closed() -> None:
    node = bytes(range(16))
    for data in ("t\u00e9xt", b"\xff"):
        is_text = isinstance(data, str)
        content = data.encode() if isinstance(data, str) else data
        assert unpack(pack(node, data, "12-3")) == (node, "12-3", is_text, content)
    for broken in (b"", b"FAC1", b"nonsense" * 9):
        with pytest.raises(ValueError, match="no envelope"):
            unpack(broken)


class Memory:
    """A backplane between applications of this process."""

    def __init__(self, everybody: list[Memory]) -> None:
        self.everybody = everybody
        self.log: list[str] = []

    async def start(self, deliver: Callable[[str, bytes], None]) -> None:
        self.log.append("start")
        self.deliver = deliver
        self.everybody.append(self)

    async def publish(self, channel: str, envelope: bytes) -> None:
        if channel == "refused":
            raise ConnectionError
        await asyncio.sleep(0)
        for backplane in self.everybody:
            backplane.deliver(channel, envelope)

    async def stop(self) -> None:
        self.log.append("stop")
        self.everybody.remove(self)


@in_loop
async def test_a_backplane_joins_applications() -> None:
    everybody: list[Memory] = []
    apps = [FasterAPI(), FasterAPI()]
    for app in apps:
        backplane: Backplane = Memory(everybody)
        app.channels.backplane = backplane
        app.channels.keep("room")
    one, two = (app.channels for app in apps)
    async with apps[0]._lifespan_context():
        async with apps[1]._lifespan_context():
            at_one, at_two = one.subscribe("room"), two.subscribe("room")
            for n in range(3):
                one.publish("room", str(n))
            two.publish("room", b"b")
            one.publish("refused", "x")
            assert sorted(await taken(at_one, 4), key=str) == ["0", "1", "2", b"b"]
            assert await taken(at_two, 4) == [b"b", "0", "1", "2"]
            await asyncio.sleep(0.01)
            assert at_one._queue.take() is None
            assert at_two._queue.take() is None
            assert [m.id for m in one.history("room")] == [m.id for m in two.history("room")]
            everybody[0].deliver("room", b"nonsense")
            stats = one.stats()
            assert (stats["foreign"], stats["published"]) == (1, 4)
            assert (stats["backplane_errors"], stats["malformed_envelopes"]) == (1, 1)
            two.publish("room", "with the end")
        assert await taken(at_one, 1) == ["with the end"]
    assert [backplane.log for backplane in everybody] == []


@in_loop
async def test_a_backplane_that_cannot_start_ends_the_lifespan() -> None:
    log = []

    async def lifespan(app: FasterAPI) -> Any:
        try:
            yield
        finally:
            log.append("down")

    class Broken(Memory):
        async def start(self, deliver: Callable[[str, bytes], None]) -> None:
            raise ConnectionError("no hub")

    app = FasterAPI(lifespan=lifespan)
    app.channels.backplane = Broken([])
    with pytest.raises(ConnectionError, match="no hub"):
        async with app._lifespan_context():
            pass
    assert log == ["down"]


@in_loop
async def test_over_asgi_the_lifespan_starts_it_too() -> None:
    everybody: list[Memory] = []
    app = FasterAPI()
    app.channels.backplane = backplane = Memory(everybody)
    to_app: asyncio.Queue[Any] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan"}, to_app.get, from_app.put))
    to_app.put_nowait({"type": "lifespan.startup"})
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    assert backplane.log == ["start"]
    to_app.put_nowait({"type": "lifespan.shutdown"})
    assert (await from_app.get())["type"] == "lifespan.shutdown.complete"
    await running
    assert backplane.log == ["start", "stop"]
