"""What an annotation says, found out without importing ``typing`` or pydantic.

A class can only be a pydantic model when pydantic has been imported, so
``sys.modules`` answers what an import would.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a sequence annotation becomes; `str` and `bytes` are no sequences here.
SEQUENCE_TYPES: dict[type, type] = {
    Sequence: list,
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    deque: deque,
}
_SEQUENCES = tuple(SEQUENCE_TYPES)

# Classes whose instances a handler gets from the request itself.
_INJECTED = {
    "Request": "request",
    "WebSocket": "websocket",
    "HTTPConnection": "http_connection",
    "Response": "response",
    "BackgroundTasks": "background_tasks",
    "SecurityScopes": "security_scopes",
    "SSE": "sse",
}
_PACKAGES = frozenset(("fasterapi", "starlette", "fastapi"))


def is_union(annotation: Any) -> bool:
    """``X | Y`` and ``typing.Union[X, Y]``, which are two types before 3.14."""
    if type(annotation).__name__ == "UnionType":
        return True
    origin = None if isinstance(annotation, type) else getattr(annotation, "__origin__", None)
    return getattr(origin, "_name", None) == "Union" or origin is type(int | str)


def is_annotated(annotation: Any) -> bool:
    """``Annotated[X, ...]``."""
    return hasattr(annotation, "__metadata__") and not isinstance(annotation, type)


def origin_of(annotation: Any) -> Any:
    """``list`` of ``list[int]``; ``None`` for what has no parts, and for unions."""
    if isinstance(annotation, type) or is_annotated(annotation) or is_union(annotation):
        return None
    return getattr(annotation, "__origin__", None)


def arguments_of_type(annotation: Any) -> tuple[Any, ...]:
    """``(int,)`` of ``list[int]``, the members of a union; ``()`` without parts."""
    if isinstance(annotation, type):
        return ()
    found = getattr(annotation, "__args__", ())
    return found if isinstance(found, tuple) else ()


def is_subclass(annotation: Any, bases: type | tuple[type, ...]) -> bool:
    """``issubclass``, which is false for everything that is no class."""
    try:
        return isinstance(annotation, type) and issubclass(annotation, bases)
    except TypeError:
        return False


def _loaded(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)


def is_model(annotation: Any) -> bool:
    """Whether ``annotation`` is a pydantic model."""
    base = _loaded("pydantic.main", "BaseModel")
    return base is not None and is_subclass(annotation, base)


def is_v1_model(annotation: Any) -> bool:
    """Whether ``annotation`` is, or has parts that are, models of pydantic's version 1."""
    base = _loaded("pydantic.v1.main", "BaseModel")
    if base is None:
        return False
    if is_subclass(annotation, base):
        return True
    parted = is_union(annotation) or is_sequence(annotation)
    return parted and any(is_v1_model(part) for part in arguments_of_type(annotation))


def has_class(annotation: Any, name: str) -> bool:
    """Whether ``annotation`` derives from a class of that name of one of the packages."""
    if not isinstance(annotation, type):
        return False
    return any(
        base.__name__ == name and base.__module__.partition(".")[0] in _PACKAGES
        for base in annotation.__mro__
    )


def injected_kind(annotation: Any) -> str | None:
    """``"request"``, ``"response"``...: what is injected for ``annotation``, if anything.

    Classes are told by name, so those of the ``starlette`` and ``fastapi``
    packages are understood without importing either.
    """
    if not isinstance(annotation, type):
        return None
    for base in annotation.__mro__:
        kind = _INJECTED.get(base.__name__)
        if kind is not None and base.__module__.partition(".")[0] in _PACKAGES:
            return kind
    return None


def is_upload(annotation: Any) -> bool:
    """``UploadFile``, or a union that has it."""
    if is_union(annotation):
        return any(has_class(part, "UploadFile") for part in arguments_of_type(annotation))
    return has_class(annotation, "UploadFile")


def is_upload_sequence(annotation: Any) -> bool:
    """A sequence of ``UploadFile``, or a union that has one."""
    if is_union(annotation):
        return any(is_upload_sequence(part) for part in arguments_of_type(annotation))
    return is_sequence(annotation) and all(map(is_upload, arguments_of_type(annotation)))


def is_bytes(annotation: Any) -> bool:
    """``bytes``, or a union that has it."""
    if is_union(annotation):
        return any(is_subclass(part, bytes) for part in arguments_of_type(annotation))
    return is_subclass(annotation, bytes)


def is_bytes_sequence(annotation: Any) -> bool:
    """A sequence of ``bytes``, or a union that has one."""
    if is_union(annotation):
        return any(is_bytes_sequence(part) for part in arguments_of_type(annotation))
    return is_sequence(annotation) and all(map(is_bytes, arguments_of_type(annotation)))


def _is_sequence_class(annotation: Any) -> bool:
    return not is_subclass(annotation, (str, bytes)) and is_subclass(annotation, _SEQUENCES)


def is_sequence(annotation: Any) -> bool:
    """A list, tuple, set, frozenset or deque, or a union that has one."""
    if is_annotated(annotation):
        return is_sequence(annotation.__origin__)
    if is_union(annotation):
        return any(map(is_sequence, arguments_of_type(annotation)))
    return _is_sequence_class(annotation) or _is_sequence_class(origin_of(annotation))


def is_sequence_value(value: object) -> bool:
    """Whether ``value`` is a sequence that several values of one name make."""
    return isinstance(value, _SEQUENCES) and not isinstance(value, str | bytes)


def _is_complex_class(annotation: Any) -> bool:
    return (
        is_model(annotation)
        or is_subclass(annotation, Mapping)
        or has_class(annotation, "UploadFile")
        or _is_sequence_class(annotation)
        or hasattr(annotation, "__dataclass_fields__")
    )


def is_scalar(annotation: Any) -> bool:
    """Whether one text can be such a value, so that it may stand in a path or query."""
    if annotation is ...:  # of tuple[int, ...]
        return True
    if is_union(annotation):
        return all(map(is_scalar, arguments_of_type(annotation)))
    if is_annotated(annotation):
        return is_scalar(annotation.__origin__)
    origin = origin_of(annotation)
    return not (
        _is_complex_class(annotation)
        or _is_complex_class(origin)
        or hasattr(origin, "__pydantic_core_schema__")
        or hasattr(origin, "__get_pydantic_core_schema__")
    )


def is_scalar_sequence(annotation: Any) -> bool:
    """A sequence of scalars, or a union of such and of scalars."""
    if is_annotated(annotation):
        return is_scalar_sequence(annotation.__origin__)
    if is_union(annotation):
        parts = arguments_of_type(annotation)
        found = [is_scalar_sequence(part) for part in parts]
        rest = (part for part, sequence in zip(parts, found, strict=True) if not sequence)
        return any(found) and all(map(is_scalar, rest))
    return is_sequence(annotation) and all(map(is_scalar, arguments_of_type(annotation)))


def without_none(annotation: Any) -> Any:
    """``X`` of ``X | None``; everything else as it is."""
    if is_union(annotation):
        parts = arguments_of_type(annotation)
        rest = [part for part in parts if part is not type(None)]
        if len(parts) == 2 and len(rest) == 1:
            return rest[0]
    return annotation


def allows_none(annotation: Any) -> bool:
    """Whether ``annotation`` is a union with ``None``."""
    return is_union(annotation) and type(None) in arguments_of_type(annotation)


def model_of(annotation: Any) -> Any:
    """The pydantic model of ``Model`` or ``Model | None``; otherwise ``None``."""
    annotation = without_none(annotation)
    return annotation if is_model(annotation) else None


def is_alias_type(annotation: Any) -> bool:
    """An alias of ``type X = ...`` (PEP 695), also that of typing_extensions."""
    return type(annotation).__name__ == "TypeAliasType"
