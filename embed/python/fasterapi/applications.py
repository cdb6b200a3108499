"""The application: what a user's module creates and hangs handlers on."""

from __future__ import annotations

from fasterapi.routing import Mount, Route, RouteRegistry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, TypeVar

    from fasterapi._lifespan import Lifespan, LifespanContext
    from fasterapi.datastructures import State
    from fasterapi.responses import Response

    Function = TypeVar("Function", bound=Callable[..., Any])

__all__ = ["App", "FastAPI", "FasterAPI"]


class FasterAPI(RouteRegistry):
    """An application with FastAPI's interface.

    ``lifespan`` is an async context manager function ``lifespan(app)``; a mapping
    that it yields becomes the first entries of every ``request.state``. As in
    FastAPI, ``on_startup`` and ``on_shutdown`` run only without a ``lifespan``.
    ``default_response_class`` renders what handlers return (``None``: JSON).
    Keywords of FastAPI's that this version does not use are kept in ``extra``.
    """

    def __init__(
        self,
        *,
        debug: bool = False,
        routes: Iterable[Route | Mount] | None = None,
        title: str = "FasterAPI",
        version: str = "0.1.0",
        lifespan: Lifespan | None = None,
        on_startup: Sequence[Callable[[], Any]] | None = None,
        on_shutdown: Sequence[Callable[[], Any]] | None = None,
        default_response_class: type[Response] | None = None,
        redirect_slashes: bool = True,
        root_path: str = "",
        **extra: Any,
    ) -> None:
        """Make an application without routes; nothing runs before it is served."""
        self.debug = debug
        self.title = title
        self.version = version
        self.lifespan = lifespan
        self.on_startup: list[Callable[[], Any]] = list(on_startup or ())
        self.on_shutdown: list[Callable[[], Any]] = list(on_shutdown or ())
        self.default_response_class = default_response_class
        self.redirect_slashes = redirect_slashes
        self.root_path = root_path.rstrip("/")
        self.extra: dict[str, Any] = extra
        self.routes: list[Route | Mount] = list(routes or ())
        self._state: State | None = None
        # What the lifespan yielded; set by the shard before its first request.
        self._lifespan_state: Mapping[str, Any] = {}

    @property
    def state(self) -> State:
        """A place for the application's own objects; one per process."""
        if self._state is None:
            from fasterapi.datastructures import State

            self._state = State()
        return self._state

    @state.setter
    def state(self, value: State) -> None:
        self._state = value

    def add_event_handler(self, event_type: str, func: Callable[[], Any]) -> None:
        """Run ``func`` (sync or async) at ``"startup"`` or ``"shutdown"``.

        Raises ``ValueError`` for any other event.
        """
        if event_type == "startup":
            self.on_startup.append(func)
        elif event_type == "shutdown":
            self.on_shutdown.append(func)
        else:
            raise ValueError(f"event {event_type!r} is neither 'startup' nor 'shutdown'")

    def on_event(self, event_type: str) -> Callable[[Function], Function]:
        """Decorate a function to run at ``"startup"`` or ``"shutdown"``."""

        def register(func: Function) -> Function:
            self.add_event_handler(event_type, func)
            return func

        return register

    def _lifespan_context(self) -> LifespanContext:
        """An async context manager around serving; entered once by each shard."""
        from fasterapi._lifespan import LifespanContext

        return LifespanContext(self)

    def __repr__(self) -> str:
        """The title and how many routes there are."""
        return f"{type(self).__name__}(title={self.title!r}, routes={len(self.routes)})"


FastAPI = FasterAPI
App = FasterAPI
