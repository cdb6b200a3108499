"""Kinds of path parameters: those that there are, and how to add one."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from fasterapi._path import CONVERTERS

__all__ = ["CONVERTOR_TYPES", "Convertor", "register_url_convertor"]

T = TypeVar("T")

# By the name that stands in a path: ``int`` in ``/items/{id:int}``.
CONVERTOR_TYPES: dict[str, Any] = CONVERTERS


class Convertor(Generic[T]):
    """A kind of path parameter of your own: ``regex`` matches its text, without groups."""

    regex: ClassVar[str] = ""

    def convert(self, value: str) -> T:
        """The value for the handler, of a text that ``regex`` matches."""
        raise NotImplementedError

    def to_string(self, value: T) -> str:
        """The text for a URL."""
        raise NotImplementedError


def register_url_convertor(key: str, convertor: Convertor[Any]) -> None:
    """Let ``{name:key}`` stand in paths that are registered from now on.

    Such a path is matched in Python, where built-in kinds are matched in Rust.
    """
    CONVERTOR_TYPES[key] = convertor
