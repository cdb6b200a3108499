"""URLs as values (RFC 3986)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal, Self
    from urllib.parse import SplitResult

# Characters that would let a Host field change the meaning of a URL made from it.
_NOT_IN_HOST = frozenset("/?#@\\ \t\"'<>")
_USUAL_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def origin_of(scheme: str, host: str, server: tuple[str, int | None] | None) -> str:
    """Scheme and authority, from the ``Host`` field if it is sound.

    The result is empty when there is neither a sound field nor a server address.
    """
    if not host or not host.isprintable() or not _NOT_IN_HOST.isdisjoint(host):
        if server is None:
            return ""
        name, port = server
        if port is None:
            return f"{scheme}://{name}"  # a Unix socket
        host = f"[{name}]" if ":" in name else name
        if port != _USUAL_PORTS.get(scheme):
            host = f"{host}:{port}"
    return f"{scheme}://{host}"


def url_of_scope(scope: Mapping[str, Any], path: str | None = None, query: bytes = b"") -> str:
    """The URL that an ASGI request asked for, or that of ``path`` on its server.

    Its path is decoded, as Starlette's is, but for what would begin another part.
    """
    if path is None:
        path, query = scope["path"], scope.get("query_string", b"")
        root = scope.get("app_root_path", scope.get("root_path", ""))
        if root and not path.startswith(root):
            path = f"{root}{path}"
    host = b""
    for name, value in scope.get("headers", ()):
        if name == b"host":
            host = value
            break
    origin = origin_of(scope.get("scheme", "http"), host.decode("latin-1"), scope.get("server"))
    url = f"{origin}{_one_path(_only_path(path), bool(origin))}"
    return f"{url}?{query.decode('latin-1')}" if query else url


def _only_path(path: str) -> str:
    """``path`` without what would begin the query or the fragment."""
    return path.replace("?", "%3F").replace("#", "%23")


def _one_path(path: str, has_origin: bool = False) -> str:
    """``path`` so that no client takes its beginning for the name of a server."""
    path = path.replace("\\", "%5C")
    return f"/%2F{path[2:]}" if path.startswith("//") and not has_origin else path


class URL:
    """A URL and its parts; equal to its text. Methods return changed copies."""

    __slots__ = ("_split", "_url")

    def __init__(
        self, url: str = "", scope: Mapping[str, Any] | None = None, **components: Any
    ) -> None:
        """Keep ``url``, or that of an ASGI ``scope``, with ``components`` put into it.

        ``components`` are those of ``replace``. Raises ``ValueError`` when both
        ``url`` and ``scope`` are given.
        """
        if scope is not None:
            if url or components:
                raise ValueError("give either a scope, or a url and its components")
            url = url_of_scope(scope)
        self._url: str = str(URL(url).replace(**components)) if components else str(url)
        self._split: SplitResult | None = None

    @property
    def components(self) -> SplitResult:
        """The parts, as ``urllib.parse.urlsplit`` gives them."""
        if self._split is None:
            from urllib.parse import urlsplit

            self._split = urlsplit(self._url)
        return self._split

    @property
    def scheme(self) -> str:
        """``"http"`` or ``"https"``; empty for a relative URL."""
        return self.components.scheme

    @property
    def netloc(self) -> str:
        """User, host and port, as they are written."""
        return self.components.netloc

    @property
    def path(self) -> str:
        """The path, still percent-encoded."""
        return self.components.path

    @property
    def query(self) -> str:
        """What follows the ``?``, still encoded."""
        return self.components.query

    @property
    def fragment(self) -> str:
        """What follows the ``#``."""
        return self.components.fragment

    @property
    def username(self) -> str | None:
        """The user, if there is one."""
        return self.components.username

    @property
    def password(self) -> str | None:
        """The password, if there is one."""
        return self.components.password

    @property
    def hostname(self) -> str | None:
        """The host in lower case, without brackets."""
        return self.components.hostname

    @property
    def port(self) -> int | None:
        """The port, if it is written; raises ``ValueError`` when it is not one."""
        return self.components.port

    @property
    def is_secure(self) -> bool:
        """Whether the scheme is ``https`` or ``wss``."""
        return self.scheme in ("https", "wss")

    def replace(self, **components: Any) -> URL:
        """A copy with other parts.

        Takes ``scheme``, ``netloc``, ``path``, ``query``, ``fragment``, and the
        parts of the netloc: ``username``, ``password``, ``hostname``, ``port``.
        """
        parts = {"username", "password", "hostname", "port"} & components.keys()
        if parts:
            components["netloc"] = self._netloc({name: components.pop(name) for name in parts})
        return URL(self.components._replace(**components).geturl())

    def include_query_params(self, **params: Any) -> URL:
        """A copy whose query also has ``params``, which replace their namesakes."""
        from urllib.parse import parse_qsl, urlencode

        from fasterapi._multidict import MultiDict

        query = MultiDict(parse_qsl(self.query, keep_blank_values=True))
        query.update({name: str(value) for name, value in params.items()})
        return self.replace(query=urlencode(query.multi_items()))

    def replace_query_params(self, **params: Any) -> URL:
        """A copy whose query is ``params``."""
        from urllib.parse import urlencode

        return self.replace(query=urlencode([(name, str(params[name])) for name in params]))

    def remove_query_params(self, keys: str | list[str] | tuple[str, ...]) -> URL:
        """A copy whose query lacks ``keys``."""
        from urllib.parse import parse_qsl, urlencode

        gone = {keys} if isinstance(keys, str) else set(keys)
        pairs = parse_qsl(self.query, keep_blank_values=True)
        return self.replace(query=urlencode([pair for pair in pairs if pair[0] not in gone]))

    def _netloc(self, new: dict[str, Any]) -> str:
        user = new.get("username", self.username)
        password = new.get("password", self.password)
        port = new.get("port", self.port)
        host = new.get("hostname", self.hostname) or ""
        netloc = f"[{host}]" if ":" in host and host[0] != "[" else host
        if port is not None:
            netloc = f"{netloc}:{port}"
        if user is None:
            return netloc
        return f"{user}@{netloc}" if password is None else f"{user}:{password}@{netloc}"

    def __eq__(self, other: object) -> bool:
        """Equal to the same text and to a URL of the same text."""
        return self._url == str(other) if isinstance(other, str | URL) else NotImplemented

    def __hash__(self) -> int:
        """That of the text."""
        return hash(self._url)

    def __str__(self) -> str:
        """The text."""
        return self._url

    def __repr__(self) -> str:
        """The text, without the password, because this is what logs show."""
        url = str(self.replace(password="********")) if self.password else self._url
        return f"{type(self).__name__}({url!r})"


class URLPath(str):
    """A path of this application, as ``url_path_for`` gives it.

    ``protocol`` is ``"http"``, ``"websocket"`` or empty; ``host`` is not empty below
    a ``Host`` route.
    """

    __slots__ = ("host", "protocol")

    protocol: Literal["http", "websocket", ""]
    host: str

    def __new__(
        cls, path: str, protocol: Literal["http", "websocket", ""] = "", host: str = ""
    ) -> Self:
        """Keep the parts."""
        made = str.__new__(cls, _one_path(path))
        made.protocol = protocol
        made.host = host
        return made

    def make_absolute_url(self, base_url: str | URL) -> URL:
        """The URL of this path on the server and below the path of ``base_url``."""
        base = base_url if isinstance(base_url, URL) else URL(str(base_url))
        secure = base.is_secure
        scheme = {
            "http": "https" if secure else "http",
            "websocket": "wss" if secure else "ws",
            "": base.scheme,
        }[self.protocol]
        path = base.path.rstrip("/") + _only_path(self)
        return URL(f"{scheme}://{self.host or base.netloc}{path}")
