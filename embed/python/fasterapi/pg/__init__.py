"""PostgreSQL with asyncpg's names and semantics: ``import fasterapi.pg as asyncpg``."""
