"""pydantic models as groups of form fields; unions of them too."""

from __future__ import annotations

from fasterapi._annotations import arguments_of_type, is_annotated, is_model, is_union
from fasterapi._extract import extras_of, value_of
from fasterapi._reading import fields_of_model
from fasterapi._signature import EMPTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from fasterapi._fields import ModelField

__all__ = ["form_items", "is_form_model_given", "union_models", "with_form_validators"]


def form_items(
    fields: Sequence[ModelField], form: Mapping[str, Any]
) -> Iterator[tuple[str, Any, ModelField | None]]:
    """Alias, value and field of all that is there; then what belongs to no field."""
    used: set[str] = set()
    for field in fields:
        reading = field.reading
        for alias, _ in reading.names:
            used.add(alias)
            value = value_of(reading, form, alias, in_form=True)
            if value is not EMPTY:
                yield alias, value, field
                break  # later aliases may be those of other fields
    for key, value in extras_of(form, used):
        yield key, value, None


def is_form_model_given(model: Any, form: Mapping[str, Any]) -> bool:
    """Whether the client has filled in any field of an optional group."""
    names = {alias for field in fields_of_model(model) for alias, _ in field.reading.names}
    takes_extra = model.model_config.get("extra") in ("allow", "forbid")
    return bool(not names.isdisjoint(form) or (takes_extra and form))


def union_models(annotation: Any) -> list[Any]:
    """The models of a union of two or more, ``None`` aside; ``[]`` for all else."""
    if not is_union(annotation):
        return []
    models = []
    for part in arguments_of_type(annotation):
        if part is type(None):
            continue
        model = part.__origin__ if is_annotated(part) else part
        if not is_model(model):
            return []
        models.append(model)
    return models if len(models) > 1 else []


def with_form_validators(annotation: Any) -> Any:
    """A union of models, each of which reads the form's values for itself.

    Whether a value is one or a list depends on the model; the union's members get
    the form as it is and take from it what they need.
    """
    if not union_models(annotation):
        return annotation
    from functools import partial
    from typing import Annotated, Union

    from pydantic import BeforeValidator, Tag

    choices: list[Any] = []
    for part in arguments_of_type(annotation):
        if part is type(None):
            choices.append(part)
            continue
        model, notes = (part.__origin__, part.__metadata__) if is_annotated(part) else (part, ())
        tags = [note for note in notes if isinstance(note, Tag)]
        tag = tags[-1] if tags else Tag(model.__name__)
        reads = BeforeValidator(partial(_for_model, model=model))
        choices.append(Annotated[part, reads, tag])
    return Union[tuple(choices)]  # noqa: UP007 - made of a tuple


def _for_model(value: Any, *, model: Any) -> Any:
    """The form's values as ``model`` wants them; what is no form passes."""
    if not isinstance(value, dict):
        return value
    from fasterapi.datastructures import FormData

    pairs = [
        (key, item)
        for key, items in value.items()
        for item in (items if isinstance(items, list) else [items])
    ]
    found = {alias: item for alias, item, _ in form_items(fields_of_model(model), FormData(pairs))}
    # No form has these; a validator of the user's may.
    found.update(
        (key, item)
        for key, item in value.items()
        if item is None or (isinstance(item, list) and not item)
    )
    return found
