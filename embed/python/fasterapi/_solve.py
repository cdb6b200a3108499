"""Calls the dependencies of a request, in FastAPI's order, and gathers all errors."""

from __future__ import annotations

from fasterapi._body_values import request_body_to_args
from fasterapi._dependant import get_dependant
from fasterapi._extract import request_params_to_args
from fasterapi._signature import EMPTY
from fasterapi._stacks import FUNCTION_STACK, REQUEST_STACK
from fasterapi.concurrency import run_in_threadpool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from typing import Any

    from fasterapi._dependant import CacheKey, Dependant
    from fasterapi._fields import Errors, ModelField
    from fasterapi.background import BackgroundTasks
    from fasterapi.requests import HTTPConnection
    from fasterapi.responses import Response

__all__ = ["SolvePlan", "SolvedDependency", "request_params_to_args", "solve_dependencies"]


class SolvedDependency:
    """What a handler is called with.

    ``values`` by parameter; ``errors`` for a 422 answer; ``background_tasks`` if
    someone asked for them; ``response``: what handler and dependencies may change;
    ``dependency_cache``: the values of the dependencies.
    """

    __slots__ = ("_response", "background_tasks", "dependency_cache", "errors", "values")

    def __init__(
        self,
        values: dict[str, Any],
        errors: Errors,
        background_tasks: BackgroundTasks | None,
        response: Response | None,
        dependency_cache: dict[CacheKey, Any],
    ) -> None:
        """Keep the parts; the response is made when it is asked for."""
        self.values = values
        self.errors = errors
        self.background_tasks = background_tasks
        self._response = response
        self.dependency_cache = dependency_cache

    @property
    def has_response(self) -> bool:
        """Whether anyone has asked for the response, and may have changed it."""
        return self._response is not None

    @property
    def response(self) -> Response:
        """A response without a status: its headers and status are for the real one."""
        if self._response is None:
            self._response = _new_response()
        return self._response


def _new_response() -> Response:
    from fasterapi.responses import Response

    response = Response()
    if "content-length" in response.headers:
        del response.headers["content-length"]
    response.status_code = None  # type: ignore[assignment]
    return response


class _Step:
    """One dependency of a dependant, with what a request need not find out again."""

    __slots__ = ("cache_key", "dependant", "name", "use_cache")

    def __init__(self, dependant: Dependant) -> None:
        self.dependant = dependant
        self.cache_key = dependant.cache_key
        self.name = dependant.name
        self.use_cache = dependant.use_cache


class SolvePlan:
    """What solving a dependant takes: its dependencies and the fields it has."""

    __slots__ = ("places", "steps")

    def __init__(self, dependant: Dependant) -> None:
        """Look at ``dependant``, which is complete now."""
        self.steps = [_Step(sub) for sub in dependant.dependencies]
        places: list[tuple[str, list[ModelField]]] = [
            ("path_params", dependant.path_params),
            ("query_params", dependant.query_params),
            ("headers", dependant.header_params),
            ("cookies", dependant.cookie_params),
        ]
        self.places = [(name, fields) for name, fields in places if fields]


class _Solving:
    """One request's state, shared by all its dependencies."""

    __slots__ = (
        *("background_tasks", "body", "cache", "embed", "function_stack", "is_websocket"),
        *("provider", "request", "request_stack", "response"),
    )

    def __init__(self, request: Any, body: Any, embed: bool, provider: Any) -> None:
        self.request = request
        self.body = body
        self.embed = embed
        self.is_websocket = any(base.__name__ == "WebSocket" for base in type(request).__mro__)
        self.provider = provider
        self.cache: dict[CacheKey, Any] = {}
        self.background_tasks: BackgroundTasks | None = None
        self.response: Response | None = None
        self.request_stack: AsyncExitStack | None = None
        self.function_stack: AsyncExitStack | None = None

    async def solve(self, dependant: Dependant) -> tuple[dict[str, Any], Errors]:
        """The arguments of ``dependant``, and the errors that prevent its call."""
        plan = dependant._plan
        if plan is None:
            plan = dependant._plan = SolvePlan(dependant)
        values: dict[str, Any] = {}
        errors: Errors = []
        for step in plan.steps:
            await self._take(step, values, errors)
        request = self.request
        for place, fields in plan.places:
            found, wrong = request_params_to_args(fields, getattr(request, place))
            values.update(found)
            errors += wrong
        if dependant.body_params:
            found, wrong = await request_body_to_args(dependant.body_params, self.body, self.embed)
            values.update(found)
            errors += wrong
        self._inject(dependant, values)
        return values, errors

    async def _take(self, step: _Step, values: dict[str, Any], errors: Errors) -> None:
        """Add the value of one dependency, or its errors."""
        dependant = step.dependant
        if self.provider is not None and self.provider.dependency_overrides:
            dependant = _overridden(dependant, self.provider.dependency_overrides)
        # Its own dependencies come first even when its value is known: some of
        # them may not be cached.
        arguments, wrong = await self.solve(dependant)
        if wrong:
            errors += wrong
            return
        key = step.cache_key
        if step.use_cache and key in self.cache:
            solved = self.cache[key]
        else:
            solved = await self._call(dependant, arguments)
            self.cache.setdefault(key, solved)
        if step.name is not None:
            values[step.name] = solved

    async def _call(self, dependant: Dependant, arguments: dict[str, Any]) -> Any:
        call: Any = dependant.call
        if dependant.is_gen_callable or dependant.is_async_gen_callable:
            from fasterapi._yielding import enter_generator

            is_function = dependant.scope == "function"
            stack = self._stack(REQUEST_STACK)
            own_stack = self._stack(FUNCTION_STACK) if is_function else stack
            return await enter_generator(dependant, arguments, own_stack, stack)
        if dependant.concurrency is None:
            if dependant.is_coroutine_callable:
                return await call(**arguments)
            return await run_in_threadpool(call, **arguments)
        async with dependant.concurrency.get_semaphore():
            if dependant.is_coroutine_callable:
                return await call(**arguments)
            return await run_in_threadpool(call, **arguments)

    def _stack(self, key: str) -> AsyncExitStack:
        stack = self.request_stack if key == REQUEST_STACK else self.function_stack
        if stack is None:
            stack = self.request.scope.get(key)
        if stack is None:
            raise AssertionError(f"{key} not found in request scope")
        return stack

    def _inject(self, dependant: Dependant, values: dict[str, Any]) -> None:
        """What the request itself provides."""
        if dependant.http_connection_param_name:
            values[dependant.http_connection_param_name] = self.request
        if dependant.request_param_name and not self.is_websocket:
            values[dependant.request_param_name] = self.request
        elif dependant.websocket_param_name and self.is_websocket:
            values[dependant.websocket_param_name] = self.request
        if dependant.sse_param_name:
            from fasterapi._event_stream import sse_of

            values[dependant.sse_param_name] = sse_of(self.request)
        if dependant.background_tasks_param_name:
            if self.background_tasks is None:
                from fasterapi.background import BackgroundTasks

                self.background_tasks = BackgroundTasks()
            values[dependant.background_tasks_param_name] = self.background_tasks
        if dependant.response_param_name:
            if self.response is None:
                self.response = _new_response()
            values[dependant.response_param_name] = self.response
        if dependant.security_scopes_param_name:
            from fasterapi.security.oauth2 import SecurityScopes

            scopes = SecurityScopes(scopes=dependant.oauth_scopes)
            values[dependant.security_scopes_param_name] = scopes


def _overridden(dependant: Dependant, overrides: dict[Any, Any]) -> Dependant:
    """``dependant``, or that of the callable that replaces its own."""
    call: Any = overrides.get(dependant.call, dependant.call)
    if call is dependant.call:
        return dependant
    kept = dependant._override
    if kept is not None and kept[0] is call:
        return kept[1]
    replaced = get_dependant(
        path=dependant.path or "",
        call=call,
        name=dependant.name,
        parent_oauth_scopes=dependant.oauth_scopes,
        scope=dependant.scope,
        concurrency=dependant.concurrency,
    )
    dependant._override = (call, replaced)
    return replaced


async def solve_dependencies(
    *,
    request: HTTPConnection,
    dependant: Dependant,
    body: Any = EMPTY,
    background_tasks: BackgroundTasks | None = None,
    response: Response | None = None,
    dependency_overrides_provider: Any = None,
    dependency_cache: dict[CacheKey, Any] | None = None,
    embed_body_fields: bool = False,
    request_stack: AsyncExitStack | None = None,
    function_stack: AsyncExitStack | None = None,
    async_exit_stack: AsyncExitStack | None = None,
) -> SolvedDependency:
    """Find all that ``dependant`` is called with.

    ``body`` is what ``_body.read_body`` gives. ``yield`` dependencies are left to
    ``request_stack`` and ``function_stack``, or to those in the request's scope
    (``fastapi_inner_astack``, ``fastapi_function_astack``); without any, they are
    an ``AssertionError``. Errors of dependencies pass through.
    """
    solving = _Solving(request, body, embed_body_fields, dependency_overrides_provider)
    solving.background_tasks = background_tasks
    solving.response = response
    if dependency_cache is not None:
        solving.cache = dependency_cache
    solving.request_stack = request_stack or async_exit_stack
    solving.function_stack = function_stack
    values, errors = await solving.solve(dependant)
    return SolvedDependency(
        values, errors, solving.background_tasks, solving.response, solving.cache
    )
