"""PostgreSQL's errors: one class for each SQLSTATE, chosen by what the server sends."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from fasterapi.pg import exceptions
from fasterapi.pg.exceptions import _table

STUB = Path(exceptions.__file__).with_suffix(".pyi")
ERRCODES = Path("/usr/share/postgresql/15/errcodes.txt")


def entries():
    return dict(entry.split(":") for entry in _table.TABLE.split())


@pytest.mark.parametrize(
    ("sqlstate", "name", "family"),
    [
        ("23505", "UniqueViolationError", "IntegrityConstraintViolationError"),
        ("42P01", "UndefinedTableError", "SyntaxOrAccessError"),
        ("57014", "QueryCanceledError", "OperatorInterventionError"),
        ("53300", "TooManyConnectionsError", "InsufficientResourcesError"),
        ("08003", "ConnectionDoesNotExistError", "PostgresConnectionError"),
        ("28P01", "InvalidPasswordError", "InvalidAuthorizationSpecificationError"),
    ],
)
def test_the_class_is_chosen_by_the_code_and_stands_below_its_family(sqlstate, name, family):
    error = exceptions.from_fields({"S": "ERROR", "C": sqlstate, "M": "no"}, "SELECT 1")
    assert type(error).__name__ == name
    assert error.sqlstate == sqlstate
    assert error.query == "SELECT 1"
    assert isinstance(error, getattr(exceptions, family))
    assert isinstance(error, exceptions.PostgresError)


def test_fields_become_attributes_and_the_text_has_detail_and_hint():
    error = exceptions.from_fields(
        {
            "S": "FEHLER",
            "V": "ERROR",
            "C": "23505",
            "M": "twice",
            "D": "Key (a)=(1).",
            "H": "Once.",
            "P": "7",
            "n": "t_pkey",
            "t": "t",
            "s": "public",
            "R": "_bt_check",
        }
    )
    assert str(error) == "twice\nDETAIL:  Key (a)=(1).\nHINT:  Once."
    assert (error.severity, error.severity_en) == ("FEHLER", "ERROR")
    assert (error.position, error.constraint_name, error.table_name) == ("7", "t_pkey", "t")
    assert error.server_source_function == "_bt_check"
    assert error.column_name is None
    assert error.as_dict()["detail"] == "Key (a)=(1)."
    assert "query" not in error.as_dict()


def test_a_stale_plan_is_told_from_other_features_that_are_not_supported():
    fields = {"C": "0A000", "M": "cached plan must not change result type"}
    assert type(exceptions.from_fields(fields)).__name__ == "FeatureNotSupportedError"
    stale = exceptions.from_fields({**fields, "R": "RevalidateCachedQuery"})
    assert isinstance(stale, exceptions.InvalidCachedStatementError)
    assert "cached statement plan is invalid" in str(stale)


def test_unknown_codes_and_the_codes_of_warnings_are_errors_all_the_same():
    for sqlstate in ("ZZ999", "01004", "00000"):
        error = exceptions.from_fields({"S": "ERROR", "C": sqlstate, "M": "x"})
        assert isinstance(error, exceptions.UnknownPostgresError)
        assert error.sqlstate == sqlstate


def test_a_pooler_is_suspected_where_a_statement_is_unknown():
    for sqlstate in ("26000", "42P05"):
        error = exceptions.from_fields({"C": sqlstate, "M": "x", "H": "own hint"})
        assert "own hint" in error.hint
        assert "statement_cache_size=0" in error.hint


def test_notices_are_messages_and_warnings_have_classes():
    notice = exceptions.notice_from_fields({"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": "hi"})
    assert type(notice) is exceptions.PostgresLogMessage
    assert str(notice) == "PostgresLogMessage: hi"
    warning = exceptions.notice_from_fields({"S": "WARNING", "C": "01004", "M": "cut"})
    assert type(warning) is exceptions.StringDataRightTruncation
    other = exceptions.notice_from_fields({"S": "WARNING", "C": "99999", "M": "x"})
    assert type(other) is exceptions.PostgresWarning
    assert other.sqlstate == "99999"


def test_the_drivers_own_errors_have_detail_and_hint():
    error = exceptions.InterfaceError("no", detail="because", hint="do")
    assert str(error) == "no\nDETAIL:  because\nHINT:  do"
    other = error.with_msg("yes")
    assert (other.args, other.detail) == (("yes",), "because")
    assert issubclass(exceptions.ClientConfigurationError, ValueError)
    assert issubclass(exceptions.InterfaceWarning, UserWarning)


def test_the_stub_names_every_class_with_its_base():
    declared = {
        node.name: [base.id for base in node.bases]
        for node in ast.parse(STUB.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    for name in entries().values():
        made = getattr(exceptions, name)
        assert declared[name] == [base.__name__ for base in made.__bases__], name
    assert set(declared) == {*entries().values(), "InvalidCachedStatementError"}


@pytest.mark.skipif(not ERRCODES.exists(), reason="PostgreSQL 15's table is not installed")
def test_no_code_of_the_servers_own_table_is_missing():
    lines = ERRCODES.read_text().splitlines()
    codes = {line.split()[0] for line in lines if line[:5].isalnum() and " " in line}
    codes -= {"00000"}
    assert not {code for code in codes if len(code) == 5} - set(entries())
