"""What the middleware here share: ASGI's types, and small helpers over its messages."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    from fasterapi._headers import MutableHeaders

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class WatchedSend:
    """A ``send`` that knows whether the answer has begun."""

    __slots__ = ("_send", "has_begun")

    def __init__(self, send: Send) -> None:
        """Nothing has been sent yet."""
        self._send = send
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        """Pass ``message`` on."""
        if message["type"] == "http.response.start":
            self.has_begun = True
        await self._send(message)


def request_header(scope: Scope, name: bytes) -> str | None:
    """The first request field called ``name`` (in lower case), as Latin-1 text."""
    for field, value in scope["headers"]:
        if field == name:
            text: str = value.decode("latin-1")
            return text
    return None


def is_async_callable(function: Any) -> bool:
    """Whether calling ``function`` gives a coroutine: a function, a partial or an object."""
    from functools import partial
    from inspect import iscoroutinefunction

    while isinstance(function, partial):
        function = function.func
    return iscoroutinefunction(function) or iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004
    )


async def call_handler(handler: Callable[..., Any], *arguments: Any) -> Any:
    """Call an error handler: awaited if it is asynchronous, else in the thread pool."""
    if is_async_callable(handler):
        return await handler(*arguments)
    from fasterapi.concurrency import run_in_threadpool

    return await run_in_threadpool(handler, *arguments)


def response_fields(message: Message) -> list[tuple[bytes, bytes]]:
    """A copy of a start message's fields, put in their place: the application may keep its own."""
    fields = list(message.get("headers") or ())
    message["headers"] = fields
    return fields


def add_vary(headers: MutableHeaders, name: str) -> None:
    """Add ``name`` to ``Vary`` (RFC 9110, section 12.5.5); several such fields become one."""
    headers["vary"] = ", ".join([*headers.getlist("vary"), name])
