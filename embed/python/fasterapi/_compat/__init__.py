"""Names of FastAPI's private package of this name that programs have come to use."""

from fasterapi._compat.shared import PYDANTIC_VERSION_MINOR_TUPLE as PYDANTIC_VERSION_MINOR_TUPLE
from fasterapi._compat.shared import is_bytes_sequence_annotation as is_bytes_sequence_annotation
from fasterapi._compat.shared import (
    is_uploadfile_sequence_annotation as is_uploadfile_sequence_annotation,
)
from fasterapi._compat.v2 import ModelField as ModelField
from fasterapi._compat.v2 import Undefined as Undefined
