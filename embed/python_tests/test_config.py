"""Settings from the environment, a file and defaults."""

from __future__ import annotations

import pytest

from fasterapi.config import CommaSeparatedStrings, Config, Environ, EnvironError, Secret

FILE = """
# a comment = here
NAME = "from file"
DEBUG=true
EMPTY=
  PORT = '80'
no equals sign
URL=http://host/?a=b
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / ".env").write_text(FILE)
    return Config(tmp_path / ".env", environ={"NAME": "from environment", "BAD": "x"})


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(config):
    assert config("NAME") == "from environment"
    assert config("PORT", cast=int, default=1) == 80
    assert config("ABSENT", cast=int, default="7") == 7
    assert config("ABSENT", default=None) is None
    assert config("URL") == "http://host/?a=b"
    assert config.get("EMPTY") == ""
    assert "# a comment" not in config.file_values


def test_a_setting_without_a_value_is_named(config):
    with pytest.raises(KeyError, match="ABSENT"):
        config("ABSENT")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("0", False), ("False", False)])
def test_bools(text, value):
    assert Config(environ={"FLAG": text})("FLAG", cast=bool) is value


def test_a_value_that_does_not_convert_is_named(config):
    with pytest.raises(ValueError, match="'BAD' is 'x', which is not a valid bool"):
        config("BAD", cast=bool)
    with pytest.raises(ValueError, match="'BAD' is 'x', which is not a valid int"):
        config("BAD", cast=int)


def test_a_prefix_is_put_before_every_name():
    config = Config(environ={"APP_PORT": "1"}, env_prefix="APP_")
    assert config("PORT", cast=int) == 1
    with pytest.raises(KeyError, match="APP_HOST"):
        config("HOST")


def test_a_missing_file_is_a_warning(tmp_path):
    with pytest.warns(UserWarning, match=r"no settings file .*\.env"):
        assert Config(tmp_path / ".env").file_values == {}


def test_a_variable_that_was_read_stays_as_it_is():
    inner = {"A": "1", "B": "2"}
    environ = Environ(inner)
    environ["B"] = "3"
    assert environ["A"] == "1"
    assert dict(environ) == inner
    assert len(environ) == 2
    with pytest.raises(EnvironError, match=r"'A'.*read already"):
        environ["A"] = "2"
    with pytest.raises(EnvironError, match="deleted"):
        del environ["A"]
    environ["C"] = "1"
    del environ["C"]
    assert inner == {"A": "1", "B": "3"}


def test_a_secret_hides_itself():
    secret = Secret("word")
    assert repr(secret) == "Secret('**********')"
    assert (str(secret), bool(secret), bool(Secret(""))) == ("word", True, False)


def test_comma_separated_strings():
    items = CommaSeparatedStrings('127.0.0.1, "a, b" ,localhost')
    assert list(items) == ["127.0.0.1", "a, b", "localhost"]
    assert (len(items), items[0], items[-1]) == (3, "127.0.0.1", "localhost")
    assert list(CommaSeparatedStrings(["a", "b"])) == ["a", "b"]
    assert repr(CommaSeparatedStrings("a")) == "CommaSeparatedStrings(['a'])"
    assert str(CommaSeparatedStrings("a, b")) == "'a', 'b'"
