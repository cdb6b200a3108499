"""Types for annotations, under the names that FastAPI gives them."""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from enum import Enum

    from pydantic import BaseModel

    ModelNameMap = dict[type[BaseModel | Enum], str]
else:
    ModelNameMap = dict[type, str]

__all__ = ["DecoratedCallable", "DependencyCacheKey", "IncEx", "ModelNameMap", "UnionType"]

DecoratedCallable = TypeVar("DecoratedCallable", bound=Callable[..., Any])

# What makes two dependencies the same for one request: callable, scopes, scope of yield.
DependencyCacheKey = tuple[Callable[..., Any] | None, tuple[str, ...], str]

# Fields to include or exclude, as pydantic takes them.
IncEx = set[int] | set[str] | dict[int, Any] | dict[str, Any]
