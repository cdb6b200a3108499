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
GENERATOR = 0x20
_COROUTINE = 0x80
_ITERABLE_COROUTINE = 0x100
ASYNC_GENERATOR = 0x200


class _Empty:
    """The type of ``EMPTY``."""

    def __repr__(self) -> str:
        return "EMPTY"


# Where the classes are whose values a request provides. Their names may be imported
# for type checkers only: there is no doubt about what they mean.
_PROVIDED = {
    "BackgroundTasks": "fasterapi.background",
    "HTTPConnection": "fasterapi.requests",
    "Request": "fasterapi.requests",
    "Response": "fasterapi.responses",
    "SSE": "fasterapi._event_stream",
    "SecurityScopes": "fasterapi.security",
    "WebSocket": "fasterapi.websockets",
}

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
        """Find the file, line and name of ``endpoint``, as far as it has them.

        ``None`` stands for a place that nobody knows.
        """
        function = innermost(endpoint)
        code = getattr(function, "__code__", None)
        self.file: str | None = getattr(code, "co_filename", None)
        self.line: int | None = getattr(code, "co_firstlineno", None)
        name = getattr(function, "__qualname__", None) or type(endpoint).__qualname__
        self.function: str | None = None if endpoint is None else name.replace("<locals>.", "")

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
    return any(map(is_marked_coroutine, (_callee(endpoint), innermost(endpoint))))


def is_marked_coroutine(function: Any) -> bool:
    """Whether ``function`` itself, not what it wraps, gives a coroutine."""
    if isinstance(function, MethodType):
        function = function.__func__
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if isinstance(flags, int) and flags & (_COROUTINE | _ITERABLE_COROUTINE):
        return True
    # The marks of inspect.markcoroutinefunction, and of asyncio before Python 3.12.
    if getattr(function, "_is_coroutine_marker", None) is not None:
        import inspect

        return inspect.iscoroutinefunction(function)
    mark = getattr(function, "_is_coroutine", None)
    if mark is None:
        return False
    from asyncio import coroutines

    return mark is getattr(coroutines, "_is_coroutine", EMPTY)


def arguments_of(endpoint: Callable[..., Any], where: Where) -> list[Argument]:
    """The handler's parameters, in order, annotations resolved.

    One that cannot be resolved becomes ``Unresolved``: it is no mistake where a
    default says all. Raises ``RouteError`` for ``*args`` and ``**kwargs``.
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
        annotation = resolved(annotations.get(name, EMPTY), function)
        arguments.append(Argument(name, annotation, default, False))
    for name in names[count : count + code.co_kwonlyargcount]:
        annotation = resolved(annotations.get(name, EMPTY), function)
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
    arguments = []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise _variadic(where, parameter.name)
        absent = parameter.default is parameter.empty
        annotation = EMPTY if parameter.annotation is parameter.empty else parameter.annotation
        arguments.append(
            Argument(
                parameter.name,
                resolved(annotation, endpoint),
                EMPTY if absent else parameter.default,
                parameter.kind is parameter.KEYWORD_ONLY,
            )
        )
    return arguments


def _annotations(function: FunctionType, where: Where) -> Mapping[str, Any]:
    try:
        return function.__annotations__
    except NameError as error:  # Python 3.14 evaluates annotations here
        from annotationlib import Format, get_annotations  # type: ignore[import-not-found]

        del error
        found: Mapping[str, Any] = get_annotations(function, format=Format.FORWARDREF)
        return found


class Unresolved:
    """An annotation that cannot be evaluated, and why."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        """Keep the error."""
        self.error = error

    def route_error(self, where: Where, name: str | None) -> RouteError:
        """The error that says so."""
        return where.error(
            f"the annotation cannot be resolved ({type(self.error).__name__}: {self.error})",
            "Import the type at module level, outside `if TYPE_CHECKING:`",
            name,
        )


def resolved(annotation: Any, endpoint: Any) -> Any:
    """``annotation`` with postponed parts evaluated where ``endpoint`` was written.

    ``Unresolved`` when that fails.
    """
    if not _is_postponed(annotation):
        return annotation
    namespace = namespace_of(endpoint)
    try:
        if isinstance(annotation, str):
            annotation = eval(annotation, namespace)
        return _with_references(annotation, namespace) if _is_postponed(annotation) else annotation
    except Exception as error:  # an annotation may be any expression
        home = _PROVIDED.get(annotation) if isinstance(annotation, str) else None
        if home is not None:
            return getattr(__import__(home, fromlist=(annotation,)), annotation)
        return Unresolved(error)


def _with_references(annotation: Any, namespace: dict[str, Any]) -> Any:
    """``annotation`` with the forward references inside it evaluated."""
    import typing

    def holder() -> None: ...

    holder.__annotations__ = {"value": annotation}
    return typing.get_type_hints(holder, namespace, include_extras=True)["value"]


def _resolved(annotation: Any, function: Any, where: Where, name: str) -> Any:
    """As ``resolved``; raises ``RouteError`` instead of giving ``Unresolved``."""
    found = resolved(annotation, function)
    if isinstance(found, Unresolved):
        raise found.route_error(where, name)
    return found


def namespace_of(endpoint: Any) -> dict[str, Any]:
    """The global names that the annotations of ``endpoint`` may use."""
    function = innermost(endpoint)
    found = getattr(function, "__globals__", None)
    if found is None and isinstance(function, type):
        for name in ("__init__", "__new__"):
            found = getattr(getattr(function, name, None), "__globals__", None)
            if found is not None:
                break
        else:
            import sys

            found = getattr(sys.modules.get(function.__module__), "__dict__", None)
    return found or {}


def return_annotation(endpoint: Any) -> Any:
    """What ``endpoint`` says it returns, resolved; ``EMPTY`` if it does not say.

    ``Unresolved`` if that cannot be evaluated.
    """
    function = innermost(endpoint)
    annotations = getattr(function, "__annotations__", None)
    if not isinstance(annotations, dict) or isinstance(function, type):
        return EMPTY
    return resolved(annotations.get("return", EMPTY), endpoint)


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
