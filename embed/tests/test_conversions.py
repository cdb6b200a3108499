"""What handlers return becomes JSON as FastAPI 0.165 makes it; the literals are FastAPI's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from conftest import Serve

EXPECTED: dict[str, Any] = {
    "str": 'a "b" \\ é \u2028 \U0001f600\x00\n',
    "str_empty": "",
    "str_subclass": "sub",
    "bytes": "byté",
    "bytes_empty": "",
    "int": 42,
    "int_negative": -7,
    "int_large": 1180591620717411303424,
    "float": 2.5,
    "float_whole": 3.0,
    "float_small": 1e-07,
    "float_large": 1e22,
    "float_tenth": 0.30000000000000004,
    "none": None,
    "true": True,
    "false": False,
    "dict": {"a": 1, "b": [True, None], "c": {"d": "e"}},
    "dict_empty": {},
    "dict_keys": {
        "5": "int",
        "true": "bool",
        "null": "none",
        "2.5": "float",
        "12345678-1234-5678-1234-567812345678": "uuid",
        "2024-02-29": "date",
        "red": "enum",
    },
    "dict_subclass": {"z": 1, "a": 2},
    "defaultdict": {"x": 1},
    "list": [1, "two", 3.0, None, [4]],
    "list_empty": [],
    "tuple": [1, "two"],
    "namedtuple": [1, "r"],
    "set": [7],
    "frozenset": ["one"],
    "deque": [1, 2],
    "generator": [0, 1, 4],
    "dataclass": {"x": 1, "y": 2.5, "when": "2024-02-29"},
    "dataclass_nested": {"points": [{"x": 1, "y": 2.5, "when": "2024-02-29"}], "name": None},
    "datetime": "2024-02-29T12:30:01.250000",
    "datetime_utc": "2024-02-29T12:30:00+00:00",
    "datetime_zone": "2024-02-29T12:30:00+02:30",
    "date": "2024-02-29",
    "time": "01:02:03",
    "time_zone": "01:02:03.000004+02:30",
    "timedelta": 86402.5,
    "timedelta_whole": 60.0,
    "uuid": "12345678-1234-5678-1234-567812345678",
    "decimal": 3.14,
    "decimal_whole": 30,
    "decimal_exponent": 1000,
    "enum": "red",
    "enum_str": "fast",
    "enum_int": 3,
    "path": "/a/b",
    "ipv4": "127.0.0.1",
    "pattern": "a.b",
    "object": {"name": "thing", "size": 2, "_hidden": 1},
    "nested": {
        "points": [
            {"x": 1, "y": 2.5, "when": "2024-02-29"},
            {"at": "12345678-1234-5678-1234-567812345678"},
        ],
        "modes": ["fast", 3],
        "when": {"day": "2024-02-29", "took": 1.5},
        "raw": ["x", ["y"]],
        "price": 0.5,
    },
}
REFUSED = ["nan", "infinity", "bytes_not_utf8", "surrogate", "nonsense", "circular"]


@pytest.fixture(scope="module")
def client(serve_for_module: Serve) -> Iterator[httpx.Client]:
    """A client of the conversions application."""
    with serve_for_module("conversions").client() as made:
        yield made


@pytest.mark.parametrize("kind", ["async", "def"])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_value_becomes_json(client: httpx.Client, kind: str, name: str) -> None:
    """Value and type (``3`` is not ``3.0``) are FastAPI's, members in the same order."""
    response = client.get(f"/{kind}/{name}")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == str(len(response.content))
    got = json.loads(response.content)
    assert repr(got) == repr(EXPECTED[name])


@pytest.mark.parametrize("kind", ["async", "def"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_json_form_is_the_servers_error(
    client: httpx.Client, kind: str, name: str
) -> None:
    """500 without a word about the inside, and the connection lives."""
    response = client.get(f"/{kind}/{name}")
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert client.get(f"/{kind}/int").json() == 42


def test_json_is_compact_utf8(client: httpx.Client) -> None:
    """No blanks, no needless escapes."""
    assert client.get("/async/list").content == b'[1,"two",3.0,null,[4]]'
    assert client.get("/async/bytes").content == '"byté"'.encode()
