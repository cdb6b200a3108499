"""Bounds the request body: by default for an application, otherwise for a route."""

from __future__ import annotations

from fasterapi.exceptions import HTTPException
from fasterapi.middleware._asgi import request_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi.middleware._asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ["RequestBodyLimitMiddleware", "RequestBodyTooLargeError"]

MAX_BODY_SIZE_SCOPE_KEY = "starlette.max_body_size"
"""Where a scope holds the bound in force, in bytes; the name is Starlette's."""
_COUNT_SCOPE_KEY = "fasterapi._body_count"


class RequestBodyTooLargeError(HTTPException):
    """The body is longer than the bound: 413."""

    def __init__(self) -> None:
        """With the status's own phrase."""
        super().__init__(status_code=413, detail="Content Too Large")


class _AnsweredError(Exception):
    """The answer was replaced by a 413: nothing of it may be sent."""


class RequestBodyLimitMiddleware:
    """Answers 413 when a request's body is longer than ``max_body_size`` bytes.

    The bound nearest to the handler holds, whether larger or smaller than those around.
    Where it is passed, ``receive()`` raises ``RequestBodyTooLargeError``, which the
    application may answer in its own way. A body whose length was declared too large
    is refused even if nobody reads it.
    """

    def __init__(self, app: ASGIApp, max_body_size: int) -> None:
        """Stand around ``app``."""
        self.app = app
        self.max_body_size = max_body_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        outer_bound = scope.get(MAX_BODY_SIZE_SCOPE_KEY)
        scope[MAX_BODY_SIZE_SCOPE_KEY] = self.max_body_size
        count: _Count | None = scope.get(_COUNT_SCOPE_KEY)
        if count is not None:
            # Whoever is further out counts; the new bound holds from here on.
            count.bound = self.max_body_size
            count.check()
            await self.app(scope, receive, send)
            return
        try:
            await self._count(scope, receive, send)
        finally:
            scope.pop(_COUNT_SCOPE_KEY, None)
            scope.pop(MAX_BODY_SIZE_SCOPE_KEY, None)
            if outer_bound is not None:
                scope[MAX_BODY_SIZE_SCOPE_KEY] = outer_bound

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        from fasterapi.responses import PlainTextResponse

        count = _Count(scope, self.max_body_size)
        scope[_COUNT_SCOPE_KEY] = count
        refusal = PlainTextResponse("Content Too Large", 413)
        started = False

        async def counted_receive() -> Message:
            count.check_declared()
            message = await receive()
            if message["type"] == "http.request":
                count.bytes += len(message.get("body", b""))
                count.check()
            return message

        async def watched_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if count.declared > count.bound:
                    await refusal(scope, receive, send)
                    raise _AnsweredError
            await send(message)

        try:
            await self.app(scope, counted_receive, watched_send)
        except RequestBodyTooLargeError:
            if started:
                raise
            await refusal(scope, receive, send)
        except _AnsweredError:
            pass


class _Count:
    """The bytes of one body so far, those declared, and the bound in force."""

    __slots__ = ("bound", "bytes", "declared")

    def __init__(self, scope: Any, bound: int) -> None:
        self.bound = bound
        self.bytes = 0
        declared = request_header(scope, b"content-length") or ""
        self.declared = int(declared) if declared.isascii() and declared.isdigit() else 0

    def check(self) -> None:
        """Raise when more has come than may."""
        if self.bytes > self.bound:
            raise RequestBodyTooLargeError

    def check_declared(self) -> None:
        """Raise when more is to come than may."""
        if self.declared > self.bound:
            raise RequestBodyTooLargeError
