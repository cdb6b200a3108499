"""Parts of the PostgreSQL driver that need no server: texts of commands, arguments, proxies."""

from __future__ import annotations

import pytest

from fasterapi.pg._copy_options import copy_options, copy_target
from fasterapi.pg._deadline import Deadline, seconds
from fasterapi.pg._listeners import Listener, quote_identifier
from fasterapi.pg._mogrify import TOKEN
from fasterapi.pg._pool_queries import PLAIN_COMMAND, SESSION_WORDS
from fasterapi.pg.connection import Connection
from fasterapi.pg.exceptions import InterfaceError
from fasterapi.pg.pool import Pool, create_pool
from fasterapi.pg.transaction import Transaction


def test_names_are_quoted():
    assert quote_identifier('12+"34') == '"12+""34"'
    assert copy_target("t", "s", ("a", "b~")) == '"s"."t" ("a", "b~")'


def test_copy_has_the_options_that_are_given():
    assert copy_options(format=None, header=None) == ""
    text = copy_options(
        format="csv", header=True, null="n'", escape="\\", force_quote=("a",), force_null=True
    )
    assert text == (
        """(FORMAT csv, HEADER TRUE, NULL 'n''', ESCAPE E'\\\\', FORCE_QUOTE ("a"), FORCE_NULL *)"""
    )
    with pytest.raises(ValueError, match="format"):
        copy_options(format="csv, delimiter ';'")
    with pytest.raises(ValueError, match="option"):
        copy_options(header="false); DROP TABLE t; --")


def parameters(query):
    return TOKEN.sub(lambda token: token[0] if token["number"] is None else "!", query)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$1 + $2", "! + !"),
        ("'$1' || $1", "'$1' || !"),
        ("'it''s $1', $2", "'it''s $1', !"),
        (r"E'\'$1', $1", r"E'\'$1', !"),
        ('"$1", $1', '"$1", !'),
        ("$a$ $1 $a$ $1", "$a$ $1 $a$ !"),
        ("$$ $1 $$ $1", "$$ $1 $$ !"),
        ("-- $1\n$1", "-- $1\n!"),
        ("/* $1 */ $1 a$1", "/* $1 */ ! a$1"),
    ],
)
def test_parameters_are_found_outside_of_strings_and_comments(query, expected):
    assert parameters(query) == expected


@pytest.mark.parametrize(
    ("query", "shares"),
    [
        ("SELECT 1", True),
        (" -- hi\n /* set */ (SELECT 1)", True),
        ("INSERT INTO t VALUES ($1) ON CONFLICT DO UPDATE SET a = 1", True),
        ("BEGIN", False),
        ("SET work_mem = 1", False),
        ("SELECT set_config('a', 'b', false)", False),
        ("SELECT pg_advisory_lock(1)", False),
        ("SELECT 1 INTO TEMP t", False),
        ("LISTEN a", False),
    ],
)
def test_queries_that_change_the_session_share_no_connection(query, shares):
    plain = PLAIN_COMMAND.match(query) is not None and SESSION_WORDS.search(query) is None
    assert plain is shares


def test_a_timeout_is_a_number_of_seconds():
    assert seconds(1) == 1.0
    for value in ("a", False, None):
        with pytest.raises(ValueError, match="invalid timeout"):
            seconds(value)
    assert Deadline(None).left() is None
    assert 0 < Deadline(5).left() <= 5
    with pytest.raises(TimeoutError):
        Deadline(-1).left()


def test_a_listener_may_be_a_coroutine_function():
    async def later(*_):
        pass

    assert Listener.of(later).is_async
    assert not Listener.of(print).is_async
    with pytest.raises(InterfaceError):
        Listener.of("no function")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_size": 0}, "max_size is expected"),
        ({"min_size": -1}, "min_size is expected"),
        ({"min_size": 11}, "min_size is greater than max_size"),
        ({"max_queries": 0}, "max_queries"),
        ({"max_inactive_connection_lifetime": -1}, "max_inactive_connection_lifetime"),
        ({"pipeline_depth_max": 0}, "pipeline_depth_max"),
    ],
)
def test_a_pool_checks_its_sizes(options, message):
    with pytest.raises(ValueError, match=message):
        create_pool(**options)


def test_a_pool_is_of_no_use_before_it_is_opened():
    pool = create_pool()
    assert isinstance(pool, Pool)
    with pytest.raises(InterfaceError, match="not initialized"):
        pool.fetch("SELECT 1")
    with pytest.raises(TypeError, match="connection_class"):
        create_pool(connection_class=int)


class Unconnected(Connection):
    """As far as a transaction looks at it."""

    def __init__(self):
        self._releases = 0

    def __del__(self):
        pass


def test_a_transaction_knows_its_isolation_levels():
    with pytest.raises(ValueError, match="isolation is expected"):
        Transaction(Unconnected(), "chaos", False, False)
    transaction = Transaction(Unconnected(), "repeatable_read", True, True)
    assert transaction._begin() == "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY DEFERRABLE;"
    assert "state:new repeatable_read readonly deferrable" in repr(transaction)


def test_what_a_released_connection_has_made_is_of_no_use():
    connection = Unconnected()
    transaction = Transaction(connection, None, False, False)
    connection._releases += 1
    with pytest.raises(InterfaceError, match=r"cannot call Transaction.start.*released back"):
        transaction.start()
