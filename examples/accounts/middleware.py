"""What every request passes through."""

import time
from collections.abc import Awaitable, Callable

from fasterapi import FastAPI, Request, Response
from fasterapi.middleware.cors import CORSMiddleware
from fasterapi.middleware.gzip import GZipMiddleware

from .settings import Settings

COMPRESS_FROM_BYTES = 1_000


def install(app: FastAPI, settings: Settings) -> None:
    """Adds the middleware; the last one added is the outermost."""
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESS_FROM_BYTES)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["authorization"],
        allow_credentials=True,
        expose_headers=["server-timing"],
    )
    app.middleware("http")(add_timing)


async def add_timing(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Says in a header how long the application took, in milliseconds."""
    began = time.perf_counter()
    response = await call_next(request)
    took_ms = (time.perf_counter() - began) * 1e3
    response.headers["server-timing"] = f"app;dur={took_ms:.3f}"
    return response
