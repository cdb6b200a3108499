"""A connection's types: looked up on the server when needed, and the program's own codecs."""

from __future__ import annotations

from typing import Any

from fasterapi.pg._introspect import TypeRow, fetch_type_named, fetch_types
from fasterapi.pg._parts import ConnectionParts
from fasterapi.pg.exceptions import InterfaceError, UnsupportedClientFeatureError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["CodecMixin"]

NESTING_MAX = 64
"""How deep types may be made of types that must be asked for."""

# What SQL calls the types that pg_type has other names for.
SQL_NAMES = {
    "smallint": "int2",
    "int": "int4",
    "integer": "int4",
    "bigint": "int8",
    "decimal": "numeric",
    "dec": "numeric",
    "real": "float4",
    "float": "float8",
    "double precision": "float8",
    "boolean": "bool",
    "timestamp with timezone": "timestamptz",
    "timestamp with time zone": "timestamptz",
    "timestamp without timezone": "timestamp",
    "timestamp without time zone": "timestamp",
    "time with timezone": "timetz",
    "time with time zone": "timetz",
    "time without timezone": "time",
    "time without time zone": "time",
    "char": "bpchar",
    "character": "bpchar",
    "character varying": "varchar",
    "bit varying": "varbit",
}


class CodecMixin(ConnectionParts):
    """What a connection knows about types."""

    __slots__ = ()

    async def set_type_codec(
        self,
        typename: str,
        *,
        schema: str = "public",
        encoder: Callable[[Any], Any],
        decoder: Callable[[Any], Any],
        format: str = "text",  # noqa: A002 - asyncpg's name
    ) -> None:
        """Set how values of a type are encoded and decoded on this connection.

        With the format ``text`` the functions deal in ``str``, with ``binary`` in bytes-like
        objects, with ``tuple`` in the tuple that stands for a value of that type. Raises
        ``ValueError`` for an unknown type, ``InterfaceError`` for an array.
        """
        self._check_open()
        if format not in ("text", "binary", "tuple"):
            raise ValueError(
                f"invalid 'format' argument, expected 'text', 'binary' or 'tuple', got {format!r}"
            )
        row = await self._introspect_type(typename, schema)
        full_name = f"{schema}.{typename}"
        if row.kind == "domain":
            raise UnsupportedClientFeatureError(
                "custom codecs on domain types are not supported",
                hint="Set the codec on the base type.",
                detail=f"{full_name} is a domain",
            )
        if row.kind == "composite":
            if format != "tuple":
                raise UnsupportedClientFeatureError(
                    "only tuple-format codecs can be used on composite types",
                    hint="Use `set_type_codec(..., format='tuple')`.",
                    detail=f"{full_name} is a composite type",
                )
        elif row.kind in ("array", "pseudo"):
            raise InterfaceError(
                f"cannot use custom codec on type {full_name}: "
                "it is neither a scalar type nor a composite type"
            )
        self._types.set_custom(row.oid, encoder, decoder, format)
        # What is prepared has the former codec.
        self._drop_statements()

    async def reset_type_codec(self, typename: str, *, schema: str = "public") -> None:
        """Go back to the driver's own codec of a type."""
        self._check_open()
        row = await self._introspect_type(typename, schema)
        self._types.reset_custom(row.oid)
        self._drop_statements()

    async def set_builtin_type_codec(
        self,
        typename: str,
        *,
        schema: str = "public",
        codec_name: str,
        format: str | None = None,  # noqa: A002 - asyncpg's name
    ) -> None:
        """Use one of the driver's codecs (``pg_contrib.hstore``, ``json`` ...) for a type.

        Raises ``ValueError`` for an unknown type or codec, ``InterfaceError`` for a type that
        is no scalar.
        """
        self._check_open()
        row = await self._introspect_type(typename, schema)
        if row.kind not in ("base", "domain", "enum"):
            raise InterfaceError(f"cannot alias non-scalar type {schema}.{typename}")
        if format not in (None, "binary", "text"):
            raise ValueError(f"invalid 'format' argument: {format!r}")
        # Each of the driver's codecs has one format, the best that it knows.
        self._types.use_builtin(row.oid, codec_name)
        self._drop_statements()

    async def reload_schema_state(self) -> None:
        """Forget what was learned of types: call it after changing their definitions."""
        self._drop_type_cache()

    def _drop_type_cache(self) -> None:
        self._catalog.clear()
        self._types.forget()
        self._drop_statements()

    async def _introspect_type(self, typename: str, schema: str) -> TypeRow:
        core, timeout_s = self._core, self._config.command_timeout
        await self._ready(timeout_s)
        found = await fetch_type_named(core, typename, schema, timeout=timeout_s)
        if found is None and schema == "pg_catalog":
            name = SQL_NAMES.get(typename.lower())
            if name is not None:
                found = await fetch_type_named(core, name, schema, timeout=timeout_s)
        if found is None:
            raise ValueError(f"unknown type: {schema}.{typename}")
        await self._learn((found.oid,), timeout_s)
        return found

    async def _introspect_types(self, oids: Iterable[int], timeout: float | None) -> list[TypeRow]:
        return await fetch_types(self._core, oids, timeout=timeout)

    async def _learn(self, oids: Iterable[int], timeout: float | None) -> None:
        """Tell the codecs of these types and of what they are made of."""
        for _ in range(NESTING_MAX):
            unknown = self._types.unknown(list(oids))
            asked = [oid for oid in unknown if oid not in self._catalog]
            if asked:
                for row in await self._introspect_types(asked, timeout):
                    self._catalog[row.oid] = row
            for oid in unknown:
                if (known := self._catalog.get(oid)) is not None:
                    known.add_to(self._types)
            if not unknown:
                return
        raise InterfaceError("types are nested too deep")
