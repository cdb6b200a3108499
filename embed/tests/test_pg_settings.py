"""Where the server is and how to log in, as URLs, keywords and variables say it."""

from __future__ import annotations

import pwd
import shutil
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from postgres_cluster import PASSWORDS
from postgres_driver import OURS, in_loop

if TYPE_CHECKING:
    from postgres_cluster import Cluster

ours_only = pytest.mark.skipif(not OURS, reason="asyncpg does not know these settings")

# What each user's log-in is like, over TCP (postgres_cluster.HBA).
METHODS = {
    "scram": "scram-sha-256",
    "md5": "md5",
    "cleartext": "password",
    "trusting": "none",
}


async def user_of(pg: Any, *arguments: Any, **more: Any) -> str:
    """Connect; whom the server takes us for."""
    connection = await pg.connect(*arguments, **more, timeout=10)
    try:
        name: str = await connection.fetchval("SELECT current_user::text")
        return name
    finally:
        await connection.close()


@ours_only
@pytest.mark.parametrize("user", METHODS)
@pytest.mark.parametrize(
    "required", ["scram-sha-256", "none", "none,scram-sha-256", "md5", "password", "!password,!md5"]
)
@in_loop
async def test_required_methods(pg: Any, postgres: Cluster, required: str, user: str) -> None:
    """A server that asks for anything else is not logged into."""
    dsn = postgres.dsn(user, require_auth=required)
    allowed = {"none", "scram-sha-256"} if required[0] == "!" else set(required.split(","))
    if METHODS[user] in allowed:
        assert await user_of(pg, dsn) == user
    else:
        with pytest.raises(pg.InterfaceError, match="authentication method requirement"):
            await user_of(pg, dsn)


@ours_only
@pytest.mark.parametrize("user", METHODS)
@in_loop
async def test_methods_that_the_driver_does_not_have(pg: Any, postgres: Cluster, user: str) -> None:
    """To refuse these, and no others, is no restriction."""
    assert await user_of(pg, postgres.dsn(user, require_auth="!gss,!sspi")) == user


@ours_only
@in_loop
async def test_channel_binding(pg: Any, postgres: Cluster) -> None:
    """Where it is required nothing else will do: not another method, nor SCRAM without TLS."""
    binding = {"channel_binding": "require"}
    assert await user_of(pg, postgres.dsn("scram", sslmode="require", **binding)) == "scram"
    for user in METHODS:
        with pytest.raises(pg.InterfaceError, match="does not bind"):
            await user_of(pg, postgres.dsn(user, sslmode="disable", **binding))
        if user != "scram":
            with pytest.raises(pg.InterfaceError, match="does not bind"):
                await user_of(pg, postgres.dsn(user, sslmode="require", **binding))


DEMANDS = {
    "require_auth": "gss,sspi",
    "sslcertmode": "require",
    "gssencmode": "require",
    "requiressl": "1",
}


@ours_only
@pytest.mark.parametrize("name", DEMANDS)
@pytest.mark.parametrize("source", ["url", "keywords", "variable"])
@in_loop
async def test_demands_that_are_not_met(
    pg: Any, postgres: Cluster, monkeypatch: pytest.MonkeyPatch, source: str, name: str
) -> None:
    """None is ignored: the error names it."""
    value = DEMANDS[name]
    dsn = postgres.dsn("trusting")
    if source == "url":
        dsn = postgres.dsn("trusting", **{name: value})
    elif source == "keywords":
        dsn = f"host=127.0.0.1 port={postgres.port} user=trusting dbname=postgres {name}={value}"
    else:
        monkeypatch.setenv("PG" + name.replace("_", "").upper(), value)
    with pytest.raises(pg.ClientConfigurationError, match=name):
        await user_of(pg, dsn)


@ours_only
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("channel_binding", "always", "must be one of"),
        ("require_auth", "scram", "no method 'scram'"),
        ("require_auth", "md5,!password", "either methods"),
    ],
)
@in_loop
async def test_no_such_value(pg: Any, postgres: Cluster, name: str, value: str, words: str) -> None:
    """What libpq does not know is an error, too."""
    with pytest.raises(pg.ClientConfigurationError, match=words):
        await user_of(pg, postgres.dsn("trusting", **{name: value}))


@ours_only
@in_loop
async def test_demands_of_nothing(pg: Any, postgres: Cluster) -> None:
    """Settings by which nothing is asked for are accepted."""
    settings = {"channel_binding": "prefer", "gssencmode": "prefer", "sslcertmode": "allow"}
    assert await user_of(pg, postgres.dsn("scram", **settings)) == "scram"
    settings = {"channel_binding": "disable", "gssencmode": "disable", "sslcertmode": "disable"}
    assert await user_of(pg, postgres.dsn("scram", **settings)) == "scram"


@ours_only
@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
@in_loop
async def test_direct_tls_is_no_choice(pg: Any, postgres: Cluster, mode: str) -> None:
    """TLS without asking first is either required or not there, as with libpq."""
    with pytest.raises(pg.ClientConfigurationError, match="direct TLS requires"):
        await user_of(pg, postgres.dsn("scram", sslmode=mode, sslnegotiation="direct"))
    with pytest.raises(pg.ClientConfigurationError, match="direct TLS requires"):
        await user_of(pg, **postgres.arguments("scram", ssl=mode, direct_tls=True))


@ours_only
@pytest.mark.parametrize(("mode", "kind"), [("prefer", "hostssl"), ("allow", "hostnossl")])
@in_loop
async def test_a_wrong_password(pg: Any, own_postgres: Cluster, mode: str, kind: str) -> None:
    """It is the error, also when the second try, on the other way, is refused as such."""
    other = "hostnossl" if kind == "hostssl" else "hostssl"
    own_postgres.hba(f"{kind} all scram all scram-sha-256", f"{other} all scram all reject")
    own_postgres.reload()
    arguments = own_postgres.arguments("scram", ssl=mode)
    assert await user_of(pg, **arguments) == "scram"
    with pytest.raises(pg.InvalidPasswordError):
        await user_of(pg, **arguments | {"password": "wrong"})
    # The server has let the user in by then: the other way is not tried.
    with pytest.raises(pg.InvalidCatalogNameError):
        await user_of(pg, **arguments | {"database": "nowhere"})


def user_who_runs(pid: int) -> str:
    """The name of a process's user."""
    return pwd.getpwuid(Path(f"/proc/{pid}").stat().st_uid).pw_name


@ours_only
@in_loop
async def test_the_servers_user(pg: Any, postgres: Cluster) -> None:
    """`requirepeer` names who must be behind a Unix socket; TCP has no such thing."""
    owner = user_who_runs(postgres.pid)
    folder = postgres.socket_folder
    dsn = f"host={folder} port={postgres.port} user=trusting dbname=postgres requirepeer="
    assert await user_of(pg, dsn + owner) == "trusting"
    with pytest.raises(ConnectionError, match=f'"somebody", but actual peer .* "{owner}"'):
        await user_of(pg, dsn + "somebody")
    assert await user_of(pg, postgres.dsn("trusting", requirepeer="somebody")) == "trusting"


@ours_only
@in_loop
async def test_a_folder_of_revocation_lists(pg: Any, own_postgres: Cluster, tmp_path: Path) -> None:
    """`sslcrldir`: what is in there when a connection is made."""
    folder = own_postgres.certificates
    settings = {"sslmode": "verify-full", "sslrootcert": str(folder / "ca.crt")}
    dsn = own_postgres.dsn("scram", sslcrldir=str(tmp_path), **settings).replace(
        "127.0.0.1", "localhost"
    )
    assert await user_of(pg, dsn) == "scram"
    shutil.copy(folder / "ca.crl", tmp_path)
    assert await user_of(pg, dsn) == "scram"
    revoked = {"ssl_cert_file": folder / "revoked.crt", "ssl_key_file": folder / "revoked.key"}
    own_postgres.configure(**revoked)
    own_postgres.reload()
    with pytest.raises(ssl.SSLError, match="Revoked"):
        await user_of(pg, dsn)
    (tmp_path / "ca.crl").unlink()
    assert await user_of(pg, dsn) == "scram"


@ours_only
@in_loop
async def test_no_certificate_is_shown(pg: Any, postgres: Cluster) -> None:
    """`sslcertmode=disable` keeps the certificate that there is from the server."""
    folder = postgres.certificates
    files = {"sslcert": str(folder / "certified.crt"), "sslkey": str(folder / "certified.key")}
    assert await user_of(pg, postgres.dsn("certified", sslmode="require", **files)) == "certified"
    with pytest.raises(pg.InvalidAuthorizationSpecificationError):
        await user_of(
            pg, postgres.dsn("certified", sslmode="require", sslcertmode="disable", **files)
        )


@pytest.mark.parametrize("escape", ["%2F", "%2f"])
@in_loop
async def test_a_socket_and_its_port_in_a_url(pg: Any, postgres: Cluster, escape: str) -> None:
    """The port behind a folder of sockets is that folder's."""
    folder = quote(postgres.socket_folder, safe="").replace("%2F", escape)
    dsn = f"postgresql://trusting@{folder}:{postgres.port}/postgres"
    assert await user_of(pg, dsn) == "trusting"


@pytest.mark.parametrize("user", ["scram", "md5"])
@in_loop
async def test_no_password_at_all(
    pg: Any, postgres: Cluster, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    """It is an error of the log-in."""
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", "/nowhere")
    arguments = postgres.arguments(user)
    assert arguments.pop("password") == PASSWORDS[user]
    with pytest.raises(pg.InvalidPasswordError) as told:
        await user_of(pg, **arguments)
    if OURS:
        assert user in str(told.value)
        assert "none was given" in str(told.value)


@in_loop
async def test_arguments_that_make_no_sense(pg: Any, postgres: Cluster) -> None:
    """They are errors in the words of the function that was called."""
    arguments = postgres.arguments("trusting")
    words = r"connect\(\) got an unexpected keyword argument 'nonsense'"
    with pytest.raises(TypeError, match="record_class is expected to be a subclass"):
        pg.create_pool(**arguments, record_class=int)
    with pytest.raises(TypeError, match=words):
        await pg.connect(**arguments, nonsense=1)
    with pytest.raises(TypeError, match=words):
        await pg.create_pool(**arguments, nonsense=1, min_size=1)


@in_loop
async def test_settings_that_hold(pg: Any, postgres: Cluster) -> None:
    """A reset takes back what `init` has set, and not `server_settings`."""

    async def init(connection: Any) -> None:
        await connection.execute("SET work_mem = '5MB'")

    settings = {"statement_timeout": "7s"}
    arguments = postgres.arguments(min_size=1, max_size=1, server_settings=settings, init=init)
    async with pg.create_pool(**arguments) as pool:
        async with pool.acquire() as connection:
            assert await connection.fetchval("SHOW work_mem") == "5MB"
            await connection.execute("SET statement_timeout = '9s'")
        assert await pool.fetchval("SHOW statement_timeout") == "7s"
        assert await pool.fetchval("SHOW work_mem") != "5MB"
