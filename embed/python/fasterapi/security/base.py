"""What makes a dependency a security scheme."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.openapi._light_model import LightModel

__all__ = ["SecurityBase"]


class SecurityBase:
    """The base of all schemes; an instance of a subclass is a dependency.

    ``model`` describes the scheme in the OpenAPI document, under ``scheme_name``.
    """

    model: LightModel
    scheme_name: str
