"""One value that comes in or goes out: its name, its type and its validator.

Nothing of pydantic is imported before a value must be validated, or someone asks
for ``field_info`` or ``type_adapter``.
"""

from __future__ import annotations

from copy import deepcopy

from fasterapi._signature import EMPTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    from fasterapi._reading import FieldReading
    from fasterapi.params import FieldParam

    Location = tuple[int | str, ...]
    Errors = list[dict[str, Any]]

__all__ = ["ModelField", "Undefined", "errors_of", "missing_error"]

# "No value", in bodies and defaults.
Undefined = EMPTY

_IMMUTABLE = frozenset((str, int, float, bool, bytes, type(None)))


def missing_error(loc: Location) -> dict[str, Any]:
    """Pydantic's error for a value that is not there."""
    return {"type": "missing", "loc": loc, "msg": "Field required", "input": None}


def errors_of(error: Any, loc: Location = ()) -> Errors:
    """The entries of a ``ValidationError``, their places put below ``loc``."""
    return [{**entry, "loc": (*loc, *entry["loc"])} for entry in error.errors(include_url=False)]


class ModelField:
    """A parameter, a field of a body, or what a route answers.

    - ``name``: in Python; ``alias``, ``validation_alias``, ``serialization_alias``:
      of the outside (the latter two ``None`` unless they are texts).
    - ``param``: what was declared (``fasterapi.params``), or ``None``.
    - ``annotation``: the type, without ``Annotated``; ``metadata``: what stood there.
    - ``required``: whether it has no default; ``mode``: ``"validation"`` or
      ``"serialization"``; ``config``: pydantic's, for the fields of a model.

    Made from pydantic's ``field_info``, from ``make_info``, which makes one when it is
    wanted, or from the other parts.
    """

    __slots__ = (
        *("_adapter", "_default", "_info", "_make_info", "_names", "_reading", "_validate"),
        "alias",
        *("annotation", "config", "default_factory", "metadata", "mode", "name", "param"),
        *("required", "serialization_alias", "validate_default", "validation_alias"),
    )

    def __init__(
        self,
        field_info: Any = None,
        name: str = "",
        mode: Literal["validation", "serialization"] = "validation",
        config: Any = None,
        *,
        param: FieldParam | None = None,
        annotation: Any = EMPTY,
        metadata: tuple[Any, ...] = (),
        default: Any = EMPTY,
        alias: str | None = None,
        source: Any = None,
        make_info: Callable[[], Any] | None = None,
    ) -> None:
        """Keep the parts; nothing is built yet.

        ``source`` has the attributes that ``param`` usually has, where several
        declarations are to be seen as one.
        """
        self.name = name
        self.mode = mode
        self.config = config
        self.param = param
        self.metadata = metadata
        self._make_info = make_info
        self._info = field_info
        self._adapter: Any = None
        self._validate: Callable[..., Any] | None = None
        self._reading: FieldReading | None = None
        source = source or (field_info if field_info is not None else param)
        self._names: Any = getattr(source, "validation_alias", None)
        self.default_factory = getattr(source, "default_factory", None)
        self.validate_default = bool(getattr(source, "validate_default", None))
        self.validation_alias = _text(self._names)
        self.serialization_alias = _text(getattr(source, "serialization_alias", None))
        if field_info is not None:
            annotation, default = field_info.annotation, field_info.default
            alias = alias or field_info.alias
            self.param = getattr(field_info, "param", None)
            self.metadata = tuple(field_info.metadata)
        self.annotation = annotation
        self.alias: str = name if alias is None else alias
        self._default = EMPTY if _is_undefined(default) else default
        self.required = self._default is EMPTY and self.default_factory is None

    @property
    def field_info(self) -> Any:
        """Pydantic's ``FieldInfo``."""
        if self._info is None:
            self._info = self._new_info()
        return self._info

    def _new_info(self) -> Any:
        if self._make_info is not None:
            return self._make_info()
        from fasterapi._field_info import field_info_of

        return field_info_of(self)

    @property
    def type_adapter(self) -> Any:
        """Pydantic's ``TypeAdapter`` of the type with all its constraints."""
        if self._adapter is None:
            from fasterapi._field_info import type_adapter_of

            self._adapter = type_adapter_of(self.field_info, self.config)
        return self._adapter

    @property
    def _type_adapter(self) -> Any:
        # The name that FastAPI gives it.
        return self.type_adapter

    @property
    def validator(self) -> Any:
        """pydantic-core's validator: that of the model itself where it says the same."""
        annotation = self.annotation
        if self.config is None and self._make_info is None and not self._has_constraints():
            from fasterapi._annotations import is_model

            if is_model(annotation) and annotation.__pydantic_complete__:
                return annotation.__pydantic_validator__
        return self.type_adapter.validator

    def _has_constraints(self) -> bool:
        if self._info is not None:
            return bool(self._info.metadata or self._info.discriminator)
        param = self.param
        declared = param is not None and bool(param.constraints or param.discriminator)
        return declared or any(note is not param for note in self.metadata)

    @property
    def reading(self) -> FieldReading:
        """How the value is found in a request."""
        if self._reading is None:
            from fasterapi._reading import FieldReading

            self._reading = FieldReading(self)
        return self._reading

    @property
    def default(self) -> Any:
        """As ``get_default()``."""
        return self.get_default()

    def get_default(self) -> Any:
        """The default, new each time if it can be changed; ``Undefined`` if required."""
        if self.default_factory is not None:
            return self.default_factory()
        default = self._default
        return default if type(default) in _IMMUTABLE or default is EMPTY else deepcopy(default)

    def validate(self, value: Any, values: Any = None, *, loc: Location = ()) -> tuple[Any, Errors]:
        """The value as the type wants it, and no errors; or ``None`` and the errors.

        ``loc`` is put before the place of each error. ``values`` is not used; a
        tuple there is taken as ``loc``.
        """
        validate = self._validate
        if validate is None:
            validate = self._validate = self._new_validate()
        try:
            return validate(value, from_attributes=True), []
        except ValueError as error:
            if not hasattr(error, "errors"):
                raise
            return None, errors_of(error, values if isinstance(values, tuple) else loc)

    def _new_validate(self) -> Callable[..., Any]:
        try:
            validate: Callable[..., Any] = self.validator.validate_python
        except ModuleNotFoundError:
            from fasterapi._plain_values import plain_validator

            plain = plain_validator(self)
            if plain is None:
                raise
            return plain
        return validate

    def validate_or_default(self, value: Any, loc: Location) -> tuple[Any, Errors]:
        """As ``validate``; for ``Undefined`` the default, or the error that it is missing."""
        if value is EMPTY:
            if self.required:
                return None, [missing_error(loc)]
            value = self.get_default()
            if not self.validate_default:
                return value, []
        return self.validate(value, loc=loc)

    def validate_json(self, raw: bytes, loc: Location = ("body",)) -> tuple[Any, Errors]:
        """As ``validate``, of a JSON document, in pydantic's JSON mode if it accepts it.

        That mode is laxer than FastAPI's with strict types and in unions (see
        ``_json_mode``); errors are those of the parsed document. Raises
        ``json.JSONDecodeError``.
        """
        try:
            return self.validator.validate_json(raw), []
        except ValueError:
            from json import loads

            return self.validate(loads(raw), loc=loc)

    def serialize(
        self, value: Any, *, mode: Literal["json", "python"] = "json", **options: Any
    ) -> Any:
        """``value`` as plain objects; ``options`` are those of ``TypeAdapter.dump_python``."""
        options.setdefault("by_alias", True)
        return self.type_adapter.dump_python(value, mode=mode, **options)

    def serialize_json(self, value: Any, **options: Any) -> bytes:
        """``value`` as JSON; ``options`` are those of ``TypeAdapter.dump_json``."""
        options.setdefault("by_alias", True)
        result: bytes = self.type_adapter.dump_json(value, **options)
        return result

    def __repr__(self) -> str:
        """Name, type and whether it is required."""
        parts = f"name={self.name!r}, annotation={self.annotation!r}, required={self.required}"
        return f"ModelField({parts}, mode={self.mode!r})"


def _text(alias: Any) -> str | None:
    return alias if isinstance(alias, str) and alias else None


def _is_undefined(value: object) -> bool:
    return value is EMPTY or value is ... or type(value).__name__ == "PydanticUndefinedType"
