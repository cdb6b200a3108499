"""Programs written for FastAPI, unmodified: two of its documentation's larger ones."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_server import own_virtual_environment, run_to_end

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from conftest import Serve

VERSION = "0.165.0"
DOWNLOAD_TIMEOUT_S = 100


def cache() -> Path:
    """Where fetched suites are kept; never in the repository."""
    given = os.environ.get("FASTERAPI_SUITES_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "fasterapi-suites"


@pytest.fixture(scope="module")
def documentation() -> Path:
    """FastAPI's ``docs_src``, from its source distribution on PyPI."""
    source = cache() / f"fastapi-{VERSION}"
    if not source.is_dir():
        fetch(cache())
    return source / "docs_src"


def fetch(folder: Path) -> None:
    """Download and unpack the source distribution; skip where there is no network."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", "fastapi", "--dest", str(folder), f"fastapi=={VERSION}"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        reason = f"FastAPI's documentation cannot be fetched: {done.stderr.strip()[-500:]}"
        warnings.warn(reason, stacklevel=1)
        pytest.skip(reason)
    with tarfile.open(folder / f"fastapi-{VERSION}.tar.gz") as archive:
        archive.extractall(folder, filter="data")


@pytest.fixture(scope="module")
def bigger(serve_for_module: Serve, documentation: Path) -> Iterator[httpx.Client]:
    """An application of several modules, routers and dependencies."""
    server = serve_for_module(
        "app.main:app",
        "--as-fastapi",
        cwd=documentation / "bigger_applications",
        env=own_virtual_environment(),
    )
    with server.client() as client:
        yield client


TOKEN = {"token": "jessica"}
HEADER = {"X-Token": "fake-super-secret-token"}


@pytest.mark.seconds(DOWNLOAD_TIMEOUT_S + 30)
def test_bigger_applications(bigger: httpx.Client) -> None:
    """Each router answers, with the dependencies of the application and its own."""
    users = bigger.get("/users/", params=TOKEN)
    assert users.json() == [{"username": "Rick"}, {"username": "Morty"}]
    assert bigger.get("/users/me", params=TOKEN).json() == {"username": "fakecurrentuser"}
    items = bigger.get("/items/", params=TOKEN, headers=HEADER)
    assert items.json() == {"plumbus": {"name": "Plumbus"}, "gun": {"name": "Portal Gun"}}
    plumbus = bigger.put("/items/plumbus", params=TOKEN, headers=HEADER)
    assert plumbus.json() == {"item_id": "plumbus", "name": "The great Plumbus"}
    admin = bigger.post("/admin/", params=TOKEN, headers=HEADER)
    assert admin.json() == {"message": "Admin getting schwifty"}
    assert bigger.get("/", params=TOKEN).json() == {"message": "Hello Bigger Applications!"}


def test_what_bigger_applications_refuse(bigger: httpx.Client) -> None:
    """Missing and wrong tokens, unknown items."""
    wrong = bigger.get("/users/", params={"token": "x"})
    assert (wrong.status_code, wrong.json()) == (400, {"detail": "No Jessica token provided"})
    missing = bigger.get("/items/")
    assert missing.status_code == 422
    assert [(error["type"], error["loc"]) for error in missing.json()["detail"]] == [
        ("missing", ["query", "token"]),
        ("missing", ["header", "x-token"]),
    ]
    unknown = bigger.get("/items/x", params=TOKEN, headers=HEADER)
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "Item not found"})
    forbidden = bigger.put("/items/x", params=TOKEN, headers=HEADER)
    assert forbidden.status_code == 403


def test_the_document_of_bigger_applications(bigger: httpx.Client) -> None:
    """Paths, tags and documented answers."""
    document = bigger.get("/openapi.json").json()
    assert sorted(document["paths"]) == [
        "/",
        "/admin/",
        "/items/",
        "/items/{item_id}",
        "/users/",
        "/users/me",
        "/users/{username}",
    ]
    assert document["paths"]["/items/{item_id}"]["put"]["tags"] == ["items", "custom"]
    assert set(document["paths"]["/admin/"]["post"]["responses"]) == {"200", "418", "422"}
    assert "swagger-ui" in bigger.get("/docs").text


@pytest.fixture(scope="module")
def security(serve_for_module: Serve, documentation: Path) -> Iterator[httpx.Client]:
    """Users, passwords and tokens with scopes."""
    pytest.importorskip("jwt")
    pytest.importorskip("pwdlib")
    env = own_virtual_environment() | {"FASTERAPI_AS_FASTAPI": "1"}
    server = serve_for_module("tutorial005:app", cwd=documentation / "security", env=env)
    with server.client() as client:
        yield client


def sign_in(client: httpx.Client, scope: str, password: str = "secret") -> httpx.Response:
    """Ask for a token."""
    form = {"username": "johndoe", "password": password, "scope": scope}
    return client.post("/token", data=form)


@pytest.mark.seconds(DOWNLOAD_TIMEOUT_S + 30)
def test_security(security: httpx.Client) -> None:
    """A token opens what its scopes allow, and nothing else."""
    assert sign_in(security, "me", "wrong").status_code == 400
    answer = sign_in(security, "me")
    assert answer.status_code == 200, answer.text
    token = answer.json()
    assert token["token_type"] == "bearer"
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    assert security.get("/users/me/", headers=headers).json() == {
        "username": "johndoe",
        "full_name": "John Doe",
        "email": "johndoe@example.com",
        "disabled": False,
    }
    refused = security.get("/users/me/items/", headers=headers)
    assert (refused.status_code, refused.json()) == (401, {"detail": "Not enough permissions"})
    assert refused.headers["www-authenticate"] == 'Bearer scope="items me"'
    both = {"Authorization": f"Bearer {sign_in(security, 'me items').json()['access_token']}"}
    assert security.get("/users/me/items/", headers=both).json() == [
        {"item_id": "Foo", "owner": "johndoe"}
    ]
    nobody = security.get("/status/")
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
    schemes = security.get("/openapi.json").json()["components"]["securitySchemes"]
    assert schemes["OAuth2PasswordBearer"]["flows"]["password"]["tokenUrl"] == "token"


def test_what_we_lack_is_one_sentence(tmp_path: Path) -> None:
    """No traceback of ours, and the place in the program that asks for it."""
    (tmp_path / "main.py").write_text("import fastapi\nfrom fastapi.nothing import X\n")
    done = run_to_end("run", "main:app", "--as-fastapi", "--port", "0", cwd=tmp_path)
    assert done.returncode == 1
    assert "main.py, line 2: this program uses fastapi.nothing, which FasterAPI does not have" in (
        done.stderr
    )
    assert "Traceback" not in done.stderr


def test_fastapi_itself_is_not_served_by_accident(tmp_path: Path) -> None:
    """Without the option a program of FastAPI's is refused, with advice."""
    pytest.importorskip("fastapi")
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    env = own_virtual_environment()
    done = run_to_end("run", "main:app", "--port", "0", cwd=tmp_path, env=env)
    assert done.returncode == 1
    assert "--as-fastapi" in done.stderr
    routes = run_to_end("routes", "main:app", "--as-fastapi", cwd=tmp_path, env=env)
    assert routes.returncode == 0, routes.stderr
