"""What a request and a WebSocket that Rust serves have in common."""

from __future__ import annotations

from fasterapi._lazy import lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi._headers import Headers
    from fasterapi._multidict import QueryParams
    from fasterapi.datastructures import Address, State
    from fasterapi.requests import HTTPConnection as _Base
else:
    _Base = object

__all__ = ["NativeConnection"]


class NativeConnection(_Base):
    """The parts of a request's head, taken from ``native``, its ``_core.Request``.

    An ASGI scope is made only for those who ask for it.
    """

    native: Any

    @property
    def app(self) -> Any:
        """The application that answers."""
        return self.native.app

    @lazy
    def headers(self) -> Headers:
        """The header fields, by name without case."""
        from fasterapi._headers import Headers

        return Headers(raw=self.native.raw_headers)

    @lazy
    def query_params(self) -> QueryParams:
        """The decoded query."""
        from fasterapi._multidict import QueryParams

        return QueryParams(self.native.query_string)

    @property
    def path_params(self) -> dict[str, Any]:
        """The path's parameters, converted as the route's path says."""
        if "scope" in self.__dict__:
            return super().path_params
        params: dict[str, Any] = self.native.path_params
        return params

    @property
    def client(self) -> Address | None:
        """The peer's address, if it has one."""
        if "scope" in self.__dict__:
            return super().client
        from fasterapi.datastructures import Address

        address = self.native.client_address
        return None if address is None else Address(*address)

    @lazy
    def state(self) -> State:
        """A bag for this request, holding what the lifespan yielded."""
        from fasterapi.datastructures import State

        if "scope" in self.__dict__:
            return State(self.scope["state"])
        return State(dict(self.native.main_app._lifespan_state))
