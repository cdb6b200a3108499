"""Small parts that several modules share, under the names that FastAPI gives them."""

from __future__ import annotations

from fasterapi._dependant import get_path_param_names
from fasterapi._fields import ModelField
from fasterapi._signature import EMPTY, Where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from fasterapi.routing import APIRoute

__all__ = [
    "build_field",
    "create_model_field",
    "deep_dict_update",
    "generate_unique_id",
    "get_path_param_names",
    "get_value_or_default",
    "is_body_allowed_for_status_code",
]

_RANGES = frozenset(("default", "1XX", "2XX", "3XX", "4XX", "5XX"))
_PLAIN = frozenset((str, int, float, bool, bytes, dict, list, tuple, set, frozenset, type(None)))

_INVALID = (
    "Invalid args for response field! Hint: check that {annotation} is a valid Pydantic field type"
)
_MEND_RESPONSE = (
    "If it is what a route returns (such as Response | dict), give the decorator "
    "response_model=None, and no response model is made of it"
)
_MEND_PARAMETER = "Use a type that pydantic knows, or give the class __get_pydantic_core_schema__"


def is_body_allowed_for_status_code(status_code: int | str | None) -> bool:
    """Whether an answer of that status may have a body (RFC 9110, section 6.4.1)."""
    if status_code is None or status_code in _RANGES:
        return True
    code = int(status_code)
    return not (code < 200 or code in (204, 205, 304))


def create_model_field(
    name: str,
    type_: Any,
    default: Any = EMPTY,
    field_info: Any = None,
    alias: str | None = None,
    mode: Literal["validation", "serialization"] = "validation",
) -> ModelField:
    """A field of type ``type_``; raises ``RouteError`` when pydantic cannot handle it.

    The validator of a plain type (``dict[str, int]``) is made on its first use.
    """
    if field_info is not None:
        field = ModelField(field_info, name, mode, alias=alias)
    else:
        field = ModelField(name=name, mode=mode, annotation=type_, default=default, alias=alias)
    if field_info is not None or not _is_plain(type_):
        build_field(field, Where(None))
    return field


def _is_plain(annotation: Any) -> bool:
    from fasterapi import _annotations as types

    if annotation in (EMPTY, None) or (isinstance(annotation, type) and annotation in _PLAIN):
        return True
    is_known = types.is_union(annotation) or types.origin_of(annotation) in _PLAIN
    return is_known and all(map(_is_plain, types.arguments_of_type(annotation)))


def build_field(field: ModelField, where: Where, parameter: str | None = None) -> None:
    """Make the field's validator now, so that a mistake shows when the program starts.

    Raises ``RouteError``, or ``PydanticV1NotSupportedError`` for models of version 1.
    """
    from fasterapi._annotations import is_v1_model

    if is_v1_model(field.annotation):
        from fasterapi.exceptions import PydanticV1NotSupportedError

        raise PydanticV1NotSupportedError(
            "pydantic.v1 models are no longer supported by FastAPI."
            f" Please update the response model {field.annotation!r}."
        )
    try:
        from pydantic import PydanticSchemaGenerationError, PydanticUndefinedAnnotation
        from pydantic_core import SchemaError
    except ModuleNotFoundError:
        raise where.error(
            f"{field.annotation!r} needs pydantic, which is not installed",
            "Install it: pip install pydantic",
            parameter,
        ) from None
    mend = _MEND_RESPONSE if parameter is None else _MEND_PARAMETER
    try:
        field._validate = field.validator.validate_python
    except PydanticSchemaGenerationError:
        problem = _INVALID.format(annotation=field.annotation)
        raise where.error(problem, mend, parameter) from None
    except (SchemaError, TypeError) as error:
        detail = " ".join(str(error).split())
        problem = f"pydantic can make no validator of {field.annotation!r}: {detail}"
        raise where.error(problem, "Use constraints that the type can have", parameter) from None
    except PydanticUndefinedAnnotation as error:
        raise where.error(
            f"the type {field.annotation!r} names {error.name!r}, which is not defined",
            "Define it before the route, or call model_rebuild() when it is",
            parameter,
        ) from error


def generate_unique_id(route: APIRoute) -> str:
    """The operation's identifier in the OpenAPI document: name, path and method."""
    assert route.methods
    text = f"{route.name}{route.path_format}"
    # As `\W` in a regular expression, without importing one.
    safe = "".join(part if part.isalnum() or part == "_" else "_" for part in text)
    return f"{safe}_{next(iter(route.methods)).lower()}"


def deep_dict_update(main_dict: dict[Any, Any], update_dict: dict[Any, Any]) -> None:
    """Merge ``update_dict`` into ``main_dict``: dicts are merged, lists joined."""
    from fasterapi.openapi._merge import merge

    merge(main_dict, update_dict)


def get_value_or_default(first_item: Any, *extra_items: Any) -> Any:
    """The first that is no ``DefaultPlaceholder``; the very first if all are."""
    from fasterapi.datastructures import DefaultPlaceholder

    for item in (first_item, *extra_items):
        if not isinstance(item, DefaultPlaceholder):
            return item
    return first_item
