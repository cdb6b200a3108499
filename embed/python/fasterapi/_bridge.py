"""Runs an ASGI application for a request and makes what it sends a response."""

from __future__ import annotations

import asyncio

from fasterapi._answer import EVENTS_EXTENSION
from fasterapi.responses import Response, StreamingResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from fasterapi._core import StreamSender
    from fasterapi._routes import ASGIApp
    from fasterapi.requests import Message, Request

__all__ = ["BridgedResponse", "answer_of"]

# Messages that the application may be ahead of the client.
MESSAGES_AHEAD_MAX = 4


class BridgedResponse(StreamingResponse):
    """What an ASGI application answers; its fields are sent as they are."""

    def __init__(self, start: Message, run: _Run) -> None:
        """``start`` is the message ``http.response.start``."""
        self.status_code = int(start["status"])
        self.raw_headers = _fields_of(start)
        self.body_iterator = run.chunks()
        if EVENTS_EXTENSION in start:
            self.body_iterator = _Events(self.body_iterator)
        self.background = run.finish


class _Events:
    """The events of an application that keeps them alive by itself."""

    def __init__(self, chunks: Any) -> None:
        self._chunks = chunks

    def for_rust(self, sender: StreamSender) -> Any:
        """Let ``sender`` know what they are, so that they end in order with the server."""
        sender.keep_alive(0)
        return self._chunks

    def __aiter__(self) -> Any:
        return self._chunks

    async def __anext__(self) -> bytes:
        chunk: bytes = await anext(self._chunks)
        return chunk

    async def aclose(self) -> None:
        await self._chunks.aclose()


def _fields_of(start: Message) -> list[tuple[bytes, bytes]]:
    return [(bytes(k).lower(), bytes(v)) for k, v in start.get("headers", ())]


class _Run:
    """The application's task, and its messages on their way to the client."""

    def __init__(self, app: ASGIApp, request: Request) -> None:
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue(MESSAGES_AHEAD_MAX)
        self._answered = False
        self._is_cancelled = False
        self._receive = request.receive
        self.task = asyncio.ensure_future(self._run(app, request))

    async def _run(self, app: ASGIApp, request: Request) -> None:
        try:
            await app(request.scope, self._receive_until_answered, self._send)
        finally:
            if not self._answered:
                # `None` must arrive even when the queue is full and nobody reads.
                if self._messages.full():
                    self._messages.get_nowait()
                self._messages.put_nowait(None)

    async def _receive_until_answered(self) -> Message:
        if self._answered:
            return {"type": "http.disconnect"}
        return await self._receive()

    async def _send(self, message: Message) -> None:
        if self._is_cancelled:
            raise OSError("the client has gone")  # as ASGI wants it since version 2.4
        if self._answered:
            return
        await self._messages.put(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._answered = True

    async def start(self) -> Message:
        """The head of the answer; raises what the application raised before it."""
        while (message := await self._messages.get()) is not None:
            if message["type"] == "http.response.start":
                return message
        await self.task
        raise RuntimeError("The ASGI application returned without an answer.")

    def whole_body(self) -> bytes | None:
        """The body, if all of it came with the head: then it is no stream."""
        if not self._answered or self._messages.qsize() != 1:
            return None
        message: Any = self._messages.get_nowait()
        return bytes(message.get("body", b""))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body; the application's error if it has no end."""
        whole = False
        try:
            while (message := await self._messages.get()) is not None:
                if message["type"] != "http.response.body":
                    continue
                if body := message.get("body", b""):
                    yield bytes(body)
                if not message.get("more_body", False):
                    whole = True
                    return
            await self.task
            raise RuntimeError("The ASGI application returned before the end of its answer.")
        finally:
            if not whole:
                await self.cancel()

    async def finish(self) -> None:
        """Wait for what the application does after its answer; its errors pass through."""
        await self.task

    async def cancel(self) -> None:
        """The client has gone, or the server has: end the application."""
        self._is_cancelled = True
        self.task.cancel()
        await asyncio.wait((self.task,))


async def answer_of(app: ASGIApp, request: Any) -> Response:
    """Start ``app`` and wait for the head of its answer.

    Raises what the application raises before it. The rest is sent as it comes, at most
    ``MESSAGES_AHEAD_MAX`` messages ahead of the client; the application is cancelled
    when the client goes.
    """
    run = _Run(app, request)
    try:
        start = await run.start()
    except BaseException:
        if not run.task.done():
            await run.cancel()
        raise
    content = run.whole_body()
    if content is None:
        return BridgedResponse(start, run)
    response = Response(content)
    response.status_code = int(start["status"])
    response.raw_headers = _fields_of(start)
    response.background = run.finish
    return response
