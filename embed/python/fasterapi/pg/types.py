"""Python classes for PostgreSQL's values that Python has none for, and descriptions of types.

Names, arguments and attributes are those of ``asyncpg.types``. ``Interval``, ``OutOfRange`` and
``SparseVector`` come on top.
"""

from __future__ import annotations

from fasterapi.pg._bit_string import BitString
from fasterapi.pg._descriptions import Attribute, ServerVersion, Type
from fasterapi.pg._geometry import Box, Circle, Line, LineSegment, Path, Point, Polygon
from fasterapi.pg._moments import Interval, IntervalParts, OutOfRange
from fasterapi.pg._range import Range
from fasterapi.pg._sparse_vector import SparseVector

__all__ = (
    "Attribute",
    "BitString",
    "Box",
    "Circle",
    "Interval",
    "IntervalParts",
    "Line",
    "LineSegment",
    "OutOfRange",
    "Path",
    "Point",
    "Polygon",
    "Range",
    "ServerVersion",
    "SparseVector",
    "Type",
)

# Where they are found, and pickled from.
for _class in [globals()[_name] for _name in __all__]:
    _class.__module__ = __name__
del _class
