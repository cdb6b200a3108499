"""What the server knows about types that the driver was not built with.

Asked with COPY: its answer is bytes, so no codec (which the program may have replaced) and no
prepared statement is needed, and it takes one round trip.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fasterapi.pg._copy_flow import read_copy
from fasterapi.pg.exceptions import InternalClientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from fasterapi._core import PgConnection, PgTypes

__all__ = ["Catalog", "TypeRow", "fetch_type_named", "fetch_types"]

ANSWER_BYTES_MAX = 1 << 26
"""Largest answer about types that is taken, in bytes."""

# A true array is its element's array type; int2vector and the like are not.
# A multirange appears in pg_range since PostgreSQL 14.
COLUMNS = """
    t.oid::int8 AS oid, n.nspname AS schema, t.typname AS name, t.typtype AS kind,
    t.typdelim AS delimiter, t.typbasetype::int8 AS base,
    CASE WHEN e.oid IS NOT NULL THEN t.typelem::int8 ELSE 0 END AS element,
    e.typdelim AS element_delimiter,
    (SELECT r.rngsubtype::int8 FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid) AS subtype,
    {multirange} AS range,
    CASE WHEN t.typtype = 'e' THEN (
        SELECT json_agg(l.enumlabel ORDER BY l.enumsortorder)
        FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid
    ) END AS labels,
    CASE WHEN t.typtype = 'c' THEN (
        SELECT json_agg(json_build_array(a.attname, a.atttypid::int8) ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) END AS fields
"""
MULTIRANGE = """
    (SELECT m.rngtypid::int8 FROM pg_catalog.pg_range m WHERE m.rngmultitypid = t.oid)
"""
MULTIRANGE_SINCE = 14
QUERY = """COPY (
    SELECT pg_catalog.encode(pg_catalog.convert_to(
        pg_catalog.coalesce(pg_catalog.json_agg(found), '[]')::text, 'UTF8'), 'hex')
    FROM (
        SELECT {columns}
        FROM pg_catalog.pg_type t
        JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
        WHERE {condition}
    ) found
) TO STDOUT""".replace("pg_catalog.coalesce", "coalesce")


class TypeRow(NamedTuple):
    """One type, as ``PgTypes.add`` takes it."""

    oid: int
    schema: str
    name: str
    kind: str
    element: int = 0
    delimiter: str = ","
    labels: tuple[str, ...] = ()
    fields: tuple[tuple[str, int], ...] = ()

    def add_to(self, types: PgTypes) -> None:
        """Tell ``types`` of it."""
        types.add(
            self.oid,
            self.schema,
            self.name,
            self.kind,
            element=self.element,
            delimiter=self.delimiter,
            labels=list(self.labels),
            fields=list(self.fields),
        )


class Catalog(dict[int, TypeRow]):
    """The types of one database that were asked for, shared by a pool's connections."""


def _kind(row: dict[str, Any]) -> tuple[str, int]:
    """The kind of a type, and the type that it is made of."""
    if row["element"]:
        return "array", row["element"]
    kinds = {
        "d": ("domain", row["base"]),
        "r": ("range", row["subtype"]),
        "m": ("multirange", row["range"]),
        "c": ("composite", 0),
        "e": ("enum", 0),
        "p": ("pseudo", 0),
    }
    kind, element = kinds.get(row["kind"], ("base", 0))
    return kind, element or 0


def _type_row(row: dict[str, Any]) -> TypeRow:
    kind, element = _kind(row)
    return TypeRow(
        oid=row["oid"],
        schema=row["schema"],
        name=row["name"],
        kind=kind,
        element=element,
        delimiter=row["element_delimiter"] or row["delimiter"],
        labels=tuple(row["labels"] or ()),
        fields=tuple((name, oid) for name, oid in row["fields"] or ()),
    )


async def fetch_types(
    core: PgConnection, oids: Iterable[int], *, timeout: float | None
) -> list[TypeRow]:
    """The types of these oids; raises ``InternalClientError`` for one that does not exist."""
    wanted = sorted({int(oid) for oid in oids})
    condition = f"t.oid IN ({', '.join(map(str, wanted))})"
    rows = await _ask(core, condition, timeout)
    missing = set(wanted) - {row.oid for row in rows}
    if missing:
        raise InternalClientError(f"the server knows no type of the oids {sorted(missing)}")
    return rows


async def fetch_type_named(
    core: PgConnection, name: str, schema: str, *, timeout: float | None
) -> TypeRow | None:
    """The type of that name, if there is one."""
    condition = f"t.typname = {_text(name)} AND n.nspname = {_text(schema)}"
    rows = await _ask(core, condition, timeout)
    return rows[0] if rows else None


def _text(value: str) -> str:
    # In hexadecimal: independent of the session's ways to quote.
    return f"pg_catalog.convert_from(pg_catalog.decode('{value.encode().hex()}', 'hex'), 'UTF8')"


async def _ask(core: PgConnection, condition: str, timeout: float | None) -> list[TypeRow]:
    version = core.parameters.get("server_version", "")
    digits = version.partition(".")[0].strip()
    has_multiranges = digits.isdecimal() and int(digits) >= MULTIRANGE_SINCE
    columns = COLUMNS.format(multirange=MULTIRANGE if has_multiranges else "NULL::int8")
    sql = QUERY.format(columns=columns, condition=condition)
    answer = bytearray()

    def take(chunk: bytes) -> None:
        answer.extend(chunk)
        if len(answer) > ANSWER_BYTES_MAX:
            raise InternalClientError("the server's answer about types is too long")

    await read_copy(core, sql, take, timeout)
    return [_type_row(row) for row in json.loads(bytes.fromhex(answer.decode().strip()))]
