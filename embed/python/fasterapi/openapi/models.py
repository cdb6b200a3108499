"""The objects of an OpenAPI document, to build parts of one by hand.

Those of security schemes are light classes; naming any other imports pydantic.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.openapi._document_models import *  # noqa: F403
    from fasterapi.openapi._schema_object import *  # noqa: F403
    from fasterapi.openapi._security_models import *  # noqa: F403

    BaseModelWithConfig = SpecificationObject  # noqa: F405
else:
    from fasterapi.openapi import _security_models

    def __getattr__(name: str) -> object:
        """Find a public object in the module that defines it, and keep it."""
        if name in _security_models.__all__:
            value = getattr(_security_models, name)
        elif name.startswith("__"):
            raise AttributeError(name)
        else:
            from fasterapi.openapi import _document_models, _schema_object

            if name == "BaseModelWithConfig":
                value = _schema_object.SpecificationObject
            elif name in _document_models.__all__:
                value = getattr(_document_models, name)
            elif name in _schema_object.__all__:
                value = getattr(_schema_object, name)
            else:
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value
