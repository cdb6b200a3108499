"""`examples/crud.py` and `examples/crud_postgres.py` through the binary: the same CRUD API."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from live_server import REPOSITORY, own_virtual_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from conftest import Serve
    from postgres_cluster import Cluster

EXAMPLES = REPOSITORY / "examples"
WIZARD = {
    "isbn": "9780262510875",
    "title": "Structure and Interpretation",
    "author": "Abelson",
    "price": "49.50",
    "pages": 657,
    "published": "1996-07-25",
    "tags": ["lisp", "classic"],
}


@pytest.fixture(params=["crud:app", "crud_postgres:app"])
def client(
    request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of the example, with a database of its own."""
    env = own_virtual_environment()
    with contextlib.ExitStack() as stack:
        if request.param == "crud_postgres:app":
            postgres: Cluster = request.getfixturevalue("postgres")
            name = stack.enter_context(postgres.database("books"))
            env["DATABASE_URL"] = postgres.dsn(database=name)
        else:
            env["BOOKS_DATABASE"] = str(tmp_path_factory.mktemp("books") / "books.sqlite3")
        server = serve(request.param, cwd=EXAMPLES, env=env, shards=2)
        yield stack.enter_context(server.client())
        # Before its database goes.
        server.stop()


def create(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    """Adds a book and gives it back."""
    answer = client.post("/books", json=WIZARD | fields)
    assert answer.status_code == 201, answer.text
    book: dict[str, Any] = answer.json()
    return book


def test_create_and_read(client: httpx.Client) -> None:
    """What was sent comes back, with an id and a place."""
    answer = client.post("/books", json=WIZARD | {"title": "  Structure and Interpretation "})
    assert answer.status_code == 201
    assert answer.json() == WIZARD | {"id": 1}
    assert answer.headers["location"] == "/books/1"
    assert client.get("/books/1").json() == WIZARD | {"id": 1}


def test_defaults(client: httpx.Client) -> None:
    """What is not sent has its default."""
    needed = {name: WIZARD[name] for name in ("isbn", "title", "author", "price")}
    book = client.post("/books", json=needed).json()
    assert book == needed | {"id": 1, "pages": None, "published": None, "tags": []}


def test_missing(client: httpx.Client) -> None:
    """Every way to a book that is not there says so."""
    problem = {"detail": "There is no book 7"}
    for method, body in (("GET", None), ("PUT", WIZARD), ("PATCH", {}), ("DELETE", None)):
        answer = client.request(method, "/books/7", json=body)
        assert (answer.status_code, answer.json()) == (404, problem), method


def test_conflict(client: httpx.Client) -> None:
    """An ISBN is there once, and what failed left nothing behind."""
    create(client)
    again = client.post("/books", json=WIZARD)
    assert again.status_code == 409
    assert again.json() == {"detail": "There is a book with this ISBN"}
    other = create(client, isbn="0131103628")
    answer = client.put(f"/books/{other['id']}", json=WIZARD)
    assert answer.status_code == 409
    assert client.get(f"/books/{other['id']}").json() == other


def test_change_sets_what_is_sent(client: httpx.Client) -> None:
    """PATCH keeps what is not sent; null clears what may be cleared."""
    create(client)
    answer = client.patch("/books/1", json={"price": 12.25, "pages": None})
    assert answer.status_code == 200
    assert answer.json() == WIZARD | {"id": 1, "price": "12.25", "pages": None}
    assert client.patch("/books/1", json={}).json() == answer.json()
    refused = client.patch("/books/1", json={"title": None})
    assert refused.status_code == 422
    (error,) = refused.json()["detail"]
    assert error["type"] == "value_error"
    assert error["loc"] == ["body"]
    assert error["msg"] == "Value error, title cannot be null"


def test_replace_and_delete(client: httpx.Client) -> None:
    """PUT replaces everything, DELETE removes it."""
    create(client)
    needed = {"isbn": "0131103628", "title": "C", "author": "Kernighan", "price": "1.00"}
    replaced = client.put("/books/1", json=needed)
    assert replaced.json() == needed | {"id": 1, "pages": None, "published": None, "tags": []}
    deleted = client.delete("/books/1")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get("/books/1").status_code == 404


def test_search(client: httpx.Client) -> None:
    """Filters, order and pages of one query model."""
    for number in range(5):
        tags = ["even" if number % 2 == 0 else "odd", "all"]
        create(
            client,
            isbn=f"{number:010}",
            title=f"Book {'ABCDE'[number]}",
            price=f"{10 * number}.00",
            tags=tags,
        )

    def titles(**query: Any) -> tuple[int, str]:
        answer = client.get("/books", params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        return page["total"], "".join(book["title"][-1] for book in page["items"])

    assert titles() == (5, "ABCDE")
    assert titles(sort="-price", limit=2) == (5, "ED")
    assert titles(sort="-title", limit=2, offset=2) == (5, "CB")
    assert titles(tag=["even", "all"]) == (3, "ACE")
    assert titles(text="book b") == (1, "B")
    assert titles(text="%") == (0, "")
    assert titles(price_min=10, price_max="20.00") == (2, "BC")
    page = client.get("/books?limit=1").json()
    assert (page["limit"], page["offset"]) == (1, 0)


@pytest.mark.parametrize(
    ("query", "location", "kind"),
    [
        ("limit=0", ["query", "limit"], "greater_than_equal"),
        ("limit=101", ["query", "limit"], "less_than_equal"),
        ("sort=pages", ["query", "sort"], "literal_error"),
        ("tag=a&tag=B", ["query", "tag", 1], "string_pattern_mismatch"),
        ("colour=red", ["query", "colour"], "extra_forbidden"),
    ],
)
def test_bad_query(client: httpx.Client, query: str, location: list[Any], kind: str) -> None:
    """Each mistake is named where it is."""
    answer = client.get(f"/books?{query}")
    assert answer.status_code == 422
    (error,) = answer.json()["detail"]
    assert (error["loc"], error["type"]) == (location, kind)


@pytest.mark.parametrize(
    ("change", "location", "kind"),
    [
        ({"isbn": "1"}, ["body", "isbn"], "string_pattern_mismatch"),
        ({"title": " "}, ["body", "title"], "string_too_short"),
        ({"price": "-1"}, ["body", "price"], "greater_than_equal"),
        ({"price": "1.001"}, ["body", "price"], "decimal_max_places"),
        ({"pages": "many"}, ["body", "pages"], "int_parsing"),
        ({"published": "soon"}, ["body", "published"], "date_from_datetime_parsing"),
        ({"tags": ["a", 1]}, ["body", "tags", 1], "string_type"),
        ({"colour": "red"}, ["body", "colour"], "extra_forbidden"),
    ],
)
def test_bad_body(
    client: httpx.Client, change: dict[str, Any], location: list[Any], kind: str
) -> None:
    """Each mistake is named where it is."""
    answer = client.post("/books", json=WIZARD | change)
    assert answer.status_code == 422
    (error,) = answer.json()["detail"]
    assert (error["loc"], error["type"]) == (location, kind)


def test_many_at_once(client: httpx.Client) -> None:
    """Threads and shards write to the same database; each request has its own transaction."""

    def add(number: int) -> int:
        return client.post("/books", json=WIZARD | {"isbn": f"{number % 20:010}"}).status_code

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(add, range(40)))
    assert sorted(codes) == [201] * 20 + [409] * 20
    assert client.get("/books").json()["total"] == 20


def test_document(client: httpx.Client) -> None:
    """The OpenAPI document knows the models, the filters and the problems."""
    document = client.get("/openapi.json").json()
    assert document["info"] == {"title": "Books", "version": "1.0.0"}
    names = {one["name"] for one in document["paths"]["/books"]["get"]["parameters"]}
    assert names == {"text", "tag", "price_min", "price_max", "sort", "limit", "offset"}
    assert set(document["paths"]["/books/{book_id}"]["put"]["responses"]) == {
        *("200", "400", "404", "409", "422")
    }
    assert {"Book", "BookIn", "BookChange", "Page_Book_"} <= set(document["components"]["schemas"])
    assert client.get("/docs").status_code == 200
