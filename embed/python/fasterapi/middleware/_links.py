"""Middleware that only touches heads and bytes, between functions of a request.

Where an ``@app.middleware("http")`` function stands outside of these, Rust cannot run
them: the function has to see what they do. Here they work on a request and a response,
without ASGI messages, with the same results as their classes.
"""

from __future__ import annotations

from fasterapi.middleware._asgi import add_vary
from fasterapi.middleware._codings import COMPRESSORS, choose
from fasterapi.responses import FileResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import Any

    from fasterapi.middleware import Middleware
    from fasterapi.middleware._codings import Compressor
    from fasterapi.requests import Request
    from fasterapi.responses import Response

    # The request and the values of its parameters.
    Core = Callable[[Request, tuple[Any, ...]], Awaitable[Response]]
    Link = Callable[[Core], Core]

__all__ = ["link_of"]

_PACKAGES = ("fasterapi.middleware.", "starlette.middleware.")


def link_of(middleware: Middleware) -> Link | None:
    """What puts ``middleware`` around a call; ``None`` for a class that is not known."""
    cls = middleware.cls
    make = _MAKERS.get(getattr(cls, "__qualname__", ""))
    if make is None or not getattr(cls, "__module__", "").startswith(_PACKAGES):
        return None
    try:
        return make(*middleware.args, **middleware.kwargs)
    except TypeError:
        return None  # arguments of another version's; ASGI knows them


def _cors(*args: Any, **kwargs: Any) -> Link:
    from fasterapi.middleware.cors import CORSMiddleware

    cors = CORSMiddleware(_nobody, *args, **kwargs)

    def link(inner: Core) -> Core:
        async def answer(request: Request, values: tuple[Any, ...]) -> Response:
            headers = request.headers
            origin = headers.get("origin")
            is_preflight = request.method == "OPTIONS" and origin is not None
            if is_preflight and "access-control-request-method" in headers:
                return cors.preflight_response(headers)
            response = await inner(request, values)
            cors.add_fields(response.headers, origin)
            return response

        return answer

    return link


def _gzip(*args: Any, **kwargs: Any) -> Link:
    from fasterapi.middleware.gzip import GZipMiddleware

    return _compression_link(GZipMiddleware(_nobody, *args, **kwargs))


def _compression(*args: Any, **kwargs: Any) -> Link:
    from fasterapi.middleware.gzip import CompressionMiddleware

    return _compression_link(CompressionMiddleware(_nobody, *args, **kwargs))


def _compression_link(options: Any) -> Link:
    def link(inner: Core) -> Core:
        async def answer(request: Request, values: tuple[Any, ...]) -> Response:
            response = await inner(request, values)
            if not isinstance(response, FileResponse):  # it knows its ranges and conditions
                await _compress(options, request, response)
            return response

        return answer

    return link


async def _compress(options: Any, request: Request, response: Any) -> None:
    headers = response.headers
    body: bytes | None = response.__dict__.get("body")
    if body is not None and len(body) < options.minimum_size:
        return
    if (
        response.status_code == 206
        or "content-encoding" in headers
        or options.is_excluded(headers.get("content-type", ""))
    ):
        return
    add_vary(headers, "Accept-Encoding")
    coding = choose(",".join(request.headers.getlist("accept-encoding")), options.codings)
    if coding is None:
        return
    headers["content-encoding"] = coding
    level = options.levels[coding]
    if body is None:
        del headers["content-length"]
        compressor = COMPRESSORS[coding](level)
        response.body_iterator = _compressed(response.body_iterator, compressor)
        return
    response.body = await _whole(options, coding, level, body)
    headers["content-length"] = str(len(response.body))


async def _whole(options: Any, coding: str, level: int, body: bytes) -> bytes:
    if coding == "gzip" and level >= 0:
        gzip = _native_gzip()
        if gzip is not None and len(body) < options.thread_minimum_size:
            return gzip(body, level)
    compressor = COMPRESSORS[coding](level)
    if len(body) < options.thread_minimum_size:
        return compressor.end(body)
    from fasterapi.concurrency import run_in_threadpool

    return await run_in_threadpool(compressor.end, body)


def _native_gzip() -> Callable[[bytes, int], bytes] | None:
    try:
        from fasterapi._core import gzip
    except ImportError:
        return None
    return gzip


async def _compressed(chunks: AsyncIterator[Any], compressor: Compressor) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        data = chunk.encode() if isinstance(chunk, str) else bytes(chunk)
        if data:
            yield compressor.piece(data)
    yield compressor.end(b"")


def _trusted_host(*args: Any, **kwargs: Any) -> Link:
    from fasterapi.middleware.trustedhost import TrustedHostMiddleware

    trusted = TrustedHostMiddleware(_nobody, *args, **kwargs)

    def link(inner: Core) -> Core:
        async def answer(request: Request, values: tuple[Any, ...]) -> Response:
            refusal = trusted.refusal_of(request.scope)
            return await inner(request, values) if refusal is None else refusal

        return answer

    return link


def _https_redirect() -> Link:
    from fasterapi.middleware.httpsredirect import HTTPSRedirectMiddleware

    def link(inner: Core) -> Core:
        async def answer(request: Request, values: tuple[Any, ...]) -> Response:
            redirect = HTTPSRedirectMiddleware.redirect_of(request.scope)
            return await inner(request, values) if redirect is None else redirect

        return answer

    return link


async def _nobody(*_: Any) -> None:
    """Stands for the application, which these ask in another way."""


_MAKERS: dict[str, Callable[..., Link]] = {
    "CORSMiddleware": _cors,
    "CompressionMiddleware": _compression,
    "GZipMiddleware": _gzip,
    "HTTPSRedirectMiddleware": _https_redirect,
    "TrustedHostMiddleware": _trusted_host,
}
