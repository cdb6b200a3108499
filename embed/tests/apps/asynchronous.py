"""Handlers that use all of asyncio and check what they see; each answers ``true``."""

import asyncio
import contextlib
import contextvars
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator

from fasterapi import FasterAPI, Request, StreamingResponse

app = FasterAPI()
NAME: contextvars.ContextVar[str] = contextvars.ContextVar("NAME", default="nobody")
NOTES: dict[str, object] = {}
IMPORTED: contextvars.ContextVar[str] = contextvars.ContextVar("IMPORTED", default="unset")
IMPORTED.set("at import")
EVENTS: dict[str, asyncio.Event] = {}
QUEUE: asyncio.Queue[str] = asyncio.Queue(1)
LOCK = asyncio.Lock()
OPEN: list[AsyncIterator[int]] = []
TASKS: set[asyncio.Task[object]] = set()


def keep(task: asyncio.Task[object]) -> asyncio.Task[object]:
    """Hold a reference, as asyncio's documentation asks for."""
    TASKS.add(task)
    task.add_done_callback(TASKS.discard)
    return task


async def after(seconds: float, value: object) -> object:
    """A value, later."""
    await asyncio.sleep(seconds)
    return value


@app.get("/notes/{name}")
async def note(name: str):  # noqa: ANN201
    """What an earlier handler left."""
    return NOTES.get(name)


# --- context variables


@app.get("/context/{name}")
async def context(name: str, wait: float = 0.0):  # noqa: ANN201
    """Isolated, also while others run."""
    seen = [NAME.get()]
    NAME.set(name)
    await asyncio.sleep(0)
    seen.append(NAME.get())
    await asyncio.sleep(wait)
    seen.append(NAME.get())
    seen.append(await asyncio.create_task(in_task()))
    seen.append(await asyncio.to_thread(NAME.get))
    seen.append(NAME.get())
    return seen


async def in_task() -> str:
    """A task has a copy."""
    value = NAME.get()
    NAME.set("changed in the task")
    return value


@app.get("/context_def/{name}")
def context_def(name: str):  # noqa: ANN201
    """A thread is used again, its context is not."""
    before = NAME.get()
    NAME.set(name)
    return [before, NAME.get()]


@app.get("/context_inline/{name}", inline=True)
def context_inline(name: str):  # noqa: ANN201
    """An inline handler leaves nothing behind either."""
    before = NAME.get()
    NAME.set(name)
    return [before, NAME.get()]


@app.get("/context_stream/{name}")
async def context_stream(name: str):  # noqa: ANN201
    """The generator of a stream sees what the handler set."""
    NAME.set(name)

    async def chunks() -> AsyncIterator[str]:
        yield NAME.get()
        await asyncio.sleep(0.01)
        yield NAME.get()

    return StreamingResponse(chunks())


@app.get("/context_stream_sync/{name}")
async def context_stream_sync(name: str):  # noqa: ANN201
    """Also an ordinary one, which runs on a thread."""
    NAME.set(name)

    def chunks() -> Iterator[str]:
        yield NAME.get()
        yield NAME.get()

    return StreamingResponse(chunks())


@app.get("/imported")
async def imported() -> list[str]:
    """What was set when the module was imported."""
    return [IMPORTED.get(), await asyncio.to_thread(IMPORTED.get)]


@app.get("/imported_def")
def imported_def() -> list[str]:
    """The same on a thread."""
    return [IMPORTED.get()]


@app.get("/imported_inline", inline=True)
def imported_inline() -> list[str]:
    """The same inline."""
    return [IMPORTED.get()]


@app.get("/check/context_token")
async def context_token() -> bool:
    """A token is of use after a wait."""
    token = NAME.set("x")
    await asyncio.sleep(0.001)
    NAME.reset(token)
    assert NAME.get() == "nobody"
    return True


# --- tasks


@app.get("/check/current_task")
async def current_task() -> bool:
    """The same task through all of the handler."""
    task = asyncio.current_task()
    assert task is not None
    await asyncio.sleep(0)
    assert asyncio.current_task() is task
    await asyncio.sleep(0.001)
    assert asyncio.current_task() is task
    assert not task.done()
    assert asyncio.get_running_loop() is task.get_loop()
    assert isinstance(task.get_name(), str)
    task.set_name("mine")
    assert task.get_name() == "mine"
    assert asyncio.iscoroutine(task.get_coro())
    assert isinstance(task, asyncio.Future) or asyncio.isfuture(task)
    assert isinstance(repr(task), str)
    assert isinstance(task.get_stack(), list)
    assert task.get_context() is not None
    return True


@app.get("/check/all_tasks")
async def all_tasks() -> bool:
    """The request's task is among them, from its first step on."""
    task = asyncio.current_task()
    assert task in asyncio.all_tasks()
    await asyncio.sleep(0)
    assert task in asyncio.all_tasks()
    await asyncio.sleep(0.001)
    assert task in asyncio.all_tasks()
    return True


@app.get("/check/all_tasks_after_a_wait")
async def all_tasks_after_a_wait() -> bool:
    """The same, once it has waited."""
    await asyncio.sleep(0)
    assert asyncio.current_task() in asyncio.all_tasks()
    await asyncio.sleep(0.001)
    assert asyncio.current_task() in asyncio.all_tasks()
    return True


@app.get("/check/task_interface")
async def task_interface() -> bool:
    """All that an ``asyncio.Task`` has: asyncio and anyio use what is private, too."""
    missing = set(dir(asyncio.Task)) - set(dir(asyncio.current_task())) - {"__del__"}
    assert not missing, sorted(missing)
    return True


@app.get("/gather_a_request")
async def gather_a_request() -> bool:
    """``gather`` with the request's task among its children, as ``asyncio.Runner`` does."""
    task = asyncio.current_task()
    assert task is not None
    gathered = asyncio.gather(task, asyncio.sleep(0), return_exceptions=True)
    gathered.add_done_callback(lambda done: NOTES.update(gathered=str(done.result()[0])))
    await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.sleep(1)
    return False


@app.get("/check/giving_way")
async def giving_way() -> bool:
    """After ``sleep(0)`` everything has run that was ready before."""
    order: list[str] = []

    async def work() -> None:
        order.append("task")

    asyncio.get_running_loop().call_soon(order.append, "callback")
    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    assert order == ["callback", "task"], order
    await task
    return True


@app.get("/check/finished_tasks")
async def finished_tasks() -> bool:
    """Finished requests are not among all tasks."""
    await asyncio.sleep(0.05)
    tasks = asyncio.all_tasks()
    assert len(tasks) < 20, tasks
    return True


@app.get("/check/await_own_request")
async def await_own_request() -> bool:
    """Another task may wait for the request's task."""
    task = asyncio.current_task()
    assert task is not None

    async def watch() -> None:
        NOTES["watched"] = "waiting"
        await asyncio.wait([task])
        NOTES["watched"] = [task.done(), task.cancelled()]

    keep(asyncio.create_task(watch()))
    await asyncio.sleep(0.01)
    assert NOTES["watched"] == "waiting"
    return True


@app.get("/check/done_callback")
async def done_callback() -> bool:
    """Is called when the request is over, in the context as it was at registration."""
    task = asyncio.current_task()
    assert task is not None
    NAME.set("at registration")
    task.add_done_callback(lambda done: NOTES.update(called=[done is task, NAME.get()]))
    NAME.set("later")
    return True


@app.get("/check/timeout")
async def timeout() -> bool:
    """``asyncio.timeout`` and ``timeout_at``."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(0.05):
            await asyncio.sleep(10)
    except TimeoutError:
        pass
    else:
        raise AssertionError("no timeout")
    assert 0.04 < time.monotonic() - began < 0.5
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    async with asyncio.timeout(5):
        await asyncio.sleep(0.001)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout_at(loop.time() + 5) as scope:
        scope.reschedule(loop.time() + 0.01)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
    return True


@app.get("/check/timeout_at_once")
async def timeout_at_once() -> bool:
    """``asyncio.timeout(0)`` ends the first wait, even one that only gives way."""
    try:
        async with asyncio.timeout(0):
            await asyncio.sleep(0)
    except TimeoutError:
        return True
    raise AssertionError("no timeout")


@app.get("/check/nested_timeouts")
async def nested_timeouts() -> bool:
    """The outer one ends the inner one."""
    try:
        async with asyncio.timeout(0.02):
            async with asyncio.timeout(5):
                await asyncio.sleep(10)
    except TimeoutError:
        return True
    raise AssertionError("no timeout")


@app.get("/check/wait_for")
async def wait_for() -> bool:
    """In time and too late."""
    assert await asyncio.wait_for(after(0.001, 1), 5) == 1
    try:
        await asyncio.wait_for(after(10, 1), 0.02)
    except TimeoutError:
        return True
    raise AssertionError("no timeout")


@app.get("/check/task_group")
async def task_group() -> bool:
    """Results, and an error that cancels the others."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(after(0.001 * n, n)) for n in range(5)]
    assert [task.result() for task in tasks] == [0, 1, 2, 3, 4]
    cancelled = []

    async def victim() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def culprit() -> None:
        await asyncio.sleep(0.001)
        raise ValueError("culprit")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(victim())
            group.create_task(culprit())
            await asyncio.sleep(10)
    except* ValueError as errors:
        assert [str(error) for error in errors.exceptions] == ["culprit"]  # noqa: PT017 - no pytest here
    assert cancelled == [True]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0.001)
    return True


@app.get("/check/gather")
async def gather() -> bool:
    """In order, errors as results, and cancelled as a whole."""
    assert await asyncio.gather(after(0.002, 1), after(0.001, 2), after(0, 3)) == [1, 2, 3]

    async def fail() -> None:
        raise ValueError("x")

    got = await asyncio.gather(fail(), after(0, 1), return_exceptions=True)
    assert isinstance(got[0], ValueError)
    assert got[1] == 1
    whole = asyncio.gather(after(10, 1), after(10, 2))
    await asyncio.sleep(0)
    whole.cancel()
    try:
        await whole
    except asyncio.CancelledError:
        return True
    raise AssertionError("not cancelled")


@app.get("/check/wait_and_as_completed")
async def wait_and_as_completed() -> bool:
    """The first ones first."""
    tasks = {asyncio.create_task(after(0.001 * n, n)) for n in (30, 1)}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in done] == [1]
    for task in pending:
        task.cancel()
    got = [await first for first in asyncio.as_completed([after(0.02, "b"), after(0.001, "a")])]
    assert got == ["a", "b"]
    return True


@app.get("/check/shield")
async def shield() -> bool:
    """What is inside goes on."""
    inner = asyncio.create_task(after(0.02, "inner"))
    try:
        async with asyncio.timeout(0.005):
            await asyncio.shield(inner)
    except TimeoutError:
        pass
    assert not inner.cancelled()
    assert await inner == "inner"
    return True


@app.get("/check/cancel_a_task")
async def cancel_a_task() -> bool:
    """With a message, and with its ``finally`` run."""
    order = []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError as error:
            order.append(error.args)
            raise
        finally:
            await asyncio.sleep(0)
            order.append("finally")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    assert task.cancel("why")
    try:
        await task
    except asyncio.CancelledError:
        order.append("raised")
    assert order == [("why",), "finally", "raised"]
    return True


@app.get("/check/cancel_self")
async def cancel_self() -> bool:
    """``cancelling`` and ``uncancel`` count; the next wait raises."""
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    task.cancel("first")
    task.cancel("second")
    assert task.cancelling() == 2
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError as error:
        assert error.args == ("second",)  # noqa: PT017 - no pytest here
    else:
        raise AssertionError("not cancelled")
    assert task.uncancel() == 1
    assert task.uncancel() == 0
    assert task.cancelling() == 0
    await asyncio.sleep(0.001)
    await asyncio.sleep(0)
    return True


@app.get("/check/cancel_from_another_task")
async def cancel_from_another_task() -> bool:
    """The request's task is cancelled by one that it started."""
    task = asyncio.current_task()
    assert task is not None

    async def cancel() -> None:
        await asyncio.sleep(0.001)
        task.cancel("from outside")

    for wait in (asyncio.sleep(10), asyncio.Event().wait(), asyncio.to_thread(time.sleep, 0.05)):
        keep(asyncio.create_task(cancel()))
        try:
            await wait
        except asyncio.CancelledError as error:
            assert error.args == ("from outside",)  # noqa: PT017 - no pytest here
            assert task.uncancel() == 0
        else:
            raise AssertionError("not cancelled")
    return True


@app.get("/cancelled")
async def cancelled() -> None:
    """Ends with a cancellation that nobody catches."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(10)


@app.get("/check/create_task")
async def create_task() -> bool:
    """Tasks start in order, and a result or an error arrives."""
    order: list[int] = []

    async def work(number: int) -> int:
        order.append(number)
        await asyncio.sleep(0)
        order.append(number + 10)
        return number

    tasks = [asyncio.create_task(work(n), name=f"work {n}") for n in range(3)]
    assert order == []
    assert [await task for task in tasks] == [0, 1, 2]
    assert order == [0, 1, 2, 10, 11, 12]

    async def fail() -> None:
        raise LookupError("inside")

    try:
        await asyncio.create_task(fail())
    except LookupError:
        return True
    raise AssertionError("no error")


@app.get("/check/eager_task_factory")
async def eager_task() -> bool:
    """An eager task runs inside the request's task and leaves it the current one."""
    if sys.version_info < (3, 12):
        return True
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    seen = []

    async def work() -> str:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0.001)
        return "done"

    eager = asyncio.Task(work(), loop=loop, eager_start=True)
    assert seen == [eager]
    assert asyncio.current_task() is task
    assert await eager == "done"
    return True


@app.get("/background/{name}")
async def background(name: str):  # noqa: ANN201
    """A task that outlives its request."""

    async def work() -> None:
        await asyncio.sleep(0.05)
        NOTES[name] = "done"

    keep(asyncio.create_task(work()))
    return True


@app.get("/background_fails")
async def background_fails():  # noqa: ANN201
    """A task whose error nobody fetches."""

    async def work() -> None:
        raise ValueError("nobody fetched this")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    del task
    await asyncio.sleep(0)
    gc.collect()
    return True


# --- between requests


@app.get("/event/wait/{name}")
async def event_wait(name: str):  # noqa: ANN201
    """Waits for another request."""
    await EVENTS.setdefault(name, asyncio.Event()).wait()
    return "woken"


@app.get("/event/set/{name}")
async def event_set(name: str):  # noqa: ANN201
    """Wakes another request."""
    EVENTS.setdefault(name, asyncio.Event()).set()
    return "set"


@app.get("/event/waiting/{name}")
async def event_waiting(name: str):  # noqa: ANN201
    """Whether somebody waits."""
    return name in EVENTS


@app.get("/queue/put/{value}")
async def queue_put(value: str):  # noqa: ANN201
    """Into a queue for one."""
    await QUEUE.put(value)
    return value


@app.get("/queue/get")
async def queue_get():  # noqa: ANN201
    """Out of it."""
    return await QUEUE.get()


@app.get("/locked")
async def locked():  # noqa: ANN201
    """One at a time."""
    async with LOCK:
        inside = int(str(NOTES.get("inside", 0))) + 1
        NOTES["inside"] = inside
        await asyncio.sleep(0.002)
        NOTES["inside"] = inside - 1
        return inside


@app.get("/check/synchronisation")
async def synchronisation() -> bool:
    """Semaphore, condition, barrier."""
    semaphore = asyncio.Semaphore(2)
    running, most = 0, 0

    async def work() -> None:
        nonlocal running, most
        async with semaphore:
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1

    await asyncio.gather(*(work() for _ in range(6)))
    assert most == 2
    condition = asyncio.Condition()

    async def notify() -> None:
        async with condition:
            condition.notify_all()

    async with condition:
        keep(asyncio.create_task(notify()))
        await asyncio.wait_for(condition.wait(), 2)
    barrier = asyncio.Barrier(2)
    await asyncio.gather(barrier.wait(), barrier.wait())
    return True


# --- time and threads


@app.get("/check/sleep_order")
async def sleep_order() -> bool:
    """Shorter sleeps end first, ``sleep(0)`` before them all."""
    order: list[float] = []

    async def work(seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(seconds)

    await asyncio.gather(*(work(s) for s in (0.03, 0.01, 0.0, 0.02)))
    assert order == [0.0, 0.01, 0.02, 0.03]
    return True


@app.get("/sleep/{seconds}")
async def sleep(seconds: float):  # noqa: ANN201
    """How long it took."""
    began = time.monotonic()
    await asyncio.sleep(seconds)
    return time.monotonic() - began


@app.get("/timers")
async def timers():  # noqa: ANN201
    """How late each of some ``call_later`` was, in seconds."""
    loop = asyncio.get_running_loop()
    late: list[float] = []
    done = loop.create_future()

    def fire(at: float) -> None:
        late.append(loop.time() - at)
        if len(late) == 10:
            done.set_result(None)

    for n in range(10):
        at = loop.time() + 0.03 * n + 0.01
        loop.call_at(at, fire, at)
    await done
    return late


@app.get("/idle_timer/{name}")
async def idle_timer(name: str, seconds: float):  # noqa: ANN201
    """A timer for when the request is over."""
    loop = asyncio.get_running_loop()
    at = loop.time() + seconds
    loop.call_later(seconds, lambda: NOTES.update({name: loop.time() - at}))
    return True


@app.get("/check/timer_is_cancelled")
async def timer_is_cancelled() -> bool:
    """And does not fire."""
    loop = asyncio.get_running_loop()
    fired = []
    handle = loop.call_later(0.01, fired.append, 1)
    handle.cancel()
    await asyncio.sleep(0.03)
    assert fired == []
    return True


@app.get("/check/to_thread")
async def to_thread() -> bool:
    """Results, errors and both kinds of executors."""
    main = threading.get_ident()
    assert await asyncio.to_thread(threading.get_ident) != main
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, pow, 2, 10) == 1024
    try:
        await asyncio.to_thread(int, "x")
    except ValueError:
        pass
    else:
        raise AssertionError("no error")
    assert await asyncio.gather(*(asyncio.to_thread(abs, -n) for n in range(20))) == [*range(20)]
    return True


@app.get("/check/call_soon_threadsafe")
async def call_soon_threadsafe() -> bool:
    """A thread of the application's own wakes the handler."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str] = loop.create_future()

    def work() -> None:
        time.sleep(0.02)
        loop.call_soon_threadsafe(future.set_result, "from the thread")

    thread = threading.Thread(target=work)
    thread.start()
    assert await asyncio.wait_for(future, 2) == "from the thread"
    thread.join()
    waiting = asyncio.Event()

    def submit() -> None:
        NOTES["submitted"] = asyncio.run_coroutine_threadsafe(after(0.01, "ran"), loop).result(2)
        loop.call_soon_threadsafe(waiting.set)

    threading.Thread(target=submit).start()
    await asyncio.wait_for(waiting.wait(), 2)
    assert NOTES["submitted"] == "ran"
    return True


@app.get("/check/call_soon_order")
async def call_soon_order() -> bool:
    """First in, first out."""
    loop = asyncio.get_running_loop()
    order: list[int] = []
    for n in range(5):
        loop.call_soon(order.append, n)
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    assert order == [0, 1, 2, 3, 4]
    return True


# --- input and output


@app.get("/check/streams")
async def streams() -> bool:
    """A server and a client on the shard's own loop."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**21)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for word in (b"one\n", b"two\n"):
            writer.write(word)
            assert await reader.readline() == word.upper()
        writer.write(b"x" * 1_000_000 + b"\n")
        assert await reader.readexactly(1_000_001) == b"X" * 1_000_000 + b"\n"
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return True


@app.get("/check/subprocess")
async def run_subprocess() -> bool:
    """Output, input, exit codes and killing."""
    process = await asyncio.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(b"through the pipe")
    assert (out, process.returncode) == (b"through the pipe", 0)
    shell = await asyncio.create_subprocess_shell("exit 3")
    assert await shell.wait() == 3
    sleeper = await asyncio.create_subprocess_exec("sleep", "60")
    sleeper.terminate()
    assert await sleeper.wait() == -signal.SIGTERM
    return True


@app.get("/check/loop_signal_handler")
async def loop_signal_handler() -> bool:
    """``loop.add_signal_handler``."""
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, came.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(came.wait(), 2)
    assert loop.remove_signal_handler(signal.SIGUSR1)
    return True


@app.get("/check/signal_handler")
async def signal_handler() -> bool:
    """``signal.signal``, from a process that waits and one that works."""
    came: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, _: came.append(number))
    try:
        os.kill(os.getpid(), signal.SIGUSR2)
        await asyncio.sleep(0.05)
        assert came == [signal.SIGUSR2]
        threading.Timer(0.03, os.kill, (os.getpid(), signal.SIGUSR2)).start()
        await asyncio.sleep(0.1)
        assert len(came) == 2
    finally:
        signal.signal(signal.SIGUSR2, before)
    return True


@app.get("/install_signal")
async def install_signal():  # noqa: ANN201
    """A handler for when the shard is idle."""
    signal.signal(signal.SIGUSR2, lambda *_: NOTES.update(idle_signal=time.time()))
    return os.getpid()


@app.get("/check/add_reader")
async def add_reader() -> bool:
    """Descriptors in the loop's own set, both ways."""
    loop = asyncio.get_running_loop()
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    with left, right:
        readable, writable = asyncio.Event(), asyncio.Event()
        loop.add_reader(left, readable.set)
        loop.add_writer(right, writable.set)
        await asyncio.wait_for(writable.wait(), 2)
        assert loop.remove_writer(right)
        assert not readable.is_set()
        right.send(b"x")
        await asyncio.wait_for(readable.wait(), 2)
        assert loop.remove_reader(left)
        left.recv(1)
        await loop.sock_sendall(left, b"hello")
        assert await loop.sock_recv(right, 10) == b"hello"
    return True


@app.get("/check/datagrams")
async def datagrams() -> bool:
    """UDP there and back."""
    loop = asyncio.get_running_loop()

    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.DatagramTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(data.upper(), addr)

    class Ask(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.answer: asyncio.Future[bytes] = loop.create_future()

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.answer.set_result(data)

    server, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    address = server.get_extra_info("sockname")
    client, asked = await loop.create_datagram_endpoint(Ask, remote_addr=address)
    client.sendto(b"udp")
    assert await asyncio.wait_for(asked.answer, 2) == b"UDP"
    client.close()
    server.close()
    return True


@app.get("/check/getaddrinfo")
async def getaddrinfo() -> bool:
    """Names are looked up on a thread."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    assert any(entry[4][0] in {"127.0.0.1", "::1"} for entry in found)
    return True


@app.get("/check/pipes")
async def pipes() -> bool:
    """``connect_read_pipe``."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb")
    )
    os.write(writing, b"through")
    os.close(writing)
    assert await reader.read() == b"through"
    transport.close()
    return True


# --- generators


@app.get("/check/generators_are_closed")
async def generators_are_closed() -> bool:
    """One that is dropped half-way runs its ``finally``, awaits included."""
    closed = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async for _ in numbers():
        break
    for _ in range(20):
        gc.collect()
        await asyncio.sleep(0.005)
        if closed:
            return True
    raise AssertionError("never closed")


@app.get("/left_open")
async def left_open() -> bool:
    """A generator that is still open when the shard ends."""

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            print("the generator is closed")

    generator = numbers()
    OPEN.append(generator)
    return await anext(generator) == 1


@app.get("/check/async_context_managers")
async def async_context_managers() -> bool:
    """``AsyncExitStack`` and ``aclosing``."""
    order = []

    @contextlib.asynccontextmanager
    async def scope(name: str) -> AsyncIterator[str]:
        order.append(f"enter {name}")
        try:
            yield name
        finally:
            await asyncio.sleep(0)
            order.append(f"exit {name}")

    async with contextlib.AsyncExitStack() as stack:
        for name in ("a", "b"):
            await stack.enter_async_context(scope(name))
    assert order == ["enter a", "enter b", "exit b", "exit a"]
    return True


@app.get("/check/exception_handler")
async def exception_handler() -> bool:
    """The loop's own handler is called for errors in callbacks."""
    loop = asyncio.get_running_loop()
    seen: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: seen.append(context))
    try:
        loop.call_soon(int, "x")
        await asyncio.sleep(0.01)
    finally:
        loop.set_exception_handler(None)
    assert isinstance(seen[0]["exception"], ValueError)
    return True


@app.get("/debug")
async def debug():  # noqa: ANN201
    """Whether asyncio's debug mode is on."""
    return asyncio.get_running_loop().get_debug()


@app.get("/slow")
async def slow():  # noqa: ANN201
    """Blocks long enough for the debug mode to say so."""
    await asyncio.create_task(block())
    return True


async def block() -> None:
    """Blocks the loop."""
    time.sleep(0.15)  # noqa: ASYNC251 - that is the point


@app.get("/disconnect/{name}")
async def disconnect(request: Request, name: str):  # noqa: ANN201
    """Cancelled when the client goes."""
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        NOTES[name] = "cancelled"
        raise
    return await request.is_disconnected()
