"""Parameter Objects: what an operation reads from path, query, header fields and cookies."""

from __future__ import annotations

from dataclasses import dataclass, field

from fasterapi._reading import request_names
from fasterapi.encoders import jsonable_encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from fasterapi._dependant import Dependant
    from fasterapi._fields import ModelField
    from fasterapi.openapi._schemas import Schemas

__all__ = ["Needs", "needs_of", "parameter_objects"]


@dataclass(slots=True)
class Needs:
    """What a handler and all its dependencies take, dependencies that are shared only once.

    ``parameters`` holds the fields of each part of the request, ``schemes`` each
    security scheme with the OAuth 2 scopes that are asked of it.
    """

    parameters: dict[str, list[ModelField]] = field(
        default_factory=lambda: {"path": [], "query": [], "header": [], "cookie": []}
    )
    schemes: list[tuple[Dependant, list[str]]] = field(default_factory=list)

    def fields(self) -> list[ModelField]:
        """All parameters, a model's one by one."""
        declared = (field for fields in self.parameters.values() for field in fields)
        return [single for field in declared for single, _ in _opened(field)]


def needs_of(root: Dependant) -> Needs:
    """Collect what ``root`` and its dependencies take, in the order they are declared."""
    needs = Needs()
    visited: list[Any] = []
    waiting: list[tuple[Dependant, list[str]]] = [(root, [])]
    while waiting:
        dependant, inherited = waiting.pop()
        if dependant.cache_key in visited:
            continue
        visited.append(dependant.cache_key)
        for place, fields in needs.parameters.items():
            fields.extend(getattr(dependant, f"{place}_params"))
        scopes = list(dict.fromkeys([*inherited, *dependant.oauth_scopes]))
        if dependant is not root and dependant.is_security_scheme:
            needs.schemes.append((dependant, scopes))
        waiting.extend((inner, scopes) for inner in reversed(dependant.dependencies))
    return needs


def parameter_objects(needs: Needs, schemas: Schemas) -> list[dict[str, Any]]:
    """The Parameter Objects; of two with one place and name a required one wins."""
    by_name: dict[tuple[str, str], dict[str, Any]] = {}
    for place, fields in needs.parameters.items():
        for declared in fields:
            if not getattr(declared.param, "include_in_schema", True):
                continue
            for described in _described(place, declared, schemas):
                key = (place, described["name"])
                if described["required"] or not by_name.get(key, described)["required"]:
                    by_name[key] = described
    return list(by_name.values())


def _described(place: str, declared: ModelField, schemas: Schemas) -> Iterator[dict[str, Any]]:
    """The Parameter Objects of one declared parameter: a model is one for each field."""
    group = declared.reading.model
    may_be_missing = group is not None and group.is_optional and not declared.required
    for single, names in _opened(declared):
        info = schemas.info(single)
        alias, name = names[0]
        described: dict[str, Any] = {
            "name": name,
            "in": place,
            "required": single.required and not may_be_missing,
            "schema": schemas.of(single, alias),
        }
        if description := getattr(info, "description", None):
            described["description"] = description
        described.update(examples_of(info))
        if getattr(info, "deprecated", None):
            described["deprecated"] = True
        yield described


def _opened(declared: ModelField) -> list[tuple[ModelField, list[tuple[str, str]]]]:
    """The fields of a model of parameters, or the parameter itself, each with its names."""
    group = declared.reading.model
    if group is not None:
        return group.fields
    converts = getattr(declared.param, "convert_underscores", False)
    return [(declared, request_names(declared, convert_underscores=converts))]


def examples_of(info: Any) -> dict[str, Any]:
    """OpenAPI's ``examples``, or the single ``example`` of older documents."""
    if examples := getattr(info, "openapi_examples", None):
        return {"examples": jsonable_encoder(examples)}
    example = getattr(info, "example", None)
    return {} if example is None else {"example": jsonable_encoder(example)}
