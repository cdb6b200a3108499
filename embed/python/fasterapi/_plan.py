"""What Rust is told about an application: how each route is called and answered.

Built once, when a shard starts: Rust reads the plans, makes one extractor per
parameter and never asks Python about a route again. ``_compile`` makes them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from fasterapi.applications import FasterAPI
    from fasterapi.requests import Request
    from fasterapi.responses import Response
    from fasterapi.staticfiles import StaticFiles

    General = Callable[[Request], Awaitable[Response]]
    OnError = Callable[[Request, Exception], Awaitable[Response]]

__all__ = ["AppPlan", "ParameterPlan", "RoutePlan", "compile_app"]

# Answers every method, where a route's methods are listed.
ANY_METHOD = "*"
# Answers handshakes of WebSockets; methods of requests are in upper case.
WEBSOCKET = "websocket"


class ParameterPlan:
    """How one argument of a call gets its value.

    - ``name``: the parameter; ``alias``: the name in the path, query, header
      fields (in any case) or cookies.
    - ``source``: ``"path"``, ``"query"``, ``"header"``, ``"cookie"``, ``"request"``
      (a ``NativeRequest``), ``"websocket"`` (a ``NativeWebSocket``), ``"native"``
      (Rust's own), ``"json_body"`` (all bytes of a body that says it is JSON) or
      ``"body"`` (all bytes of any body).
    - ``convert``: ``"str"``, ``"int"``, ``"float"``, ``"bool"``, ``"uuid"`` or
      ``"path"``; ``"str"`` where nothing is converted.
    - ``required``: an absent value is the client's error (422); otherwise the
      call gets ``default``.
    - ``ge``, ``gt``, ``le``, ``lt``: bounds of a number; ``min_length``,
      ``max_length``: bounds of a text, in characters; ``None`` for no bound.
    - ``keyword_only``: pass by name; all others are passed by position, in order.
    """

    __slots__ = (
        "alias",
        "convert",
        "default",
        "ge",
        "gt",
        "keyword_only",
        "le",
        "lt",
        "max_length",
        "min_length",
        "name",
        "required",
        "source",
    )

    def __init__(
        self,
        name: str,
        source: str,
        *,
        convert: str = "str",
        required: bool = True,
        default: Any = None,
        alias: str | None = None,
        keyword_only: bool = False,
        ge: float | None = None,
        gt: float | None = None,
        le: float | None = None,
        lt: float | None = None,
        min_length: int | None = None,
        max_length: int | None = None,
    ) -> None:
        """Keep the parts."""
        self.name = name
        self.source = source
        self.convert = convert
        self.required = required
        self.default = default
        self.alias: str = name if alias is None else alias
        self.keyword_only = keyword_only
        self.ge = ge
        self.gt = gt
        self.le = le
        self.lt = lt
        self.min_length = min_length
        self.max_length = max_length

    def __repr__(self) -> str:
        """All parts, for tests and logs."""
        parts = ", ".join(f"{slot}={getattr(self, slot)!r}" for slot in self.__slots__)
        return f"ParameterPlan({parts})"


class RoutePlan:
    """One route, ready for Rust.

    - ``path``: matchit 0.9's pattern. Its parameters have canonical names
      (``p0``, ``p1``, ...), so routes of one shape share one pattern; take values
      by position.
    - ``original_path``: as the user wrote it.
    - ``path_parameters``: ``(name, convert)`` for each value of ``path``. A value
      that does not convert means that this route does not match (404), unlike the
      handler's own annotations (422).
    - ``methods``: upper case; ``("*",)`` for all; ``("websocket",)`` for handshakes.
    - ``endpoint``: what Rust calls (``None`` for a folder of files).
    - ``run``: ``"async"`` (await what the call returns), ``"thread"``, ``"inline"``.
    - ``parameters``: one ``ParameterPlan`` for each argument of the call.
    - ``result``: ``"value"`` (convert what is returned) or ``"json"``: ``bytes`` are
      the JSON body, a pair of them and an async callable has work for after the
      answer, everything else is converted.
    - ``general``: answers a request whose parameters are not as the plan wants
      them; ``None``: Rust's own 422.
    - ``on_error``: answers for an exception of the call; ``None``: Rust's own.
    - ``http_exceptions``: Rust answers an ``HTTPException`` before it asks ``on_error``.
    - ``status_code``: of an answer that the handler does not build itself.
    - ``response_class``: renders such an answer; ``None`` means JSON.
    - ``app``, ``root_path``: for ``request.app`` and what a mount adds to
      ``request.root_path``; ``None`` and ``""`` for the main application.
    - ``name``: for logs. ``static``: the files of a mount, which has no ``endpoint``.
    - ``route``: what this was compiled from.
    """

    __slots__ = (
        "app",
        "endpoint",
        "general",
        "http_exceptions",
        "methods",
        "name",
        "on_error",
        "original_path",
        "parameters",
        "path",
        "path_parameters",
        "response_class",
        "result",
        "root_path",
        "route",
        "run",
        "static",
        "status_code",
    )

    def __init__(self, path: str, methods: tuple[str, ...], original_path: str) -> None:
        """Make a plan that answers nothing yet."""
        self.path = path
        self.methods = methods
        self.original_path = original_path
        self.path_parameters: tuple[tuple[str, str], ...] = ()
        self.endpoint: Callable[..., Any] | None = None
        self.run = "async"
        self.parameters: tuple[ParameterPlan, ...] = ()
        self.result = "value"
        self.general: General | None = None
        self.on_error: OnError | None = None
        self.http_exceptions = True
        self.status_code = 200
        self.response_class: type[Response] | None = None
        self.app: Any = None
        self.root_path = ""
        self.name = ""
        self.static: StaticFiles | None = None
        self.route: Any = None

    def __repr__(self) -> str:
        """Methods, path and handler."""
        methods = ",".join(self.methods)
        return f"RoutePlan({methods} {self.path} -> {self.name or self.static!r})"


class AppPlan:
    """One application, ready for Rust.

    - ``routes``: in the order of their registration; the first that matches answers.
    - ``fallback``: called for what no route answers (404, 405, a redirect by a
      slash, ``OPTIONS``); ``None``: Rust answers those itself.
    - ``websocket_fallback``: called for WebSockets that no route answers; ``None``: they
      are refused.
    - ``middleware``: what Rust runs around everything, outermost first.
    - ``redirect_slashes``: send ``/a/`` to ``/a`` and back where only the other exists.
    """

    __slots__ = ("fallback", "middleware", "redirect_slashes", "routes", "websocket_fallback")

    def __init__(self, redirect_slashes: bool = True) -> None:
        """Make a plan without routes."""
        self.routes: list[RoutePlan] = []
        self.fallback: RoutePlan | None = None
        self.websocket_fallback: RoutePlan | None = None
        self.middleware: list[dict[str, Any]] = []
        self.redirect_slashes = redirect_slashes


def compile_app(app: FasterAPI) -> AppPlan:
    """Compile all of ``app``.

    Raises ``RouteError`` for the first route that cannot be served.
    """
    from fasterapi._compile import compile_application

    return compile_application(app)
