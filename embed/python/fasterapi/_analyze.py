"""What one parameter of a handler or dependency is: from its annotation and default."""

from __future__ import annotations

import sys

from fasterapi import _annotations as types
from fasterapi._fields import ModelField
from fasterapi._signature import EMPTY, Unresolved, Where
from fasterapi.params import Body, Depends, FieldParam, File, Path, Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from fasterapi.exceptions import RouteError

__all__ = ["ParamDetails", "analyze_param"]


class ParamDetails:
    """What a parameter is.

    - ``type_annotation``: the type, without ``Annotated``.
    - ``depends``: the dependency, or ``None``; ``field``: the field, or ``None``.

    Neither is there for what the request itself provides (``Request`` and such).
    """

    __slots__ = ("depends", "field", "type_annotation")

    def __init__(
        self, type_annotation: Any, depends: Depends | None = None, field: ModelField | None = None
    ) -> None:
        """Keep the parts."""
        self.type_annotation = type_annotation
        self.depends = depends
        self.field = field


def analyze_param(
    *,
    param_name: str,
    annotation: Any,
    value: Any,
    path_param_names: Collection[str],
    where: Where | None = None,
) -> ParamDetails:
    """Find out what the parameter is; ``value`` is its default.

    ``EMPTY`` stands for an annotation or a default that is not there. Raises
    ``RouteError`` for what cannot be served.
    """
    return _Analysis(param_name, annotation, value, path_param_names, where).details()


class _Analysis:
    __slots__ = ("base", "in_path", "metadata", "name", "path_names", "value", "where")

    def __init__(
        self,
        name: str,
        annotation: Any,
        value: Any,
        path_names: Collection[str],
        where: Where | None,
    ) -> None:
        self.name = name
        self.value = value
        self.path_names = path_names
        self.in_path = name in path_names
        self.where = where or Where(None)
        if types.is_alias_type(annotation):
            annotation = annotation.__value__
        annotated = types.is_annotated(annotation)
        self.base: Any = annotation.__origin__ if annotated else annotation
        self.metadata: tuple[Any, ...] = annotation.__metadata__ if annotated else ()

    def error(self, problem: str, mend: str) -> RouteError:
        """The error about this parameter, to be raised."""
        return self.where.error(problem, mend, self.name)

    def details(self) -> ParamDetails:
        declared = self._declared()
        depends = self._depends(declared)
        if depends is not None:
            return ParamDetails(self.base, depends)
        if isinstance(self.base, Unresolved):
            raise self.base.route_error(self.where, self.name)
        param = declared if isinstance(declared, FieldParam) else None
        base = self.base
        if types.injected_kind(base) is not None:
            if param is not None or _is_field_info(self.value):
                raise self.error(
                    f"Cannot specify FastAPI annotation for type {base!r}",
                    "Leave the declaration out: the request provides the value",
                )
            return ParamDetails(base)
        if _is_field_info(self.value):
            if param is not None:
                raise self.error(
                    "Cannot specify FastAPI annotations in `Annotated` and default value"
                    f" together for {self.name!r}",
                    "Keep the one in `Annotated` and use `=` for the default",
                )
            field = self._from_default()
        elif param is not None:
            field = self._from_annotated(param)
        else:
            field = self._inferred()
        self._check(field)
        return ParamDetails(base, None, field)

    def _declared(self) -> Any:
        """The last of our own declarations in ``Annotated``."""
        found = [note for note in self.metadata if isinstance(note, FieldParam | Depends)]
        return found[-1] if found else None

    def _depends(self, declared: Any) -> Depends | None:
        in_default = isinstance(self.value, Depends)
        if in_default and isinstance(declared, Depends):
            raise self.error(
                "Cannot specify `Depends` in `Annotated` and default value"
                f" together for {self.name!r}",
                "Keep one of them",
            )
        if in_default and declared is not None:
            raise self.error(
                "Cannot specify a FastAPI annotation in `Annotated` and `Depends` as a"
                f" default value together for {self.name!r}",
                "Keep one of them",
            )
        depends = self.value if in_default else declared
        if not isinstance(depends, Depends):
            return None
        if depends.dependency is not None:
            return depends
        if isinstance(self.base, Unresolved):
            raise self.base.route_error(self.where, self.name)
        if not callable(self.base) or self.base is EMPTY:
            raise self.error(
                f"`{type(depends).__name__}()` names no function, and the annotation is no class",
                "Write Depends(function), or annotate the parameter with a class",
            )
        return depends.with_dependency(self.base)

    def _from_annotated(self, param: FieldParam) -> ModelField:
        """``x: Annotated[int, Query()] = 3``."""
        merged = self._merged(param)
        source = param if merged is None else merged
        kind = type(param).__name__
        if not _is_required(source.default):
            raise self.error(
                f"`{kind}` default value cannot be set in `Annotated` for {self.name!r}",
                "Set the default value with `=` instead",
            )
        if self.value is not EMPTY and self.in_path:
            raise self.error(
                "Path parameters cannot have default values",
                "Remove the default: the path always has the value",
            )
        return self._field(param, self.base, self.metadata, self.value, source)

    def _from_default(self) -> ModelField:
        """``x: int = Query(3)``. What else ``Annotated`` says does not count."""
        param = self.value
        if not isinstance(param, FieldParam):
            raise self.error(
                "non-body parameters must be in path, query, header or cookie:"
                f" {self.name} has pydantic's Field as its default",
                "Use Query, Path, Header, Cookie, Body, Form or File",
            )
        if type(param).__name__ == "ParamFieldInfo":
            param = param.param
        return self._field(param, self.base, (), param.default, param)

    def _inferred(self) -> ModelField:
        """``x: int = 3``: of the path, a file, the body or the query."""
        base = self.base
        default = EMPTY if self.in_path else self.value
        if self.in_path:
            param: FieldParam = Path()
        elif types.is_upload(base) or types.is_upload_sequence(base):
            param = File()
        elif not types.is_scalar(base):
            param = Body()
        else:
            param = Query()
        merged = self._merged(param)
        field = self._field(param, base, self.metadata, default, merged or param)
        if self.in_path:
            field.default_factory = None
            field.required = True
        return field

    def _merged(self, param: FieldParam) -> Any:
        """All that several declarations in ``Annotated`` say, or ``None`` for just one."""
        if not any(note is not param and _is_field_info(note) for note in self.metadata):
            return None
        from fasterapi._field_info import merged_field_info

        return merged_field_info(param, self.base, self.metadata)

    def _field(
        self,
        param: FieldParam,
        annotation: Any,
        metadata: tuple[Any, ...],
        default: Any,
        source: Any,
    ) -> ModelField:
        """The field of ``param``; names and the like are those of ``source``."""
        alias = source.alias
        if not alias and getattr(param, "convert_underscores", False):
            alias = self.name.replace("_", "-")
        only_param = len(metadata) == 1 and metadata[0] is param
        field = ModelField(
            name=self.name,
            param=param,
            annotation=annotation,
            metadata=() if only_param else metadata,
            default=default,
            alias=alias or self.name,
            source=source,
        )
        if isinstance(param, Path):
            choices = getattr(source.validation_alias, "choices", ())
            if all(isinstance(choice, str) for choice in choices):
                found = (choice for choice in choices if choice in self.path_names)
                field.validation_alias = next(found, field.validation_alias)
        return field

    def _check(self, field: ModelField) -> None:
        """Refuse a field that could not be served; build its validator if it needs one."""
        param = field.param
        annotation = field.annotation
        if self.in_path and not isinstance(param, Path):
            raise self.error(
                f"Cannot use `{type(param).__name__}` for path param {self.name!r}",
                "Use Path(), or another name in the path",
            )
        self._build(field)
        if self.in_path and not types.is_scalar(annotation):
            raise self.error(
                "Path params must be of one of the supported types",
                "Use a type that one text can give, such as str, int or UUID",
            )
        if self.in_path or not isinstance(param, Query):
            return
        if (
            types.is_scalar(annotation)
            or types.is_scalar_sequence(annotation)
            or types.model_of(annotation) is not None
        ):
            return
        raise self.error(
            f"Query parameter {self.name!r} must be one of the supported types",
            "Use scalars, a list of scalars, or one pydantic model",
        )

    def _build(self, field: ModelField) -> None:
        from fasterapi._scalar import scalar_of

        if scalar_of(field) is not None:
            return  # no pydantic is needed
        from fasterapi.utils import build_field

        build_field(field, self.where, self.name)


def _is_required(default: Any) -> bool:
    return default is EMPTY or type(default).__name__ == "PydanticUndefinedType"


def _is_field_info(value: Any) -> bool:
    """One of our parameters, or pydantic's ``Field``."""
    if isinstance(value, FieldParam):
        return True
    kind = getattr(sys.modules.get("pydantic.fields"), "FieldInfo", None)
    return kind is not None and isinstance(value, kind)
