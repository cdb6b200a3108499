"""Cross-origin resource sharing (the Fetch standard, section 3.3)."""

from __future__ import annotations

from fasterapi._headers import Headers, MutableHeaders
from fasterapi.middleware._asgi import add_vary, response_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Collection

    from fasterapi.middleware._asgi import ASGIApp, Message, Receive, Scope, Send
    from fasterapi.responses import Response

__all__ = ["CORSMiddleware"]

ALL_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY")
"""What ``allow_methods=["*"]`` stands for."""
SAFELISTED_HEADERS = frozenset({"Accept", "Accept-Language", "Content-Language", "Content-Type"})
"""Request headers that need no permission; browsers ask for some of them all the same."""
_PREFLIGHT_VARY = ", ".join(
    [
        "Origin",
        "Access-Control-Request-Method",
        "Access-Control-Request-Headers",
        "Access-Control-Request-Private-Network",
    ]
)


class CORSMiddleware:
    """Answers preflight requests and tells browsers which origins may read an answer.

    ``allow_origin_regex`` must match a whole origin. ``max_age`` is in seconds.
    ``"*"`` allows everything; with ``allow_credentials`` the origin is named instead.
    """

    def __init__(
        self,
        app: ASGIApp,
        allow_origins: Collection[str] = (),
        allow_methods: Collection[str] = ("GET",),
        allow_headers: Collection[str] = (),
        allow_credentials: bool = False,
        allow_origin_regex: str | None = None,
        allow_private_network: bool = False,
        expose_headers: Collection[str] = (),
        max_age: int = 600,
    ) -> None:
        """Work out what does not depend on the request."""
        self.app = app
        self.allow_origins = allow_origins
        self.allow_methods = ALL_METHODS if "*" in allow_methods else tuple(allow_methods)
        self.allow_all_origins = "*" in allow_origins
        self.allow_all_headers = "*" in allow_headers
        self.allow_credentials = allow_credentials
        self.allow_origin_regex = _compiled(allow_origin_regex)
        self.allow_private_network = allow_private_network
        named = sorted(SAFELISTED_HEADERS | set(allow_headers))
        self.allow_headers = [name.lower() for name in named]
        self.simple_headers = self._simple_headers(expose_headers)
        self.preflight_headers = self._preflight_headers(named, max_age)

    def _simple_headers(self, expose_headers: Collection[str]) -> dict[str, str]:
        headers = {}
        if self.allow_all_origins:
            headers["Access-Control-Allow-Origin"] = "*"
        if self.allow_credentials:
            headers["Access-Control-Allow-Credentials"] = "true"
        if expose_headers:
            headers["Access-Control-Expose-Headers"] = ", ".join(expose_headers)
        return headers

    def _preflight_headers(self, named: list[str], max_age: int) -> dict[str, str]:
        headers = {"Vary": _PREFLIGHT_VARY}
        if self.allow_all_origins and not self.allow_credentials:
            headers["Access-Control-Allow-Origin"] = "*"
        headers["Access-Control-Allow-Methods"] = ", ".join(self.allow_methods)
        headers["Access-Control-Max-Age"] = str(max_age)
        if not self.allow_all_headers:
            headers["Access-Control-Allow-Headers"] = ", ".join(named)
        if self.allow_credentials:
            headers["Access-Control-Allow-Credentials"] = "true"
        return headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or pass the request on and add fields to its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(raw=scope["headers"])
        origin = headers.get("origin")
        preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        if origin is not None and preflight:
            await self.preflight_response(headers)(scope, receive, send)
            return

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.add_fields(MutableHeaders(raw=response_fields(message)), origin)
            await send(message)

        await self.app(scope, receive, send_with_fields)

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether pages of ``origin`` may read answers."""
        if self.allow_all_origins or origin in self.allow_origins:
            return True
        pattern = self.allow_origin_regex
        return pattern is not None and pattern.fullmatch(origin) is not None

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a preflight: 200, or 400 with what is not allowed."""
        from fasterapi.responses import PlainTextResponse

        origin = request_headers["origin"]
        asked_headers = request_headers.get("access-control-request-headers")
        headers = dict(self.preflight_headers)
        failures = []
        if not self.is_allowed_origin(origin):
            failures.append("origin")
        elif "Access-Control-Allow-Origin" not in headers:
            headers["Access-Control-Allow-Origin"] = origin
        if request_headers["access-control-request-method"] not in self.allow_methods:
            failures.append("method")
        if asked_headers is not None:
            if self.allow_all_headers:
                headers["Access-Control-Allow-Headers"] = asked_headers
            elif any(
                name.strip() not in self.allow_headers for name in asked_headers.lower().split(",")
            ):
                failures.append("headers")
        if "access-control-request-private-network" in request_headers:
            if self.allow_private_network:
                headers["Access-Control-Allow-Private-Network"] = "true"
            else:
                failures.append("private-network")
        if failures:
            return PlainTextResponse(f"Disallowed CORS {', '.join(failures)}", 400, headers)
        return PlainTextResponse("OK", 200, headers)

    def add_fields(self, headers: MutableHeaders, origin: str | None) -> None:
        """Tell the browser whether pages of ``origin`` may read the answer."""
        if origin is not None:
            headers.update(self.simple_headers)
            named = self.allow_credentials if self.allow_all_origins else True
            if named and self.is_allowed_origin(origin):
                headers["Access-Control-Allow-Origin"] = origin
        # The answer depends on the origin even when this request has named none.
        add_vary(headers, "Origin")


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    import re

    return re.compile(pattern)
