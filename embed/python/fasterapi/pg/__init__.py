"""PostgreSQL with asyncpg's names and semantics: ``import fasterapi.pg as asyncpg``."""

from __future__ import annotations

from fasterapi.pg import exceptions
from fasterapi.pg._json_rows import JsonRows as JsonRows
from fasterapi.pg._notifications import Gap as Gap
from fasterapi.pg._notifications import Notification as Notification
from fasterapi.pg._notifications import Notifications as Notifications
from fasterapi.pg._pipeline import Pipeline as Pipeline
from fasterapi.pg._pipeline import PipelineResult as PipelineResult
from fasterapi.pg.backplane import PostgresBackplane as PostgresBackplane
from fasterapi.pg.connection import Connection as Connection
from fasterapi.pg.connection import connect as connect
from fasterapi.pg.exceptions import *  # noqa: F403
from fasterapi.pg.pool import Pool as Pool
from fasterapi.pg.pool import create_pool as create_pool
from fasterapi.pg.types import (
    Attribute as Attribute,
)
from fasterapi.pg.types import (
    BitString as BitString,
)
from fasterapi.pg.types import (
    Box as Box,
)
from fasterapi.pg.types import (
    Circle as Circle,
)
from fasterapi.pg.types import (
    Line as Line,
)
from fasterapi.pg.types import (
    LineSegment as LineSegment,
)
from fasterapi.pg.types import (
    Path as Path,
)
from fasterapi.pg.types import (
    Point as Point,
)
from fasterapi.pg.types import (
    Polygon as Polygon,
)
from fasterapi.pg.types import (
    Range as Range,
)
from fasterapi.pg.types import (
    ServerVersion as ServerVersion,
)
from fasterapi.pg.types import (
    Type as Type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi._core import Record as Record

__all__ = [  # noqa: PLE0604 - computed from the table
    *("Attribute", "BitString", "Box", "Circle", "Connection", "Line", "LineSegment"),
    *("Path", "Point", "Polygon", "Pool", "Range", "Record", "ServerVersion", "Type"),
    *("connect", "create_pool"),
    *("Gap", "JsonRows", "Notification", "Notifications", "Pipeline", "PipelineResult"),
    *("PostgresBackplane",),
    *vars(exceptions)["__all__"],
]


def __getattr__(name: str) -> object:
    """``Record``, which is compiled: settings and errors can be had without it."""
    if name != "Record":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fasterapi._core import Record

    globals()[name] = Record
    return Record
