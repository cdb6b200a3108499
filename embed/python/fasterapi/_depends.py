"""Dependencies as they are declared: ``Depends`` and ``Security``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Literal

    from fasterapi._concurrency_limit import DependencyConcurrency

__all__ = ["Depends", "Security"]


class _DataclassFields:
    """Lets ``dataclasses.replace`` work; nobody who does not use it imports that module."""

    def __get__(self, instance: object, owner: type[Depends]) -> Any:
        from dataclasses import make_dataclass

        return vars(make_dataclass(owner.__name__, owner._names()))["__dataclass_fields__"]


class Depends:
    """A value that a function of the user makes.

    ``scope`` says when a ``yield`` dependency ends: ``"function"`` before the
    answer is sent, ``"request"`` after. ``max_concurrency`` bounds how many calls
    of this declaration run at once, in each event loop.
    """

    __slots__ = ("_concurrency", "dependency", "max_concurrency", "scope", "use_cache")

    dependency: Callable[..., Any] | None
    use_cache: bool
    scope: Literal["function", "request"] | None
    max_concurrency: int | None
    _concurrency: DependencyConcurrency | None

    __dataclass_fields__ = _DataclassFields()

    def __init__(
        self,
        dependency: Callable[..., Any] | None = None,
        use_cache: bool = True,
        scope: Literal["function", "request"] | None = None,
        *,
        max_concurrency: int | None = None,
        _concurrency: DependencyConcurrency | None = None,
    ) -> None:
        """Raises ``ValueError`` unless ``max_concurrency`` is a positive integer."""
        self._set("dependency", dependency)
        self._set("use_cache", use_cache)
        self._set("scope", scope)
        self._set("max_concurrency", max_concurrency)
        if max_concurrency is None:
            _concurrency = None
        elif type(max_concurrency) is not int or max_concurrency < 1:
            raise ValueError("max_concurrency must be a positive integer or None")
        elif _concurrency is None or _concurrency.max_concurrency != max_concurrency:
            from fasterapi._concurrency_limit import DependencyConcurrency

            _concurrency = DependencyConcurrency(max_concurrency)
        self._set("_concurrency", _concurrency)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        """A declaration does not change; it may be shared by many functions."""
        raise AttributeError(f"{type(self).__name__} is immutable: cannot assign to {name!r}")

    def _key(self) -> tuple[Any, ...]:
        return (
            self.dependency,
            self.use_cache,
            self.scope,
            self.max_concurrency,
            self._concurrency,
        )

    def with_dependency(self, dependency: Callable[..., Any]) -> Depends:
        """The same for ``dependency``, sharing the limit of concurrency."""
        return type(self)(
            dependency,
            self.use_cache,
            self.scope,
            max_concurrency=self.max_concurrency,
            _concurrency=self._concurrency,
        )

    def __eq__(self, other: object) -> bool:
        """Equal when all parts are."""
        if type(other) is not type(self):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        """By the parts; a declaration may stand in ``Annotated``."""
        return hash(self._key())

    def __reduce__(self) -> Any:
        """For copy and pickle, which would otherwise assign the attributes."""
        return (_rebuild, (type(self), {name: getattr(self, name) for name in self._names()}))

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return ("dependency", "use_cache", "scope", "max_concurrency", "_concurrency")

    def __repr__(self) -> str:
        """All parts but the semaphore."""
        parts = (f"{name}={getattr(self, name)!r}" for name in self._names()[:4])
        return f"{type(self).__name__}({', '.join(parts)})"


class Security(Depends):
    """A dependency that declares OAuth2 scopes."""

    __slots__ = ("scopes",)

    scopes: Sequence[str] | None

    def __init__(
        self,
        dependency: Callable[..., Any] | None = None,
        use_cache: bool = True,
        scope: Literal["function", "request"] | None = None,
        scopes: Sequence[str] | None = None,
        *,
        max_concurrency: int | None = None,
        _concurrency: DependencyConcurrency | None = None,
    ) -> None:
        """As ``Depends``."""
        super().__init__(
            dependency,
            use_cache,
            scope,
            max_concurrency=max_concurrency,
            _concurrency=_concurrency,
        )
        self._set("scopes", scopes)

    def _key(self) -> tuple[Any, ...]:
        return (*super()._key(), self.scopes)

    def with_dependency(self, dependency: Callable[..., Any]) -> Security:
        """The same for ``dependency``."""
        return type(self)(
            dependency,
            self.use_cache,
            self.scope,
            self.scopes,
            max_concurrency=self.max_concurrency,
            _concurrency=self._concurrency,
        )

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return (*super()._names(), "scopes")


def _rebuild(kind: type[Depends], parts: dict[str, Any]) -> Depends:
    return kind(**parts)
