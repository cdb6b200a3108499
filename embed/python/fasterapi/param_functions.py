"""The functions that declare parameters: ``q: str = Query(max_length=50)``.

They make the classes of ``fasterapi.params``, which have the same names, and are
typed as ``Any``, so that they may be the default of a parameter of any type.
"""

from __future__ import annotations

from fasterapi import params
from fasterapi._signature import EMPTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Literal, Unpack

    from fasterapi.params import BodyOptions, FieldOptions, FormOptions, HeaderOptions

__all__ = ["Body", "Cookie", "Depends", "File", "Form", "Header", "Path", "Query", "Security"]


def Path(default: Any = ..., **options: Unpack[FieldOptions]) -> Any:
    """A part of the path. It has no default: the path always has the value.

    ``options`` are those of all parameters: ``alias``, ``title``, ``description``,
    ``gt``, ``ge``, ``lt``, ``le``, ``min_length``, ``max_length``, ``pattern``,
    ``examples``, ``deprecated``, ``include_in_schema`` and the other keywords of
    pydantic's ``Field``.
    """
    return params.Path(default, **options)


def Query(default: Any = EMPTY, **options: Unpack[FieldOptions]) -> Any:
    """A value of the query: text, list of texts, or with a model all of the query.

    Without ``default`` it is required. For ``options`` see ``Path``.
    """
    return params.Query(default, **options)


def Header(default: Any = EMPTY, **options: Unpack[HeaderOptions]) -> Any:
    """A header field, named like the parameter with ``-`` for ``_``.

    ``convert_underscores=False`` leaves the name as it is. For other ``options`` see
    ``Path``.
    """
    return params.Header(default, **options)


def Cookie(default: Any = EMPTY, **options: Unpack[FieldOptions]) -> Any:
    """A cookie. For ``options`` see ``Path``."""
    return params.Cookie(default, **options)


def Body(default: Any = EMPTY, **options: Unpack[BodyOptions]) -> Any:
    """The body; with ``embed=True``, or beside other body parameters, a member of it.

    ``media_type`` is for the OpenAPI document. For other ``options`` see ``Path``.
    """
    return params.Body(default, **options)


def Form(default: Any = EMPTY, **options: Unpack[FormOptions]) -> Any:
    """A field of a form, or with a model all of its fields.

    For ``options`` see ``Path``.
    """
    return params.Form(default, **options)


def File(default: Any = EMPTY, **options: Unpack[FormOptions]) -> Any:
    """A file of a form: an ``UploadFile``, or its content as ``bytes``; or a list.

    For ``options`` see ``Path``.
    """
    return params.File(default, **options)


def Depends(
    dependency: Callable[..., Any] | None = None,
    *,
    use_cache: bool = True,
    scope: Literal["function", "request"] | None = None,
    max_concurrency: int | None = None,
) -> Any:
    """What ``dependency`` returns or yields, called with parameters of its own.

    Without ``dependency`` it is the annotated class. One request calls it once,
    unless ``use_cache=False``. ``scope`` says when what comes after ``yield`` runs:
    ``"function"`` before the answer is sent, ``"request"`` (the default) after it.
    At most ``max_concurrency`` calls of this declaration run at once in each event
    loop; a ``yield`` dependency counts until it has ended. Raises ``ValueError``
    unless that is a positive integer.
    """
    return params.Depends(
        dependency, use_cache=use_cache, scope=scope, max_concurrency=max_concurrency
    )


def Security(
    dependency: Callable[..., Any] | None = None,
    *,
    scopes: Sequence[str] | None = None,
    use_cache: bool = True,
) -> Any:
    """As ``Depends``, with the OAuth2 ``scopes`` that are needed.

    They show in the OpenAPI document, and reach the dependency as ``SecurityScopes``.
    """
    return params.Security(dependency, use_cache, scopes=scopes)
