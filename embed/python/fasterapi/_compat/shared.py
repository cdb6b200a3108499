"""What annotations say, and the version of pydantic."""

from fasterapi._annotations import is_bytes_sequence as is_bytes_sequence_annotation
from fasterapi._annotations import is_scalar as field_annotation_is_scalar
from fasterapi._annotations import is_scalar_sequence as field_annotation_is_scalar_sequence
from fasterapi._annotations import is_sequence as field_annotation_is_sequence
from fasterapi._annotations import is_subclass as lenient_issubclass
from fasterapi._annotations import is_upload_sequence as is_uploadfile_sequence_annotation

__all__ = [
    "PYDANTIC_VERSION_MINOR_TUPLE",
    "field_annotation_is_scalar",
    "field_annotation_is_scalar_sequence",
    "field_annotation_is_sequence",
    "is_bytes_sequence_annotation",
    "is_uploadfile_sequence_annotation",
    "lenient_issubclass",
]


def _pydantic_version() -> tuple[int, ...]:
    from pydantic import VERSION

    return tuple(int(part) for part in VERSION.split(".")[:2])


PYDANTIC_VERSION_MINOR_TUPLE = _pydantic_version()
