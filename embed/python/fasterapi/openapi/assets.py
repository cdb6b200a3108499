"""The programs that the documentation pages run, served by the application itself.

They are not part of the source: `.ci/fetch_docs_assets.py` puts them, compressed,
into `_assets` beside this file before a build. Without them the pages load the same
programs from a CDN.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from fasterapi.requests import Request
    from fasterapi.responses import Response

    Endpoint = Callable[[Request], Awaitable[Response]]

__all__ = ["PACKAGES", "redoc_urls", "routes_of", "stored_name", "swagger_ui_urls"]

#: The npm packages, their versions, and the files of each that a page loads.
PACKAGES: dict[str, tuple[str, dict[str, str]]] = {
    "swagger-ui-dist": (
        "5.35.0",
        {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"},
    ),
    "redoc": ("2.5.4", {"redoc.standalone.js": "text/javascript"}),
}

# The version is part of the path, so what a browser keeps is never out of date.
_CACHE_CONTROL = "public, max-age=31536000, immutable"


def stored_name(package: str, file: str) -> str:
    """What ``file`` of ``package`` is called in ``_assets``."""
    return f"{package}-{PACKAGES[package][0]}-{file}.gz"


def swagger_ui_urls(docs_url: str) -> dict[str, str]:
    """Arguments for ``get_swagger_ui_html`` on the page at ``docs_url`` (with ``root_path``).

    Empty when the files are not there.
    """
    package = "swagger-ui-dist"
    if not _is_stored(package):
        return {}
    return {
        "swagger_js_url": _path(docs_url, package, "swagger-ui-bundle.js"),
        "swagger_css_url": _path(docs_url, package, "swagger-ui.css"),
    }


def redoc_urls(redoc_url: str) -> dict[str, Any]:
    """Arguments for ``get_redoc_html`` on the page at ``redoc_url`` (with ``root_path``).

    With them the page makes no request to anyone else, so not for fonts either. Empty
    when the files are not there.
    """
    if not _is_stored("redoc"):
        return {}
    path = _path(redoc_url, "redoc", "redoc.standalone.js")
    return {"redoc_js_url": path, "with_google_fonts": False}


def routes_of(docs_url: str | None, redoc_url: str | None) -> list[tuple[str, Endpoint]]:
    """Paths and endpoints for the files of the pages that the application has.

    They are registered without appearing in the document. Nothing is read before a
    request comes.
    """
    routes: list[tuple[str, Endpoint]] = []
    for page, package in ((docs_url, "swagger-ui-dist"), (redoc_url, "redoc")):
        if page:
            files = PACKAGES[package][1]
            routes += [(_path(page, package, file), _endpoint(package, file)) for file in files]
    return routes


def _path(page: str, package: str, file: str) -> str:
    return f"{page.rstrip('/')}/{package}@{PACKAGES[package][0]}/{file}"


_found: dict[str, bool] = {}


def _is_stored(package: str) -> bool:
    """Whether all files of the package are there; looked at once."""
    if package not in _found:
        files = PACKAGES[package][1]
        _found[package] = all(_stored(package, file) is not None for file in files)
    return _found[package]


def _stored(package: str, file: str) -> bytes | None:
    """The compressed file; ``None`` when it was not there at build time."""
    spec = __spec__
    loader: Any = spec.loader
    folder = (spec.origin or "").rpartition("/")[0]
    try:
        data: bytes = loader.get_data(f"{folder}/_assets/{stored_name(package, file)}")
    except (OSError, AttributeError):
        return None
    return data


def _endpoint(package: str, file: str) -> Endpoint:
    """The endpoint that answers with one file."""

    async def docs_asset(request: Request) -> Response:
        return _answer(package, file, request)

    return docs_asset


def _answer(package: str, file: str, request: Request) -> Response:
    """The file, compressed if the client takes that; 304 if the client has it."""
    from fasterapi.exceptions import HTTPException
    from fasterapi.responses import Response

    data = _stored(package, file)
    if data is None:
        raise HTTPException(404)
    is_compressed = _takes_gzip(request.headers.get("accept-encoding") or "")
    version, types = PACKAGES[package]
    tag = f'"{version}{"-gzip" if is_compressed else ""}"'
    headers = {"cache-control": _CACHE_CONTROL, "etag": tag, "vary": "accept-encoding"}
    known = (request.headers.get("if-none-match") or "").split(",")
    if tag in (candidate.strip().removeprefix("W/") for candidate in known):
        return Response(status_code=304, headers=headers)
    if is_compressed:
        headers["content-encoding"] = "gzip"
    else:
        from gzip import decompress

        data = decompress(data)
    return Response(data, headers=headers, media_type=types[file])


def _takes_gzip(accept_encoding: str) -> bool:
    """Whether the header field allows gzip (RFC 9110, section 12.5.3)."""
    for item in accept_encoding.lower().split(","):
        coding, _, weight = item.partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.strip().replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
