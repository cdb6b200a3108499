"""SQLAlchemy over this driver: ``create_async_engine("postgresql+fasterapi://user@host/database")``.

SQLAlchemy's dialect for asyncpg with this driver in asyncpg's place; SQLAlchemy 2.0 and newer.
Where the package was installed by pip SQLAlchemy finds the name by itself; elsewhere it knows it
once this module was imported.
"""

from __future__ import annotations

import functools
from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi, PGDialect_asyncpg

import fasterapi.pg
from fasterapi.pg import exceptions

__all__ = ["Dialect"]

RENAMED = {
    "IntegrityConstraintViolationError": "IntegrityError",
    "PostgresError": "Error",
    "SyntaxOrAccessError": "ProgrammingError",
}
"""What SQLAlchemy calls the driver's exceptions; it knows others by their own names."""


class _Dbapi(AsyncAdapt_asyncpg_dbapi):
    """The driver as SQLAlchemy sees it."""

    def connect(self, *arg: Any, **kw: Any) -> Any:
        """Connect; types of extensions are text, as SQLAlchemy has them (``HSTORE``)."""
        if "async_creator_fn" not in kw:
            kw.setdefault("extensions", False)
        asyncpgs: Any = super()
        return asyncpgs.connect(*arg, **kw)

    @functools.cached_property
    def _asyncpg_error_translate(self) -> dict[type[BaseException], type[BaseException]]:
        """SQLAlchemy's exceptions by the driver's, which it would take from asyncpg."""
        found = {}
        for name, error in vars(exceptions).items():
            known = getattr(AsyncAdapt_asyncpg_dbapi, RENAMED.get(name, name), None)
            if isinstance(error, type) and known is not None:
                found[error] = known
        return found


class Dialect(PGDialect_asyncpg):
    """``postgresql+fasterapi``."""

    driver = "fasterapi"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        """The driver."""
        adapt: Any = _Dbapi
        return adapt(fasterapi.pg)


registry.register("postgresql.fasterapi", __name__, Dialect.__name__)
