"""Compression of answers: ``gzip`` alone, or the best that the client takes."""

from __future__ import annotations

from fasterapi._headers import Headers, MutableHeaders
from fasterapi.middleware._asgi import add_vary, response_fields
from fasterapi.middleware._codings import COMPRESSORS, choose, is_available

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fasterapi.middleware._asgi import ASGIApp, Message, Receive, Scope, Send
    from fasterapi.middleware._codings import Compressor

__all__ = ["CompressionMiddleware", "GZipMiddleware"]

DEFAULT_EXCLUDED_CONTENT_TYPES = (
    *("application/grpc", "application/gzip", "application/x-gzip", "application/zip"),
    *("audio/*", "font/woff", "font/woff2"),
    *("image/avif", "image/gif", "image/jpeg", "image/png", "image/webp"),
    *("text/event-stream", "video/*"),
)
"""Media types that are compressed already, or of whose events none must wait."""
_THREAD_BYTES_MIN = 128 * 1024
"""A piece of at least this many bytes is compressed in the thread pool."""
_DEFAULT_LEVELS = {"gzip": 6, "br": 4, "zstd": 3}


class CompressionMiddleware:
    """Compresses answers with the coding that the client likes best.

    Answers shorter than ``minimum_size`` bytes, those with a ``Content-Encoding`` of
    their own, parts of files (206) and the media types in ``exclude_content_types``
    (``type/*`` stands for all of a kind) stay as they are. A streamed answer is
    compressed piece by piece: no piece waits for the next one. ``codings`` are those
    to offer, the preferred one first; ``levels`` maps a coding to its level. Served
    by FasterAPI this runs in Rust, with all three codings; elsewhere ``br`` and ``zstd``
    need the packages ``brotli`` and ``zstandard`` and are not offered without.
    """

    def __init__(
        self,
        app: ASGIApp,
        minimum_size: int = 500,
        *,
        codings: Sequence[str] = ("zstd", "br", "gzip"),
        levels: dict[str, int] | None = None,
        thread_minimum_size: int = _THREAD_BYTES_MIN,
        exclude_content_types: Sequence[str] = DEFAULT_EXCLUDED_CONTENT_TYPES,
    ) -> None:
        """Keep the options; raises ``ValueError`` for an unknown coding."""
        unknown = [coding for coding in codings if coding not in COMPRESSORS]
        if unknown:
            known = ", ".join(COMPRESSORS)
            raise ValueError(f"CompressionMiddleware: unknown coding {unknown[0]!r}; use {known}")
        self.app = app
        self.minimum_size = minimum_size
        self.offered = tuple(codings)
        self.codings = [coding for coding in codings if is_available(coding)]
        self.levels = _DEFAULT_LEVELS | (levels or {})
        self.thread_minimum_size = thread_minimum_size
        self.exclude_content_types = frozenset(_media_type(kind) for kind in exclude_content_types)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and compress its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        accepted = ",".join(Headers(raw=scope["headers"]).getlist("accept-encoding"))
        coding = choose(accepted, self.codings)
        await self.app(scope, receive, _Encoder(self, coding, send).send)

    def is_excluded(self, content_type: str) -> bool:
        """Whether answers of this media type stay as they are."""
        kind = _media_type(content_type)
        names = {kind, kind.partition("/")[0] + "/*"}
        if kind.startswith("application/grpc+"):
            names.add("application/grpc")
        return not self.exclude_content_types.isdisjoint(names)


class GZipMiddleware(CompressionMiddleware):
    """As ``CompressionMiddleware``, with ``gzip`` only, at ``compresslevel`` (0 to 9)."""

    def __init__(
        self,
        app: ASGIApp,
        minimum_size: int = 500,
        compresslevel: int = 9,
        thread_minimum_size: int = _THREAD_BYTES_MIN,
        *,
        exclude_content_types: Sequence[str] = DEFAULT_EXCLUDED_CONTENT_TYPES,
    ) -> None:
        """Keep the options."""
        super().__init__(
            app,
            minimum_size,
            codings=("gzip",),
            levels={"gzip": compresslevel},
            thread_minimum_size=thread_minimum_size,
            exclude_content_types=exclude_content_types,
        )
        self.compresslevel = compresslevel


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


class _Encoder:
    """One answer on its way out: holds the head back until the first of the body is known."""

    def __init__(self, options: CompressionMiddleware, coding: str | None, send: Send) -> None:
        self._options = options
        self._coding = coding
        self._send = send
        self._start: Message | None = None
        self._compressor: Compressor | None = None

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._start = message
            if self._stays(message):
                await self._send_start()
            return
        if kind == "http.response.body":
            if self._start is not None:
                await self._first_piece(message)
                return
            if self._compressor is not None:
                message = {**message, "body": await self._compressed(self._compressor, message)}
        elif kind == "http.response.pathsend":
            await self._send_start()
        await self._send(message)

    def _stays(self, start: Message) -> bool:
        headers = Headers(raw=response_fields(start))
        return (
            start["status"] == 206
            or "content-encoding" in headers
            or self._options.is_excluded(headers.get("content-type", ""))
        )

    async def _send_start(self) -> None:
        start, self._start = self._start, None
        if start is not None:
            await self._send(start)

    async def _first_piece(self, message: Message) -> None:
        whole = not message.get("more_body", False)
        if whole and len(message.get("body", b"")) < self._options.minimum_size:
            await self._send_start()
            await self._send(message)
            return
        start = self._start or {}
        headers = MutableHeaders(raw=response_fields(start))
        add_vary(headers, "Accept-Encoding")
        if self._coding is not None:
            level = self._options.levels[self._coding]
            compressor = COMPRESSORS[self._coding](level)
            body = await self._compressed(compressor, message)
            message = {**message, "body": body}
            headers["content-encoding"] = self._coding
            if whole and not start.get("trailers", False):
                headers["content-length"] = str(len(body))
            else:
                del headers["content-length"]
            self._compressor = compressor
        await self._send_start()
        await self._send(message)

    async def _compressed(self, compressor: Compressor, message: Message) -> bytes:
        compress = compressor.piece if message.get("more_body", False) else compressor.end
        body = message.get("body", b"")
        if len(body) < self._options.thread_minimum_size:
            return compress(body)
        from fasterapi.concurrency import run_in_threadpool

        return await run_in_threadpool(compress, body)
