"""What `jsonable_encoder` makes of values without a response model; the literals are FastAPI's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from live_server import own_virtual_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from conftest import Serve

pytest.importorskip("pydantic")

EXPECTED: dict[str, Any] = {
    "model": {
        "name": "a",
        "price": "1.50",
        "inStock": True,
        "when": "2024-02-29T12:30:01.250000Z",
        "took": "PT1M30S",
        "colour": "red",
        "tags": ["one"],
        "secret": "**********",
        "raw": "raw",
        "link": "https://example.com/",
        "path": "/a",
        "double": "aa",
    },
    "model_in_dict": {
        "item": {
            "name": "a",
            "price": "1.50",
            "inStock": True,
            "when": "2024-02-29T12:30:01.250000Z",
            "took": "PT1M30S",
            "colour": "red",
            "tags": ["one"],
            "secret": "**********",
            "raw": "raw",
            "link": "https://example.com/",
            "path": "/a",
            "double": "aa",
        },
        "items": [
            {
                "name": "a",
                "price": "1.50",
                "inStock": True,
                "when": "2024-02-29T12:30:01.250000Z",
                "took": "PT1M30S",
                "colour": "red",
                "tags": ["one"],
                "secret": "**********",
                "raw": "raw",
                "link": "https://example.com/",
                "path": "/a",
                "double": "aa",
            }
        ],
    },
    "model_tree": {
        "value": 1,
        "children": [{"value": 2, "children": [], "extra": "2024-02-29"}],
        "extra": {
            "name": "b",
            "price": "1.50",
            "inStock": True,
            "when": "2024-02-29T12:30:01.250000Z",
            "took": "PT1M30S",
            "colour": "red",
            "tags": ["one"],
            "secret": "**********",
            "raw": "raw",
            "link": "https://example.com/",
            "path": "/a",
            "double": "bb",
        },
    },
    "model_root": [1, 2],
    "model_own_dump": {"own": {"own": 1, "mode": "json", "by_alias": True}},
    "model_in_dataclass": {
        "x": 1,
        "when": "2024-02-29",
        "item": {"value": 2, "children": [], "extra": None},
    },
    "dataclass_without_class_variables": [
        {"x": 1, "when": "2024-02-29", "item": None},
        {"x": 2, "when": "2024-02-29", "item": {"p": {"x": 3, "when": "2024-02-29", "item": None}}},
    ],
    "pydantic_dataclass": {"number": 1, "colour": "red"},
    "secret_str": {"s": "**********", "empty": ""},
    "secret_bytes": "b'**********'",
    "url": "https://example.com/a?b=c",
    "http_url": "https://example.com/",
    "sqlalchemy_keys": {"_s": 2, "sa": 3},
    "row": {"ident": 1, "day": "2024-02-29"},
    "user_dict": {"a": "2024-02-29"},
    "mapping_proxy": {"a": [1]},
    "like_a_mapping": {"a": "aa", "b": "bb"},
    "pairs": {"a": 1, "b": "12345678-1234-5678-1234-567812345678"},
    "namespace": {"a": 1, "b": ["2024-02-29"]},
    "int_subclass": [5, {"n": 6}],
    "bool_key": {"true": 1, "null": 2, "2.0": 3, "3": 4},
    "odd_keys": {
        "2024-02-29": 1,
        "12345678-1234-5678-1234-567812345678": 2,
        "red": 3,
        "3.0": 4,
        "7": 5,
        "bytes": 6,
        "/k": 7,
        "10.0.0.1": 8,
        "1.0": 9,
    },
    "decimals": [0, 0, 1.0, 100, 1e-07, -5, 0.1, 123],
    "deltas": [-86400.0, 1e-06],
    "times": ["01:00:00", "01:02:03.000004", "2024-02-29T12:30:01.250000+00:00", "2024-02-29"],
    "paths": ["a/b", "c:\\d"],
    "addresses": ["::1", "10.0.0.0/8", "10.0.0.1/8", "127.0.0.1"],
    "pattern": ["a+", "b"],
    "collections": [[1], [2], [3], [4], [5, 6]],
    "enums": ["red", 3, {"e": 3}],
    "floats": [1e16, 1e-07, -0.0, 0.1, 1e300, 5e-324, 123456789.123],
    "text": ['"\\/\x08\x0c\n\r\t\x00\x1f\x7f', "\u2028é😀", "</script>"],
    "exception": {},
    "function": {},
}
REFUSED = [
    "nan",
    "infinity",
    "nan_decimal",
    "object",
    "bytearray",
    "complex",
    "bytes",
    "tuple_key",
    "surrogate",
]


@pytest.fixture(scope="module")
def client(serve_for_module: Serve) -> Iterator[httpx.Client]:
    """A client of the values' application."""
    environment = own_virtual_environment()
    with serve_for_module("json_values", env=environment).client() as made:
        yield made


@pytest.mark.parametrize("name", EXPECTED)
def test_a_value_becomes_what_fastapi_makes_of_it(client: httpx.Client, name: str) -> None:
    """Types (``3`` is not ``3.0``) and the order of members are the same."""
    response = client.get(f"/value/{name}")
    assert response.status_code == 200, response.text
    assert repr(json.loads(response.content)) == repr(EXPECTED[name])


@pytest.mark.parametrize("name", REFUSED)
def test_what_fastapi_refuses(client: httpx.Client, name: str) -> None:
    """500, and the server lives."""
    response = client.get(f"/refused/{name}")
    assert (response.status_code, response.text) == (500, "Internal Server Error")


def test_a_models_nan_is_null(client: httpx.Client) -> None:
    """Pydantic writes it; a plain NaN is refused."""
    told = client.get("/refused/nan_in_model").json()
    assert told == {"value": 1, "children": [], "extra": None}
