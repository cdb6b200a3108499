"""Names that every part of the OpenAPI document shares."""

from __future__ import annotations

__all__ = ["METHODS_WITH_BODY", "REF_PREFIX", "REF_TEMPLATE"]

#: The methods whose declared body is documented.
METHODS_WITH_BODY = frozenset({"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"})

#: Where the document keeps the schemas of models.
REF_PREFIX = "#/components/schemas/"

#: pydantic's form of a reference to one of them.
REF_TEMPLATE = REF_PREFIX + "{model}"
