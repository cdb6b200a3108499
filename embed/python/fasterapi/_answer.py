"""Sends responses over ASGI."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from fasterapi.responses import Message, Receive, Response, Scope, Send, StreamingResponse

__all__ = [
    "EVENTS_EXTENSION",
    "denial_send",
    "encoded",
    "send_start",
    "send_stream",
    "until_disconnect",
]

# Our server's ASGI extension: a start message with this key begins an event stream that
# ends in order when the server stops.
EVENTS_EXTENSION = "fasterapi.events"
# From this version of ASGI's HTTP messages on, `send` fails when the client has gone.
_SEND_FAILS_SINCE = (2, 4)


def denial_send(send: Send) -> Send:
    """Answers a WebSocket's handshake with a response (ASGI's denial extension)."""

    async def renamed(message: Message) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "http.response.body"):
            message = {**message, "type": f"websocket.{kind}"}
        await send(message)

    return renamed


async def send_start(response: Response, send: Send, status: int | None = None) -> None:
    """Send the head; raises ``ValueError`` for a line break in a header field.

    A server that does not check would let whoever chose the value add fields of
    their own to the answer (RFC 9110, section 5.5).
    """
    for name, value in response.raw_headers:
        if b"\n" in value or b"\r" in value or b"\n" in name or b"\r" in name:
            raise ValueError(f"the header field {name!r} has a line break in its value {value!r}")
    await send(
        {
            "type": "http.response.start",
            "status": int(response.status_code if status is None else status),
            "headers": response.raw_headers,
        }
    )


async def send_stream(
    response: StreamingResponse, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send the head and the chunks; stops when the client leaves.

    Raises ``ClientDisconnect`` where the server says that it has gone by ``OSError``.
    """
    if scope["type"] == "websocket":
        await _send_chunks(response, denial_send(send))
    elif knows_disconnects(scope):
        try:
            await _send_chunks(response, send)
        except OSError:
            from fasterapi.requests import ClientDisconnect

            raise ClientDisconnect from None
    else:
        await until_disconnect(_send_chunks(response, send), receive)


def knows_disconnects(scope: Scope) -> bool:
    """Whether the server's ``send`` fails once the client has gone."""
    version = scope.get("asgi", {}).get("spec_version", "2.0")
    return tuple(map(int, version.split("."))) >= _SEND_FAILS_SINCE


async def _send_chunks(response: StreamingResponse, send: Send) -> None:
    await send_start(response, send)
    iterator = response.body_iterator
    try:
        async for chunk in iterator:
            data = encoded(chunk, response.charset)
            await send({"type": "http.response.body", "body": data, "more_body": True})
    finally:
        close: Any = getattr(iterator, "aclose", None)
        if close is not None:
            await close()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def encoded(chunk: object, charset: str) -> bytes | memoryview:
    """A chunk's bytes; raises ``TypeError`` for what is neither text nor bytes."""
    if isinstance(chunk, bytes | memoryview):
        return chunk
    if isinstance(chunk, str):
        return chunk.encode(charset)
    if isinstance(chunk, bytearray):
        return bytes(chunk)
    raise TypeError(f"a StreamingResponse sends str or bytes, not {type(chunk).__name__}")


async def until_disconnect(sending: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Run ``sending`` and cancel it when the client leaves before it ends."""
    import asyncio

    async def listen() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    work = asyncio.ensure_future(sending)
    listener = asyncio.ensure_future(listen())
    try:
        await asyncio.wait((work, listener), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (work, listener):
            if not task.done():
                task.cancel()
        await asyncio.wait((work, listener))
    for task in (work, listener):
        if not task.cancelled():
            task.result()
