"""What a handler can ask about its request.

``Request`` reads an ASGI scope. ``NativeRequest`` has the same interface over Rust's
own object: each value is read when it is first asked for, and a scope is only built
for somebody who wants one.
"""

from __future__ import annotations

from collections.abc import Mapping

from fasterapi._lazy import lazy
from fasterapi._native_connection import NativeConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
    from typing import Any

    from fasterapi._forms import FormReading
    from fasterapi._multipart import Event
    from fasterapi._url import URL
    from fasterapi.datastructures import Address, FormData, Headers, QueryParams, State

    Message = MutableMapping[str, Any]
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

__all__ = ["ClientDisconnect", "HTTPConnection", "Request"]


class ClientDisconnect(Exception):
    """The client went away before it had sent the whole body."""


class HTTPConnection(Mapping[str, "Any"]):
    """What requests and WebSockets have in common; a mapping of its ASGI scope."""

    if TYPE_CHECKING:
        scope: Scope

    def __init__(self, scope: Scope, receive: Receive | None = None) -> None:
        """View ``scope``, which is not copied."""
        assert scope["type"] in ("http", "websocket")
        self.scope = scope

    def __getitem__(self, key: str) -> Any:
        """An entry of the scope; raises ``KeyError``."""
        return self.scope[key]

    def __iter__(self) -> Iterator[str]:
        """The scope's keys."""
        return iter(self.scope)

    def __len__(self) -> int:
        """The number of the scope's entries."""
        return len(self.scope)

    # A mapping compares its items; a connection is itself only.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def app(self) -> Any:
        """The application that answers."""
        return self.scope["app"]

    @lazy
    def url(self) -> URL:
        """The URL that the client asked for."""
        from fasterapi._url import URL

        return URL(scope=self.scope)

    @lazy
    def base_url(self) -> URL:
        """The URL of the application itself, with a slash at its end."""
        from fasterapi._url import URL, url_of_scope

        scope = self.scope
        root: str = scope.get("app_root_path", scope.get("root_path", ""))
        return URL(url_of_scope(scope, root if root.endswith("/") else f"{root}/"))

    @lazy
    def headers(self) -> Headers:
        """The header fields, by name without case."""
        from fasterapi._headers import Headers

        return Headers(scope=self.scope)

    @lazy
    def query_params(self) -> QueryParams:
        """The decoded query."""
        from fasterapi._multidict import QueryParams

        return QueryParams(self.scope.get("query_string", b""))

    @property
    def path_params(self) -> dict[str, Any]:
        """The path's parameters, converted as the route's path says."""
        params: dict[str, Any] = self.scope.get("path_params", {})
        return params

    @lazy
    def cookies(self) -> dict[str, str]:
        """The cookies of all ``Cookie`` fields; the last of a name wins."""
        fields = self.headers.getlist("cookie")
        if not fields:
            return {}
        from fasterapi._cookies import parse_cookies

        return parse_cookies("; ".join(fields))

    @property
    def client(self) -> Address | None:
        """The peer's address, if it has one."""
        from fasterapi.datastructures import Address

        address = self.scope.get("client")
        return None if address is None else Address(*address)

    @property
    def session(self) -> dict[str, Any]:
        """The session; raises ``AssertionError`` without ``SessionMiddleware``."""
        session: Any = self._of_middleware("session", "SessionMiddleware")
        if hasattr(session, "mark_accessed"):
            session.mark_accessed()
        kept: dict[str, Any] = session
        return kept

    @property
    def auth(self) -> Any:
        """The permissions; raises ``AssertionError`` without ``AuthenticationMiddleware``."""
        return self._of_middleware("auth", "AuthenticationMiddleware")

    @property
    def user(self) -> Any:
        """The user; raises ``AssertionError`` without ``AuthenticationMiddleware``."""
        return self._of_middleware("user", "AuthenticationMiddleware")

    def _of_middleware(self, key: str, middleware: str) -> Any:
        if key not in self.scope:
            raise AssertionError(f"{middleware} must be installed to access request.{key}")
        return self.scope[key]

    @lazy
    def state(self) -> State:
        """A bag for this connection, holding what the lifespan yielded."""
        from fasterapi.datastructures import State

        return State(self.scope.setdefault("state", {}))

    def url_for(self, name: str, /, **path_params: Any) -> URL:
        """The absolute URL of the route ``name``.

        Raises ``NoMatchFound`` when no route has that name and those parameters, and
        ``RuntimeError`` outside an application.
        """
        provider = self.scope.get("router") or self.scope.get("app")
        if provider is None:
            raise RuntimeError("url_for works only for a request that an application answers")
        url: URL = provider.url_path_for(name, **path_params).make_absolute_url(self.base_url)
        return url


async def _no_receive() -> Message:
    raise RuntimeError("this request was made without a receive channel")


async def _no_send(message: Message) -> None:
    raise RuntimeError("this request was made without a send channel")


class Request(HTTPConnection):
    """One HTTP request."""

    _form: FormData | None = None
    _body: bytes
    _json: Any
    _stream_consumed = False
    _is_disconnected = False

    def __init__(self, scope: Scope, receive: Receive = _no_receive, send: Send = _no_send) -> None:
        """View ``scope``; the body is read from ``receive``."""
        super().__init__(scope)
        assert scope["type"] == "http"
        self._receive = receive
        self._send = send

    @property
    def method(self) -> str:
        """The method, upper case (``"GET"``)."""
        method: str = self.scope["method"]
        return method

    @property
    def receive(self) -> Receive:
        """The ASGI channel of the request's messages."""
        return self._receive

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it arrives, in chunks; an empty one at its end.

        Raises ``ClientDisconnect``, and ``RuntimeError`` when it has been read before.
        """
        if "_body" in self.__dict__:
            yield self._body
            yield b""
            return
        if self._stream_consumed:
            raise RuntimeError("Stream consumed: the body has already been read as a stream")
        async for chunk in self._arriving():
            yield chunk
        yield b""

    async def _arriving(self) -> AsyncIterator[bytes]:
        while not self._stream_consumed:
            message = await self._receive()
            if message["type"] == "http.request":
                if not message.get("more_body", False):
                    self._stream_consumed = True
                if chunk := message.get("body", b""):
                    yield chunk
            elif message["type"] == "http.disconnect":
                self._is_disconnected = True
                raise ClientDisconnect

    async def body(self) -> bytes:
        """The whole body; kept, so it may be read again.

        Raises ``ClientDisconnect``, and ``RuntimeError`` after ``stream()``.
        """
        if "_body" not in self.__dict__:
            self._body = b"".join([chunk async for chunk in self.stream()])
        return self._body

    async def json(self) -> Any:
        """The body, parsed as JSON and kept; raises ``json.JSONDecodeError``."""
        if "_json" not in self.__dict__:
            self._json = json_loads(await self.body())
        return self._json

    def form(
        self,
        *,
        max_files: float = 1000,
        max_fields: float = 1000,
        max_part_size: int = 1024 * 1024,
    ) -> FormReading:
        """The form in the body: to be awaited, or entered with ``async with``.

        ``max_part_size`` bounds one text field, in bytes; files are bounded by the
        body's own limit. Raises ``HTTPException(400)`` for a malformed form or one
        past the bounds. A body of another media type is an empty form.
        """
        from fasterapi._forms import FormReading

        return FormReading(self, max_files, max_fields, max_part_size)  # type: ignore[arg-type]

    async def close(self) -> None:
        """Close the files of the form, if one has been read."""
        if self._form is not None:
            await self._form.close()

    async def is_disconnected(self) -> bool:
        """Whether the client has gone, as far as the server knows."""
        if not self._is_disconnected:
            message = await _message_at_hand(self._receive)
            if message is not None and message["type"] == "http.disconnect":
                self._is_disconnected = True
        return self._is_disconnected

    def is_changed(self) -> bool:
        """Whether this may ask for something else than what the server has matched."""
        return True

    async def send_push_promise(self, path: str) -> None:
        """Offer the client another resource, where the server can (HTTP/2)."""
        if "http.response.push" in self.scope.get("extensions", {}):
            names = ("accept", "accept-encoding", "accept-language", "cache-control", "user-agent")
            headers = [pair for pair in self.headers.raw if pair[0].decode("latin-1") in names]
            await self._send({"type": "http.response.push", "path": path, "headers": headers})


async def _message_at_hand(receive: Receive) -> Message | None:
    """The next message if it is there already; nothing is lost if it is not."""
    from asyncio import CancelledError, ensure_future, sleep

    task = ensure_future(receive())
    await sleep(0)
    if not task.done():
        await sleep(0)
    if task.done():
        return task.result()
    task.cancel()
    try:
        return await task
    except CancelledError:
        return None


def json_loads(data: bytes) -> Any:
    """Parse JSON, fast where the Rust module is; raises ``json.JSONDecodeError``."""
    parse = _native_json_loads()
    if parse is not None:
        try:
            return parse(data)
        except ValueError:
            pass  # the standard library tells where, in the way that callers expect
    from json import loads

    return loads(data)


def _native_json_loads() -> Callable[[bytes], Any] | None:
    try:
        from fasterapi._core import json_loads
    except ImportError:
        return None
    return json_loads


class NativeRequest(NativeConnection, Request):
    """A request that Rust serves: ``native`` is its ``_core.Request``."""

    # What this route's body may have, in bytes; `None`: the server's own bound.
    _body_bytes_max: int | None = None

    def __init__(self, native: Any) -> None:
        """Keep ``native``; nothing is read yet."""
        self.native = native

    @lazy
    def scope(self) -> Scope:  # type: ignore[override]
        """An ASGI scope; the state in it is this request's."""
        from fasterapi._native_scope import scope_of

        return scope_of(self)

    @property
    def method(self) -> str:
        """The method, upper case (``"GET"``)."""
        method: str = self.native.method
        return method

    @property
    def receive(self) -> Receive:
        """An ASGI channel of the body and the client's going."""
        return self._receive

    @lazy
    def _receive(self) -> Receive:  # type: ignore[override]
        from fasterapi._native_scope import receive_of

        return receive_of(self)

    @lazy
    def _send(self) -> Send:  # type: ignore[override]
        return _no_send

    async def _arriving(self) -> AsyncIterator[bytes]:
        if "_receive" in self.__dict__:
            # Somebody reads messages; the body must not be taken from under them.
            async for chunk in super()._arriving():
                yield chunk
            return
        native, size, bound = self.native, 0, self._body_bytes_max
        self._stream_consumed = True
        now: bytes | None = native._body_now()
        if now is not None:
            if bound is not None and len(now) > bound:
                raise _too_large()
            if now:
                yield now
            return
        while chunk := await next_chunk_of(native):
            size += len(chunk)
            if bound is not None and size > bound:
                raise _too_large()
            yield chunk

    def _multipart_events(self, boundary: bytes) -> AsyncIterator[list[Event]] | None:
        """What a form contains that still arrives; ``None`` for any other body."""
        known = self.__dict__
        is_taken = self._stream_consumed or "_body" in known or "_receive" in known
        if is_taken or self.native._body_now() is not None:
            return None
        from fasterapi._native_form import events_of

        self._stream_consumed = True
        return events_of(self.native, boundary, self._body_bytes_max)

    async def body(self) -> bytes:
        """The whole body; kept, so it may be read again.

        Raises ``ClientDisconnect``, and ``RuntimeError`` after ``stream()``.
        """
        known = self.__dict__
        if "_body" in known:
            return self._body
        if not self._stream_consumed and "_receive" not in known:
            now: bytes | None = self.native._body_now()
            if now is not None:
                if self._body_bytes_max is not None and len(now) > self._body_bytes_max:
                    raise _too_large()
                self._stream_consumed = True
                self._body = now
                return now
        return await super().body()

    def is_changed(self) -> bool:
        """Whether somebody has given its scope another path, method or other headers."""
        scope = self.__dict__.get("scope")
        if scope is None:
            return False
        native = self.native
        return bool(
            not scope["path"].endswith(native.path)
            or scope["method"] != native.method
            or scope["query_string"] != native.query_string
            or scope["headers"] != native.raw_headers
        )

    async def is_disconnected(self) -> bool:
        """Whether the client has gone, as far as the server knows."""
        gone: bool = self.native._is_disconnected()
        return gone


def _too_large() -> Exception:
    from fasterapi.middleware.body_limit import RequestBodyTooLargeError

    return RequestBodyTooLargeError()


async def next_chunk_of(native: Any) -> bytes:
    """The next piece of the body; empty at its end. Raises ``ClientDisconnect``."""
    while (chunk := native._take_chunk()) is None:
        await native._chunk_arrival()
    piece: bytes = chunk
    return piece
