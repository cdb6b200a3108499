"""The body of a route as one field: for the OpenAPI document and to know its kind."""

from __future__ import annotations

from fasterapi._annotations import allows_none
from fasterapi._fields import ModelField
from fasterapi.params import Body, File, Form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["get_body_field"]


def get_body_field(
    *, body_params: list[ModelField], name: str, embed_body_fields: bool
) -> ModelField | None:
    """The field that stands for all of ``body_params``; ``None`` without any.

    Its type, a model named after ``name`` where it combines several, is made when
    someone asks for it. It validates nothing: each parameter does that itself.
    """
    if not body_params:
        return None
    first = body_params[0]
    is_optional_group = any(
        field.reading.form_models and allows_none(field.annotation) for field in body_params
    )
    if not embed_body_fields and not is_optional_group:
        return first
    combined = _Combined(body_params, f"Body_{name}")
    if not embed_body_fields:
        return ModelField(
            name=first.name,
            param=first.param,
            alias=first.alias,
            default=first._default,
            make_info=combined.first_info,
        )
    param = _param_of(body_params)
    field = ModelField(name="body", param=param, alias="body", make_info=combined.body_info)
    combined.param = param
    field.required = any(each.required for each in body_params)
    if not field.required:
        field._default = None
    return field


def _param_of(fields: list[ModelField]) -> Body:
    """What the combined body is declared as."""
    params = [field.param for field in fields]
    if any(isinstance(param, File) for param in params):
        return File(alias="body")
    kind = Form if any(isinstance(param, Form) for param in params) else Body
    media_types = [param.media_type for param in params if isinstance(param, kind)]
    if kind is Form and "multipart/form-data" in media_types:
        return kind(alias="body", media_type="multipart/form-data")
    if len(set(media_types)) == 1:
        return kind(alias="body", media_type=media_types[0])
    return kind(alias="body")


class _Combined:
    """Makes the model of several body parameters."""

    __slots__ = ("fields", "name", "param")

    def __init__(self, fields: list[ModelField], name: str) -> None:
        self.fields = fields
        self.name = name
        self.param: Body | None = None

    def body_info(self) -> Any:
        """The ``FieldInfo`` of the combined body."""
        from fasterapi._field_info import ParamFieldInfo

        assert self.param is not None
        info = ParamFieldInfo(self.param)
        info.annotation = self.model()
        if not any(field.required for field in self.fields):
            info.default = None
        return info

    def first_info(self) -> Any:
        """That of the only field, its optional group of form fields made one model."""
        from copy import copy

        info = copy(self.fields[0].field_info)
        info.annotation = self.model()
        info.metadata = []
        info.discriminator = None
        return info

    def model(self) -> Any:
        """The model whose members are the parameters."""
        from pydantic import create_model

        fields = self.fields
        if any(field.reading.form_models for field in fields):
            from fasterapi._form_schema import combined_form_model

            return combined_form_model(self.name, fields)
        members: Any = {
            field.name: (field.field_info.annotation, field.field_info) for field in fields
        }
        return create_model(self.name, **members)
