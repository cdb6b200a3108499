"""Reads the body of a request the way a route's parameters want it."""

from __future__ import annotations

from fasterapi._signature import EMPTY
from fasterapi.params import Form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fasterapi._fields import ModelField
    from fasterapi.requests import Request

__all__ = ["is_json_content_type", "json_error", "read_body"]


async def read_body(
    request: Request,
    body_field: ModelField | None,
    *,
    strict_content_type: bool = True,
    form_limits: Mapping[str, Any] | None = None,
) -> Any:
    """The body for ``solve_dependencies``: a form, parsed JSON, bytes, or ``EMPTY``.

    A form's files are the caller's to close (``await body.close()``). JSON is
    parsed when the content type says so, or when there is none and
    ``strict_content_type`` is false; other bodies are given as bytes, an empty one as
    ``EMPTY``. Raises ``json.JSONDecodeError``, which ``json_error`` turns into the
    answer's error, and what reading raises.
    """
    if body_field is None:
        return EMPTY
    if isinstance(body_field.param, Form):
        return await request.form(**(form_limits or {}))
    raw = await request.body()
    if not raw:
        return EMPTY
    content_type = request.headers.get("content-type")
    if is_json_content_type(content_type) if content_type else not strict_content_type:
        return await request.json()
    return raw


def is_json_content_type(content_type: str) -> bool:
    """Whether it is ``application/json`` or ``application/...+json``, parameters aside."""
    kind, _, subtype = content_type.partition(";")[0].strip().lower().partition("/")
    if kind != "application" or "/" in subtype:
        return False
    return subtype == "json" or subtype.endswith("+json")


def json_error(error: Any) -> dict[str, Any]:
    """The entry of a 422 answer for a body that is not JSON (``json.JSONDecodeError``)."""
    return {
        "type": "json_invalid",
        "loc": ("body", error.pos),
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": error.msg},
    }
