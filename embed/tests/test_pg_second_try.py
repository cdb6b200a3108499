"""Where ``sslmode`` leaves it open a refusal may be tried again, with TLS or without, but once."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from postgres_driver import OURS, in_loop, within
from scripted_postgres import READY, WELCOME, Peer, authentication, refusal, server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from postgres_cluster import Cluster

    Script = Callable[[Peer], Awaitable[None]]

pytestmark = pytest.mark.skipif(not OURS, reason="asyncpg does so as of 0.32")
SOON_S = 10.0
MODES = ("allow", "prefer")


async def welcomes(peer: Peer) -> None:
    """Let the client in."""
    await peer.send(WELCOME + READY)


async def hangs_up(peer: Peer) -> None:
    """Say nothing at all."""
    peer.writer.close()


def says(text: bytes) -> Script:
    """Only that."""

    async def script(peer: Peer) -> None:
        await peer.send(text)
        peer.writer.close()

    return script


NO_DATABASE = refusal("3D000")


class Server:
    """Treats each attempt as the next script says, once its startup message has come."""

    def __init__(self, postgres: Cluster, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        folder = postgres.certificates
        self._context.load_cert_chain(folder / "server.crt", folder / "server.key")
        self.attempts: list[bool] = []
        """Whether each has asked for TLS."""

    async def __call__(self, peer: Peer) -> None:
        """Serve one client."""
        is_tls = await peer.asks_for_tls()
        self.attempts.append(is_tls)
        if is_tls:
            await peer.encrypt(self._context)
        await self._scripts.pop(0)(peer)


async def connect(pg: Any, served: Server | Script, mode: str) -> None:
    """Connect and close again; raises what `connect` raises."""
    async with server(served) as arguments:
        connection = await within(SOON_S, pg.connect(**arguments | {"ssl": mode}))
        connection.terminate()


def both_ways(mode: str) -> list[bool]:
    """Whether the first and the second try are with TLS."""
    return [mode == "prefer", mode == "allow"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("first", [says(NO_DATABASE), hangs_up], ids=["refused", "hung up"])
@in_loop
async def test_the_other_way(pg: Any, postgres: Cluster, first: Script, mode: str) -> None:
    """It is tried where the server has not let the user in."""
    served = Server(postgres, first, welcomes)
    await connect(pg, served, mode)
    assert served.attempts == both_ways(mode)


@pytest.mark.parametrize("mode", MODES)
@in_loop
async def test_both_ways_are_refused(pg: Any, postgres: Cluster, mode: str) -> None:
    """The second refusal is told, and the first is its cause."""
    served = Server(postgres, says(NO_DATABASE), says(refusal("53300")))
    with pytest.raises(pg.TooManyConnectionsError) as told:
        await connect(pg, served, mode)
    assert isinstance(told.value.__cause__, pg.InvalidCatalogNameError)
    assert served.attempts == both_ways(mode)


@pytest.mark.parametrize("mode", MODES)
@in_loop
async def test_a_user_who_was_let_in(pg: Any, postgres: Cluster, mode: str) -> None:
    """What is wrong after that is wrong the other way, too."""
    served = Server(postgres, says(authentication(0) + NO_DATABASE))
    with pytest.raises(pg.InvalidCatalogNameError):
        await connect(pg, served, mode)
    assert served.attempts == both_ways(mode)[:1]


@pytest.mark.parametrize("mode", MODES)
@in_loop
async def test_a_server_that_is_not_ready(pg: Any, postgres: Cluster, mode: str) -> None:
    """It is not for want of TLS, nor because of it."""
    served = Server(postgres, says(refusal("57P03")))
    with pytest.raises(pg.CannotConnectNowError):
        await connect(pg, served, mode)
    assert served.attempts == both_ways(mode)[:1]


@in_loop
async def test_tls_that_does_not_work(pg: Any) -> None:
    """``prefer`` does without."""
    attempts = []

    async def script(peer: Peer) -> None:
        is_tls = await peer.asks_for_tls()
        attempts.append(is_tls)
        if is_tls:
            await peer.send(b"S")
            await peer.reader.read(1)
            await peer.send(b"this is no TLS record")
        else:
            await welcomes(peer)

    await connect(pg, script, "prefer")
    assert attempts == [True, False]


@in_loop
async def test_tls_that_is_declined(pg: Any) -> None:
    """What is refused then was refused without TLS already."""
    attempts = []

    async def script(peer: Peer) -> None:
        attempts.append(await peer.asks_for_tls())
        await peer.send(b"N")
        assert not await peer.asks_for_tls()
        await peer.send(NO_DATABASE)

    with pytest.raises(pg.InvalidCatalogNameError):
        await connect(pg, script, "prefer")
    assert attempts == [True]


@pytest.mark.parametrize("answer", [b"E", NO_DATABASE, b"X", b"S-", b"N-", b""])
@in_loop
async def test_a_strange_answer(pg: Any, answer: bytes) -> None:
    """Neither yes nor no: it ends the attempt, and the server's words are not shown."""
    attempts = []

    async def script(peer: Peer) -> None:
        attempts.append(await peer.asks_for_tls())
        await peer.send(answer)
        if not answer:
            peer.writer.close()

    with pytest.raises(ConnectionError) as told:
        await connect(pg, script, "prefer")
    assert "127.0.0.1:" in str(told.value)
    assert "refuses" not in str(told.value)
    assert attempts == [True]


@in_loop
async def test_a_server_that_only_says_that_it_closes(pg: Any, postgres: Cluster) -> None:
    """TLS may end before its socket does: that is an end, too."""
    may_close, is_over = asyncio.Event(), asyncio.Event()

    async def closes(peer: Peer) -> None:
        await welcomes(peer)
        await may_close.wait()
        # It says so, and then waits for the client.
        peer.writer.close()
        await peer.writer.wait_closed()
        is_over.set()

    async with server(Server(postgres, closes)) as arguments:
        connection = await within(SOON_S, pg.connect(**arguments | {"ssl": "require"}))
        may_close.set()
        await within(SOON_S, is_over.wait())
        assert connection.is_closed()
