"""What a handler answers, told from its return annotation."""

from __future__ import annotations

from fasterapi._signature import EMPTY, Where, _annotations, _resolved, innermost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi._fields import ModelField

__all__ = ["is_surely_valid", "response_field", "response_model_of", "return_annotation"]

_PLAIN = (str, int, float, bool, bytes, dict, list, tuple, set, frozenset, object, type(None))
_STREAMS = frozenset(
    {
        "AsyncGenerator",
        "AsyncIterable",
        "AsyncIterator",
        "Generator",
        "Iterable",
        "Iterator",
    }
)


def return_annotation(endpoint: Any) -> Any:
    """The return annotation, resolved; ``EMPTY`` if there is none."""
    function = innermost(endpoint)
    if not hasattr(function, "__annotations__"):
        return EMPTY
    where = Where(endpoint)
    annotation = _annotations(function, where).get("return", EMPTY)
    return _resolved(annotation, function, where, "return")


def response_model_of(endpoint: Any, is_generator: bool, serialises_items: bool) -> tuple[Any, Any]:
    """The response model and the type of a stream's items; ``None`` for none.

    A ``Response`` as annotation is no model. Items have a type only where they are
    serialised (``serialises_items``): not when a response class takes raw chunks.
    """
    annotation = return_annotation(endpoint)
    if annotation is EMPTY or annotation is None or _is_class(annotation, "Response"):
        return None, None
    if is_generator and _is_stream(annotation):
        item = next(iter(getattr(annotation, "__args__", ())), None)
        if not serialises_items or _is_class(item, "ServerSentEvent"):
            return None, None
        return None, item
    return annotation, None


def _is_stream(annotation: Any) -> bool:
    origin = getattr(annotation, "__origin__", annotation)
    return getattr(origin, "__name__", "") in _STREAMS and getattr(origin, "__module__", "") in (
        "collections.abc",
        "typing",
    )


def _is_class(annotation: Any, name: str) -> bool:
    """Whether it is our class ``name``, or Starlette's, or one made from them."""
    return isinstance(annotation, type) and any(
        base.__name__ == name and base.__module__.partition(".")[0] in ("fasterapi", "starlette")
        for base in getattr(annotation, "__mro__", ())
    )


def is_surely_valid(annotation: Any) -> bool:
    """Whether Pydantic can surely make a field of it, so that it may wait."""
    if annotation is None or annotation in _PLAIN if _is_hashable(annotation) else False:
        return True
    if getattr(annotation, "__pydantic_complete__", False) is True:
        return True
    origin = getattr(annotation, "__origin__", None)
    if origin in (list, dict, tuple, set, frozenset):
        parts = (part for part in annotation.__args__ if part is not ...)
        return all(map(is_surely_valid, parts))
    return False


def _is_hashable(value: Any) -> bool:
    return getattr(type(value), "__hash__", None) is not None


def response_field(name: str, model: Any) -> ModelField | None:
    """The field that serialises ``model``; ``None`` for no model, or without Pydantic.

    Raises ``FastAPIError`` when Pydantic can make no field of it.
    """
    if not model or not _has_pydantic():
        return None
    from pydantic import PydanticSchemaGenerationError

    from fasterapi._annotations import is_v1_model
    from fasterapi._fields import ModelField
    from fasterapi.exceptions import FastAPIError, PydanticV1NotSupportedError

    if is_v1_model(model):
        raise PydanticV1NotSupportedError(
            f"pydantic.v1 models are no longer supported. Update the response model {model!r}."
        )
    field = ModelField(name=name, mode="serialization", annotation=model)
    if not is_surely_valid(model):
        try:
            _ = field.type_adapter
        except PydanticSchemaGenerationError:
            raise FastAPIError(
                f"Invalid args for response field! {model!r} is not a valid Pydantic field type. "
                "If it is meant for type checkers only, give the decorator the "
                "parameter response_model=None."
            ) from None
    return field


def _has_pydantic() -> bool:
    try:
        import pydantic  # noqa: F401
    except ImportError:
        return False
    return True
