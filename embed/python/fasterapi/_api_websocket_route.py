"""A WebSocket route whose handler has parameters and dependencies."""

from __future__ import annotations

from fasterapi._lazy import lazy
from fasterapi._routes import WebSocketRoute, websocket_session
from fasterapi._signature import Where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from fasterapi._inclusion import Inclusion
    from fasterapi._routes import ASGIApp
    from fasterapi.params import Depends

__all__ = ["APIWebSocketRoute"]


class APIWebSocketRoute(WebSocketRoute):
    """A path and a handler that takes the WebSocket, parameters and dependencies."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        name: str | None = None,
        dependencies: Sequence[Depends] | None = None,
        dependency_overrides_provider: Any = None,
    ) -> None:
        """Read the handler's signature; raises ``RouteError``."""
        super().__init__(path or "/", endpoint, name=name)
        if not path:
            self._set_path(path, endpoint)
        self.dependencies = list(dependencies or ())
        self.dependency_overrides_provider = dependency_overrides_provider
        self._set_dependant()

    def _set_dependant(self) -> None:
        from fasterapi._body_values import should_embed_body_fields
        from fasterapi._dependant import (
            get_dependant,
            get_flat_body_params,
            get_parameterless_sub_dependant,
        )

        path = self.path_format
        self.dependant = get_dependant(path=path, call=self.endpoint, scope="function")
        for depends in reversed(self.dependencies):
            sub = get_parameterless_sub_dependant(depends=depends, path=path)
            self.dependant.dependencies.insert(0, sub)
        if self.dependant.takes_events:
            raise Where(self.endpoint).error(
                "a WebSocket has no server-sent events",
                "Send messages with the WebSocket, or register the handler with @app.sse",
            )
        self._embed_body_fields = should_embed_body_fields(get_flat_body_params(self.dependant))

    @lazy
    def app(self) -> ASGIApp:
        """The ASGI application that answers."""
        from fasterapi._handler import get_websocket_app

        return websocket_session(
            get_websocket_app(
                self.dependant, self.dependency_overrides_provider, self._embed_body_fields
            )
        )

    def included(self, inclusion: Inclusion) -> APIWebSocketRoute:
        """A copy as the including router has it."""
        return type(self)(
            inclusion.prefix + self.path,
            self.endpoint,
            name=self.name,
            dependencies=[*inclusion.dependencies, *self.dependencies],
            dependency_overrides_provider=inclusion.dependency_overrides_provider,
        )
