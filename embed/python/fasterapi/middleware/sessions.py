"""Sessions in a signed cookie: the client can read them, but not change them."""

from __future__ import annotations

from fasterapi._headers import MutableHeaders
from fasterapi.middleware._asgi import add_vary, response_fields
from fasterapi.middleware._signing import BadSignatureError, TimestampSigner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, Self

    from fasterapi.middleware._asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Session", "SessionMiddleware"]

SESSION_COOKIE_BYTES_MAX = 32 * 1024
"""A longer session is neither sent nor believed, in bytes as they are in the cookie."""
BROWSER_COOKIE_BYTES_MAX = 4096
"""What browsers keep of one cookie (RFC 6265, section 6.1): past it there is a warning."""


class SessionMiddleware:
    """Gives each request a ``session``: a dict of JSON values, kept in a signed cookie.

    The cookie is that of Starlette's class of this name: either reads the other's, given
    the same ``secret_key``. It is sent when the session has changed. ``max_age`` is in
    seconds; ``None`` makes it last as long as the browser is open.
    """

    def __init__(
        self,
        app: ASGIApp,
        secret_key: Any,
        session_cookie: str = "session",
        max_age: int | None = 14 * 24 * 60 * 60,
        path: str = "/",
        same_site: Literal["lax", "strict", "none"] = "lax",
        https_only: bool = False,
        domain: str | None = None,
        partitioned: bool = False,
    ) -> None:
        """Keep the options; ``secret_key`` is text, or what ``str()`` makes text of."""
        self.app = app
        self.signer = TimestampSigner(str(secret_key))
        self.session_cookie = session_cookie
        self.max_age = max_age
        self.path = path
        flags = ["httponly", f"samesite={same_site}"]
        if https_only:
            flags.append("secure")
        if domain is not None:
            flags.append(f"domain={domain}")
        if partitioned:
            flags.append("partitioned")
        self.security_flags = "; ".join(flags)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Load the session, pass the request on, and save the session if it changed."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        loaded = self._load(scope)
        scope["session"] = Session() if loaded is None else loaded

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._save(scope["session"], message, was_there=loaded is not None)
            await send(message)

        await self.app(scope, receive, send_with_cookie)

    def _load(self, scope: Scope) -> Session | None:
        """The session in the request's cookie; ``None`` if there is none to believe."""
        from base64 import b64decode

        from fasterapi._cookies import parse_cookies

        fields = [value for name, value in scope["headers"] if name == b"cookie"]
        cookies = parse_cookies(b"; ".join(fields).decode("latin-1")) if fields else {}
        cookie = cookies.get(self.session_cookie)
        if cookie is None or len(cookie) > SESSION_COOKIE_BYTES_MAX:
            return None
        import json

        try:
            content = self.signer.unsign(cookie.encode("latin-1"), self.max_age)
            return Session(json.loads(b64decode(content)))
        except (BadSignatureError, ValueError, TypeError):
            return None

    def _save(self, session: Session, message: Message, *, was_there: bool) -> None:
        headers = MutableHeaders(raw=response_fields(message))
        if session.accessed:
            add_vary(headers, "Cookie")
        if not session.modified:
            return
        if session:
            value = self._signed(session)
            lasts = "" if self.max_age is None else f"Max-Age={self.max_age}; "
        elif was_there:
            value, lasts = "null", "expires=Thu, 01 Jan 1970 00:00:00 GMT; "
        else:
            return
        cookie = f"{self.session_cookie}={value}; path={self.path}; {lasts}{self.security_flags}"
        headers.append("set-cookie", cookie)

    def _signed(self, session: Session) -> str:
        import json
        from base64 import b64encode

        value = self.signer.sign(b64encode(json.dumps(session).encode())).decode("ascii")
        if len(value) > SESSION_COOKIE_BYTES_MAX:
            raise ValueError(
                f"The session is {len(value)} bytes long as a cookie, of at most "
                f"{SESSION_COOKIE_BYTES_MAX}. Keep only an identifier in it and the rest in a "
                "database."
            )
        if len(value) > BROWSER_COOKIE_BYTES_MAX:
            import logging

            logging.getLogger("fasterapi").warning(
                "A session cookie of %d bytes: browsers keep at most %d. Keep less in it.",
                len(value),
                BROWSER_COOKIE_BYTES_MAX,
            )
        return value


class Session(dict[str, "Any"]):
    """A dict that knows whether it was looked at (``accessed``) or changed (``modified``)."""

    accessed = False
    modified = False

    def mark_accessed(self) -> None:
        """Say that the answer depends on the session."""
        self.accessed = True

    def mark_modified(self) -> None:
        """Say that the session has changed, as after a change inside one of its values."""
        self.accessed = self.modified = True

    def __setitem__(self, key: str, value: Any) -> None:
        """Set a value."""
        self.mark_modified()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        """Remove a value; raises ``KeyError``."""
        self.mark_modified()
        super().__delitem__(key)

    def clear(self) -> None:
        """Remove everything, and the cookie with it."""
        self.mark_modified()
        super().clear()

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a value and return it."""
        if key in self:
            self.mark_modified()
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        """Remove the last pair and return it."""
        item = super().popitem()
        self.mark_modified()
        return item

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of ``key``, which becomes ``default`` when there is none."""
        if key not in self:
            self.mark_modified()
        return super().setdefault(key, default)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set values."""
        self.mark_modified()
        super().update(*args, **kwargs)

    def __ior__(self, other: Any, /) -> Self:  # type: ignore[override,misc]
        """``session |= mapping`` is ``update``."""
        self.mark_modified()
        super().update(other)
        return self
