"""Responses: status, header fields and body, ready to be sent.

Nothing here writes to a socket: Rust reads ``status_code``, ``raw_headers`` and
``body`` (or ``body_iterator``, or ``path``) and frames the answer. Every response is
an ASGI application as well, for any other server.
"""

from __future__ import annotations

from fasterapi._headers import MutableHeaders, RawHeaders, encode_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import (
        AsyncIterable,
        AsyncIterator,
        Awaitable,
        Callable,
        Iterable,
        Mapping,
        MutableMapping,
    )
    from datetime import datetime
    from typing import Any, Literal

    from fasterapi.sse import EventSourceResponse as EventSourceResponse

    Chunk = str | bytes | memoryview
    Message = MutableMapping[str, Any]
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

__all__ = [
    "EventSourceResponse",
    "FileResponse",
    "HTMLResponse",
    "JSONResponse",
    "ORJSONResponse",
    "PlainTextResponse",
    "RedirectResponse",
    "Response",
    "StreamingResponse",
    "UJSONResponse",
]

# Statuses other than 1xx whose answers have no content (RFC 9110, section 6.4.1).
_WITHOUT_BODY = frozenset({204, 205, 304})


def may_have_body(status_code: int | str | None) -> bool:
    """Whether an answer of that status may have content.

    OpenAPI's texts (``"default"``, ``"2XX"``) and ``None`` may.
    """
    if status_code is None or (isinstance(status_code, str) and not status_code.isdigit()):
        return True
    return int(status_code) >= 200 and int(status_code) not in _WITHOUT_BODY


def _json_with_the_standard_library(content: Any) -> bytes:
    """As ``_core.json_bytes``, for an interpreter without the Rust module."""
    import json

    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


json_bytes: Callable[[Any], bytes]
try:
    from fasterapi._core import json_bytes
except ImportError:
    json_bytes = _json_with_the_standard_library


class Response:
    """An answer with a whole body.

    ``content`` is text (encoded with ``charset``), bytes or ``None``. A text media
    type gets a ``charset`` parameter. ``headers`` given here win over those that
    would be added (``content-length``, ``content-type``). ``background`` is awaited
    after the answer has been sent.
    """

    media_type: str | None = None
    charset: str = "utf-8"
    body: bytes
    raw_headers: RawHeaders

    def __init__(
        self,
        content: Any = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: Any = None,
    ) -> None:
        """Render ``content`` and build the header fields."""
        self.status_code = status_code
        if media_type is not None:
            self.media_type = media_type
        self.background = background
        self.body = self.render(content)
        self.init_headers(headers)

    def render(self, content: Any) -> bytes:
        """The body's bytes; a subclass turns other types into bytes here."""
        if content is None:
            return b""
        if isinstance(content, str):
            return content.encode(self.charset)
        if isinstance(content, bytes):
            return content
        if isinstance(content, bytearray | memoryview):
            return bytes(content)
        raise TypeError(f"{type(self).__name__} takes str or bytes, not {type(content).__name__}")

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Build ``raw_headers`` from ``headers``, the body and the media type.

        There is no ``content-length`` for the statuses that have no body
        (RFC 9110, section 8.6) nor for an answer whose body is not known yet.
        """
        raw = encode_headers(headers) if headers else []
        given = {name for name, _ in raw}
        body = getattr(self, "body", None)
        status = self.status_code
        has_body = body is not None and status >= 200 and status not in (204, 304)
        if has_body and b"content-length" not in given:
            raw.append((b"content-length", str(len(self.body)).encode("ascii")))
        media_type = self.media_type
        if media_type is not None and b"content-type" not in given:
            if media_type.startswith("text/") and "charset=" not in media_type.lower():
                media_type = f"{media_type}; charset={self.charset}"
            raw.append((b"content-type", media_type.encode("latin-1")))
        self.raw_headers = raw

    @property
    def headers(self) -> MutableHeaders:
        """A view of ``raw_headers``: changing it changes the answer."""
        return MutableHeaders(raw=self.raw_headers)

    def set_cookie(
        self,
        key: str,
        value: str = "",
        max_age: int | None = None,
        expires: datetime | str | int | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: Literal["lax", "strict", "none"] | None = "lax",
        partitioned: bool = False,
    ) -> None:
        """Add a ``Set-Cookie`` field (RFC 6265, section 4.1).

        ``max_age`` is in seconds. ``expires`` is a moment with a time zone, a text
        that is sent as it is, or a number of seconds from now. Raises
        ``ValueError`` for a moment without a time zone and an unknown
        ``samesite``, and ``http.cookies.CookieError`` for an invalid ``key``.
        """
        from fasterapi._cookies import set_cookie_value

        field = set_cookie_value(
            key, value, max_age, expires, path, domain, secure, httponly, samesite, partitioned
        )
        self.raw_headers.append((b"set-cookie", field.encode("latin-1")))

    def delete_cookie(
        self,
        key: str,
        path: str = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: Literal["lax", "strict", "none"] | None = "lax",
        partitioned: bool = False,
    ) -> None:
        """Make the client forget a cookie; ``path`` and ``domain`` as it was set."""
        self.set_cookie(
            key,
            max_age=0,
            expires=0,
            path=path,
            domain=domain,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
            partitioned=partitioned,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer over ASGI, then run ``background``."""
        from fasterapi._answer import denial_send, send_start

        if scope["type"] == "websocket":
            send = denial_send(send)
        await send_start(self, send)
        await send({"type": "http.response.body", "body": self.body})
        if self.background is not None:
            await self.background()

    def __repr__(self) -> str:
        """The class and the status."""
        return f"<{type(self).__name__} {self.status_code}>"


class PlainTextResponse(Response):
    """Text."""

    media_type = "text/plain"


class HTMLResponse(Response):
    """A page."""

    media_type = "text/html"


class JSONResponse(Response):
    """JSON (RFC 8259), compact and in UTF-8.

    Raises ``TypeError`` for values that JSON cannot hold and ``ValueError`` for
    NaN and infinities.
    """

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Serialise ``content``."""
        return json_bytes(content)


class UJSONResponse(JSONResponse):
    """JSON, made by ``ujson``, which must be installed. Deprecated: use a return type."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As ``JSONResponse``, with a warning."""
        _warn_of(self)
        super().__init__(*args, **kwargs)

    def render(self, content: Any) -> bytes:
        """Serialise ``content``; raises ``AssertionError`` without ``ujson``."""
        try:
            import ujson  # type: ignore[import-untyped,unused-ignore]
        except ImportError:
            raise AssertionError("ujson must be installed to use UJSONResponse") from None
        text: str = ujson.dumps(content, ensure_ascii=False)
        return text.encode()


class ORJSONResponse(JSONResponse):
    """JSON, made by ``orjson``, which must be installed. Deprecated: use a return type."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As ``JSONResponse``, with a warning."""
        _warn_of(self)
        super().__init__(*args, **kwargs)

    def render(self, content: Any) -> bytes:
        """Serialise ``content``; raises ``AssertionError`` without ``orjson``."""
        try:
            import orjson  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            raise AssertionError("orjson must be installed to use ORJSONResponse") from None
        options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
        data: bytes = orjson.dumps(content, option=options)
        return data


def _warn_of(response: Response) -> None:
    import warnings

    from fasterapi.exceptions import FastAPIDeprecationWarning

    warnings.warn(
        f"{type(response).__name__} is deprecated: a return type or response model is "
        "serialised to JSON directly, which is faster and needs no response class.",
        FastAPIDeprecationWarning,
        stacklevel=3,
    )


class RedirectResponse(Response):
    """Sends the client to ``url`` (RFC 9110, section 15.4).

    The method and body are kept with the default status, 307. Characters that a
    URL cannot hold are percent-encoded.
    """

    def __init__(
        self,
        url: Any,
        status_code: int = 307,
        headers: Mapping[str, str] | None = None,
        background: Any = None,
    ) -> None:
        """Answer with an empty body and ``Location: url`` (a ``str`` or ``URL``)."""
        super().__init__(b"", status_code, headers, background=background)
        from urllib.parse import quote

        self.headers["location"] = quote(str(url), safe=":/%#?=@[]!$&'()*+,;")


class StreamingResponse(Response):
    """An answer whose body is made while it is sent.

    ``content`` is an iterable or iterator of ``str`` (encoded with ``charset``) or
    bytes, asynchronous or not; the ``next()`` of one that is not runs in the
    thread pool. ``body_iterator`` is always asynchronous.
    """

    body_iterator: AsyncIterator[Chunk]

    def __init__(
        self,
        content: AsyncIterable[Chunk] | Iterable[Chunk],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: Any = None,
    ) -> None:
        """Keep the iterator; it is not started before the head is sent."""
        from fasterapi._iterate import as_async_iterator

        self.body_iterator = as_async_iterator(content)
        self.status_code = status_code
        if media_type is not None:
            self.media_type = media_type
        self.background = background
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer over ASGI, then run ``background``; ends when the client leaves."""
        from fasterapi._answer import send_stream

        await send_stream(self, scope, receive, send)
        if self.background is not None:
            await self.background()


class FileResponse(Response):
    """A file. Rust opens and sends it and adds its length, date and entity tag.

    With ``filename`` the client is asked to save it under that name (RFC 6266);
    ``content_disposition_type`` is ``"attachment"`` or ``"inline"``. Without
    ``media_type`` the type is guessed from the name, any bytes at last. A missing
    file is answered when it is opened, not here.
    """

    chunk_size = 64 * 1024

    def __init__(
        self,
        path: str | os.PathLike[str],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: Any = None,
        filename: str | None = None,
        stat_result: os.stat_result | None = None,
        content_disposition_type: str = "attachment",
    ) -> None:
        """Keep the path; nothing is read."""
        from os import fspath

        self.path: str = fspath(path)
        self.status_code = status_code
        self.filename = filename
        self.stat_result = stat_result
        self.background = background
        self.media_type = media_type or _guess_type(filename or self.path)
        self.init_headers(headers)
        if filename is not None:
            disposition = _content_disposition(content_disposition_type, filename)
            self.headers.setdefault("content-disposition", disposition)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer over ASGI, ranges and conditions too, then run ``background``.

        Raises ``RuntimeError`` when there is no such file.
        """
        from fasterapi._file_answer import send_file

        await send_file(self, scope, receive, send)
        if self.background is not None:
            await self.background()


def _guess_type(name: str) -> str:
    from mimetypes import guess_type

    return guess_type(name)[0] or "application/octet-stream"


def _content_disposition(kind: str, filename: str) -> str:
    """RFC 6266, section 4; names that are not plain are encoded as in RFC 8187."""
    from urllib.parse import quote

    quoted = quote(filename)
    if quoted == filename:
        return f'{kind}; filename="{filename}"'
    return f"{kind}; filename*=utf-8''{quoted}"


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load ``EventSourceResponse`` when it is first used."""
        if name == "EventSourceResponse":
            from fasterapi.sse import EventSourceResponse

            return EventSourceResponse
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
