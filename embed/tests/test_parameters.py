"""Path and query parameters, methods and paths; the literals are FastAPI 0.165's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from conftest import Serve

INT = ("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
FLOAT = ("float_parsing", "Input should be a valid number, unable to parse string as a number")
BOOL = ("bool_parsing", "Input should be a valid boolean, unable to interpret input")
MISSING = ("missing", "Field required")


def invalid(problem: tuple[str, str], loc: tuple[str, str], given: str | None) -> dict[str, Any]:
    """One entry of a 422 answer."""
    return {"type": problem[0], "loc": list(loc), "msg": problem[1], "input": given}


def invalid_uuid(loc: tuple[str, str], given: str) -> dict[str, Any]:
    """The entry for a text that is no UUID from its first character on."""
    why = f"invalid character: found `{given[0]}` at 0"
    entry = invalid(("uuid_parsing", f"Input should be a valid UUID, {why}"), loc, given)
    return {**entry, "ctx": {"error": why}}


NOT_FOUND = {"detail": "Not Found"}
CASES: list[tuple[str, int, Any]] = [
    ("/path/str/a%20b%2Fc", 404, {"detail": "Not Found"}),
    ("/path/str/%C3%A9", 200, {"value": "é"}),
    ("/path/plain/x", 200, {"value": "x"}),
    ("/path/int/42", 200, {"value": 42}),
    ("/path/int/-1", 200, {"value": -1}),
    ("/path/int/abc", 422, {"detail": [invalid(INT, ("path", "value"), "abc")]}),
    ("/path/int/4.0", 200, {"value": 4}),
    ("/path/int/4.5", 422, {"detail": [invalid(INT, ("path", "value"), "4.5")]}),
    ("/path/int/1_000", 200, {"value": 1000}),
    ("/path/int/99999999999999999999999", 200, {"value": 99999999999999999999999}),
    ("/path/int/%2042", 200, {"value": 42}),
    ("/path/float/1.5", 200, {"value": 1.5}),
    ("/path/float/x", 422, {"detail": [invalid(FLOAT, ("path", "value"), "x")]}),
    ("/path/float/inf", 500, None),
    ("/path/float/nan", 500, None),
    ("/path/float/1e3", 200, {"value": 1000.0}),
    ("/path/bool/yes", 200, {"value": True}),
    ("/path/bool/OFF", 200, {"value": False}),
    ("/path/bool/maybe", 422, {"detail": [invalid(BOOL, ("path", "value"), "maybe")]}),
    (
        "/path/uuid/12345678-1234-5678-1234-567812345678",
        200,
        {"value": "12345678-1234-5678-1234-567812345678", "kind": "UUID"},
    ),
    ("/path/uuid/nope", 422, {"detail": [invalid_uuid(("path", "value"), "nope")]}),
    (
        "/path/uuid/12345678123456781234567812345678",
        200,
        {"value": "12345678-1234-5678-1234-567812345678", "kind": "UUID"},
    ),
    ("/files/", 200, {"name": ""}),
    ("/files/a/b%20c/d", 200, {"name": "a/b c/d"}),
    ("/files/a//b", 200, {"name": "a//b"}),
    ("/two/x/and/2", 200, {"first": "x", "second": 2}),
    ("/conv/int/7", 200, {"value": 7, "kind": "int"}),
    ("/conv/int/x", 404, {"detail": "Not Found"}),
    ("/conv/int/-7", 404, {"detail": "Not Found"}),
    ("/conv/float/7", 200, {"value": 7.0}),
    ("/conv/float/7.5", 200, {"value": 7.5}),
    ("/conv/float/x", 404, {"detail": "Not Found"}),
    (
        "/conv/uuid/12345678-1234-5678-1234-567812345678",
        200,
        {"value": "12345678-1234-5678-1234-567812345678", "kind": "UUID"},
    ),
    ("/conv/uuid/x", 404, {"detail": "Not Found"}),
    ("/pick/7", 200, {"number": 7}),
    ("/pick/x", 200, {"name": "x"}),
    ("/order/me", 200, {"me": True}),
    ("/order/you", 200, {"name": "you"}),
    ("/first/me", 200, {"name": "me"}),
    (
        "/query/required",
        422,
        {
            "detail": [
                invalid(MISSING, ("query", "text"), None),
                invalid(MISSING, ("query", "number"), None),
            ]
        },
    ),
    ("/query/required?text=a&number=1", 200, {"text": "a", "number": 1}),
    ("/query/required?text=&number=", 422, {"detail": [invalid(INT, ("query", "number"), "")]}),
    (
        "/query/required?number=x",
        422,
        {
            "detail": [
                invalid(MISSING, ("query", "text"), None),
                invalid(INT, ("query", "number"), "x"),
            ]
        },
    ),
    ("/query/required?text=a&text=b&number=1&number=2", 200, {"text": "b", "number": 2}),
    ("/query/required?text=a+b%26%C3%A9&number=%201", 200, {"text": "a b&é", "number": 1}),
    ("/query/defaults", 200, {"text": "d", "number": 3, "ratio": 0.5, "flag": False}),
    (
        "/query/defaults?number=4&ratio=2&flag=on&text=t",
        200,
        {"text": "t", "number": 4, "ratio": 2.0, "flag": True},
    ),
    (
        "/query/defaults?flag=maybe&ratio=x",
        422,
        {
            "detail": [
                invalid(FLOAT, ("query", "ratio"), "x"),
                invalid(BOOL, ("query", "flag"), "maybe"),
            ]
        },
    ),
    ("/query/optional", 200, {"text": None, "number": None, "ident": None}),
    (
        "/query/optional?text=&number=5&ident=12345678-1234-5678-1234-567812345678",
        200,
        {"text": "", "number": 5, "ident": "12345678-1234-5678-1234-567812345678"},
    ),
    (
        "/query/optional?number=&ident=x",
        422,
        {"detail": [invalid(INT, ("query", "number"), ""), invalid_uuid(("query", "ident"), "x")]},
    ),
    ("/query/nullable", 422, {"detail": [invalid(MISSING, ("query", "text"), None)]}),
    ("/query/annotated?number=5", 200, {"number": 5}),
    ("/query/keyword/5", 422, {"detail": [invalid(MISSING, ("query", "after"), None)]}),
    (
        "/query/keyword/5?after=x",
        200,
        {"path": "/query/keyword/5", "ident": 5, "after": "x", "limit": 10},
    ),
    (
        "/query/keyword/x",
        422,
        {
            "detail": [
                invalid(INT, ("path", "ident"), "x"),
                invalid(MISSING, ("query", "after"), None),
            ]
        },
    ),
    (
        "/mixed/x?number=y&flag=z",
        422,
        {
            "detail": [
                invalid(INT, ("path", "ident"), "x"),
                invalid(INT, ("query", "number"), "y"),
                invalid(BOOL, ("query", "flag"), "z"),
            ]
        },
    ),
    ("/mixed/1?number=2", 200, {"ident": 1, "number": 2, "flag": True}),
    ("/nowhere", 404, {"detail": "Not Found"}),
    ("/own", 405, {"detail": "Method Not Allowed"}),
]


@pytest.fixture(scope="module")
def client(serve_for_module: Serve) -> Iterator[httpx.Client]:
    """A client of the parameters application."""
    with serve_for_module("parameters").client() as made:
        yield made


@pytest.mark.parametrize(("path", "status", "body"), CASES)
def test_a_get(client: httpx.Client, path: str, status: int, body: Any) -> None:
    """Status and body are FastAPI's, types included."""
    response = client.get(path)
    assert response.status_code == status, response.text
    if body is not None:
        assert repr(response.json()) == repr(body)
        assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_each_method_has_its_handler(client: httpx.Client, method: str) -> None:
    """One path, five handlers."""
    response = client.request(method, "/methods")
    assert (response.status_code, response.json()) == (200, {"method": method})


@pytest.mark.parametrize("path", ["/methods", "/query/defaults", "/query/optional"])
def test_head_comes_with_get(client: httpx.Client, path: str) -> None:
    """HEAD has the head of GET's answer and no body."""
    get, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["content-type"] == get.headers["content-type"]


def test_options_is_automatic(client: httpx.Client) -> None:
    """It lists what the path answers to."""
    response = client.options("/methods")
    assert response.status_code in {200, 204}
    allow = {name.strip() for name in response.headers["allow"].split(",")}
    assert allow == {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}


def test_own_head_and_options_win(client: httpx.Client) -> None:
    """A handler goes before what is automatic."""
    assert client.head("/own").status_code == 200
    assert client.options("/own").json() == {"method": "OPTIONS"}


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/own", {"HEAD", "OPTIONS"}),
        ("DELETE", "/several", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("TRACE", "/methods", {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}),
        ("FOO", "/noslash", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_another_method_is_405(
    client: httpx.Client, method: str, path: str, allow: set[str]
) -> None:
    """With ``allow``, as RFC 9110, section 15.5.6 demands."""
    response = client.request(method, path)
    assert response.status_code == 405
    assert response.json() == {"detail": "Method Not Allowed"}
    assert {name.strip() for name in response.headers["allow"].split(",")} == allow


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "FOO"])
def test_an_unknown_path_is_404(client: httpx.Client, method: str) -> None:
    """For every method."""
    response = client.request(method, "/nowhere/at/all")
    assert (response.status_code, response.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/slash", "/slash/"),
        ("/slash?a=b&c=%20d", "/slash/?a=b&c=%20d"),
        ("/noslash/", "/noslash"),
        ("/item/5", "/item/5/"),
        ("/methods/", "/methods"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_slash_too_few_or_too_many_redirects(
    client: httpx.Client, method: str, path: str, target: str
) -> None:
    """To the same server, with 307, which keeps the method; the query stays."""
    response = client.request(method, path)
    assert response.status_code == 307
    here = str(client.base_url)
    assert urljoin(here, response.headers["location"]) == urljoin(here, target)


def test_a_redirect_does_not_lead_away(client: httpx.Client) -> None:
    """``//host/`` would be another server."""
    response = client.get(f"{client.base_url}//example.org/slash")
    assert response.status_code == 404


def test_no_redirects_when_they_are_off(serve: Serve) -> None:
    """``redirect_slashes=False``."""
    app = """
from fasterapi import FasterAPI
app = FasterAPI(redirect_slashes=False)

@app.get("/a")
async def a(): return 1
"""
    server = serve(app)
    assert server.get("/a/").status_code == 404
    assert server.get("/a").json() == 1
