"""Arguments into the text of a query, for commands that take none (COPY)."""

from __future__ import annotations

import re
from typing import Any

from fasterapi.pg._listeners import quote_identifier
from fasterapi.pg.exceptions import InterfaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fasterapi.pg._deadline import Deadline
    from fasterapi.pg._parts import ConnectionParts

__all__ = ["mogrify"]

# What may hold a `$1` that is no parameter, then the parameter (4.1 Lexical Structure).
TOKEN = re.compile(
    r"""
      [eE]'(?:[^'\\]|\\.|'')*'            # strings with escapes
    | '(?:[^']|'')*'                      # strings
    | "(?:[^"]|"")*"                      # identifiers
    | \$(?P<tag>[^\W\d]\w*|)\$.*?\$(?P=tag)\$   # strings in dollars
    | --[^\n]*
    | /\*.*?\*/
    | (?<![\w$])\$(?P<number>\d+)
    """,
    re.VERBOSE | re.DOTALL,
)
VALUE = 2


async def mogrify(
    connection: ConnectionParts, query: str, args: tuple[Any, ...], deadline: Deadline
) -> str:
    """``query`` with its arguments as literals, which the server has quoted."""
    if not args:
        return query
    statement = await connection._get_statement(query, deadline.left(), use_cache=False)
    oids = statement.prepared.parameter_oids
    if len(oids) != len(args):
        raise InterfaceError(
            f"the server expects {len(oids)} arguments for this query, {len(args)} were passed"
        )
    casts = []
    for number, oid in enumerate(oids, 1):
        schema, name, _ = connection._types.info(oid) or ("pg_catalog", "text", "base")
        kind = f"{quote_identifier(schema)}.{quote_identifier(name)}"
        casts.append(f"pg_catalog.quote_nullable(${number}::{kind}::text)")
    texts = await connection._core.query(
        f"SELECT ARRAY[{', '.join(casts)}]", args, mode=VALUE, timeout=deadline.left()
    )

    def literal(token: re.Match[str]) -> str:
        number = token["number"]
        return token[0] if number is None else texts[int(number) - 1]

    return TOKEN.sub(literal, query)
