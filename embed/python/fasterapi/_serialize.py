"""From what a handler returned to what is sent."""

from __future__ import annotations

from fasterapi.exceptions import ResponseValidationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi._fields import ModelField
    from fasterapi.exceptions import EndpointContext

__all__ = ["Serializer", "serialize_response"]


class Serializer:
    """A response model and how it is written; without one, any value.

    ``options`` are those of Pydantic's serialisers that are not as by default.
    """

    __slots__ = ("field", "options")

    def __init__(self, field: ModelField | None, **options: Any) -> None:
        """Keep the parts."""
        self.field = field
        self.options = {
            name: value
            for name, value in options.items()
            if name == "by_alias" or (value is not None and value is not False)
        }

    async def content(
        self,
        value: Any,
        context: EndpointContext | None,
        *,
        in_thread: bool = False,
        as_json: bool = True,
    ) -> Any:
        """JSON as bytes if there is a model and ``as_json``; otherwise plain objects.

        A handler that ran in a thread has its result validated in one, too
        (``in_thread``). Raises ``ResponseValidationError``.
        """
        if self.field is None:
            from fasterapi.encoders import jsonable_encoder

            return jsonable_encoder(value)
        if in_thread:
            from fasterapi.concurrency import run_in_threadpool

            value = await run_in_threadpool(self.validated, value, context)
        else:
            value = self.validated(value, context)
        write = self.field.serialize_json if as_json else self.field.serialize
        return write(value, **self.options)

    def validated(self, value: Any, context: EndpointContext | None) -> Any:
        """``value`` as the model has it; raises ``ResponseValidationError``."""
        assert self.field is not None
        valid, errors = self.field.validate(value, {}, loc=("response",))
        if errors:
            raise ResponseValidationError(errors, body=value, endpoint_ctx=context)
        return valid

    def json(self, value: Any, context: EndpointContext | None) -> bytes:
        """One value of a stream as JSON; raises ``ResponseValidationError``."""
        if self.field is not None:
            return self.field.serialize_json(self.validated(value, context), **self.options)
        from json import dumps

        from fasterapi.encoders import jsonable_encoder

        return dumps(_finite(jsonable_encoder(value))).encode()


def _finite(value: Any) -> Any:
    """NaN and infinities, which JSON has not, as ``None``; as Pydantic writes them."""
    if isinstance(value, float):
        return value if value - value == 0.0 else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value


async def serialize_response(
    *,
    field: ModelField | None = None,
    response_content: Any,
    include: Any = None,
    exclude: Any = None,
    by_alias: bool = True,
    exclude_unset: bool = False,
    exclude_defaults: bool = False,
    exclude_none: bool = False,
    is_coroutine: bool = True,
    endpoint_ctx: EndpointContext | None = None,
    dump_json: bool = False,
) -> Any:
    """``response_content`` by the response model ``field``; FastAPI's own interface."""
    serializer = Serializer(
        field,
        include=include,
        exclude=exclude,
        by_alias=by_alias,
        exclude_unset=exclude_unset,
        exclude_defaults=exclude_defaults,
        exclude_none=exclude_none,
    )
    return await serializer.content(
        response_content, endpoint_ctx, in_thread=not is_coroutine, as_json=dump_json
    )
