"""Which of an application's middleware Rust runs, and how it is told.

Rust stands around Python, so it can run only the outermost ones. A class is known by
its module and name, ours or Starlette's; a subclass may do anything, so it stays here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi.middleware import Middleware

__all__ = ["native_middleware"]

_PACKAGES = ("fasterapi.middleware.", "starlette.middleware.")
_PATTERN_CHARACTERS_MAX = 1000
# A pattern made of these means the same to Python's `re` and to Rust's `regex`, for text that
# is ASCII. What is missing differs (`a++`, `[a&&b]`, `\<`), is unknown to Rust (`(?=a)`), or
# is too rare to be worth a proof.
_PORTABLE_PATTERN = r"""(?x)
    (?: \(\?i\) )?
    (?: (?: [A-Za-z0-9_\-:/@%~,;=!<>\#&'" ]       # itself
          | \\ [dwDW.\-/:()+*?\[\]{}|^$\\]        # a class of characters, or itself
          | \[ \^? (?: (?!--) [A-Za-z0-9_\-.:/] | \\[dw.\-/] )+ \]
          | \. | \^ | \$ | \| | \( (?: (?!\?) | \?: | \?P<[A-Za-z_]\w*> ) | \)
        )
        (?: (?: [*+?] | \{ \d{1,2} (?: , \d{0,2} )? \} ) \?? (?![*+?{]) )?
    )*
"""


def native_middleware(app: Any) -> tuple[list[dict[str, Any]], list[Middleware]]:
    """What Rust runs around everything, outermost first, and what is left for Python.

    Raises what a middleware's constructor raises for its arguments.
    """
    middleware: list[Middleware] = list(app.user_middleware)
    native: list[dict[str, Any]] = []
    for one in middleware:
        options = _options_of(one)
        if options is None:
            break
        native.append(options)
    return native, middleware[len(native) :]


def _options_of(middleware: Middleware) -> dict[str, Any] | None:
    """What Rust has to know; ``None`` when Python must run it."""
    cls = middleware.cls
    name = getattr(cls, "__qualname__", "")
    describe = _KINDS.get(name)
    if describe is None or not getattr(cls, "__module__", "").startswith(_PACKAGES):
        return None
    try:
        return describe(middleware.args, middleware.kwargs)
    except TypeError:
        # Arguments that ours does not have; whoever has them gets them.
        return None


def _cors(args: Any, kwargs: Any) -> dict[str, Any] | None:
    from fasterapi.middleware.cors import CORSMiddleware

    names = ("allow_origins", "allow_methods", "allow_headers", "expose_headers")
    given = dict(zip(names[:3], args, strict=False)) | kwargs
    pattern = given.get("allow_origin_regex", args[4] if len(args) > 4 else None)
    if any(isinstance(given.get(name), str) for name in names) or not _is_portable(pattern):
        return None
    cors = CORSMiddleware(_nobody, *args, **kwargs)
    return {
        "kind": "cors",
        "allow_origins": list(cors.allow_origins),
        "allow_origin_regex": pattern,
        "allow_methods": list(cors.allow_methods),
        "allow_headers": cors.allow_headers,
        "allow_all_headers": cors.allow_all_headers,
        "allow_credentials": cors.allow_credentials,
        "allow_private_network": cors.allow_private_network,
        "simple_headers": list(cors.simple_headers.items()),
        "preflight_headers": list(cors.preflight_headers.items()),
    }


def _is_portable(pattern: Any) -> bool:
    if pattern is None:
        return True
    if not isinstance(pattern, str) or len(pattern) > _PATTERN_CHARACTERS_MAX:
        return False
    import re

    return re.fullmatch(_PORTABLE_PATTERN, pattern) is not None


def _compression(args: Any, kwargs: Any) -> dict[str, Any]:
    from fasterapi.middleware.gzip import CompressionMiddleware

    return _described(CompressionMiddleware(_nobody, *args, **kwargs))


def _gzip(args: Any, kwargs: Any) -> dict[str, Any]:
    from fasterapi.middleware.gzip import GZipMiddleware

    return _described(GZipMiddleware(_nobody, *args, **kwargs))


def _described(compression: Any) -> dict[str, Any]:
    # zlib's -1 is its own default, 6.
    levels = compression.levels | ({"gzip": 6} if compression.levels["gzip"] == -1 else {})
    return {
        "kind": "compression",
        "minimum_size": max(0, compression.minimum_size),
        "codings": [(coding, levels[coding]) for coding in compression.offered],
        "exclude_content_types": sorted(compression.exclude_content_types),
    }


def _trusted_host(args: Any, kwargs: Any) -> dict[str, Any]:
    from fasterapi.middleware.trustedhost import TrustedHostMiddleware

    trusted = TrustedHostMiddleware(_nobody, *args, **kwargs)
    return {
        "kind": "trusted_host",
        "allowed_hosts": trusted.allowed_hosts,
        "www_redirect": trusted.www_redirect,
    }


def _https_redirect(args: Any, kwargs: Any) -> dict[str, Any]:
    from fasterapi.middleware.httpsredirect import HTTPSRedirectMiddleware

    HTTPSRedirectMiddleware(_nobody, *args, **kwargs)
    return {"kind": "https_redirect"}


async def _nobody(*_: Any) -> None:
    """Stands for the application while a middleware checks its arguments."""


_KINDS = {
    "CORSMiddleware": _cors,
    "CompressionMiddleware": _compression,
    "GZipMiddleware": _gzip,
    "HTTPSRedirectMiddleware": _https_redirect,
    "TrustedHostMiddleware": _trusted_host,
}
