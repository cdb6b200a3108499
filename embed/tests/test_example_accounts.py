"""`examples/accounts` through the binary: log-in, scopes, routers, middleware."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from live_server import REPOSITORY, own_virtual_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from conftest import Serve

EXAMPLES = REPOSITORY / "examples"
ORIGIN = "https://app.example.com"
LIFETIME_S = 5


@pytest.fixture
def client(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the example, with a user `ann`."""
    env = own_virtual_environment() | {
        "ACCOUNTS_DATABASE": str(tmp_path_factory.mktemp("accounts") / "accounts.sqlite3"),
        "ACCOUNTS_TOKEN_SECRET": "a secret of the tests",
        "ACCOUNTS_TOKEN_LIFETIME_S": str(LIFETIME_S),
        "ACCOUNTS_ADMINISTRATOR_PASSWORD": "of the administrator",
    }
    server = serve("accounts.main:app", cwd=EXAMPLES, env=env)
    with server.client() as client:
        answer = client.post("/users", json={"name": "ann", "password": "very secret"})
        assert answer.status_code == 201, answer.text
        assert answer.json() == {"name": "ann", "is_admin": False, "is_disabled": False}
        yield client


def log_in(
    client: httpx.Client, name: str = "ann", password: str = "very secret", **form: str
) -> Any:
    """The answer to a log-in."""
    return client.post("/auth/token", data={"username": name, "password": password, **form})


def bearer(client: httpx.Client, **form: str) -> dict[str, str]:
    """The header of a user who has logged in."""
    answer = log_in(client, **form)
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


def administrator(client: httpx.Client) -> dict[str, str]:
    """The header of the administrator."""
    return bearer(client, name="admin", password="of the administrator")


def test_log_in(client: httpx.Client) -> None:
    """A token says what it allows, and no user gets more than that."""
    token = log_in(client).json()
    assert token["token_type"] == "bearer"
    assert token["scope"] == "notes:read notes:write"
    assert token["expires_in"] == LIFETIME_S
    assert log_in(client, scope="admin notes:read").json()["scope"] == "notes:read"
    me = client.get("/users/me", headers=bearer(client))
    assert me.json() == {"name": "ann", "is_admin": False, "is_disabled": False}


def test_wrong_password(client: httpx.Client) -> None:
    """A wrong name and a wrong password look the same."""
    for name in ("ann", "nobody"):
        answer = log_in(client, name=name, password="a wrong one")
        assert answer.status_code == 401
        assert answer.json() == {
            "code": "not_authenticated",
            "detail": "Name or password is wrong",
        }


def test_form_is_checked(client: httpx.Client) -> None:
    """The application's own answer to a request that does not validate repeats no input."""
    answer = client.post("/auth/token", data={"username": "ann"})
    assert answer.status_code == 422
    assert answer.json() == {
        "code": "invalid",
        "detail": [{"type": "missing", "loc": ["body", "password"], "msg": "Field required"}],
    }
    answer = client.post("/users", json={"name": "Ann!", "password": "short"})
    assert "short" not in [one.get("input") for one in answer.json()["detail"]]
    assert {one["loc"][-1] for one in answer.json()["detail"]} == {"name", "password"}


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ({}, "A token is needed: log in first"),
        ({"authorization": "Basic YTpi"}, "A token is needed: log in first"),
        ({"authorization": "Bearer nonsense"}, "The signature of the token is wrong"),
        ({"authorization": "Bearer a.b.c"}, "The signature of the token is wrong"),
        ({"authorization": "Bearer " + "a" * 5_000}, "The token is malformed"),
    ],
)
def test_no_token(client: httpx.Client, header: dict[str, str], detail: str) -> None:
    """401 says what is wrong, and which scopes are needed."""
    answer = client.get("/notes", headers=header)
    assert answer.status_code == 401
    assert answer.json() == {"code": "not_authenticated", "detail": detail}
    assert answer.headers["www-authenticate"] == 'Bearer scope="notes:read"'


def test_token_ends(client: httpx.Client) -> None:
    """A token is good for its time only."""
    header = bearer(client)
    assert client.get("/notes", headers=header).status_code == 200
    time.sleep(LIFETIME_S + 0.1)
    answer = client.get("/notes", headers=header)
    assert answer.json()["detail"] == "The token is no longer valid"


def test_scopes(client: httpx.Client) -> None:
    """A token that may read may not write."""
    header = bearer(client, scope="notes:read")
    assert client.get("/notes", headers=header).json() == []
    answer = client.post("/notes", headers=header, json={"text": "no"})
    assert answer.status_code == 403
    assert answer.json() == {
        "code": "not_allowed",
        "detail": "The token does not allow notes:write",
    }


def test_notes(client: httpx.Client) -> None:
    """Write, list, read, delete; and nobody sees somebody else's."""
    header = bearer(client)
    for number in range(3):
        note = {"text": f"note {number}", "is_pinned": number == 1}
        answer = client.post("/notes", headers=header, json=note)
        assert answer.status_code == 201
        assert answer.json() == note | {"id": number + 1, "written": answer.json()["written"]}
        assert answer.headers["location"] == f"{client.base_url}/notes/{number + 1}"
    listed = client.get("/notes", headers=header).json()
    assert [note["id"] for note in listed] == [2, 3, 1]
    page = client.get("/notes?limit=1&offset=1", headers=header).json()
    assert [note["id"] for note in page] == [3]
    assert client.get("/notes?limit=0", headers=header).status_code == 422
    other = administrator(client)
    assert client.get("/notes/1", headers=other).status_code == 404
    assert client.delete("/notes/1", headers=other).status_code == 404
    assert client.delete("/notes/1", headers=header).status_code == 204
    answer = client.get("/notes/1", headers=header)
    assert answer.json() == {"code": "not_found", "detail": "You have no note 1"}


def test_administration(client: httpx.Client) -> None:
    """The router's own dependency keeps others out; a disabled user's token is worth nothing."""
    header = bearer(client)
    assert client.get("/admin/users", headers=header).status_code == 403
    assert client.get("/admin/users").status_code == 401
    other = administrator(client)
    users = client.get("/admin/users", headers=other).json()
    assert [user["name"] for user in users] == ["admin", "ann"]
    assert set(users[0]) == {"name", "is_admin", "is_disabled"}
    assert client.post("/admin/users/ann/disable", headers=other).status_code == 204
    assert client.post("/admin/users/bob/disable", headers=other).status_code == 404
    assert client.get("/notes", headers=header).status_code == 401
    assert log_in(client).status_code == 401


def test_names_are_taken(client: httpx.Client) -> None:
    """Twice is once too often."""
    answer = client.post("/users", json={"name": "ann", "password": "another one"})
    assert answer.status_code == 409
    assert answer.json() == {"code": "taken", "detail": "There is a user ann"}


def test_unknown_path(client: httpx.Client) -> None:
    """What the framework refuses has the form of the application's own problems."""
    answer = client.get("/nothing")
    assert (answer.status_code, answer.json()) == (
        404,
        {"code": "not_found", "detail": "Not Found"},
    )
    answer = client.delete("/health")
    assert answer.json() == {"code": "method_not_allowed", "detail": "Method Not Allowed"}
    assert answer.headers["allow"] == "GET"
    body = {"content": b'"\xff"', "headers": {"content-type": "application/json"}}
    answer = client.post("/users", **body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_request"


def test_middleware(client: httpx.Client) -> None:
    """Every answer tells its time, is compressed when it is long, and names its origin."""
    header = bearer(client) | {"origin": ORIGIN}
    client.post("/notes", headers=header, json={"text": "long " * 1_000})
    answer = client.get("/notes", headers=header | {"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert {"origin", "accept-encoding"} == {
        one.strip().lower() for one in answer.headers["vary"].split(",")
    }
    assert answer.headers["server-timing"].startswith("app;dur=")
    assert answer.json()[0]["text"] == "long " * 1_000
    plain = client.get("/health", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert "access-control-allow-origin" not in plain.headers


def test_preflight(client: httpx.Client) -> None:
    """The browser's question before a request from another origin."""
    asked = {"origin": ORIGIN, "access-control-request-method": "DELETE"}
    answer = client.options("/notes/1", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    refused = client.options("/notes/1", headers=asked | {"origin": "https://other.example.com"})
    assert refused.status_code == 400


def test_document(client: httpx.Client) -> None:
    """The OpenAPI document knows the flow, its scopes and who needs which."""
    document = client.get("/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]
    assert scheme["flows"]["password"]["tokenUrl"] == "/auth/token"
    assert set(scheme["flows"]["password"]["scopes"]) == {"admin", "notes:read", "notes:write"}
    write = document["paths"]["/notes"]["post"]
    assert write["security"] == [{"OAuth2PasswordBearer": ["notes:write"]}]
    assert write["tags"] == ["notes"]
    assert set(write["responses"]) == {"201", "400", "401", "403", "422"}
