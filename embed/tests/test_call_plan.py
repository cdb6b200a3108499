"""The call plan, asked directly by hand-made plans; the 422 literals are FastAPI 0.165's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from conftest import Serve

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("i=3", {"i": 3}),
    ("i=10", {"i": 10}),
    ("j=4", {"j": 4}),
    ("j=9", {"j": 9}),
    ("f=0.5", {"f": 0.5}),
    ("f=10", {"f": 10.0}),
    ("g=0.6", {"g": 0.6}),
    ("g=9.99", {"g": 9.99}),
    ("s=ab", {"s": "ab"}),
    ("s=abcd", {"s": "abcd"}),
    ("s=%C3%A9%C3%A9", {"s": "éé"}),
    ("big=1000000000000000000000000000000", {"big": 1000000000000000000000000000000}),
    ("n=1", {"n": 1}),
    ("i=3.0", {"i": 3}),
    ("i=1_0", {"i": 10}),
    ("i=%203", {"i": 3}),
    ("i=2&i=4", {"i": 4}),
]
WRONG: list[tuple[str, list[tuple[str, str, str, str, dict[str, Any] | None]]]] = [
    (
        "i=2",
        [("greater_than_equal", "i", "Input should be greater than or equal to 3", "2", {"ge": 3})],
    ),
    (
        "i=11",
        [("less_than_equal", "i", "Input should be less than or equal to 10", "11", {"le": 10})],
    ),
    (
        "i=99999999999999999999",
        [
            (
                "less_than_equal",
                "i",
                "Input should be less than or equal to 10",
                "99999999999999999999",
                {"le": 10},
            )
        ],
    ),
    (
        "i=-99999999999999999999",
        [
            (
                "greater_than_equal",
                "i",
                "Input should be greater than or equal to 3",
                "-99999999999999999999",
                {"ge": 3},
            )
        ],
    ),
    (
        "i=x",
        [
            (
                "int_parsing",
                "i",
                "Input should be a valid integer, unable to parse string as an integer",
                "x",
                None,
            )
        ],
    ),
    (
        "i=",
        [
            (
                "int_parsing",
                "i",
                "Input should be a valid integer, unable to parse string as an integer",
                "",
                None,
            )
        ],
    ),
    ("j=3", [("greater_than", "j", "Input should be greater than 3", "3", {"gt": 3})]),
    ("j=10", [("less_than", "j", "Input should be less than 10", "10", {"lt": 10})]),
    (
        "f=0.4",
        [
            (
                "greater_than_equal",
                "f",
                "Input should be greater than or equal to 0.5",
                "0.4",
                {"ge": 0.5},
            )
        ],
    ),
    (
        "f=10.5",
        [
            (
                "less_than_equal",
                "f",
                "Input should be less than or equal to 10",
                "10.5",
                {"le": 10.0},
            )
        ],
    ),
    (
        "f=nan",
        [("less_than_equal", "f", "Input should be less than or equal to 10", "nan", {"le": 10.0})],
    ),
    (
        "f=inf",
        [("less_than_equal", "f", "Input should be less than or equal to 10", "inf", {"le": 10.0})],
    ),
    (
        "f=-inf",
        [
            (
                "greater_than_equal",
                "f",
                "Input should be greater than or equal to 0.5",
                "-inf",
                {"ge": 0.5},
            )
        ],
    ),
    (
        "f=x",
        [
            (
                "float_parsing",
                "f",
                "Input should be a valid number, unable to parse string as a number",
                "x",
                None,
            )
        ],
    ),
    ("g=0.5", [("greater_than", "g", "Input should be greater than 0.5", "0.5", {"gt": 0.5})]),
    ("g=10", [("less_than", "g", "Input should be less than 10", "10", {"lt": 10.0})]),
    ("g=nan", [("less_than", "g", "Input should be less than 10", "nan", {"lt": 10.0})]),
    (
        "s=a",
        [
            (
                "string_too_short",
                "s",
                "String should have at least 2 characters",
                "a",
                {"min_length": 2},
            )
        ],
    ),
    (
        "s=abcde",
        [
            (
                "string_too_long",
                "s",
                "String should have at most 4 characters",
                "abcde",
                {"max_length": 4},
            )
        ],
    ),
    (
        "s=",
        [
            (
                "string_too_short",
                "s",
                "String should have at least 2 characters",
                "",
                {"min_length": 2},
            )
        ],
    ),
    (
        "s=%C3%A9",
        [
            (
                "string_too_short",
                "s",
                "String should have at least 2 characters",
                "é",
                {"min_length": 2},
            )
        ],
    ),
    (
        "s=%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9",
        [
            (
                "string_too_long",
                "s",
                "String should have at most 4 characters",
                "ééééé",
                {"max_length": 4},
            )
        ],
    ),
    (
        "s=%F0%9F%98%80",
        [
            (
                "string_too_short",
                "s",
                "String should have at least 2 characters",
                "😀",
                {"min_length": 2},
            )
        ],
    ),
    (
        "one=",
        [
            (
                "string_too_short",
                "one",
                "String should have at least 1 character",
                "",
                {"min_length": 1},
            )
        ],
    ),
    (
        "one=ab",
        [
            (
                "string_too_long",
                "one",
                "String should have at most 1 character",
                "ab",
                {"max_length": 1},
            )
        ],
    ),
    (
        "big=1000000000000000000000000000001",
        [
            (
                "less_than_equal",
                "big",
                "Input should be less than or equal to 1000000000000000000000000000000",
                "1000000000000000000000000000001",
                {"le": 1000000000000000000000000000000},
            )
        ],
    ),
    (
        "big=-1000000000000000000000000000001",
        [
            (
                "greater_than_equal",
                "big",
                "Input should be greater than or equal to -1000000000000000000000000000000",
                "-1000000000000000000000000000001",
                {"ge": -1000000000000000000000000000000},
            )
        ],
    ),
    (
        "n=0",
        [("greater_than_equal", "n", "Input should be greater than or equal to 1", "0", {"ge": 1})],
    ),
    (
        "n=",
        [
            (
                "int_parsing",
                "n",
                "Input should be a valid integer, unable to parse string as an integer",
                "",
                None,
            )
        ],
    ),
    (
        "i=2&f=0.1&s=a",
        [
            (
                "greater_than_equal",
                "i",
                "Input should be greater than or equal to 3",
                "2",
                {"ge": 3},
            ),
            (
                "greater_than_equal",
                "f",
                "Input should be greater than or equal to 0.5",
                "0.1",
                {"ge": 0.5},
            ),
            (
                "string_too_short",
                "s",
                "String should have at least 2 characters",
                "a",
                {"min_length": 2},
            ),
        ],
    ),
]

DEFAULTS = {"i": 5, "j": 5, "f": 1.0, "g": 1.0, "s": "abc", "one": "a", "big": 0, "n": None}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client(serve_for_module: Serve) -> Iterator[httpx.Client]:
    """A client of the call plan's application."""
    with serve_for_module("call_plan").client() as made:
        yield made


@pytest.mark.parametrize(("asked", "values"), GOOD)
def test_a_value_within_its_bounds(client: httpx.Client, asked: str, values: Any) -> None:
    """It arrives, converted."""
    response = client.get(f"/bounds?{asked}")
    assert repr(response.json()) == repr({**DEFAULTS, **values})


@pytest.mark.parametrize(("asked", "problems"), WRONG)
def test_a_value_past_its_bounds(client: httpx.Client, asked: str, problems: Any) -> None:
    """The complaint is pydantic's, to the order of its keys."""
    response = client.get(f"/bounds?{asked}")
    entries = []
    for kind, name, message, given, context in problems:
        entry = {"type": kind, "loc": ["query", name], "msg": message, "input": given}
        entries.append(entry if context is None else {**entry, "ctx": context})
    assert response.status_code == 422
    assert repr(response.json()) == repr({"detail": entries})


def test_places_complain_in_fastapis_order(client: httpx.Client) -> None:
    """Path, query, header, cookie, however the handler lists them."""
    response = client.get("/order/x?q=y", headers={"h": "z", "cookie": "c=w"})
    wrong = [(entry["loc"], entry["input"]) for entry in response.json()["detail"]]
    assert wrong == [
        (["path", "item"], "x"),
        (["query", "q"], "y"),
        (["header", "h"], "z"),
        (["cookie", "c"], "w"),
    ]
    missing = client.get("/order/1").json()["detail"]
    assert [entry["type"] for entry in missing] == ["missing"] * 3
    right = client.get("/order/1?q=2", headers={"h": "3", "cookie": "c=4"})
    assert right.json() == {"item": 1, "q": 2, "h": 3, "c": 4}


@pytest.mark.parametrize(
    ("headers", "query", "values"),
    [
        ([("X-Token", "a"), ("x-token", "b")], "", ["a", "none", None, None, None]),
        ([("x-token", b"\xe9"), ("cookie", b"theme=\xe9")], "", ["é", "none", "é", None, None]),
        (
            [("x-token", ""), ("cookie", "session=1; theme = dark ;session=2;;x")],
            "?last=1&last=a+b%21",
            ["", "2", "dark", "a b!", "a b!"],
        ),
        (
            [("x-token", "t"), ("cookie", "session=1"), ("cookie", 'theme="a\\054\\"b"')],
            "?last=%FF",
            ["t", "1", 'a,"b', "\ufffd", "\ufffd"],
        ),
    ],
)
def test_fields_cookies_and_queries(
    client: httpx.Client, headers: Any, query: str, values: list[Any]
) -> None:
    """The first field of a name; the last cookie and the last query value of one."""
    assert client.get(f"/names{query}", headers=headers).json() == values


@pytest.mark.parametrize("path", ["/json", "/json/def"])
@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/problem+json",
        "application/json ;x",
    ],
)
def test_a_json_body_is_given_as_bytes(client: httpx.Client, path: str, media_type: str) -> None:
    """And what the handler returns is the answer's body as it is."""
    response = client.post(path, content=b'{"a": 1}', headers={"content-type": media_type})
    assert (response.status_code, response.content) == (200, b'{"a": 1}')
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", JSON),
        (b"{}", {"content-type": "text/plain"}),
        (b"{}", {"content-type": "application/jsonp"}),
        (b"{}", {"content-type": "application/x/json"}),
        (b"{}", {}),
    ],
)
def test_no_json_body(client: httpx.Client, body: bytes, headers: dict[str, str]) -> None:
    """Without a general path it is FastAPI's 422 for a body that is missing."""
    response = client.post("/json", content=body, headers=headers)
    assert response.status_code == 422
    missing = {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}
    assert response.json() == {"detail": [missing]}


def test_a_body_that_arrives_slowly(client: httpx.Client) -> None:
    """The handler is called once all of it is there."""

    def slowly() -> Iterator[bytes]:
        for piece in (b'{"a":', b" [1, 2", b"]}"):
            time.sleep(0.05)
            yield piece

    response = client.post("/json", content=slowly(), headers=JSON)
    assert response.content == b'{"a": [1, 2]}'
    large = b"[" + b"1," * 500_000 + b"1]"
    assert client.post("/json", content=large, headers=JSON).content == large
    assert client.post("/body", content=slowly()).json() == 13
    assert client.post("/body").json() == 0


def test_the_general_path(client: httpx.Client) -> None:
    """It answers whenever the plan's own way does not fit, and has the body."""
    direct = client.post("/general/5", content=b"[1]", headers=JSON)
    assert direct.json() == {"number": 5, "body": [1]}
    for path, headers in (("/general/x", JSON), ("/general/5", {})):
        response = client.post(path, content=b"[1]", headers=headers)
        assert response.text == f"general: {path} 3"
    assert client.post("/general/5", headers=JSON).text == "general: /general/5 0"


def test_the_native_request(client: httpx.Client) -> None:
    """It says all that a scope is made of."""
    headers = {"x-one": "1", "X-Three": "3"}
    assert client.get("/native/7?a=b", headers=headers).json() == {
        "method": "GET",
        "path": "/native/7",
        "raw_path": "/native/7",
        "query": "a=b",
        "headers": "1",
        "absent": None,
        "http_version": "1.1",
        "scheme": "http",
        "server": "127.0.0.1",
        "client": "127.0.0.1",
        "root_path": "/mounted",
        "app": "side",
        "path_params": {"ident": 7},
        "same_params": True,
        "route": "the route",
        "endpoint": "native",
        "state": {},
        "raw": ["x-one", "x-three"],
    }


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/status", 201, b'{"made":1}'),
        ("/nothing", 204, b""),
        ("/json/value", 200, b'{"a":1}'),
    ],
)
def test_json_results(client: httpx.Client, path: str, status: int, body: bytes) -> None:
    """Bytes are the body; everything else is converted."""
    response = client.get(path)
    assert (response.status_code, response.content) == (status, body)


def test_work_for_after_the_answer(client: httpx.Client) -> None:
    """A pair of the JSON and what to call."""
    assert client.get("/json/background").content == b"[]"
    deadline = time.monotonic() + 5
    while "background" not in client.get("/done").json():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/error/async", "Refusal"),
        ("/error/waits", "Refusal"),
        ("/error/request", "Refusal"),
        ("/error/def", "Refusal"),
        ("/error/inline", "Refusal"),
        ("/error/no-json", "ValueError"),
        ("/error/no-json/def", "ValueError"),
        ("/error/header", "ValueError"),
        ("/error/call", "TypeError"),
        ("/error/general", "Refusal"),
        ("/error/http/on_error", "HTTPException"),
    ],
)
def test_on_error_answers(client: httpx.Client, path: str, error: str) -> None:
    """It has the request, whenever and wherever the handler failed."""
    response = client.get(path, headers={"x": "y"})
    assert response.status_code == 418
    assert response.json() == {"error": error, "path": path, "x": "y"}


def test_on_error_may_stream(client: httpx.Client) -> None:
    """With work for after it."""
    response = client.get("/error/stream")
    assert (response.status_code, response.content) == (500, b"one,two")
    deadline = time.monotonic() + 5
    while "Refusal GET" not in client.get("/done").json():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("path", ["/error/broken", "/error/exit", "/error/header/logged"])
def test_what_on_error_does_not_answer(client: httpx.Client, path: str) -> None:
    """It is logged and answered 500."""
    response = client.get(path, headers={"x": "y"})
    assert (response.status_code, response.text) == (500, "Internal Server Error")


def test_an_http_exception_is_answered_by_rust(client: httpx.Client) -> None:
    """Unless the plan says otherwise; its own content type wins."""
    response = client.get("/error/http")
    assert (response.status_code, response.json()) == (409, {"detail": "conflict"})
    assert response.headers["x-reason"] == "é"
    assert response.headers.get_list("content-type") == ["text/x"]


def test_responses_of_others(client: httpx.Client) -> None:
    """They are known by their attributes."""
    response = client.get("/foreign")
    assert (response.status_code, response.content) == (203, b"foreign")
    assert response.headers["x-from"] == "elsewhere"
    stream = client.get("/foreign/stream")
    assert (stream.status_code, stream.content) == (203, b"one,two")


def test_a_function_on_a_thread(client: httpx.Client) -> None:
    """With the caller's context, its result and its exception."""
    told = {"total": 3, "name": "somebody", "in_main": False, "after": "somebody"}
    assert client.get("/thread/result").json() == told
    assert "invalid literal" in client.get("/thread/error").json()


def test_many_functions_on_threads(client: httpx.Client) -> None:
    """Whoever awaits them, and however."""
    assert client.get("/thread/many").json() == {
        "gathered": [1, 2, 3],
        "tasks": 39800,
        "shielded": "shielded",
        "waited": "waited",
    }


def test_cancelling_leaves_the_thread_to_finish(client: httpx.Client) -> None:
    """The waiter is told at once."""
    told = {"outcomes": ["timeout", "enough"], "finished": ["finished", "finished"]}
    assert client.get("/thread/cancel").json() == told


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "FOO"])
def test_a_route_for_every_method(client: httpx.Client, method: str) -> None:
    """``*``."""
    assert client.request(method, "/any").json() == "any"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nowhere"), ("POST", "/slash/"), ("OPTIONS", "/slash/"), ("GET", "/slash")],
)
def test_the_fallback(client: httpx.Client, method: str, path: str) -> None:
    """It answers what no route does, with the request."""
    response = client.request(method, path, content=b"body")
    assert (response.status_code, response.text) == (404, f"{method} {path}")
