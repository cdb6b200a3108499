"""A server that speaks wrong lengths, wrong order, unknown messages and false proofs.

Whatever it says: an error in time, a connection that is closed, and little memory.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import resource
import struct
import weakref
from typing import Any

import pytest
from postgres_driver import OURS, in_loop, within
from scripted_postgres import (
    ONE,
    READY,
    RESULT,
    WELCOME,
    Peer,
    authentication,
    columns,
    message,
    row,
    server,
)

pytestmark = pytest.mark.seconds(120)
SOON_S = 10.0
# At some of them it reads behind the message and crashes, at others it waits for its timeout.
only_ours = pytest.mark.skipif(not OURS, reason="asyncpg is no match for it")


def refused(pg: Any) -> tuple[type[BaseException], ...]:
    """What a client may raise at nonsense. Not a timeout: it must notice."""
    return (pg.PostgresError, pg.InterfaceError, pg.InternalClientError, OSError)


def memory_bytes() -> int:
    """The most that this process has ever used."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


LOG_IN = {
    "length 0": message(b"R", length=0),
    "length 3": message(b"R", length=3),
    "negative length": message(b"R", length=-5),
    "length of 2 GiB": message(b"R", b"\0" * 100, length=0x7FFFFFFF),
    "shorter than its code": message(b"R", b"\0\0"),
    "unknown code": authentication(99),
    "GSSAPI": authentication(7),
    "unknown tag": message(b"\xff", b"whatever"),
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "MD5 without salt": authentication(5, b"\0"),
    "SASL without mechanisms": authentication(10, b"\0"),
    "SASL with none that we know": authentication(10, b"SCRAM-SHA-7\0\0"),
    "SASL that does not end": authentication(10, b"SCRAM-SHA-256"),
    "SASL continues what did not begin": authentication(11, b"r=x,s=eA==,i=4096"),
    "SASL ends what did not begin": authentication(12, b"v=eA=="),
    "rows before anything": row(ONE),
    "an error that does not end": message(b"E", b"SFATAL"),
    "an error without fields": message(b"E", b"\0"),
    "a parameter without a value": authentication(0) + message(b"S", b"name\0") + READY,
    "a key that is too short": authentication(0) + message(b"K", b"\0\0") + READY,
    "ready with an unknown status": WELCOME + message(b"Z", b"?"),
    "ready without a status": WELCOME + message(b"Z"),
    "a row once the client is in": WELCOME + READY + row(ONE),
}


@only_ours
@pytest.mark.parametrize("name", LOG_IN)
@in_loop
async def test_log_in(pg: Any, name: str) -> None:
    """Nonsense before the client is in."""

    async def script(peer: Peer) -> None:
        await peer.startup()
        await peer.send(LOG_IN[name])

    async with server(script) as arguments:
        with pytest.raises(refused(pg)):
            await within(SOON_S, pg.connect(**arguments))


ANSWERS = {
    "unknown tag": message(b"\x01", b"x"),
    "negative length": message(b"D", length=-1),
    "length 0": message(b"D", length=0),
    "length of 2 GiB": message(b"2") + message(b"D", b"\0\1", length=0x7FFFFFFF),
    "a row before it was bound": row(ONE) + RESULT,
    "a row without its count": message(b"2") + message(b"D") + RESULT,
    "a row with more columns": message(b"2") + row(ONE, ONE) + RESULT,
    "a row with fewer columns": message(b"2") + row() + RESULT,
    "a row with a negative count": message(b"2") + message(b"D", struct.pack("!h", -1)) + RESULT,
    "a value longer than its row": message(b"2")
    + message(b"D", struct.pack("!hi", 1, 1000) + ONE)
    + RESULT,
    "a value of negative length": message(b"2") + message(b"D", struct.pack("!hi", 1, -2)) + RESULT,
    "bytes after the values": message(b"2")
    + message(b"D", struct.pack("!hi", 1, 4) + ONE + b"more")
    + RESULT,
    "an int4 of 3 bytes": message(b"2") + row(b"abc") + RESULT,
    "an int4 of 5 bytes": message(b"2") + row(b"abcde") + RESULT,
    "a log-in in the middle": authentication(0) + RESULT,
    "COPY that nobody asked for": message(b"2") + message(b"G", b"\0\0\0") + READY,
    "an error that does not end": message(b"E", b"SERROR") + READY,
    "a notice that does not end": message(b"N", b"SERROR") + message(b"2") + row(b"abc") + RESULT,
}


@only_ours
@pytest.mark.parametrize("name", ANSWERS)
@in_loop
async def test_answer(pg: Any, name: str) -> None:
    """Nonsense instead of rows. The connection that heard it is not used again."""

    async def script(peer: Peer) -> None:
        await peer.prepared()
        await peer.until(b"S")
        await peer.send(ANSWERS[name])

    async with server(script) as arguments:
        connection = await within(SOON_S, pg.connect(**arguments))
        # A value that is none of its type spoils its query, not the connection.
        with pytest.raises((*refused(pg), ValueError)):
            await within(SOON_S, connection.fetch("SELECT 1 AS n"))
        connection.terminate()
        assert connection.is_closed()


@only_ours
@in_loop
async def test_nothing_keeps_a_connection(pg: Any) -> None:
    """It has its error, and the error has the frame of who asked, who has the connection."""

    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.receive()
        await peer.send(b"nonsense")

    async with server(script) as arguments:
        connection = await within(SOON_S, pg.connect(**arguments))
        weak = weakref.ref(connection)

        async def ask(connection: Any) -> None:
            with pytest.raises(refused(pg)):
                await connection.fetch("SELECT 1 AS n")

        await within(SOON_S, ask(connection))
        del connection
        gc.collect()
        assert weak() is None


DESCRIPTIONS = {
    "more parameters than bytes": message(b"t", struct.pack("!h", 3)),
    "negative parameters": message(b"t", struct.pack("!h", -3)),
    "columns without a name": message(b"T", struct.pack("!h", 1)),
    "more columns than bytes": message(b"T", struct.pack("!h", 30000) + b"x\0"),
    "a row description twice": columns("a") + columns("b"),
    "rows": row(ONE),
}


@only_ours
@pytest.mark.parametrize("name", DESCRIPTIONS)
@in_loop
async def test_description(pg: Any, name: str) -> None:
    """Nonsense instead of what a statement takes and gives."""

    async def script(peer: Peer) -> None:
        await peer.prepared(DESCRIPTIONS[name])

    async with server(script) as arguments:
        connection = await within(SOON_S, pg.connect(**arguments))
        with pytest.raises(refused(pg)):
            await within(SOON_S, connection.fetch("SELECT 1 AS n"))
        connection.terminate()


@in_loop
async def test_the_scripts_are_right(pg: Any) -> None:
    """The same server without a lie is understood."""

    async def script(peer: Peer) -> None:
        await peer.prepared()
        await peer.until(b"S")
        await peer.send(RESULT)

    async with server(script) as arguments:
        connection = await within(SOON_S, pg.connect(**arguments))
        assert [tuple(found) for found in await connection.fetch("SELECT 1 AS n")] == [(1,)]
        connection.terminate()


@only_ours
@in_loop
async def test_an_answer_too_many(pg: Any) -> None:
    """What nobody asked for is never taken for the answer to the next query."""

    async def script(peer: Peer) -> None:
        await peer.prepared()
        await peer.until(b"S")
        await peer.send(RESULT + message(b"2") + row(struct.pack("!i", 666)) + READY)

    async with server(script) as arguments:
        connection = await within(SOON_S, pg.connect(**arguments))
        assert await connection.fetchval("SELECT 1 AS n") == 1
        with pytest.raises((*refused(pg), TimeoutError)):
            await within(SOON_S, connection.fetchval("SELECT 1 AS n"))
        connection.terminate()


SCRAM = {
    "a nonce of its own": lambda _: b"r=other,s=c2FsdA==,i=4096",
    "the client's nonce and no more": lambda nonce: b"r=" + nonce + b",s=c2FsdA==,i=4096",
    "no iterations": lambda nonce: b"r=" + nonce + b"x,s=c2FsdA==,i=0",
    "negative iterations": lambda nonce: b"r=" + nonce + b"x,s=c2FsdA==,i=-1",
    "iterations for years": lambda nonce: b"r=" + nonce + b"x,s=c2FsdA==,i=2000000000",
    "iterations of words": lambda nonce: b"r=" + nonce + b"x,s=c2FsdA==,i=many",
    "a salt that is not base64": lambda nonce: b"r=" + nonce + b"x,s=!,i=4096",
    "nothing": lambda _: b"",
}
NOT_ASYNCPG_SCRAM = {
    *("the client's nonce and no more", "iterations for years", "no iterations", "nothing"),
    "negative iterations",
}


@pytest.mark.parametrize("name", SCRAM)
@in_loop
async def test_false_scram_challenge(pg: Any, name: str) -> None:
    """RFC 5802, section 5.1, and a bound on what a server may make a client compute."""

    async def script(peer: Peer) -> None:
        await peer.startup()
        await peer.send(authentication(10, b"SCRAM-SHA-256\0\0"))
        first = await peer.receive()
        nonce = first.rpartition(b"r=")[2]
        await peer.send(authentication(11, SCRAM[name](nonce)))

    if not OURS and name in NOT_ASYNCPG_SCRAM:
        pytest.skip("asyncpg believes it")
    async with server(script) as arguments:
        with pytest.raises(refused(pg)):
            await within(SOON_S, pg.connect(**arguments))


@pytest.mark.parametrize("how", ["false", "empty", "an error", "missing"])
@in_loop
async def test_false_scram_proof(pg: Any, how: str) -> None:
    """A server that does not know the password is not the server."""

    async def script(peer: Peer) -> None:
        await peer.startup()
        await peer.send(authentication(10, b"SCRAM-SHA-256\0\0"))
        nonce = (await peer.receive()).rpartition(b"r=")[2]
        await peer.send(authentication(11, b"r=" + nonce + b"more,s=c2FsdA==,i=4096"))
        await peer.receive()
        proof = {
            "false": authentication(12, b"v=" + base64.b64encode(b"\0" * 32)),
            "empty": authentication(12, b"v="),
            "an error": authentication(12, b"e=other-error"),
            "missing": b"",
        }[how]
        await peer.send(proof + WELCOME + READY)

    if not OURS and how == "missing":
        pytest.skip("asyncpg does not miss it")
    async with server(script) as arguments:
        with pytest.raises(refused(pg)):
            await within(SOON_S, pg.connect(**arguments))


@in_loop
async def test_a_flood_of_notices(pg: Any) -> None:
    """A hundred megabytes of notices before an answer are dropped, not kept."""
    before = memory_bytes()
    notice = message(b"N", b"SNOTICE\0C00000\0M" + b"x" * 1000 + b"\0\0")

    async def script(peer: Peer) -> None:
        await peer.prepared()
        await peer.until(b"S")
        for _ in range(1000):
            await peer.send(notice * 100)
        await peer.send(RESULT)

    async with server(script) as arguments:
        connection = await within(SOON_S, pg.connect(**(arguments | {"command_timeout": 20})))
        assert await within(20, connection.fetchval("SELECT 1 AS n")) == 1
        connection.terminate()
    assert memory_bytes() - before < 64 << 20


@in_loop
async def test_a_length_reserves_no_memory(pg: Any) -> None:
    """A header that promises a gigabyte costs nothing before it comes."""
    before = memory_bytes()

    async def script(peer: Peer) -> None:
        await peer.prepared()
        await peer.until(b"S")
        await peer.send(message(b"2") + message(b"D", b"\0\1", length=1 << 30))

    async with server(script) as arguments:
        connections = [await within(SOON_S, pg.connect(**arguments)) for _ in range(8)]
        queries = (one.fetch("SELECT 1 AS n", timeout=0.5) for one in connections)
        outcomes = await within(SOON_S * 2, asyncio.gather(*queries, return_exceptions=True))
        assert all(isinstance(one, (*refused(pg), TimeoutError)) for one in outcomes), outcomes
        for one in connections:
            one.terminate()
    assert memory_bytes() - before < 256 << 20


@in_loop
async def test_a_server_that_only_listens(pg: Any) -> None:
    """It accepts, and never says a word."""

    async def script(peer: Peer) -> None:
        await peer.reader.read()

    async with server(script) as arguments:
        with pytest.raises(asyncio.TimeoutError):
            await within(SOON_S, pg.connect(**(arguments | {"timeout": 0.3})))


@only_ours
@in_loop
async def test_pool_of_a_mad_server(pg: Any) -> None:
    """A pool whose every connection goes mad ends its queries and itself in time."""

    async def script(peer: Peer) -> None:
        await peer.prepared()
        await peer.until(b"S")
        await peer.send(message(b"\x7f", b"mad") * 10)

    async with server(script) as arguments:
        pool = await within(SOON_S, pg.create_pool(**arguments, min_size=1, max_size=3))
        queries = (pool.fetchval("SELECT 1 AS n") for _ in range(12))
        outcomes = await within(20, asyncio.gather(*queries, return_exceptions=True))
        assert all(isinstance(one, refused(pg)) for one in outcomes), outcomes
        await within(SOON_S, pool.close())
