"""WSGI applications (PEP 3333), such as Flask's and Django's, as ASGI applications."""

from __future__ import annotations

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import ThreadPoolExecutor
    from tempfile import SpooledTemporaryFile
    from typing import Any

    from fasterapi.middleware._asgi import Message, Receive, Scope, Send

    WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

__all__ = ["WSGIMiddleware"]

THREADS_MAX = 32
"""How many requests of one application run at a time; later ones wait."""
BODY_BYTES_MEMORY_MAX = 1024 * 1024
"""A longer request body waits on disk, in bytes."""


class WSGIMiddleware:
    """Runs ``app``, a WSGI application, in threads of its own: ``app.mount("/old", ...)``.

    The request's body is received before ``app`` is called; the pieces of the answer
    are sent as they come, and no faster than the client takes them.
    """

    def __init__(self, app: WSGIApp) -> None:
        """Start no thread yet."""
        self.app = app
        self._threads: ThreadPoolExecutor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; raises ``RuntimeError`` for anything else."""
        if scope["type"] != "http":
            raise RuntimeError(f"a WSGI application cannot answer {scope['type']!r}")
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="wsgi")
        from contextvars import copy_context

        body = await _received(receive)
        if body is None:
            return
        loop = asyncio.get_running_loop()
        answer = _Answer(send, loop)
        call = copy_context().run
        try:
            environ = build_environ(scope, body)
            await loop.run_in_executor(self._threads, call, answer.run, self.app, environ)
        except asyncio.CancelledError:
            answer.gone = True
            raise


async def _received(receive: Receive) -> SpooledTemporaryFile[bytes] | None:
    """The whole body, ready to be read; ``None`` if the client left before its end."""
    from tempfile import SpooledTemporaryFile

    body: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(BODY_BYTES_MEMORY_MAX)  # noqa: SIM115
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            body.close()
            return None
        body.write(message.get("body", b""))
        if not message.get("more_body", False):
            body.seek(0)
            return body


class _ClientGoneError(Exception):
    """Ends a WSGI application whose client is gone; it goes no further than this module."""


class _Answer:
    """What the application answers, carried from its thread to the event loop."""

    def __init__(self, send: Send, loop: asyncio.AbstractEventLoop) -> None:
        self._send = send
        self._loop = loop
        self._start: Message | None = None
        self._started = False
        self.gone = False

    def run(self, app: WSGIApp, environ: dict[str, Any]) -> None:
        """Call the application and send what it gives, on a thread."""
        pieces: Iterable[bytes] = ()
        try:
            pieces = app(environ, self.start_response)
            for piece in pieces:
                if piece:
                    self.write(piece)
            self._send_start()
            self._pass_on({"type": "http.response.body", "body": b"", "more_body": False})
        except _ClientGoneError:
            pass
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
            environ["wsgi.input"].close()

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Take the head of the answer; with ``exc_info`` in place of the earlier one."""
        if exc_info is not None:
            if self._started:
                raise exc_info[1].with_traceback(exc_info[2])
        elif self._start is not None or self._started:
            raise AssertionError("start_response() was called twice without exc_info")
        fields = [
            (name.strip().lower().encode("latin-1"), value.strip().encode("latin-1"))
            for name, value in headers
        ]
        code = int(status.split(" ", 1)[0])
        self._start = {"type": "http.response.start", "status": code, "headers": fields}
        return self.write

    def write(self, piece: bytes) -> None:
        """Send a piece of the body, after the head; waits until it is taken."""
        self._send_start()
        self._pass_on({"type": "http.response.body", "body": piece, "more_body": True})

    def _send_start(self) -> None:
        if self._started:
            return
        if self._start is None:
            raise AssertionError("the application has not called start_response()")
        self._started = True
        self._pass_on(self._start)

    def _pass_on(self, message: Message) -> None:
        if self.gone:
            raise _ClientGoneError

        async def send() -> None:
            await self._send(message)

        asyncio.run_coroutine_threadsafe(send(), self._loop).result()


def build_environ(scope: Scope, body: Any) -> dict[str, Any]:
    """The environment of a request; ``body`` is a file open for reading.

    Fields whose name has an underscore are left out: WSGI could not tell them from those
    with a hyphen, which lets a client smuggle what a proxy has removed.
    """
    import sys

    root = scope.get("root_path", "").encode().decode("latin-1")
    path = scope["path"].encode().decode("latin-1")
    if path == root or path.startswith(root.rstrip("/") + "/"):
        path = path[len(root) :]
    host, port = scope.get("server") or ("localhost", 80)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root,
        "PATH_INFO": path,
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if scope.get("client"):
        environ["REMOTE_ADDR"] = scope["client"][0]
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        if b"_" in raw_name:
            continue
        if name not in ("CONTENT_LENGTH", "CONTENT_TYPE"):
            name = f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        environ[name] = f"{environ[name]},{value}" if name in environ else value
    return environ
