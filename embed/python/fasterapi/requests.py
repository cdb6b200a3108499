"""What a handler can ask its request, beyond what Rust answers itself.

``Request`` is Rust's class (``fasterapi._core.Request``). Its getters call the
functions here on their first use and keep the result, so a handler pays only for
what it asks for.
"""

from __future__ import annotations

from fasterapi._headers import Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from fasterapi._core import Request as Request
    from fasterapi._core import json_loads
    from fasterapi._forms import FormReading
    from fasterapi._url import URL
    from fasterapi.datastructures import Address, QueryParams, State
else:
    try:
        from fasterapi._core import Request, json_loads
    except ImportError:

        class Request:
            """Stands for ``_core.Request`` in annotations when nothing is served."""

        def json_loads(data: bytes) -> Any:
            """As ``_core.json_loads``, for an interpreter without the Rust module."""
            from json import loads

            return loads(data)


__all__ = ["ClientDisconnect", "Request"]

# Characters that would let a Host field change the meaning of a URL made from it.
_NOT_IN_HOST = frozenset("/?#@\\ \t\"'<>")


class ClientDisconnect(Exception):
    """The client went away before it had sent the whole body."""


def headers_of(request: Request) -> Headers:
    """The header fields; a view of ``raw_headers``."""
    return Headers(raw=request.raw_headers)


def query_params_of(request: Request) -> QueryParams:
    """The decoded query."""
    from fasterapi.datastructures import QueryParams

    return QueryParams(request.query_string)


def cookies_of(request: Request) -> dict[str, str]:
    """The cookies of all ``Cookie`` fields; the last of a name wins."""
    from fasterapi._cookies import parse_cookies

    fields = [value for name, value in request.raw_headers if name == b"cookie"]
    return parse_cookies(b"; ".join(fields).decode("latin-1")) if fields else {}


def _origin_of(request: Request) -> str:
    """Scheme and authority, from the ``Host`` field if it is sound."""
    host = ""
    for name, value in request.raw_headers:
        if name == b"host":
            host = value.decode("latin-1")
            break
    if not host or not host.isprintable() or not _NOT_IN_HOST.isdisjoint(host):
        host = "localhost"
        address = request.server_address
        if address is not None:
            name_of_server, port = address
            shown = f"[{name_of_server}]" if ":" in name_of_server else name_of_server
            usual = {"http": 80, "https": 443}.get(request.scheme)
            host = shown if port in (usual, None) else f"{shown}:{port}"
    return f"{request.scheme}://{host}"


def url_of(request: Request) -> URL:
    """The URL that the client asked for; the path stays percent-encoded."""
    from fasterapi._url import URL

    path = request.raw_path.decode("latin-1")
    root = request.root_path
    if root and not path.startswith(f"{root}/") and path != root:
        path = f"{root}{path}"
    query = request.query_string.decode("latin-1")
    return URL(f"{_origin_of(request)}{path}{'?' if query else ''}{query}")


def base_url_of(request: Request) -> URL:
    """The URL of the application itself, with a slash at its end."""
    from fasterapi._url import URL

    return URL(f"{_origin_of(request)}{request.root_path.rstrip('/')}/")


def url_for_of(request: Request, name: str, /, **path_params: Any) -> URL:
    """The absolute URL of the route ``name``.

    Raises ``NoMatchFound`` when no route has that name and those parameters.
    """
    from urllib.parse import quote

    path = quote(request.app.url_path_for(name, **path_params), safe="/:@!$&'()*+,;=~")
    root = request.root_path.rstrip("/")
    return base_url_of(request).replace(path=f"{root}{path}")


def client_of(request: Request) -> Address | None:
    """The peer's address, if it has one."""
    from fasterapi.datastructures import Address

    address = request.client_address
    return None if address is None else Address(*address)


def state_of(request: Request) -> State:
    """A bag for this request, holding what the lifespan yielded."""
    from fasterapi.datastructures import State

    return State(dict(request.app._lifespan_state))


async def read_body(request: Request) -> bytes:
    """The whole body; kept, so it may be read again.

    Raises ``ClientDisconnect`` when the client leaves first, and ``RuntimeError``
    when the body has been read as a stream.
    """
    kept: bytes | None = getattr(request, "_body", None)
    if kept is None:
        kept = b"".join([chunk async for chunk in stream_of(request)])
        request._body = kept
    return kept


async def stream_of(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives, in chunks that are not empty.

    Raises ``ClientDisconnect``, and ``RuntimeError`` when it has been read before.
    """
    kept: bytes | None = getattr(request, "_body", None)
    if kept is None:
        if getattr(request, "_stream_consumed", False):
            raise RuntimeError("Stream consumed: the body has already been read as a stream")
        request._stream_consumed = True
        kept = request._body_now()
    if kept is not None:
        if kept:
            yield kept
        return
    while chunk := await request._next_chunk():
        yield chunk


async def next_chunk_of(request: Request) -> bytes:
    """The next piece of the body; empty at its end. Raises ``ClientDisconnect``."""
    while (chunk := request._take_chunk()) is None:
        await request._chunk_arrival()
    return chunk


async def read_json(request: Request) -> Any:
    """The body, parsed as JSON; raises ``ValueError`` when it is not."""
    return json_loads(await read_body(request))


def read_form(
    request: Request,
    *,
    max_files: int = 1000,
    max_fields: int = 1000,
    max_part_size: int = 1024 * 1024,
) -> FormReading:
    """The form in the body: to be awaited, or entered with ``async with``.

    ``max_part_size`` bounds one text field, in bytes; files are bounded by the
    body's own limit. Raises ``HTTPException(400)`` for a malformed form or one
    past the bounds. A body of another media type is an empty form.
    """
    from fasterapi._forms import FormReading

    return FormReading(request, max_files, max_fields, max_part_size)


async def is_disconnected(request: Request) -> bool:
    """Whether the client has gone."""
    return request._is_disconnected()
