"""A handler or dependency with everything it is called with, found out once."""

from __future__ import annotations

from fasterapi import _callables as callables
from fasterapi._analyze import analyze_param
from fasterapi._annotations import injected_kind
from fasterapi._reading import fields_of_model
from fasterapi._signature import Where, arguments_of
from fasterapi.params import Body, Param, ParamTypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    from fasterapi._concurrency_limit import DependencyConcurrency
    from fasterapi._fields import ModelField
    from fasterapi._solve import SolvePlan
    from fasterapi.params import Depends

    CacheKey = tuple[Callable[..., Any] | None, tuple[str, ...], str]

__all__ = [
    "Dependant",
    "get_dependant",
    "get_flat_body_params",
    "get_flat_dependants",
    "get_flat_params",
    "get_parameterless_sub_dependant",
    "get_path_param_names",
]

# Dependencies may depend on each other only so deep; a cycle is deeper.
DEPTH_MAX = 200


class Dependant:
    """What a callable is called with.

    The lists hold its own fields by place, ``dependencies`` the dependants of its
    dependencies in the order of their calls. The ``..._param_name`` are those of
    parameters that the request itself provides. ``scope`` says when a ``yield``
    dependency ends.
    """

    __slots__ = (
        *("_kinds", "_override", "_plan", "background_tasks_param_name", "body_params", "call"),
        *("concurrency", "cookie_params", "dependencies", "header_params"),
        *("http_connection_param_name", "name", "own_oauth_scopes", "parent_oauth_scopes"),
        *("path", "path_params", "query_params", "request_param_name", "response_param_name"),
        *("scope", "security_scopes_param_name", "sse_param_name", "use_cache"),
        "websocket_param_name",
    )

    def __init__(
        self,
        path_params: list[ModelField] | None = None,
        query_params: list[ModelField] | None = None,
        header_params: list[ModelField] | None = None,
        cookie_params: list[ModelField] | None = None,
        body_params: list[ModelField] | None = None,
        dependencies: list[Dependant] | None = None,
        name: str | None = None,
        call: Callable[..., Any] | None = None,
        request_param_name: str | None = None,
        websocket_param_name: str | None = None,
        http_connection_param_name: str | None = None,
        response_param_name: str | None = None,
        background_tasks_param_name: str | None = None,
        security_scopes_param_name: str | None = None,
        own_oauth_scopes: list[str] | None = None,
        parent_oauth_scopes: list[str] | None = None,
        use_cache: bool = True,
        path: str | None = None,
        scope: Literal["function", "request"] | None = None,
        concurrency: DependencyConcurrency | None = None,
    ) -> None:
        """Keep the parts."""
        self.path_params = [] if path_params is None else path_params
        self.query_params = [] if query_params is None else query_params
        self.header_params = [] if header_params is None else header_params
        self.cookie_params = [] if cookie_params is None else cookie_params
        self.body_params = [] if body_params is None else body_params
        self.dependencies = [] if dependencies is None else dependencies
        self.name = name
        self.call = call
        self.request_param_name = request_param_name
        self.websocket_param_name = websocket_param_name
        self.http_connection_param_name = http_connection_param_name
        self.response_param_name = response_param_name
        self.background_tasks_param_name = background_tasks_param_name
        self.security_scopes_param_name = security_scopes_param_name
        self.sse_param_name: str | None = None
        self.own_oauth_scopes = own_oauth_scopes
        self.parent_oauth_scopes = parent_oauth_scopes
        self.use_cache = use_cache
        self.path = path
        self.scope = scope
        self.concurrency = concurrency
        self._kinds: tuple[Any, bool, bool, bool] | None = None
        self._override: tuple[Any, Dependant] | None = None
        self._plan: SolvePlan | None = None

    def _classified(self) -> tuple[Any, bool, bool, bool]:
        kinds = self._kinds
        if kinds is None or kinds[0] is not self.call:
            call = self.call
            kinds = self._kinds = (
                call,
                callables.is_generator(call),
                callables.is_async_generator(call),
                callables.is_coroutine(call),
            )
        return kinds

    @property
    def is_gen_callable(self) -> bool:
        """Whether a call gives a generator."""
        return self._classified()[1]

    @property
    def is_async_gen_callable(self) -> bool:
        """Whether a call gives an asynchronous generator."""
        return self._classified()[2]

    @property
    def is_coroutine_callable(self) -> bool:
        """Whether a call gives a coroutine."""
        return self._classified()[3]

    @property
    def computed_scope(self) -> str | None:
        """When it ends: ``"function"`` or ``"request"``; ``None`` without ``yield``."""
        if self.scope:
            return self.scope
        return "request" if self.is_gen_callable or self.is_async_gen_callable else None

    @property
    def takes_events(self) -> bool:
        """Whether it, or what it depends on, answers with an ``SSE``."""
        return self.sse_param_name is not None or any(sub.takes_events for sub in self.dependencies)

    @property
    def oauth_scopes(self) -> list[str]:
        """The scopes that are asked for: those of the dependants above, then its own."""
        given = [*(self.parent_oauth_scopes or ()), *(self.own_oauth_scopes or ())]
        return list(dict.fromkeys(given))

    @property
    def is_security_scheme(self) -> bool:
        """Whether the callable is one of ``fasterapi.security``'s schemes."""
        kind = type(callables.unwrapped(self.call))
        return any(base.__name__ == "SecurityBase" for base in kind.__mro__)

    @property
    def security_scheme(self) -> Any:
        """The scheme; raises ``AssertionError`` when it is none."""
        if not self.is_security_scheme:
            raise AssertionError(f"{self.call!r} is no security scheme")
        return callables.unwrapped(self.call)

    @property
    def uses_scopes(self) -> bool:
        """Whether its value may depend on OAuth2 scopes."""
        return bool(
            self.own_oauth_scopes
            or self.security_scopes_param_name is not None
            or self.is_security_scheme
            or any(sub.uses_scopes for sub in self.dependencies)
        )

    @property
    def cache_key(self) -> CacheKey:
        """What makes two dependants the same for one request."""
        scopes = tuple(sorted(set(self.oauth_scopes))) if self.uses_scopes else ()
        return (self.call, scopes, self.computed_scope or "")

    def __repr__(self) -> str:
        """The callable and the name it is for."""
        return f"Dependant(name={self.name!r}, call={self.call!r})"


def get_path_param_names(path: str) -> set[str]:
    """The names of the parameters in ``path``: ``{item_id}``, ``{file:path}``."""
    names = set()
    for part in path.split("{")[1:]:
        name, closed, _ = part.partition("}")
        if closed:
            names.add(name.partition(":")[0])
    return names


def get_dependant(
    *,
    path: str,
    call: Callable[..., Any],
    name: str | None = None,
    own_oauth_scopes: list[str] | None = None,
    parent_oauth_scopes: list[str] | None = None,
    use_cache: bool = True,
    scope: Literal["function", "request"] | None = None,
    concurrency: DependencyConcurrency | None = None,
    _depth: int = 0,
) -> Dependant:
    """Read ``call``'s parameters, and those of all that it depends on.

    Raises ``RouteError`` for a parameter that cannot be served, and
    ``DependencyScopeError`` for a dependency that ends before what depends on it.
    """
    dependant = Dependant(
        call=call,
        name=name,
        path=path,
        use_cache=use_cache,
        scope=scope,
        concurrency=concurrency,
        own_oauth_scopes=own_oauth_scopes,
        parent_oauth_scopes=parent_oauth_scopes,
    )
    where = Where(call)
    if _depth > DEPTH_MAX:
        raise where.error(
            f"dependencies are nested more than {DEPTH_MAX} deep",
            "Break the cycle: a dependency depends on itself",
        )
    names = get_path_param_names(path)
    for argument in arguments_of(call, where):
        details = analyze_param(
            param_name=argument.name,
            annotation=argument.annotation,
            value=argument.default,
            path_param_names=names,
            where=where,
        )
        if details.depends is not None:
            sub = _sub_dependant(dependant, argument.name, details.depends, _depth)
            dependant.dependencies.append(sub)
        elif details.field is not None:
            _add_field(dependant, details.field)
        else:
            kind = injected_kind(details.type_annotation)
            setattr(dependant, f"{kind}_param_name", argument.name)
    return dependant


def _sub_dependant(dependant: Dependant, name: str, depends: Depends, depth: int) -> Dependant:
    generates = dependant.is_gen_callable or dependant.is_async_gen_callable
    if generates and dependant.computed_scope == "request" and depends.scope == "function":
        from fasterapi.exceptions import DependencyScopeError

        called = getattr(dependant.call, "__name__", "<unnamed_callable>")
        raise DependencyScopeError(
            f'The dependency "{called}" has a scope of "request", it cannot depend on'
            f' dependencies with scope "function" (its parameter {name!r} does).'
        )
    assert depends.dependency is not None
    return get_dependant(
        path=dependant.path or "",
        call=depends.dependency,
        name=name,
        own_oauth_scopes=list(getattr(depends, "scopes", None) or ()),
        parent_oauth_scopes=[
            *(dependant.parent_oauth_scopes or ()),
            *(dependant.own_oauth_scopes or ()),
        ],
        use_cache=depends.use_cache,
        scope=depends.scope,
        concurrency=depends._concurrency,
        _depth=depth + 1,
    )


def _add_field(dependant: Dependant, field: ModelField) -> None:
    param = field.param
    if isinstance(param, Body):
        dependant.body_params.append(field)
        return
    assert isinstance(param, Param)
    place = param.in_ if isinstance(param.in_, ParamTypes) else ParamTypes.query
    getattr(dependant, f"{place.value}_params").append(field)


def get_parameterless_sub_dependant(*, depends: Depends, path: str) -> Dependant:
    """The dependant of a route's, router's or application's ``dependencies=[...]``.

    Raises ``AssertionError`` when it names no callable.
    """
    if not callable(depends.dependency):
        raise AssertionError("A parameter-less dependency must have a callable dependency")
    return get_dependant(
        path=path,
        call=depends.dependency,
        scope=depends.scope,
        concurrency=depends._concurrency,
        own_oauth_scopes=list(getattr(depends, "scopes", None) or ()),
    )


def get_flat_dependants(dependant: Dependant, *, skip_repeats: bool = False) -> list[Dependant]:
    """``dependant`` and all that it depends on, each before what it depends on itself."""
    found = []
    visited: list[CacheKey] = []
    waiting = [dependant]
    while waiting:
        current = waiting.pop()
        if skip_repeats:
            key = current.cache_key
            if key in visited:
                continue
            visited.append(key)
        found.append(current)
        waiting.extend(reversed(current.dependencies))
    return found


def get_flat_body_params(dependant: Dependant) -> list[ModelField]:
    """The body parameters of ``dependant`` and of all that it depends on."""
    return [field for each in get_flat_dependants(dependant) for field in each.body_params]


def get_flat_params(dependant: Dependant) -> list[ModelField]:
    """All parameters outside the body: path, query, header, cookie; groups opened."""
    dependants = get_flat_dependants(dependant, skip_repeats=True)
    flat: list[ModelField] = []
    for place in ("path_params", "query_params", "header_params", "cookie_params"):
        for each in dependants:
            for field in getattr(each, place):
                group = field.reading.group_type
                flat.extend([field] if group is None else fields_of_model(group))
    return flat
