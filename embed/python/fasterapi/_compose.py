"""Composes one function from a route's dependencies, handler and response model.

FastAPI solves the graph of dependencies anew for every request. Here it is solved
once, when the application starts: the steps in their order become the lines of one
function, whose arguments Rust brings. A request that is not as these lines want it
(an invalid parameter, a dependency that a test overrides) is left to the general
path, which does everything again in FastAPI's order and finds the same errors.

Consecutive plain functions share one visit to the thread pool.
"""

from __future__ import annotations

from fasterapi import _composed as parts
from fasterapi._parameter_plan import scalar_parameter
from fasterapi._plan import ParameterPlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fasterapi._api_route import APIRoute
    from fasterapi._dependant import Dependant
    from fasterapi._fields import ModelField
    from fasterapi._form_limits import FormLimits
    from fasterapi._plan import General

__all__ = ["Composition", "compose"]

# The kinds of step that must not run on the shard; those in a row share a thread.
_PLAIN = "plain"
_IN_THREAD = (_PLAIN, "generator")
_GIVE_UP = "raise parts.Otherwise(general)"


class _Step:
    """One call: of a dependency, or of the handler."""

    __slots__ = ("arguments", "function", "kind", "scope", "target")

    def __init__(
        self, kind: str, target: str, function: str, arguments: dict[str, str], scope: str
    ) -> None:
        self.kind = kind  # "plain", "async", "generator", "async generator"
        self.target = target
        self.function = function
        self.arguments = arguments  # parameter -> expression
        self.scope = scope

    def call(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.function}({given})"


class Composition:
    """The function of one route and how Rust calls it.

    ``run``, ``result`` and ``parameters`` are those of a ``RoutePlan``. ``can_give_up``:
    the general path may be wanted, because there are dependencies, or values that
    only Python can judge.
    """

    __slots__ = ("can_give_up", "function", "parameters", "result", "run", "source")

    def __init__(
        self,
        function: Callable[..., Any],
        source: str,
        parameters: tuple[ParameterPlan, ...],
        run: str,
        result: str,
        can_give_up: bool,
    ) -> None:
        """Keep the parts; ``source`` is the function's text, for whoever debugs it."""
        self.can_give_up = can_give_up
        self.function = function
        self.source = source
        self.parameters = parameters
        self.run = run
        self.result = result


def compose(
    route: APIRoute, general: General, form_limits: FormLimits | None = None
) -> Composition | None:
    """The composition of ``route``; ``None`` if only the general path can answer it.

    ``form_limits`` are those of what is around the route; its own count more.
    """
    if not _is_composable(route):
        return None
    return _Composer(route, general, form_limits).compose()


def _is_composable(route: APIRoute) -> bool:
    dependant = route.dependant
    if dependant.is_gen_callable or dependant.is_async_gen_callable:
        return False  # a streaming handler
    if parts.is_custom_handler(route) or dependant.websocket_param_name is not None:
        return False
    if any(each.concurrency is not None for each in parts.flat_dependants(dependant)):
        return False
    return route.body_field is None or parts.is_json_body(route) or parts.is_form_body(route)


class _Composer:
    """Writes the function of one route."""

    def __init__(self, route: APIRoute, general: General, form_limits: FormLimits | None) -> None:
        self.route = route
        self.form_limits = {**(form_limits or {}), **route.form_limits}
        self.scope: dict[str, Any] = {"general": general, "parts": parts}
        self.parameters: dict[str, ParameterPlan] = {}
        self.same: dict[Any, str] = {}
        self.checks: list[str] = []
        self.steps: list[_Step] = []
        self.solved: dict[Any, str] = {}
        self.needs: set[str] = set()

    def compose(self) -> Composition:
        """Walk the graph, then write."""
        route = self.route
        self._body_checks()
        arguments = self._arguments(route.dependant)
        kind = "async" if route.dependant.is_coroutine_callable else _PLAIN
        handler = self._bind("handler", route.endpoint)
        self.steps.append(_Step(kind, "result", handler, arguments, ""))
        return self._written()

    # -- the graph ---------------------------------------------------------

    def _arguments(self, dependant: Dependant) -> dict[str, str]:
        """What ``dependant`` is called with, after what it depends on."""
        arguments = {}
        for sub in dependant.dependencies:
            value = self._dependency(sub)
            if sub.name is not None:
                arguments[sub.name] = value
        for source, fields in (
            ("path", dependant.path_params),
            ("query", dependant.query_params),
            ("header", dependant.header_params),
            ("cookie", dependant.cookie_params),
        ):
            self._fields(source, fields, arguments)
        for field in dependant.body_params:
            arguments[field.name] = self.same["body", field.name]
        self._injected(dependant, arguments)
        return arguments

    def _dependency(self, sub: Dependant) -> str:
        """The variable that holds the value of ``sub``."""
        key = sub.cache_key
        if sub.use_cache and key in self.solved:
            for inner in sub.dependencies:  # one of them may not be cached
                self._dependency(inner)
            return self.solved[key]
        arguments = self._arguments(sub)
        target = f"v{len(self.steps)}"
        function = self._bind("dependency", sub.call)
        scope = "function" if sub.scope == "function" else "request"
        self.steps.append(_Step(_kind_of(sub), target, function, arguments, scope))
        self.solved.setdefault(key, target)
        self.needs.add("overrides")
        return target

    def _fields(self, source: str, fields: list[ModelField], arguments: dict[str, str]) -> None:
        """Rust brings the scalars; the others are read from the request together."""
        others = []
        for field in fields:
            plan = scalar_parameter(field, source, f"p{len(self.parameters)}")
            if plan is None:
                others.append(field)
                continue
            arguments[field.name] = self._parameter(plan)
        if not others:
            return
        values = f"{source}_values_{len(self.checks)}"
        self._request()
        read = self._bind(f"read_{source}", parts.reader(source, others))
        self.checks.append(f"{values} = {read}(request)")
        self.checks.append(f"if {values} is None:\n    {_GIVE_UP}")
        for field in others:
            arguments[field.name] = f"{values}[{field.name!r}]"

    def _injected(self, dependant: Dependant, arguments: dict[str, str]) -> None:
        for name in (dependant.request_param_name, dependant.http_connection_param_name):
            if name is not None:
                arguments[name] = self._request()
        if dependant.response_param_name is not None:
            self.needs.add("holder")
            arguments[dependant.response_param_name] = "holder"
        if dependant.background_tasks_param_name is not None:
            self.needs.add("tasks")
            arguments[dependant.background_tasks_param_name] = "tasks"
        if dependant.security_scopes_param_name is not None:
            scopes = self._bind("scopes", parts.security_scopes(dependant))
            arguments[dependant.security_scopes_param_name] = f"{scopes}()"

    def _body_checks(self) -> None:
        """One JSON document, validated as one model or taken apart by name; or a form."""
        route = self.route
        if route.body_field is None:
            return
        fields = route._body_params
        if parts.is_form_body(route):
            self.needs.add("form")
            read = self._bind("read_form", parts.form_reader(route, fields, self.form_limits))
            self.checks.append(f"form, body_values = await {read}({self._request()})")
        else:
            self.parameters["body"] = ParameterPlan("body", "json_body")
            check = self._bind("read_body", parts.body_reader(route, fields))
            self.checks.append(f"body_values = {check}(body)")
        self.checks.append(f"if body_values is None:\n    {_GIVE_UP}")
        for index, field in enumerate(fields):
            self.same["body", field.name] = f"body_values[{index}]"

    # -- names -------------------------------------------------------------

    def _bind(self, name: str, value: Any) -> str:
        bound = f"{name}_{len(self.scope)}"
        self.scope[bound] = value
        return bound

    def _parameter(self, plan: ParameterPlan) -> str:
        """The argument for ``plan``, shared by all who ask for the same."""
        key = tuple(getattr(plan, slot) for slot in plan.__slots__ if slot != "name")
        key = (*key, type(plan.default))
        if key not in self.same:
            self.same[key] = plan.name
            self.parameters[plan.name] = plan
        return self.same[key]

    def _request(self) -> str:
        self.needs.add("request")
        return "request"

    # -- the text ----------------------------------------------------------

    def _written(self) -> Composition:
        generators = {step.scope for step in self.steps if "generator" in step.kind}
        is_plain = self._is_plain(generators)
        lines = _Lines()
        if "request" in self.needs:
            self.parameters = {"request": ParameterPlan("request", "request"), **self.parameters}
        given = ", ".join(self.parameters)
        lines.add(f"{'def' if is_plain else 'async def'} composed({given}):")
        with lines.indented():
            self._write_checks(lines)
            self._write_body(lines, generators, is_plain)
        text = lines.text()
        exec(compile(text, f"<composed {self.route.path}>", "exec"), self.scope)
        run = "async"
        if is_plain:
            run = "inline" if self.route.inline else "thread"
        return Composition(
            self.scope["composed"],
            text,
            tuple(self.parameters.values()),
            run,
            "json" if self._makes_bytes(generators) else "value",
            bool(self.checks) or "overrides" in self.needs,
        )

    def _is_plain(self, generators: set[str]) -> bool:
        """Whether nothing has to be awaited: then all of it runs in one thread."""
        if generators or "form" in self.needs:
            return False
        return all(step.kind == _PLAIN for step in self.steps)

    def _makes_bytes(self, generators: set[str]) -> bool:
        route = self.route
        return bool(
            generators
            or self.needs & {"form", "holder", "tasks"}
            or route.response_field is not None
            or parts.has_custom_class(route)
            or parts.has_no_body(route)
        )

    def _write_checks(self, lines: _Lines) -> None:
        if "overrides" in self.needs:
            provider = self._bind("provider", self.route.dependency_overrides_provider)
            lines.add(f"if {provider} is not None and {provider}.dependency_overrides:")
            lines.add(f"    {_GIVE_UP}")
        for check in self.checks:
            lines.add(check)
        if "tasks" in self.needs:
            lines.add("tasks = parts.BackgroundTasks()")
        if "holder" in self.needs:
            lines.add("holder = parts.make_holder()")

    def _write_body(self, lines: _Lines, generators: set[str], is_plain: bool) -> None:
        """The steps; where there is a form, its files are closed after an exception."""
        if "form" not in self.needs:
            self._write_steps(lines, generators, is_plain)
            return
        lines.add("try:")
        with lines.indented():
            self._write_steps(lines, generators, is_plain)
        lines.add("except BaseException:")
        lines.add("    await form.close()")
        lines.add("    raise")

    def _write_steps(self, lines: _Lines, generators: set[str], is_plain: bool) -> None:
        for scope in sorted(generators):
            lines.add(f"{scope}_stack = parts.GeneratorStack()")
        if not generators:
            self._write_calls(lines, is_plain)
            self._write_answer(lines, generators)
            return
        lines.add("try:")
        with lines.indented():
            self._write_calls(lines, is_plain)
            self._write_answer(lines, generators)
        lines.add("except BaseException as error:")
        stacks = ", ".join(f"{scope}_stack" for scope in sorted(generators))
        lines.add(f"    return await parts.unwind(error, {stacks})")

    def _write_calls(self, lines: _Lines, is_plain: bool) -> None:
        waiting: list[_Step] = []
        for step in self.steps:
            if step.kind in _IN_THREAD and not is_plain:
                waiting.append(step)
                continue
            self._write_thread(lines, waiting)
            waiting = []
            lines.add(_STEP_FORMS[step.kind].format(step=step, call=step.call()))
        self._write_thread(lines, waiting)

    def _write_thread(self, lines: _Lines, steps: list[_Step]) -> None:
        """Calls that follow one another without waiting: one visit to a thread."""
        if not steps:
            return
        if len(steps) == 1 and steps[0].kind == _PLAIN:
            (step,) = steps
            given = "".join(f", {name}={value}" for name, value in step.arguments.items())
            lines.add(f"{step.target} = await parts.run_in_threadpool({step.function}{given})")
            return
        targets = [step.target for step in steps]
        calls = "; ".join(
            _STEP_FORMS[step.kind].format(step=step, call=step.call()) for step in steps
        )
        name = f"calls_{len(lines.lines)}"
        lines.add(f"def {name}():")
        lines.add(f"    {calls}")
        lines.add(f"    return {', '.join(targets)}")
        lines.add(f"{', '.join(targets)} = await parts.run_in_threadpool({name})")

    def _write_answer(self, lines: _Lines, generators: set[str]) -> None:
        makes_bytes = self._makes_bytes(generators)
        if makes_bytes:
            make = self._bind("answer", parts.answerer(self.route))
            holder = "holder" if "holder" in self.needs else "None"
            lines.add(f"result = {make}(result, {holder})")
        if "function" in generators:
            lines.add("await function_stack.close()")
        answer = "result"
        if "tasks" in self.needs or "request" in generators:
            tasks = "tasks" if "tasks" in self.needs else "None"
            stack = "request_stack" if "request" in generators else "None"
            answer = f"parts.with_work(result, {tasks}, {stack})"
        if "form" in self.needs:
            answer = f"parts.with_form({answer}, form)"
        lines.add(f"return {answer}")


_STEP_FORMS = {
    _PLAIN: "{step.target} = {call}",
    "async": "{step.target} = await {call}",
    "async generator": "{step.target} = await {step.scope}_stack.enter({call})",
    "generator": "{step.target} = {step.scope}_stack.enter_here({call})",
}


def _kind_of(dependant: Dependant) -> str:
    if dependant.is_async_gen_callable:
        return "async generator"
    if dependant.is_gen_callable:
        return "generator"
    return "async" if dependant.is_coroutine_callable else _PLAIN


class _Lines:
    """Lines of Python with their indentation."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 0

    def add(self, text: str) -> None:
        self.lines.extend("    " * self._depth + line for line in text.split("\n"))

    def indented(self) -> _Lines:
        return self

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"
