"""Finds the application that a command line names.

A target is ``package.module:attribute``, ``package.module``, ``path/to/file.py``
or ``path/to/file.py:attribute``; ``attribute()`` calls a function that makes the
application.
"""

from __future__ import annotations

import importlib
import os
import sys

from fasterapi.applications import FasterAPI
from fasterapi.exceptions import RouteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from traceback import FrameSummary
    from types import ModuleType, TracebackType
    from typing import Any

__all__ = ["TargetError", "load_target"]

# What of several applications is served when none is named, the first first.
_USUAL_NAMES = ("app", "api")

_FASTAPI_HINT = (
    " The application is FastAPI's own: import from fasterapi instead, or use --as-fastapi."
)


class TargetError(Exception):
    """The target cannot be served; one clear sentence for the person who typed it.

    ``traceback`` is the user's own, as text without FasterAPI's frames, when the
    error came out of their code; otherwise ``None``.
    """

    def __init__(self, message: str, traceback: str | None = None) -> None:
        """Keep the sentence and the traceback."""
        super().__init__(message)
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        """The traceback, if there is one, and then the sentence."""
        return self.message if self.traceback is None else f"{self.traceback}{self.message}"


def load_target(target: str, app_dir: str = ".", as_fastapi: bool = False) -> FasterAPI:
    """Import what ``target`` names, with ``app_dir`` first on ``sys.path``.

    ``as_fastapi`` answers the program's ``import fastapi`` with FasterAPI. Raises
    ``TargetError``; ``KeyboardInterrupt`` and ``SystemExit`` pass through.
    """
    if as_fastapi:
        from fasterapi._as_fastapi import install

        install()
    place, attribute = _split(target)
    path = None
    if _is_file(place):
        path, name = _module_of_file(place, app_dir)
    else:
        _prepend(os.path.abspath(app_dir))
        name = place
        if not all(part.isidentifier() for part in name.split(".")):
            raise TargetError(f"{name!r} is not the name of a module.")
    module = _import(name, app_dir)
    if path is not None:
        _check_origin(module, path)
    if not attribute:
        return _only_app(module)
    return _app_of(module, attribute)


def _split(target: str) -> tuple[str, str]:
    place, separator, attribute = target.rpartition(":")
    if not separator:
        place, attribute = target, ""
    elif not attribute:
        raise TargetError(f"{target!r} has nothing after its ':'.")
    if not place:
        raise TargetError(f"{target!r} names no module. Write module:attribute.")
    return place, attribute


def _is_file(place: str) -> bool:
    return place.endswith(".py") or os.sep in place


def _prepend(folder: str) -> None:
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)


def _module_of_file(place: str, app_dir: str) -> tuple[str, str]:
    """Put the root of the file's package on ``sys.path``; give its path and name."""
    path = os.path.abspath(os.path.join(app_dir, place))
    if os.path.isdir(path) and os.path.isfile(os.path.join(path, "__init__.py")):
        path = os.path.join(path, "__init__.py")
    if not os.path.isfile(path):
        kind = "is a folder, not a file" if os.path.isdir(path) else "does not exist"
        raise TargetError(f"The file {path} {kind}.")
    folder, file = os.path.split(path)
    names = [] if file == "__init__.py" else [file.removesuffix(".py")]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        names.insert(0, package)
    for name in names:
        if not name.isidentifier():
            raise TargetError(f"{path} cannot be imported: {name!r} is not a module name.")
    _prepend(folder)
    return path, ".".join(names)


def _check_origin(module: ModuleType, path: str) -> None:
    """A file called json.py would otherwise silently be the standard library's."""
    origin = getattr(module, "__file__", None)
    if origin is None or not os.path.samefile(origin, path):
        raise TargetError(
            f"{path} is hidden by another module called {module.__name__!r} "
            f"({origin or 'built in'}). Rename the file."
        )


def _import(name: str, app_dir: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except RouteError as error:
        raise TargetError(str(error)) from None  # it says where, and what to do
    except ModuleNotFoundError as error:
        missing = error.name or ""
        _refuse_lacking(error)
        if missing == name or name.startswith(f"{missing}."):
            raise _not_found(name, missing, app_dir) from None
        raise TargetError(
            f"{name} imports {missing!r}, which is not installed or not on sys.path.",
            user_traceback(error),
        ) from None
    except Exception as error:
        _refuse_lacking(error)
        raise TargetError(
            f"{name} failed while it was imported: {_summary(error)}", user_traceback(error)
        ) from None


def _refuse_lacking(error: Exception) -> None:
    """Say in one line which part of FastAPI's is not here, if that is what is wrong."""
    module = sys.modules.get("fasterapi._as_fastapi")
    sentence = module.lacking(error) if module is not None else None
    if sentence is None:
        return
    frames = _user_frames(error)
    where = f"{frames[-1].filename}, line {frames[-1].lineno}: " if frames else ""
    raise TargetError(f"{where}{sentence}.") from None


def _user_frames(error: BaseException) -> list[FrameSummary]:
    """The frames of ``error`` that lie in files, outside of this package."""
    import traceback

    folder = os.path.dirname(_user_frames.__code__.co_filename)
    frames = traceback.extract_tb(error.__traceback__)
    hidden = ("<", importlib.__file__, folder)
    return [frame for frame in frames if not frame.filename.startswith(hidden)]


def _not_found(name: str, missing: str, app_dir: str) -> TargetError:
    within = f" (of {name!r})" if missing != name else ""
    message = f"No module named {missing!r}{within} in {os.path.abspath(app_dir)} or on sys.path."
    as_file = os.path.join(app_dir, *name.split(".")) + ".py"
    parent, _, attribute = name.rpartition(".")
    if parent and os.path.isfile(os.path.join(app_dir, *parent.split(".")) + ".py"):
        message += f" Did you mean {parent}:{attribute}?"
    elif os.path.isfile(as_file):
        message += f" Is there an __init__.py missing on the way to {as_file}?"
    return TargetError(message)


def _only_app(module: ModuleType) -> FasterAPI:
    found = {name: value for name, value in vars(module).items() if isinstance(value, FasterAPI)}
    different = {id(value): value for value in found.values()}
    if len(different) == 1:
        return next(iter(different.values()))
    for name in _USUAL_NAMES:
        if name in found:
            return found[name]
    name = module.__name__
    if not found:
        raise TargetError(
            f"{name} has no FasterAPI instance.{_hint_of_fastapi(*vars(module).values())}"
            f" Name what to serve: {name}:attribute."
        )
    names = ", ".join(sorted(found))
    raise TargetError(
        f"{name} has several FasterAPI instances ({names}). Choose one: {name}:attribute."
    )


def _hint_of_fastapi(*found: Any) -> str:
    """Advice for a program that was written for FastAPI itself."""
    kinds = {type(value).__module__ for value in found}
    return _FASTAPI_HINT if "fastapi.applications" in kinds else ""


def _app_of(module: ModuleType, attribute: str) -> FasterAPI:
    called = attribute.endswith("()")
    found: Any = module
    path = module.__name__
    for part in attribute.removesuffix("()").split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise TargetError(f"{path} has no attribute {part!r}.{_close(found, part)}") from None
        path = f"{path}.{part}" if ":" in path else f"{path}:{part}"
    if isinstance(found, FasterAPI):
        return found
    if called or _is_factory(found):
        return _from_factory(found, path)
    hint = _hint_of_fastapi(found)
    raise TargetError(f"{path} is a {type(found).__name__}, not a FasterAPI application.{hint}")


def _is_factory(found: Any) -> bool:
    """A function may be meant as a factory even without the ``()``."""
    from types import FunctionType

    return isinstance(found, FunctionType)


def _from_factory(factory: Any, path: str) -> FasterAPI:
    if not callable(factory):
        raise TargetError(f"{path} is a {type(factory).__name__} and cannot be called.")
    try:
        made = factory()
    except RouteError as error:
        raise TargetError(str(error)) from None
    except Exception as error:
        _refuse_lacking(error)
        raise TargetError(f"{path}() failed: {_summary(error)}", user_traceback(error)) from None
    if isinstance(made, FasterAPI):
        return made
    if hasattr(made, "__await__"):
        made.close()  # or Python warns that it was never awaited
        raise TargetError(f"{path} is a coroutine function; a factory must be an ordinary one.")
    raise TargetError(f"{path}() returned a {type(made).__name__}, not a FasterAPI application.")


def _close(holder: Any, part: str) -> str:
    from difflib import get_close_matches

    matches = get_close_matches(part, [name for name in dir(holder) if name[:2] != "__"])
    return f" Did you mean {' or '.join(matches)}?" if matches else ""


def _summary(error: BaseException) -> str:
    """As the last line of a traceback."""
    import traceback

    return traceback.format_exception_only(error)[-1].strip()


def user_traceback(error: BaseException) -> str:
    """``error``'s traceback as text, without the frames above the user's code."""
    import traceback

    seen: BaseException | None = error
    while seen is not None:
        seen.__traceback__ = _without_our_frames(seen.__traceback__)
        seen = seen.__cause__ or seen.__context__
    return "".join(traceback.format_exception(error))


def _without_our_frames(found: TracebackType | None) -> TracebackType | None:
    # Modules inside the binary have no `__file__`.
    this_file = _without_our_frames.__code__.co_filename
    while found is not None:
        code = found.tb_frame.f_code
        ours = code.co_filename in {this_file, importlib.__file__}
        if not ours and not code.co_filename.startswith("<frozen importlib"):
            break
        found = found.tb_next
    return found
