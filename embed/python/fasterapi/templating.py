"""HTML from Jinja templates (``pip install jinja2``)."""

from __future__ import annotations

from contextvars import ContextVar

from fasterapi.responses import HTMLResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from fasterapi.requests import Request

    ContextProcessor = Callable[[Request], dict[str, Any]]
    Folder = str | os.PathLike[str]

__all__ = ["Jinja2Templates"]


# Where a test client that calls through Rust, without ASGI messages, wants to be shown the same.
shown: ContextVar[dict[str, Any] | None] = ContextVar("shown", default=None)


class _TemplateResponse(HTMLResponse):
    """A rendered template; ``template`` and ``context`` stay for tests to look at."""

    def __init__(
        self,
        template: Any,
        context: dict[str, Any],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: Any = None,
    ) -> None:
        """Render ``template`` with ``context``."""
        self.template = template
        self.context = context
        info = shown.get()
        if info is not None:
            info.update(template=template, context=context)
        super().__init__(template.render(context), status_code, headers, media_type, background)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the answer, and show a test client that asks what it was made of."""
        if "http.response.debug" in scope.get("extensions", {}):
            info = {"template": self.template, "context": self.context}
            await send({"type": "http.response.debug", "info": info})
        await super().__call__(scope, receive, send)


class Jinja2Templates:
    """The templates of one or more folders, or of a ``jinja2.Environment`` of your own.

    Each of ``context_processors`` is called with the request and returns what it
    adds to every template's context. Templates have ``url_for(name, **path_params)``.
    Raises ``ImportError`` where jinja2 is not installed, and ``ValueError`` unless
    exactly one of ``directory`` and ``env`` is given.
    """

    def __init__(
        self,
        directory: Folder | Sequence[Folder] | None = None,
        *,
        context_processors: Sequence[ContextProcessor] | None = None,
        env: Any = None,
    ) -> None:
        """Keep the environment; no template is read yet."""
        if (directory is None) == (env is None):
            raise ValueError("Jinja2Templates takes either a directory or an env")
        jinja2 = _jinja2()
        if env is None:
            loader = jinja2.FileSystemLoader(directory)
            env = jinja2.Environment(loader=loader, autoescape=jinja2.select_autoescape())
        self.env = env
        self.context_processors = list(context_processors or ())
        env.globals.setdefault("url_for", jinja2.pass_context(_url_for))

    def get_template(self, name: str) -> Any:
        """The compiled template; raises ``jinja2.TemplateNotFound``."""
        return self.env.get_template(name)

    def TemplateResponse(self, *args: Any, **kwargs: Any) -> _TemplateResponse:
        """Render a template: ``TemplateResponse(request, name, context, ...)``.

        What may follow is a response's: ``status_code``, ``headers``,
        ``media_type``, ``background``. The order of older programs,
        ``TemplateResponse(name, {"request": request}, ...)``, works with a
        ``DeprecationWarning``. Raises ``TypeError`` when there is no request.
        """
        given = _arguments(args, kwargs)
        request = given["request"]
        context = dict(given["context"] or {})
        context.setdefault("request", request)
        for processor in self.context_processors:
            context.update(processor(request))
        template = self.get_template(given["name"])
        return _TemplateResponse(
            template,
            context,
            given["status_code"],
            given["headers"],
            given["media_type"],
            given["background"],
        )


# The parameters of `TemplateResponse` in their order, and what those without a value are.
_PARAMETERS = ("request", "name", "context", "status_code", "headers", "media_type", "background")
_DEFAULTS = {"context": None, "status_code": 200, "headers": None}
_DEFAULTS |= {"media_type": None, "background": None}


def _arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name, in whichever order they came."""
    is_old = isinstance(args[0], str) if args else "request" not in kwargs
    names = _PARAMETERS[1:] if is_old else _PARAMETERS
    by_position = dict(zip(names, args, strict=False))
    twice = by_position.keys() & kwargs.keys()
    unknown = kwargs.keys() - set(_PARAMETERS)
    if len(args) > len(names) or twice or unknown:
        wrong = ", ".join(sorted(twice or unknown)) or "too many arguments"
        raise TypeError(f"TemplateResponse(request, name, context, ...): {wrong}")
    given = {**_DEFAULTS, **by_position, **kwargs}
    if "name" not in given:
        raise TypeError("TemplateResponse needs the name of a template")
    if "request" not in given:
        _take_request_from_context(given)
    return given


def _take_request_from_context(given: dict[str, Any]) -> None:
    import warnings

    context = given["context"] or {}
    if "request" not in context:
        raise TypeError(
            "TemplateResponse needs the request: TemplateResponse(request, name, context)"
        )
    warnings.warn(
        "Write TemplateResponse(request, name, context): the request comes first.",
        DeprecationWarning,
        stacklevel=4,
    )
    given["request"] = context["request"]


def _url_for(context: dict[str, Any], name: str, /, **path_params: Any) -> Any:
    """The URL of the route ``name``, for templates."""
    return context["request"].url_for(name, **path_params)


def _jinja2() -> Any:
    from importlib import import_module

    try:
        return import_module("jinja2")
    except ModuleNotFoundError:
        raise ImportError("Jinja2Templates needs jinja2: pip install jinja2") from None
