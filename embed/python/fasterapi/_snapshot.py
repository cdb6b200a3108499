"""Whether an application has changed since its plan was made."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["snapshot_of"]


def snapshot_of(app: Any) -> list[Any]:
    """What the plan of ``app`` depends on; equal as long as nothing of it was changed.

    It keeps what it names, so that nothing new can be taken for it.
    """
    parts: list[Any] = []
    _add_app(app, parts)
    return parts


def _add_app(app: Any, parts: list[Any]) -> None:
    parts += [getattr(app, name, None) for name in ("debug", "root_path")]
    parts.append(getattr(getattr(app, "router", None), "redirect_slashes", None))
    for name in ("exception_handlers", "dependency_overrides"):
        parts += (getattr(app, name, None) or {}).items()
    parts += getattr(app, "user_middleware", ())
    _add_routes(app.routes, parts)


def _add_routes(routes: list[Any], parts: list[Any]) -> None:
    for route in routes:
        parts.append(route)
        mounted = getattr(route, "app", None)
        if hasattr(mounted, "exception_handlers") and hasattr(mounted, "routes"):
            _add_app(mounted, parts)
            continue
        nested = getattr(route, "routes", None)
        if nested:
            _add_routes(nested, parts)
