"""Response models that Rust writes: the same bytes as pydantic's, or left to pydantic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from live_server import own_virtual_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from conftest import Serve


@pytest.fixture(scope="module")
def client(serve_for_module: Serve) -> Iterator[httpx.Client]:
    """A client of the application."""
    server = serve_for_module("json_writer", env=own_virtual_environment())
    with server.client() as client:
        yield client


@pytest.mark.parametrize("by_alias", [True, False])
def test_the_bytes_are_pydantics(client: httpx.Client, by_alias: bool) -> None:
    """Written the same, or not at all: each group of cases goes the way that it should."""
    wrong = client.get("/compare", params={"by_alias": by_alias}, timeout=60).json()
    counts = {group: int(found.pop()) for group, found in wrong.items()}
    assert wrong == {"written": [], "left": [], "not exactly": []}
    assert all(count > 15 for count in counts.values())


def test_what_needs_no_validation(client: httpx.Client) -> None:
    """Only what passes unchanged, whatever it holds."""
    passing = {
        "model",
        "models",
        "same",
        "maybe",
        "any",
        "dict",
        "texts",
        "computed",
        "same listed",
    }
    answer = client.get("/passes").json()
    assert {name for name, passes in answer.items() if passes} == passing


@pytest.mark.parametrize(
    ("path", "status", "content"),
    [
        ("/inner", 200, b'{"number":1,"text":"x"}'),
        ("/other", 200, b'{"number":1,"text":"x"}'),
        ("/attributes", 200, '{"number":3,"text":"é"}'.encode()),
        ("/infinite", 200, b'{"a":null}'),
        ("/unset", 200, b'{"number":1}'),
        ("/wrong", 500, b"Internal Server Error"),
        ("/short", 500, b"Internal Server Error"),
    ],
)
def test_answers(client: httpx.Client, path: str, status: int, content: bytes) -> None:
    """Other classes, attributes and faults are pydantic's to judge."""
    answer = client.get(path)
    assert (answer.status_code, answer.content) == (status, content)
