"""Answers ``import starlette.x`` where Starlette is not installed.

An installed Starlette is used as it is: the finder that leads here stands at the
end of ``sys.meta_path``, so that it is asked only for what nobody else has. A module
of this table forwards each name to the modules of ours that stand beside it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

__all__ = ["VERSION", "find_spec"]

# The Starlette whose interface is followed.
VERSION = "1.10.0"

_PACKAGES = ("", "middleware")

# Starlette's modules, and where their names are found, the first place first.
_HOMES: dict[str, tuple[str, ...]] = {
    "": (),
    "applications": ("_starlette.applications",),
    "authentication": ("authentication", "middleware.authentication"),
    "background": ("background",),
    "concurrency": ("concurrency",),
    "config": ("config",),
    "convertors": ("convertors",),
    "datastructures": ("datastructures", "config", "routing"),
    "endpoints": ("endpoints",),
    "exceptions": ("exceptions", "websockets"),
    "middleware": ("middleware",),
    "middleware.authentication": ("middleware.authentication",),
    "middleware.base": ("middleware.base",),
    "middleware.cors": ("middleware.cors",),
    "middleware.errors": ("middleware.errors",),
    "middleware.exceptions": ("middleware.exceptions",),
    "middleware.gzip": ("middleware.gzip",),
    "middleware.httpsredirect": ("middleware.httpsredirect",),
    "middleware.sessions": ("middleware.sessions",),
    "middleware.trustedhost": ("middleware.trustedhost",),
    "middleware.wsgi": ("middleware.wsgi",),
    "requests": ("requests",),
    "responses": ("responses",),
    "routing": ("routing", "websockets"),
    "staticfiles": ("staticfiles",),
    "status": ("status",),
    "templating": ("templating",),
    "testclient": ("testclient",),
    "types": ("_starlette.types",),
    "websockets": ("websockets",),
}


def find_spec(name: str) -> ModuleSpec | None:
    """How to load ``starlette`` or ``starlette.x`` from ours.

    ``None`` within a Starlette that is installed but has no such module: that is its
    own affair. Raises ``ImportError`` for a module that FasterAPI does not have.
    """
    package = sys.modules.get("starlette")
    inner = name.partition(".")[2]
    if inner and package is not None and not isinstance(package, _Names):
        return None
    if inner not in _HOMES:
        raise _missing(name)
    loader: Any = _Loader()
    return ModuleSpec(name, loader, origin="fasterapi", is_package=inner in _PACKAGES)


class _Names(ModuleType):
    """One of Starlette's modules: finds each name where it is when it is first used."""

    def __getattr__(self, name: str) -> Any:
        inner = self.__name__.partition(".")[2]
        if name == "__all__":
            return sorted(set().union(*(_public(module) for module in _homes(inner))))
        # `from package import module` asks for the attribute first.
        is_module = inner in _PACKAGES and f"{inner}.{name}".lstrip(".") in _HOMES
        if name[:2] == "__" or is_module:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name)
        for module in _homes(inner):
            if hasattr(module, name):
                value = getattr(module, name)
                setattr(self, name, value)
                return value
        raise _missing(f"{self.__name__}.{name}")

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *self.__all__})


class _Loader:
    """Makes empty modules, for their names are found later."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _Names(spec.name)
        if spec.name == "starlette":
            vars(module)["__version__"] = VERSION
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Refuse a module whose place with us is empty, while it is imported."""
        inner = module.__name__.partition(".")[2]
        if inner and next(_homes(inner), None) is None:
            raise _missing(module.__name__)


def _homes(inner: str) -> Iterator[ModuleType]:
    """Our modules that have the names of one of Starlette's, imported one by one."""
    for place in _HOMES[inner]:
        name = f"fasterapi.{place}"
        try:
            yield import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise


def _public(module: ModuleType) -> Sequence[str]:
    return getattr(module, "__all__", None) or [name for name in vars(module) if name[0] != "_"]


def _missing(name: str) -> ImportError:
    return ImportError(
        f"FasterAPI stands in for Starlette here and has no {name}: pip install starlette",
        name=name,
    )
