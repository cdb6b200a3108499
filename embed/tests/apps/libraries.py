"""Handlers that use other people's asynchronous libraries; each check answers ``true``."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
import sniffio

from fasterapi import FasterAPI, Request, StreamingResponse

app = FasterAPI()


@app.get("/plain")
async def plain(word: str = "plain") -> dict[str, str]:
    """What the clients ask for."""
    await asyncio.sleep(0.001)
    return {"word": word}


@app.post("/echo")
async def echo(request: Request) -> object:
    """The body again."""
    return await request.json()


@app.get("/chunks")
async def chunks() -> StreamingResponse:
    """A streamed answer."""

    async def produce() -> AsyncIterator[str]:
        for n in range(5):
            yield f"{n};"
            await asyncio.sleep(0.001)

    return StreamingResponse(produce())


def origin(request: Request) -> str:
    """The address of this very server."""
    return str(request.base_url).rstrip("/")


@app.get("/check/httpx")
async def with_httpx(request: Request) -> bool:
    """Calls this server, several at once, and reads a stream."""
    async with httpx.AsyncClient(base_url=origin(request), trust_env=False) as client:
        answers = await asyncio.gather(*(client.get(f"/plain?word={n}") for n in range(10)))
        assert [answer.json()["word"] for answer in answers] == [str(n) for n in range(10)]
        assert (await client.post("/echo", json=[1])).json() == [1]
        async with client.stream("GET", "/chunks") as response:
            assert "".join([text async for text in response.aiter_text()]) == "0;1;2;3;4;"
    return True


@app.get("/check/aiohttp")
async def with_aiohttp(request: Request) -> bool:
    """The same with aiohttp."""
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(base_url=origin(request), timeout=timeout) as session:

        async def ask(n: int) -> str:
            async with session.get(f"/plain?word={n}") as response:
                return str((await response.json())["word"])

        assert await asyncio.gather(*map(ask, range(10))) == [str(n) for n in range(10)]
        async with session.post("/echo", json=[1]) as response:
            assert await response.json() == [1]
        async with session.get("/chunks") as response:
            assert await response.text() == "0;1;2;3;4;"
    return True


@app.get("/check/aiohttp_timeout")
async def aiohttp_timeout(request: Request) -> bool:
    """Aiohttp asks for the current task and its ``cancelling``."""
    timeout = aiohttp.ClientTimeout(total=0.05)
    async with aiohttp.ClientSession(base_url=origin(request), timeout=timeout) as session:
        try:
            async with session.get("/slow"):
                pass
        except TimeoutError:
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            return True
    raise AssertionError("no timeout")


@app.get("/slow")
async def slow() -> bool:
    """Longer than its client waits."""
    await asyncio.sleep(5)
    return True


@app.get("/check/sniffio")
async def with_sniffio() -> bool:
    """Knows the library, before and after a wait."""
    assert sniffio.current_async_library() == "asyncio"
    await asyncio.sleep(0)
    assert sniffio.current_async_library() == "asyncio"
    return True


@app.get("/check/anyio_task_group")
async def anyio_task_group() -> bool:
    """Children, and the cancellation of their scope."""
    done: list[int] = []

    async def child(number: int) -> None:
        await anyio.sleep(0.001 * number)
        done.append(number)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(child, number)
    assert done == [0, 1, 2]
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 10)
        await anyio.sleep(0.001)
        group.cancel_scope.cancel()
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 10)
            raise ValueError("inside")
    except* ValueError:
        pass
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await anyio.sleep(0.001)
    return True


@app.get("/check/anyio_cancel_scopes")
async def anyio_cancel_scopes() -> bool:
    """``move_on_after``, ``fail_after`` and shields."""
    with anyio.move_on_after(0.02) as scope:
        await anyio.sleep(10)
    assert scope.cancelled_caught
    with anyio.move_on_after(0) as scope:
        await anyio.sleep(10)
    assert scope.cancelled_caught
    try:
        with anyio.fail_after(0.01):
            await anyio.sleep(10)
    except TimeoutError:
        pass
    else:
        raise AssertionError("no timeout")
    with anyio.move_on_after(0.01) as outer:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.03)
            finished = True
        await anyio.sleep(10)
    assert finished
    assert outer.cancelled_caught
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await anyio.lowlevel.checkpoint()
    return True


@app.get("/check/anyio_tools")
async def anyio_tools() -> bool:
    """Threads, memory streams, events, limiters."""
    assert await anyio.to_thread.run_sync(sum, [1, 2]) == 3
    sending, receiving = anyio.create_memory_object_stream[int](1)
    async with anyio.create_task_group() as group, sending, receiving:
        group.start_soon(sending.send, 5)
        assert await receiving.receive() == 5
    limiter = anyio.CapacityLimiter(1)
    async with limiter:
        assert limiter.borrowed_tokens == 1
    lock = anyio.Lock()
    async with lock:
        assert lock.locked()
    done = await anyio.run_process(["echo", "x"])
    assert done.stdout == b"x\n"
    info = anyio.get_current_task()
    assert info.id
    assert len(anyio.get_running_tasks()) >= 1
    return True


@app.get("/thread")
async def thread() -> int:
    """From a request that has waited before."""
    await anyio.sleep(0.05)
    return await anyio.to_thread.run_sync(sum, [1, 2])


@app.get("/check/anyio_tcp")
async def anyio_tcp(request: Request) -> bool:
    """A connection by hand."""
    async with await anyio.connect_tcp("127.0.0.1", request.url.port or 0) as stream:
        await stream.send(b"GET /plain HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        received = b""
        try:
            while True:
                received += await stream.receive()
        except anyio.EndOfStream:
            pass
    assert json.loads(received.partition(b"\r\n\r\n")[2]) == {"word": "plain"}
    return True
