"""Reads a handler's parameters without ``inspect``, which is slow to import.

Ordinary functions and methods are read from their code objects; everything else
(``functools.partial``, functions with ``__signature__``, compiled extensions)
goes through ``inspect.signature``.
"""

from __future__ import annotations

from types import FunctionType, MethodType

from fasterapi.exceptions import RouteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

# The bits of `code.co_flags`; their values are in CPython's Include/cpython/code.h.
_VARARGS = 0x04
_VARKEYWORDS = 0x08
_GENERATOR = 0x20
_COROUTINE = 0x80
_ITERABLE_COROUTINE = 0x100
_ASYNC_GENERATOR = 0x200


class _Empty:
    """The type of ``EMPTY``."""

    def __repr__(self) -> str:
        return "EMPTY"


# "Not there": no annotation, or no default.
EMPTY: Any = _Empty()


class Argument:
    """One parameter of a handler. ``annotation`` and ``default`` may be ``EMPTY``."""

    __slots__ = ("annotation", "default", "keyword_only", "name")

    def __init__(self, name: str, annotation: Any, default: Any, keyword_only: bool) -> None:
        """Keep the parts."""
        self.name = name
        self.annotation = annotation
        self.default = default
        self.keyword_only = keyword_only


class Where:
    """The place of a handler, for errors."""

    __slots__ = ("file", "function", "line")

    def __init__(self, endpoint: Any) -> None:
        """Find the file, line and name of ``endpoint``, as far as it has them."""
        function = innermost(endpoint)
        code = getattr(function, "__code__", None)
        self.file: str | None = getattr(code, "co_filename", None)
        self.line: int | None = getattr(code, "co_firstlineno", None)
        name = getattr(function, "__qualname__", None) or type(endpoint).__qualname__
        self.function: str = name.replace("<locals>.", "")

    def error(self, problem: str, mend: str, parameter: str | None = None) -> RouteError:
        """The error for this handler, to be raised."""
        return RouteError(
            problem,
            mend,
            file=self.file,
            line=self.line,
            function=self.function,
            parameter=parameter,
        )


def _callee(endpoint: Any) -> Any:
    """What runs when ``endpoint`` is called: partials and instances opened."""
    while True:
        if isinstance(endpoint, FunctionType | MethodType):
            return endpoint
        if hasattr(endpoint, "func") and hasattr(endpoint, "keywords"):
            endpoint = endpoint.func  # functools.partial
            continue
        call = getattr(type(endpoint), "__call__", None)  # noqa: B004 - the function itself
        if isinstance(endpoint, type) or not isinstance(call, FunctionType):
            return endpoint
        return MethodType(call, endpoint)


def innermost(endpoint: Any) -> Any:
    """The function that holds the signature: ``functools.wraps`` undone too."""
    seen = set()
    function = _callee(endpoint)
    while id(function) not in seen:
        seen.add(id(function))
        if isinstance(function, MethodType):
            function = function.__func__
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is None:
            return function
        function = _callee(wrapped)
    return function


def is_coroutine_function(endpoint: Any) -> bool:
    """Whether a call gives a coroutine to await.

    A ``def`` decorated over an ``async def`` with ``functools.wraps`` counts: its
    call returns the inner coroutine.
    """
    return any(_is_marked(function) for function in (_callee(endpoint), innermost(endpoint)))


def _is_marked(function: Any) -> bool:
    if isinstance(function, MethodType):
        function = function.__func__
    code = getattr(function, "__code__", None)
    if getattr(code, "co_flags", 0) & (_COROUTINE | _ITERABLE_COROUTINE):
        return True
    if code is not None and not getattr(function, "__dict__", None):
        return False
    # inspect.markcoroutinefunction and compiled functions: only it knows.
    import inspect

    return inspect.iscoroutinefunction(function)


def is_generator_function(endpoint: Any) -> bool:
    """Whether a call gives a generator or an asynchronous generator."""
    flags = getattr(getattr(innermost(endpoint), "__code__", None), "co_flags", 0)
    return bool(flags & (_GENERATOR | _ASYNC_GENERATOR))


def arguments_of(endpoint: Callable[..., Any], where: Where) -> list[Argument]:
    """The handler's parameters, in order, annotations resolved.

    Raises ``RouteError`` for ``*args``, ``**kwargs`` and annotations that cannot
    be resolved.
    """
    function = _callee(endpoint)
    bound = isinstance(function, MethodType)
    if bound:
        function = function.__func__
    plain = isinstance(function, FunctionType) and not function.__dict__
    if not plain or isinstance(endpoint, type) or hasattr(endpoint, "keywords"):
        return _by_inspect(endpoint, where)
    return _by_code(function, bound, where)


def _by_code(function: FunctionType, bound: bool, where: Where) -> list[Argument]:
    code = function.__code__
    count = code.co_argcount
    names = code.co_varnames
    if code.co_flags & (_VARARGS | _VARKEYWORDS):
        extra = names[count + code.co_kwonlyargcount]
        raise _variadic(where, extra)
    annotations = _annotations(function, where)
    defaults = function.__defaults__ or ()
    keyword_defaults = function.__kwdefaults__ or {}
    first_default = count - len(defaults)
    arguments = []
    for index in range(1 if bound else 0, count):
        default = defaults[index - first_default] if index >= first_default else EMPTY
        name = names[index]
        annotation = _resolved(annotations.get(name, EMPTY), function, where, name)
        arguments.append(Argument(name, annotation, default, False))
    for name in names[count : count + code.co_kwonlyargcount]:
        annotation = _resolved(annotations.get(name, EMPTY), function, where, name)
        arguments.append(Argument(name, annotation, keyword_defaults.get(name, EMPTY), True))
    return arguments


def _by_inspect(endpoint: Any, where: Where) -> list[Argument]:
    import inspect

    try:
        signature = inspect.signature(endpoint)
    except (TypeError, ValueError):
        raise where.error(
            "the handler has no readable signature", "Wrap it in a function of your own"
        ) from None
    except NameError as error:
        raise _unresolved(where, None, error) from None
    # What functools.partial has already given is not for the client to choose.
    given = getattr(endpoint, "keywords", None) or {}
    arguments = []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise _variadic(where, parameter.name)
        if parameter.name in given:
            continue
        absent = parameter.default is parameter.empty
        annotation = EMPTY if parameter.annotation is parameter.empty else parameter.annotation
        arguments.append(
            Argument(
                parameter.name,
                _resolved(annotation, innermost(endpoint), where, parameter.name),
                EMPTY if absent else parameter.default,
                parameter.kind is parameter.KEYWORD_ONLY,
            )
        )
    return arguments


def _annotations(function: FunctionType, where: Where) -> Mapping[str, Any]:
    try:
        return function.__annotations__
    except NameError as error:  # Python 3.14 evaluates annotations here
        raise _unresolved(where, None, error) from None


def _resolved(annotation: Any, function: Any, where: Where, name: str) -> Any:
    """Evaluate a postponed annotation, or a forward reference inside one."""
    if not _is_postponed(annotation):
        return annotation
    import typing

    def holder() -> None: ...

    holder.__annotations__ = {name: annotation}
    namespace = getattr(function, "__globals__", {})
    try:
        return typing.get_type_hints(holder, namespace, include_extras=True)[name]
    except Exception as error:  # an annotation may be any expression
        raise _unresolved(where, name, error) from None


def _is_postponed(annotation: Any) -> bool:
    """Whether there is a forward reference in ``annotation``, at any depth."""
    if isinstance(annotation, str) or type(annotation).__name__ == "ForwardRef":
        return True
    parts = getattr(annotation, "__args__", ())
    return isinstance(parts, tuple) and any(_is_postponed(part) for part in parts)


def _variadic(where: Where, name: str) -> RouteError:
    return where.error(
        "handlers cannot take *args or **kwargs, because a request gives neither",
        "Name the parameters, or take the request: `request: Request`",
        name,
    )


def _unresolved(where: Where, name: str | None, error: Exception) -> RouteError:
    return where.error(
        f"the annotation cannot be resolved ({type(error).__name__}: {error})",
        "Import the type at module level, outside `if TYPE_CHECKING:`",
        name,
    )
