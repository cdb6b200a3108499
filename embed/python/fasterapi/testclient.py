"""A client that calls an application in the test's own process.

``TestClient`` is an ``httpx.Client`` (httpx2's where that is installed). Where the
package has its Rust module, HTTP requests to a ``FasterAPI`` application go the way
that they go in the server: over a socket pair through Rust's parser, router, call
plans, middleware and answer writer, on a reactor in a background thread. What stays
outside of Rust here:

- WebSocket sessions and the lifespan, which call the application through ASGI, on the
  same event loop;
- applications that are no ``FasterAPI``, or are wrapped in an ASGI middleware by hand;
- everything where the package is installed without its Rust module, where the kernel
  refuses io_uring (a warning says so), and with ``TestClient(app, asgi=True)``: these
  call ``app(scope, receive, send)``.

An application may be changed between two requests: the next one sees it as it is.
``AsyncTransport`` is the same for ``httpx.AsyncClient`` in asynchronous tests.
"""

from __future__ import annotations

import contextlib
import inspect
import weakref
from typing import cast
from urllib.parse import urljoin

from fasterapi._testclient_asgi import ASGIExchange, ASGIScopes, ResponseStream
from fasterapi._testclient_async import AsyncTransport
from fasterapi._testclient_httpx import httpx
from fasterapi._testclient_lifespan import LifespanRun
from fasterapi._testclient_native import NativeStream, send_natively
from fasterapi._testclient_portal import Portal, PortalPool
from fasterapi._testclient_shard import LocalServer, can_serve, native_portals
from fasterapi._testclient_websocket import (
    Upgrade,
    WebSocketDenialResponse,
    WebSocketTestSession,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Any, Self

    from fasterapi.applications import FasterAPI

__all__ = ["AsyncTransport", "TestClient", "WebSocketDenialResponse", "WebSocketTestSession"]

_portals = PortalPool()


class TestClient(httpx.Client):
    """Calls ``app`` as a server would, from synchronous code.

    Within ``with TestClient(app) as client:`` the application's lifespan runs, and
    all requests share one event loop. Outside of it no lifespan runs and each
    request has a loop without leftovers of others.

    ``raise_server_exceptions``: what the application raises and does not handle is
    raised by the request's call (else the answer is a 500). ``client`` is the
    address that the application sees. ``backend`` is accepted for compatibility;
    the loop is always asyncio's. ``asgi``: leave Rust out.
    """

    __test__ = False  # pytest: this is no test class

    def __init__(
        self,
        app: Callable[..., Any],
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        backend: str = "asyncio",
        backend_options: dict[str, Any] | None = None,
        cookies: Any = None,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        client: tuple[str, int] = ("testclient", 50000),
        *,
        asgi: bool = False,
    ) -> None:
        """Nothing runs before the first request or ``with``."""
        self.app = _as_asgi3(app)
        self.app_state: dict[str, Any] = {}
        self.async_backend = {"backend": backend, "backend_options": backend_options or {}}
        self.portal: Portal | None = None
        self._exit_stack = contextlib.ExitStack()
        self._server: LocalServer | None = None
        self._pool = _portals
        if not asgi and can_serve(app):
            self._server = LocalServer(cast("FasterAPI", app), root_path, client, self.app_state)
            self._pool = native_portals
            weakref.finalize(self, self._server.close)
        super().__init__(
            base_url=base_url,
            headers={"user-agent": "testclient", **_lower_names(headers)},
            transport=_Transport(
                self.app,
                ASGIScopes(root_path, client, self.app_state),
                _portal_lender(weakref.ref(self), self._pool),
                server=self._server,
                raises=raise_server_exceptions,
            ),
            follow_redirects=follow_redirects,
            cookies=cookies,
        )

    def request(self, method: str, url: Any, **options: Any) -> httpx.Response:
        """Send a request; the keywords are ``httpx.Client.request``'s."""
        if options.get("timeout", httpx.USE_CLIENT_DEFAULT) is not httpx.USE_CLIENT_DEFAULT:
            import warnings

            warnings.warn(
                "TestClient has no use for 'timeout': there is no network in between",
                stacklevel=2,
            )
        return super().request(method, url, **options)

    def websocket_connect(
        self, url: str, subprotocols: Sequence[str] | None = None, **kwargs: Any
    ) -> WebSocketTestSession:
        """A session that connects when it is entered.

        ``subprotocols`` are offered to the application; other keywords are those of
        ``request``.
        """
        headers = dict(kwargs.get("headers") or {})
        headers.setdefault("connection", "upgrade")
        headers.setdefault("sec-websocket-key", "testserver==")
        headers.setdefault("sec-websocket-version", "13")
        if subprotocols is not None:
            headers.setdefault("sec-websocket-protocol", ", ".join(subprotocols))
        kwargs["headers"] = headers
        try:
            super().request("GET", urljoin("ws://testserver", url), **kwargs)
        except Upgrade as upgrade:
            return upgrade.session
        raise RuntimeError(f"{url!r} is no URL of a WebSocket")

    def __enter__(self) -> Self:
        """Start the application's lifespan; raises what it raises."""
        with contextlib.ExitStack() as stack:
            self.portal = stack.enter_context(self._pool.lend())
            stack.callback(setattr, self, "portal", None)
            lifespan = LifespanRun(self.app, self.portal, self.app_state)
            lifespan.start_up()
            stack.callback(lifespan.shut_down)
            if self._server is not None:
                app = self._server.app
                stack.callback(setattr, app, "_lifespan_state", app._lifespan_state)
                app._lifespan_state = self.app_state
                self._server.use(self.portal)
                stack.callback(self._server.use, None)
            stack.callback(self._transport.close)
            self._exit_stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close open answers and shut the lifespan down; raises what it raises."""
        self._exit_stack.close()


class _Transport(httpx.BaseTransport):
    """Sends httpx's requests into an ASGI application."""

    def __init__(
        self,
        app: Callable[..., Any],
        scopes: ASGIScopes,
        lend: Callable[[], contextlib.AbstractContextManager[Portal]],
        *,
        server: LocalServer | None,
        raises: bool,
    ) -> None:
        self._app = app
        self._scopes = scopes
        self._lend = lend
        self._server = server
        self._raises = raises
        self._open: set[ResponseStream | NativeStream] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer ``request``; raises ``Upgrade`` for a WebSocket's."""
        if request.url.scheme in ("ws", "wss"):
            scope = self._scopes.websocket(request)
            raise Upgrade(WebSocketTestSession(self._app, scope, self._lend))
        if self._server is not None:
            return self._through_rust(self._server, request)
        exchange = ASGIExchange(self._app, self._scopes.http(request), request)
        with contextlib.ExitStack() as stack:
            began = exchange.start(stack.enter_context(self._lend()))
            stream = ResponseStream(
                exchange,
                stack.pop_all(),
                raises=self._raises,
                skip_body=request.method == "HEAD",
                on_close=self._open.discard,
            )
        if not began:
            stream.close()
            if self._raises:
                raise AssertionError("TestClient did not receive any response.")
            return httpx.Response(500, request=request, content=b"")
        self._open.add(stream)
        return _response(exchange, request, stream)

    def _through_rust(self, server: LocalServer, request: httpx.Request) -> httpx.Response:
        on_close: Callable[[Any], object] = self._open.discard
        if Portal.is_current():
            # The loop that would answer may be waiting for this thread: take another one.
            server = server.sibling()

            def on_close(_: NativeStream) -> None:
                server.close()

        response = send_natively(server, request, raises=self._raises, on_close=on_close)
        stream = response.stream
        if isinstance(stream, NativeStream) and on_close == self._open.discard:
            self._open.add(stream)
        return response

    def close(self) -> None:
        """End the exchanges whose answers were not read to their end."""
        with contextlib.ExitStack() as stack:
            if self._server is not None:
                stack.callback(self._server.stop)
            while self._open:
                stack.callback(self._open.pop().close)


def _response(
    exchange: ASGIExchange, request: httpx.Request, stream: ResponseStream
) -> httpx.Response:
    assert exchange.status_code is not None
    response = httpx.Response(
        exchange.status_code, headers=exchange.headers, request=request, stream=stream
    )
    if exchange.trailers is not None:
        response.extensions["http.response.trailers"] = exchange.trailers
    if exchange.debug_info is not None:
        response.extensions["http.response.debug"] = exchange.debug_info
        for name in ("template", "context"):  # what templating tells about itself
            if name in exchange.debug_info:
                setattr(response, name, exchange.debug_info[name])
    return response


def _portal_lender(
    client: weakref.ref[TestClient], pool: PortalPool
) -> Callable[[], contextlib.AbstractContextManager[Portal]]:
    """Lends the portal of the client's ``with`` block, or one of the process's.

    Without a reference to the client, which would then live until a collection.
    """

    @contextlib.contextmanager
    def lend() -> Iterator[Portal]:
        owner = client()
        portal = None if owner is None or Portal.is_current() else owner.portal
        if portal is not None:
            yield portal
            return
        with pool.lend() as portal:
            yield portal

    return lend


def _lower_names(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


def _as_asgi3(app: Callable[..., Any]) -> Callable[..., Any]:
    """``app``, or a wrapper around the two calls of an ASGI 2 application."""
    function: Any = app
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    if inspect.isclass(function):
        is_asgi3 = hasattr(function, "__await__")
    else:
        is_asgi3 = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 -- is what it is called with async?
        )
    if is_asgi3:
        return app

    async def asgi3(scope: Any, receive: Any, send: Any) -> None:
        await app(scope)(receive, send)

    return asgi3
