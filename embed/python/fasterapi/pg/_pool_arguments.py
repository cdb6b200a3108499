"""What a pool's arguments may be."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi._core import Record

__all__ = ["check_arguments", "check_record_class"]


def check_arguments(
    init_size: int,
    min_size: int,
    max_size: int,
    max_queries: int,
    max_inactive_connection_lifetime: float,
) -> None:
    """Raises ``ValueError`` for what is out of bounds."""
    if max_size <= 0:
        raise ValueError("max_size is expected to be greater than zero")
    if min_size < 0:
        raise ValueError("min_size is expected to be greater or equal to zero")
    if min_size > max_size:
        raise ValueError("min_size is greater than max_size")
    if init_size < 0:
        raise ValueError("init_size is expected to be greater or equal to zero")
    if init_size > max_size:
        raise ValueError("init_size is greater than max_size")
    if init_size < min_size:
        raise ValueError("init_size is smaller than min_size")
    if max_queries <= 0:
        raise ValueError("max_queries is expected to be greater than zero")
    if max_inactive_connection_lifetime < 0:
        raise ValueError(
            "max_inactive_connection_lifetime is expected to be greater or equal to zero"
        )


def check_record_class(record_class: type[Record] | None) -> None:
    """Raises ``TypeError`` for a class that rows cannot have."""
    if record_class is None:
        return
    from fasterapi._core import Record

    if not (isinstance(record_class, type) and issubclass(record_class, Record)):
        raise TypeError(
            f"record_class is expected to be a subclass of asyncpg.Record, got {record_class}"
        )
