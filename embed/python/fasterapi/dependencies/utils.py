"""The functions that read and solve dependencies, for code that imports them from here."""

from __future__ import annotations

from fasterapi._analyze import ParamDetails, analyze_param
from fasterapi._body_field import get_body_field
from fasterapi._body_values import (
    read_file_bytes,
    request_body_to_args,
    should_embed_body_fields,
)
from fasterapi._dependant import (
    Dependant,
    get_dependant,
    get_flat_body_params,
    get_flat_params,
    get_parameterless_sub_dependant,
)
from fasterapi._extract import request_params_to_args
from fasterapi._signature import EMPTY, Unresolved, Where, resolved, return_annotation
from fasterapi._solve import SolvedDependency, solve_dependencies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "Dependant",
    "ParamDetails",
    "SolvedDependency",
    "analyze_param",
    "get_body_field",
    "get_dependant",
    "get_flat_body_params",
    "get_flat_dependant",
    "get_flat_params",
    "get_parameterless_sub_dependant",
    "get_stream_item_type",
    "get_typed_annotation",
    "get_typed_return_annotation",
    "request_body_to_args",
    "request_params_to_args",
    "should_embed_body_fields",
    "solve_dependencies",
]

_read_file_bytes = read_file_bytes

# What a streaming handler may say it returns.
_STREAMS = frozenset(
    (
        *("AsyncIterable", "AsyncIterator", "AsyncGenerator"),
        *("Iterable", "Iterator", "Generator"),
    )
)


def get_flat_dependant(dependant: Dependant, *, skip_repeats: bool = False) -> Dependant:
    """One dependant with the fields of ``dependant`` and of all that it depends on."""
    from fasterapi._dependant import get_flat_dependants

    flat = Dependant(use_cache=dependant.use_cache, path=dependant.path)
    for each in get_flat_dependants(dependant, skip_repeats=skip_repeats):
        for place in ("path", "query", "header", "cookie", "body"):
            getattr(flat, f"{place}_params").extend(getattr(each, f"{place}_params"))
        flat.dependencies.extend(each.dependencies)
    return flat


def get_typed_annotation(annotation: Any, globalns: dict[str, Any]) -> Any:
    """``annotation``, evaluated with the names of ``globalns`` if it is a text."""

    def named() -> None: ...

    if not isinstance(annotation, str):
        return annotation
    from types import FunctionType

    owner = FunctionType(named.__code__, globalns)
    found = resolved(annotation, owner)
    if found is type(None):
        return None
    return annotation if isinstance(found, Unresolved) else found


def get_typed_return_annotation(call: Callable[..., Any]) -> Any:
    """What ``call`` says it returns; ``None`` if it does not say.

    Raises ``RouteError`` when that cannot be resolved: a response model that is not
    applied would let out what it is there to hide.
    """
    found = return_annotation(call)
    if isinstance(found, Unresolved):
        raise found.route_error(Where(call), "return")
    return None if found is EMPTY or found is type(None) else found


def get_stream_item_type(annotation: Any) -> Any:
    """``X`` of ``AsyncIterable[X]``, ``Generator[X, ...]`` and the like; else ``None``.

    ``Any`` when they do not say of what.
    """
    from fasterapi._annotations import arguments_of_type, origin_of

    origin = origin_of(annotation)
    if getattr(origin, "__module__", None) != "collections.abc":
        return None
    if getattr(origin, "__name__", None) not in _STREAMS:
        return None
    found = arguments_of_type(annotation)
    if found:
        return found[0]
    from typing import Any as Anything

    return Anything
