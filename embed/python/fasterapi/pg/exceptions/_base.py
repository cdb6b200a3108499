"""What the server and the driver say: messages with fields, and the errors of the driver itself."""

from __future__ import annotations

from typing import Any, ClassVar, Self

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ClientConfigurationError",
    "FatalPostgresError",
    "InterfaceError",
    "InterfaceMessage",
    "InterfaceWarning",
    "InternalClientError",
    "OutdatedSchemaCacheError",
    "PostgresError",
    "PostgresLogMessage",
    "PostgresMessage",
    "ProtocolError",
    "TargetServerAttributeNotMatched",
    "UnknownPostgresError",
    "UnsupportedClientFeatureError",
    "UnsupportedServerFeatureError",
]

FIELDS: dict[str, str] = {
    "S": "severity",
    "V": "severity_en",
    "C": "sqlstate",
    "M": "message",
    "D": "detail",
    "H": "hint",
    "P": "position",
    "p": "internal_position",
    "q": "internal_query",
    "W": "context",
    "s": "schema_name",
    "t": "table_name",
    "c": "column_name",
    "d": "data_type_name",
    "n": "constraint_name",
    "F": "server_source_filename",
    "L": "server_source_line",
    "R": "server_source_function",
}
"""The attribute for each field of ErrorResponse and NoticeResponse (protocol-error-fields)."""

NAMES = frozenset(FIELDS.values())


class PostgresMessage:
    """A message of the server; a field that it left out is ``None``."""

    severity: str | None = None
    severity_en: str | None = None
    sqlstate: str | None = None
    message: str | None = None
    detail: str | None = None
    hint: str | None = None
    position: str | None = None
    internal_position: str | None = None
    internal_query: str | None = None
    context: str | None = None
    schema_name: str | None = None
    table_name: str | None = None
    column_name: str | None = None
    data_type_name: str | None = None
    constraint_name: str | None = None
    server_source_filename: str | None = None
    server_source_line: str | None = None
    server_source_function: str | None = None

    by_sqlstate: ClassVar[dict[str, type[Any]]] = {}
    """Every class that stands for one SQLSTATE."""

    def as_dict(self) -> dict[str, str]:
        """The fields that the message has, by attribute name."""
        return {name: value for name, value in vars(self).items() if name in NAMES}


def named(fields: Mapping[str, str]) -> dict[str, str]:
    """Fields by attribute name, given by the protocol's letters or by attribute name."""
    return {FIELDS.get(key, key): value for key, value in fields.items()}


class PostgresError(PostgresMessage, Exception):
    """What the server refused; each SQLSTATE has a class below this one."""

    query: str | None = None
    """The query that failed, where it is known."""

    def __str__(self) -> str:
        """The message, with DETAIL and HINT."""
        lines = str(self.args[0]) if self.args else ""
        if self.detail:
            lines += f"\nDETAIL:  {self.detail}"
        if self.hint:
            lines += f"\nHINT:  {self.hint}"
        return lines

    @classmethod
    def new(cls, fields: Mapping[str, str], query: str | None = None) -> PostgresError:
        """The error that ``fields`` describe, of the class for its SQLSTATE."""
        values = named(fields)
        kind = _class_of(values)
        message = values.get("message", "")
        if values.get("server_source_function") == _PLAN_CHECK:
            message = f"{_STALE_PLAN} ({message})"
        error = kind(message)
        vars(error).update(query=query, **values)
        advice = _ADVICE.get(values.get("sqlstate", ""))
        if advice is not None:
            error.hint = f"{error.hint}\n{advice}" if error.hint else advice
        return error


# plancache.c, which says "cached plan must not change result type".
_PLAN_CHECK = "RevalidateCachedQuery"
_STALE_PLAN = "cached statement plan is invalid due to a database schema or configuration change"


def _class_of(values: dict[str, str]) -> type[PostgresError]:
    sqlstate = values.get("sqlstate", "")
    found: type[PostgresError] = PostgresMessage.by_sqlstate.get(sqlstate, UnknownPostgresError)
    if not issubclass(found, PostgresError):
        # RAISE EXCEPTION may carry a warning's code: an error stays an error.
        return UnknownPostgresError
    if sqlstate == "0A000" and values.get("server_source_function") == _PLAN_CHECK:
        stale: type[PostgresError] = PostgresMessage.by_sqlstate["0A000/cached"]
        return stale
    return found


_POOLER_ADVICE = (
    "A pooler such as pgbouncer in transaction or statement mode may have changed the server"
    " session under this connection. Connect with statement_cache_size=0 (then no statement is"
    " kept on the server), or let pgbouncer 1.21 or newer keep track (max_prepared_statements)."
)
_ADVICE = {"42P05": _POOLER_ADVICE, "26000": _POOLER_ADVICE}


class FatalPostgresError(PostgresError):
    """An error that ended the session."""


class UnknownPostgresError(FatalPostgresError):
    """An error whose SQLSTATE has no class here."""


class PostgresLogMessage(PostgresMessage):
    """A notice of the server, as log listeners get it."""

    def __str__(self) -> str:
        """The class and the message."""
        return f"{type(self).__name__}: {self.message}"

    @classmethod
    def new(cls, fields: Mapping[str, str], query: str | None = None) -> PostgresLogMessage:
        """The message that ``fields`` describe: a warning has a class for its SQLSTATE."""
        values = named(fields)
        kind: type[PostgresLogMessage] = PostgresLogMessage
        if (values.get("severity_en") or values.get("severity", "")).upper() == "WARNING":
            warning: type[PostgresLogMessage] = PostgresMessage.by_sqlstate["01000"]
            found = PostgresMessage.by_sqlstate.get(values.get("sqlstate", ""), warning)
            kind = found if issubclass(found, PostgresLogMessage) else warning
        arguments = (values.get("message", ""),) if issubclass(kind, BaseException) else ()
        message = kind(*arguments)
        vars(message).update(values)
        return message


class InterfaceMessage:
    """A message of the driver, with an explanation and advice."""

    def __init__(self, msg: str, *, detail: str | None = None, hint: str | None = None) -> None:
        self.detail = detail
        self.hint = hint
        # `object` takes no arguments; an exception does.
        super().__init__(msg)  # type: ignore[call-arg]

    def __str__(self) -> str:
        """The message, with DETAIL and HINT."""
        arguments: tuple[Any, ...] = getattr(self, "args", ())
        lines = str(arguments[0]) if arguments else ""
        if self.detail:
            lines += f"\nDETAIL:  {self.detail}"
        if self.hint:
            lines += f"\nHINT:  {self.hint}"
        return lines


class InterfaceError(InterfaceMessage, Exception):
    """The driver was used in a way that cannot work."""

    def with_msg(self, msg: str) -> Self:
        """The same error with another message."""
        changed = type(self)(msg, detail=self.detail, hint=self.hint)
        changed.__cause__ = self.__cause__
        return changed.with_traceback(self.__traceback__)


class ClientConfigurationError(InterfaceError, ValueError):
    """What the connection was told about the server does not fit together."""


class UnsupportedClientFeatureError(InterfaceError):
    """The driver lacks what was asked for."""


class UnsupportedServerFeatureError(InterfaceError):
    """The server lacks what was asked for."""


class InterfaceWarning(InterfaceMessage, UserWarning):
    """Something that is allowed but seldom meant."""


class InternalClientError(Exception):
    """The driver could not go on."""


class ProtocolError(InternalClientError):
    """The server sent what the protocol does not allow."""


class OutdatedSchemaCacheError(InternalClientError):
    """A value does not fit what the driver knows about its type: the schema has changed."""

    schema_name: str | None
    data_type_name: str | None
    position: str | None

    def __init__(
        self,
        msg: str,
        *,
        schema: str | None = None,
        data_type: str | None = None,
        position: str | None = None,
    ) -> None:
        super().__init__(msg)
        self.schema_name = schema
        self.data_type_name = data_type
        self.position = position


class TargetServerAttributeNotMatched(InternalClientError):
    """No server is what ``target_session_attrs`` asks for."""
