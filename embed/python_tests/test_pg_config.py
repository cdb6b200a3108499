"""Where the server is: arguments, DSN, service file, environment and defaults."""

from __future__ import annotations

import os
import ssl

import pytest

from fasterapi.pg._config import ConnectOptions, SessionAttribute, resolve
from fasterapi.pg._connect_config import ConnectionConfig
from fasterapi.pg._server_version import parse_server_version
from fasterapi.pg._ssl import SSLMode, SSLNegotiation, TlsSettings
from fasterapi.pg.exceptions import ClientConfigurationError


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """No settings from outside, and a home of its own."""
    for name in list(os.environ):
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def found(dsn=None, **options):
    return resolve(ConnectOptions(dsn=dsn, **options))


def test_a_url_has_it_all():
    addresses, params = found("postgresql://us%40r:p%3Aw@host:5433/d%62?application_name=x&a=1&a=2")
    assert addresses == [("host", 5433)]
    assert (params.user, params.password, params.database) == ("us@r", "p:w", "db")
    assert params.server_settings == {"application_name": "x", "a": "2"}
    assert params.sslmode is SSLMode.prefer


def test_keywords_with_values_may_be_quoted():
    addresses, params = found(
        r"host = h port=6 user='a \'b\\' password='' dbname=d\ e  sslmode=disable"
    )
    assert addresses == [("h", 6)]
    assert (params.user, params.database) == (r"a 'b" + "\\", "d e")
    assert params.sslmode is SSLMode.disable


@pytest.mark.parametrize("dsn", ["host='open", "host=a b", "http://x/y", "nonsense"])
def test_what_is_no_dsn_is_refused(dsn):
    with pytest.raises(ClientConfigurationError, match="invalid DSN"):
        found(dsn)


def test_arguments_win_over_the_dsn_over_the_service_over_the_environment(monkeypatch, environment):
    (environment / ".pg_service.conf").write_text(
        "[one]\nhost=service\nport=3\nuser=su\ndatabase=sd\npassword=50%\n"
    )
    for name, value in {"HOST": "env", "PORT": "4", "USER": "eu", "DATABASE": "ed"}.items():
        monkeypatch.setenv(f"PG{name}", value)
    monkeypatch.setenv("PGAPPNAME", "name")
    addresses, params = found("postgresql://du@/?service=one", database="ad")
    assert addresses == [("service", 3)]
    assert (params.user, params.password, params.database) == ("du", "50%", "ad")
    assert params.server_settings == {"application_name": "name"}
    with pytest.raises(ClientConfigurationError, match="service 'two' not found"):
        found(service="two")


def test_without_a_host_the_usual_sockets_come_before_tcp():
    addresses, params = found(user="u")
    assert addresses[0] == "/run/postgresql/.s.PGSQL.5432"
    assert addresses[-1] == ("localhost", 5432)
    assert params.database == "u"


def test_sockets_have_paths_and_are_never_encrypted():
    addresses, params = found(host="/tmp", port=6)
    assert addresses == ["/tmp/.s.PGSQL.6"]
    assert (params.sslmode, params.ssl) == (SSLMode.disable, None)
    assert found(host="@name")[0] == ["\0name/.s.PGSQL.5432"]


def test_several_hosts_have_one_port_each_or_one_for_all():
    assert found("postgresql://a:1,[::1]:2,c/d")[0] == [("a", 1), ("::1", 2), ("c", 5432)]
    assert found(host=["a", "b"], port=[1, 2])[0] == [("a", 1), ("b", 2)]
    assert found(host="a,b", port=7)[0] == [("a", 7), ("b", 7)]
    with pytest.raises(ClientConfigurationError, match="could not match 2 port numbers to 3 hosts"):
        found(host=["a", "b", "c"], port=[1, 2])
    for port in ("x", 0, 65536):
        with pytest.raises(ClientConfigurationError, match="port number"):
            found(host="a", port=port)


def test_the_password_file_is_read_unless_others_may_read_it(environment):
    file = environment / ".pgpass"
    file.write_text("# no\nother:*:*:*:no\nh:5432:d\\:b:u:p\\:w\\\\\n*:*:*:*:rest:x\n")
    file.chmod(0o600)
    assert found(host="h", user="u", database="d:b")[1].password == "p:w\\"
    assert found(host=["h", "i"], user="u", database="d:b")[1].password == ["p:w\\", "rest:x"]
    assert found(host="/tmp", user="v")[1].password == "rest:x"
    assert found(host="h", user="u", password="given")[1].password == "given"
    file.chmod(0o640)
    with pytest.warns(UserWarning, match="group or world access"):
        assert found(host="h", user="u")[1].password is None


@pytest.mark.parametrize("value", list(SessionAttribute))
def test_the_kind_of_server_may_be_asked_for(value):
    dsn = f"postgresql://h/d?target_session_attrs={value.value}"
    assert found(dsn)[1].target_session_attrs is value
    with pytest.raises(ClientConfigurationError, match="target_session_attrs"):
        found(host="h", target_session_attrs="nice")


def test_sslmode_is_taken_from_everywhere(monkeypatch):
    monkeypatch.setenv("PGSSLMODE", "allow")
    assert found(host="h")[1].sslmode is SSLMode.allow
    assert found("postgresql://h/d?sslmode=require")[1].sslmode is SSLMode.require
    assert found(host="h", ssl=False)[1].sslmode is SSLMode.disable
    assert found(host="h", ssl=True)[1].sslmode is SSLMode.verify_full
    context = ssl.create_default_context()
    assert found(host="h", ssl=context)[1].ssl is context
    with pytest.raises(ClientConfigurationError, match="`sslmode` parameter must be one of"):
        found(host="h", ssl="always")
    with pytest.raises(ClientConfigurationError, match="sslnegotiation"):
        found("postgresql://h/d?sslnegotiation=later")
    assert found(host="h", direct_tls=True)[1].ssl_negotiation is SSLNegotiation.direct


def test_verification_needs_certificates_and_root_crt_makes_require_verify(environment):
    with pytest.raises(ClientConfigurationError, match=r'root certificate file ".*root.crt"'):
        found(host="h", ssl="verify-full")
    assert found(host="h", ssl="require")[1].ssl == TlsSettings(SSLMode.require)
    folder = environment / ".postgresql"
    folder.mkdir()
    root = folder / "root.crt"
    root.write_text("x")
    (folder / "root.crl").write_text("x")
    settings = found(host="h", ssl="require")[1].ssl
    assert (settings.mode, settings.root_certificates) == (SSLMode.verify_ca, str(root))
    assert settings.revoked == str(folder / "root.crl")
    # Whoever does not verify does not look at them.
    assert found(host="h", ssl="prefer")[1].ssl.root_certificates is None
    assert found("postgresql://h/d?sslmode=verify-full&sslrootcert=system")[1].ssl.mode == 5
    with pytest.raises(ClientConfigurationError, match="weak sslmode"):
        found("postgresql://h/d?sslmode=require&sslrootcert=system")
    with pytest.raises(FileNotFoundError):
        found("postgresql://h/d?sslmode=require&sslcert=/does/not/exist")
    with pytest.raises(ClientConfigurationError, match="No such TLS version"):
        found("postgresql://h/d?sslmode=require&ssl_min_protocol_version=2")


def test_server_settings_are_texts():
    assert found(host="h", server_settings={"a": "b"})[1].server_settings == {"a": "b"}
    with pytest.raises(ClientConfigurationError, match="server_settings"):
        found(host="h", server_settings={"a": 1})


DEFAULTS = {
    "command_timeout": None,
    "statement_cache_size": 1,
    "max_cached_statement_lifetime": 1,
    "max_cacheable_statement_size": 1,
    "message_bytes_max": 1,
}


@pytest.mark.parametrize("timeout", [0, -1, True, "soon"])
def test_a_command_timeout_is_a_positive_number(timeout):
    with pytest.raises(ValueError, match="greater than 0"):
        ConnectionConfig.checked(**DEFAULTS | {"command_timeout": timeout})


@pytest.mark.parametrize("size", [None, -1, True])
def test_bounds_of_the_cache_are_numbers(size):
    with pytest.raises(ValueError, match="greater or equal"):
        ConnectionConfig.checked(**DEFAULTS | {"statement_cache_size": size})


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("15.18 (Debian 15.18-0+deb12u1)", (15, 0, 18, "final", 0)),
        ("9.4beta1", (9, 4, 0, "beta", 1)),
        ("17devel", (17, 0, 0, "devel", 0)),
        ("PostgreSQL 11.2-YB-2.7.1.1-b0", (11, 0, 2, "final", 0)),
    ],
)
def test_the_servers_version_becomes_numbers(text, version):
    assert parse_server_version(text) == version
