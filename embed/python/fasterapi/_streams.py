"""The bodies of handlers with ``yield``: JSON lines and server-sent events."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Queue
    from collections.abc import AsyncGenerator, AsyncIterator
    from typing import Any

    from fasterapi._core import StreamSender
    from fasterapi._serialize import Serializer
    from fasterapi.exceptions import EndpointContext

__all__ = ["EventItems", "json_lines"]


async def json_lines(
    generator: Any, serializer: Serializer, context: EndpointContext
) -> AsyncIterator[bytes]:
    """Each item as JSON on a line of its own (``application/jsonl``)."""
    from asyncio import sleep

    from fasterapi._iterate import as_async_iterator

    items: Any = as_async_iterator(generator)
    try:
        async for item in items:
            yield serializer.json(item, context) + b"\n"
            # A generator that never waits must not keep the loop for itself.
            await sleep(0)
    finally:
        await items.aclose()


class EventItems:
    """The body of a handler that yields events.

    Iterated over, it has a comment in it whenever the next event is long in coming, so
    that proxies do not close a connection that seems idle. Rust does that itself, see
    ``for_rust``.
    """

    def __init__(self, generator: Any, serializer: Serializer, context: EndpointContext) -> None:
        """Keep the parts; nothing runs yet."""
        self._parts = (generator, serializer, context)
        self._chunks: AsyncGenerator[bytes, None] | None = None

    def for_rust(self, sender: StreamSender) -> AsyncGenerator[bytes, None]:
        """The events alone; ``sender`` keeps their stream alive."""
        from fasterapi import routing

        sender.keep_alive(routing._PING_INTERVAL)
        self._chunks = _events(*self._parts)
        return self._chunks

    def __aiter__(self) -> EventItems:
        """Itself."""
        return self

    async def __anext__(self) -> bytes:
        """The next event or comment."""
        if self._chunks is None:
            self._chunks = _events_and_comments(*self._parts)
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """End the generator."""
        if self._chunks is not None:
            await self._chunks.aclose()


async def _events(
    generator: Any, serializer: Serializer, context: EndpointContext
) -> AsyncGenerator[bytes, None]:
    from asyncio import sleep

    from fasterapi._iterate import as_async_iterator

    items: Any = as_async_iterator(generator)
    try:
        async for item in items:
            yield _event(item, serializer, context)
            # A generator that never waits must not keep the loop for itself.
            await sleep(0)
    finally:
        await items.aclose()


async def _events_and_comments(
    generator: Any, serializer: Serializer, context: EndpointContext
) -> AsyncGenerator[bytes, None]:
    import asyncio

    from fasterapi import routing
    from fasterapi._event_format import KEEPALIVE_COMMENT

    # The generator runs in one task from its start to its end, at most one item ahead.
    queue: asyncio.Queue[Any] = asyncio.Queue(1)
    producer = asyncio.ensure_future(_produce(generator, queue))
    try:
        while True:
            try:
                async with asyncio.timeout(routing._PING_INTERVAL):
                    item = await queue.get()
            except TimeoutError:
                yield KEEPALIVE_COMMENT
                continue
            if item is _END:
                break
            yield _event(item, serializer, context)
            await asyncio.sleep(0)
        await producer  # raises what ended the generator
    finally:
        producer.cancel()
        await asyncio.wait((producer,))


_END: Any = object()


async def _produce(generator: Any, queue: Queue[Any]) -> None:
    from fasterapi._iterate import as_async_iterator

    items: Any = as_async_iterator(generator)
    try:
        async for item in items:
            await queue.put(item)
    finally:
        try:
            await items.aclose()
        finally:
            await queue.put(_END)


def _event(item: Any, serializer: Serializer, context: EndpointContext) -> bytes:
    from fasterapi._event_format import format_sse_event
    from fasterapi.sse import ServerSentEvent

    if not isinstance(item, ServerSentEvent):
        return format_sse_event(data_str=serializer.json(item, context).decode())
    text = item.raw_data
    if text is None and item.data is not None:
        text = _data_of(item.data)
    return format_sse_event(
        data_str=text, event=item.event, id=item.id, retry=item.retry, comment=item.comment
    )


def _data_of(data: Any) -> str:
    if hasattr(data, "model_dump_json"):
        text: str = data.model_dump_json()
        return text
    from fasterapi._serialize import Serializer

    return Serializer(None).json(data, None).decode()
