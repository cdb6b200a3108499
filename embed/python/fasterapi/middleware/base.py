"""Middleware as one function: it gets the request and asks for the response."""

from __future__ import annotations

import asyncio
from functools import partial

from fasterapi.middleware._message_pipe import MessagePipe
from fasterapi.requests import Request
from fasterapi.responses import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from typing import Any

    from fasterapi.middleware._asgi import ASGIApp, Message, Receive, Scope, Send

    RequestResponseEndpoint = Callable[[Request], Awaitable[Response]]
    DispatchFunction = Callable[[Request, RequestResponseEndpoint], Awaitable[Response]]

__all__ = ["BaseHTTPMiddleware"]


class BaseHTTPMiddleware:
    """Derive from it and give ``dispatch``, or pass a function of that form.

    ``await call_next(request)`` gives the response of the application inside, whose
    body is still to come. A body that was read with ``body()``, ``json()`` or
    ``form()`` can be read again inside; one read with ``stream()`` is empty there.
    Background tasks run after the answer has been sent. Exceptions pass through.
    """

    def __init__(self, app: ASGIApp, dispatch: DispatchFunction | None = None) -> None:
        """Stand around ``app``."""
        self.app = app
        self.dispatch_func = self.dispatch if dispatch is None else dispatch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run ``dispatch`` for an HTTP request; pass on anything else."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _RereadableRequest(scope, receive)
        run = _Run(self.app, scope, request, send)
        try:
            response = await self.dispatch_func(request, run.call_next)
            await response(scope, request.inner_receive, send)
        except BaseException:
            await run.cancel()
            raise
        await run.finish()

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """The response to ``request``; ``await call_next(request)`` asks the application."""
        raise NotImplementedError(f"{type(self).__name__} has no dispatch()")


class _RereadableRequest(Request):
    """The request as the middleware sees it; it hands its body on to the application."""

    _kept: bytes | None = None
    _read_here = False
    _read_inside = False

    async def body(self) -> bytes:
        """The whole body, kept for the application too."""
        if self._kept is None:
            self._kept = await super().body()
        return self._kept

    def form(self, *args: Any, **kwargs: Any) -> Any:
        """The form in the body, which stays readable for the application."""
        return _FormOfKeptBody(self, super().form, args, kwargs)

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it arrives; not kept. Raises ``RuntimeError`` after the application."""
        if self._read_inside:
            raise RuntimeError("Stream consumed: the application has read the body already")
        async for chunk in super().stream():
            yield chunk
        self._read_here = True

    async def inner_receive(self) -> Message:
        """What the application receives: the body that is left, then the disconnect."""
        if self._read_inside:
            return await self.receive()
        if self._kept is not None or self._read_here:
            self._read_inside = True
            return {"type": "http.request", "body": self._kept or b"", "more_body": False}
        message = await self.receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._read_inside = True
        return message


class _FormOfKeptBody:
    """A form, to be awaited or entered, for which the whole body is read and kept first."""

    def __init__(self, request: _RereadableRequest, form: Any, args: Any, kwargs: Any) -> None:
        self._request = request
        self._make: Callable[[], Any] = partial(form, *args, **kwargs)
        self._form: Any = None

    def __await__(self) -> Any:
        return self._read().__await__()

    async def _read(self) -> Any:
        await self._request.body()
        return await self._make()

    async def __aenter__(self) -> Any:
        self._form = await self._read()
        return self._form

    async def __aexit__(self, *_: object) -> None:
        await self._form.close()


class _Run:
    """One request: the application's tasks, and their messages on the way to the middleware."""

    def __init__(self, app: ASGIApp, scope: Scope, request: _RereadableRequest, send: Send) -> None:
        self._app = app
        self._scope = scope
        self._request = request
        self._send = send
        self._answered = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._pipes: list[MessagePipe] = []
        self._raised: BaseException | None = None

    async def call_next(self, request: Request) -> Response:
        """Start the application and wait for the head of its response."""
        pipe = MessagePipe()
        task = asyncio.ensure_future(self._run_app(pipe))
        self._pipes.append(pipe)
        self._tasks.append(task)
        try:
            info = None
            while (message := await pipe.take()) is not None:
                if message["type"] == "http.response.debug":
                    info = message["info"]
                elif message["type"] == "http.response.early_hint":
                    await self._send(message)
                else:
                    return _ForwardedResponse(message, self._body(pipe), info)
        except asyncio.CancelledError:
            task.cancel()
            raise
        self._raise_of(pipe)
        raise RuntimeError("No response returned.")

    async def _run_app(self, pipe: MessagePipe) -> None:
        async def send(message: Message) -> None:
            await pipe.put(message)
            kind = message["type"]
            last = kind == "http.response.body" and not message.get("more_body", False)
            if last or kind == "http.response.pathsend":
                # What the application does after its answer is background work: after it.
                await self._answered.wait()

        try:
            await self._app(self._scope, self._receive, send)
        except Exception as exc:
            pipe.error = exc
        finally:
            pipe.end()

    async def _body(self, pipe: MessagePipe) -> AsyncIterator[Any]:
        while (message := await pipe.take()) is not None:
            if message["type"] != "http.response.body":
                yield message
                if message["type"] == "http.response.pathsend":
                    return
                continue
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body", False):
                return
        # The answer has no end: it must not look as if it were whole.
        self._raise_of(pipe)

    def _raise_of(self, pipe: MessagePipe) -> None:
        """Raise what ended the application, if anything did, once."""
        error, pipe.error = pipe.error, None
        if error is not None:
            raise error

    async def _receive(self) -> Message:
        """The next message for the application; a disconnect once the answer is out."""
        if not self._answered.is_set():
            message = asyncio.ensure_future(self._request.inner_receive())
            answered = asyncio.ensure_future(self._answered.wait())
            try:
                await asyncio.wait((message, answered), return_when=asyncio.FIRST_COMPLETED)
                if message.done() and not self._answered.is_set():
                    return message.result()
            finally:
                message.cancel()
                answered.cancel()
        return {"type": "http.disconnect"}

    async def finish(self) -> None:
        """The answer is out: let the application do what is left, and raise what it raises."""
        self._answered.set()
        for pipe in self._pipes:
            pipe.close()
        if self._tasks:
            try:
                await asyncio.wait(self._tasks)
            except asyncio.CancelledError:
                await self.cancel()
                raise
        for pipe in self._pipes:
            self._raise_of(pipe)

    async def cancel(self) -> None:
        """End the application, whatever it is doing."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


class _ForwardedResponse(Response):
    """The application's response: its head, and its body as it comes."""

    body_iterator: Any

    def __init__(
        self, start: Message, body: AsyncIterator[Any], info: Mapping[str, Any] | None
    ) -> None:
        """Nothing of the body has been taken."""
        if start["type"] != "http.response.start":
            raise AssertionError(f"Expected the start of a response, not {start['type']!r}")
        self.info = info
        self.body_iterator = body
        self.status_code = start["status"]
        self.raw_headers = list(start.get("headers", []))
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, each piece as it comes."""
        if self.info is not None:
            await send({"type": "http.response.debug", "info": self.info})
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        ended = False
        async for chunk in self.body_iterator:
            if isinstance(chunk, dict):
                ended = True
                await send(chunk)
                continue
            body = chunk.encode(self.charset) if isinstance(chunk, str) else chunk
            await send({"type": "http.response.body", "body": body, "more_body": True})
        if not ended:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        if self.background is not None:
            await self.background()
