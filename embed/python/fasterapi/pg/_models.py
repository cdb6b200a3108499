"""Rows as pydantic models, dataclasses and typed dicts."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Hashable

    from pydantic import TypeAdapter

    from fasterapi._core import Record

__all__ = ["ModelQueries"]

T = TypeVar("T")

ADAPTERS_MAX = 512
"""How many models' validators are kept."""


@functools.lru_cache(maxsize=ADAPTERS_MAX)
def _adapter(model: Hashable) -> TypeAdapter[list[Any]]:
    from pydantic import TypeAdapter

    return TypeAdapter(list[model])  # type: ignore[valid-type]


def models_of(model: type[T], records: list[Record]) -> list[T]:
    """Each record as a ``model``; raises ``pydantic.ValidationError``."""
    if not records:
        return []
    names = tuple(records[0].keys())
    rows = [dict(zip(names, record, strict=True)) for record in records]
    kind: Any = model
    found: list[T] = _adapter(kind).validate_python(rows)
    return found


class ModelQueries:
    """Queries whose rows are validated."""

    __slots__ = ()

    if TYPE_CHECKING:

        def fetch(
            self, query: str, *args: Any, timeout: float | None = None
        ) -> Coroutine[Any, Any, list[Any]]: ...

        def fetchrow(
            self, query: str, *args: Any, timeout: float | None = None
        ) -> Coroutine[Any, Any, Any]: ...

    async def fetch_models(
        self, model: type[T], query: str, *args: Any, timeout: float | None = None
    ) -> list[T]:
        """Run a query and return its rows as instances of ``model``.

        ``model`` is whatever pydantic validates from a mapping: a ``BaseModel``, a dataclass, a
        ``TypedDict`` (before Python 3.12 that of ``typing_extensions``). Columns go to fields by
        name or alias. Raises ``pydantic.ValidationError``, whose locations begin with the number
        of the row, and what ``fetch`` raises.
        """
        return models_of(model, await self.fetch(query, *args, timeout=timeout))

    async def fetch_model(
        self, model: type[T], query: str, *args: Any, timeout: float | None = None
    ) -> T | None:
        """Run a query and return its first row as a ``model``, or ``None``."""
        record = await self.fetchrow(query, *args, timeout=timeout)
        return None if record is None else models_of(model, [record])[0]
