"""Security Scheme Objects, and which of them an operation asks for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi._dependant import Dependant

__all__ = ["security_of"]


def security_of(
    schemes: list[tuple[Dependant, list[str]]],
) -> tuple[dict[str, Any], list[dict[str, list[str]]]]:
    """The described schemes by name, and one Security Requirement Object for each.

    A scheme that several dependencies use is listed once, with the scopes of all.
    """
    described: dict[str, Any] = {}
    scopes_of: dict[str, dict[str, None]] = {}
    for dependant, scopes in schemes:
        scheme = dependant.security_scheme
        described[scheme.scheme_name] = _dumped(scheme.model)
        scopes_of.setdefault(scheme.scheme_name, {}).update(dict.fromkeys(scopes))
    return described, [{name: list(scopes)} for name, scopes in scopes_of.items()]


def _dumped(model: Any) -> Any:
    """A scheme's description, be it one of ours, a pydantic model or a dictionary."""
    if hasattr(model, "model_dump"):
        return model.model_dump(mode="json", by_alias=True, exclude_none=True)
    from fasterapi.encoders import jsonable_encoder

    return jsonable_encoder(model, by_alias=True, exclude_none=True)
