"""URLs as values (RFC 3986)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from urllib.parse import SplitResult


class URL:
    """A URL and its parts; equal to its text. Methods return changed copies."""

    __slots__ = ("_split", "_url")

    def __init__(self, url: str = "", **components: Any) -> None:
        """Keep ``url``, with ``components`` (see ``replace``) in place of its own."""
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
