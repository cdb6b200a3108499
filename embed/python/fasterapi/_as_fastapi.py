"""Serves programs written for FastAPI: their ``import fastapi[.x]`` is answered with ours.

Both names stand for the same module objects, so that ``fastapi.FastAPI`` is
``fasterapi.FastAPI``. What FastAPI has and we lack is one sentence that names it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

__all__ = ["NotInFasterAPI", "install", "lacking"]


class NotInFasterAPI(ModuleNotFoundError):
    """The program imports a module of FastAPI's that FasterAPI does not have."""


class _Finder:
    """Stands first on ``sys.meta_path``: an installed FastAPI is hidden."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """How to load ``fastapi`` or ``fastapi.x``; raises ``NotInFasterAPI``."""
        if name != "fastapi" and not name.startswith("fastapi."):
            return None
        if find_spec(_ours(name)) is None:
            raise NotInFasterAPI(_sentence(name), name=name)
        loader: Any = _Loader()
        return ModuleSpec(name, loader, origin="fasterapi")


class _Loader:
    """Puts our module in the place of the one that is being imported."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Let the import make a module of its own, which is dropped again."""

    def exec_module(self, module: ModuleType) -> None:
        # The import system takes what it finds in sys.modules afterwards.
        sys.modules[module.__name__] = import_module(_ours(module.__name__))


def install() -> None:
    """Answer ``import fastapi`` in this interpreter from now on.

    Raises ``RuntimeError`` when FastAPI itself has been imported already.
    """
    import fasterapi

    if sys.modules.get("fastapi", fasterapi) is not fasterapi:
        raise RuntimeError("FastAPI has been imported already, so its name cannot be taken")
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def lacking(error: BaseException) -> str | None:
    """The sentence for an error that comes of something we lack, or ``None``."""
    if isinstance(error, NotInFasterAPI):
        return str(error)
    if isinstance(error, ImportError):
        import re

        # `error.name_from` came with Python 3.12.
        found = re.match(r"cannot import name '(\w+)' from 'fasterapi(.*?)'", str(error))
        return found and _sentence(f"fastapi{found[2]}.{found[1]}")
    if isinstance(error, AttributeError):
        holder = getattr(error.obj, "__spec__", None) and getattr(error.obj, "__name__", "")
        if holder and holder.partition(".")[0] == "fasterapi":
            return _sentence(f"fastapi{holder.removeprefix('fasterapi')}.{error.name}")
    return None


def _ours(name: str) -> str:
    return "fasterapi" + name.removeprefix("fastapi")


def _sentence(name: str) -> str:
    return f"this program uses {name}, which FasterAPI does not have"
