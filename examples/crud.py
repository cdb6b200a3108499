"""A CRUD API over SQLite: `fasterapi run examples/crud.py`, then open /docs.

Models are pydantic's, handlers are `def` functions (SQLite blocks, so they run in threads), and
each request has a connection of its own from a dependency that commits or rolls back.
"""

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fasterapi import Depends, FastAPI, HTTPException, Query, Request, Response, status
from fasterapi import Path as PathParameter
from fasterapi.responses import JSONResponse

DATABASE = Path(os.environ.get("BOOKS_DATABASE", "books.sqlite3"))
BUSY_TIMEOUT_S = 5.0
PAGE_ITEMS_MAX = 100
# SQLite's integers have 64 bits, with a sign.
ID_MAX = 2**63 - 1

SCHEMA = """
create table if not exists books (
    id integer primary key,
    isbn text not null unique,
    title text not null,
    author text not null,
    price_cents integer not null,
    pages integer,
    published text,
    tags text not null default ''
) strict
"""

Item = TypeVar("Item")
Title = Annotated[str, Field(min_length=1, max_length=200)]
Price = Annotated[Decimal, Field(ge=0, le=100_000, decimal_places=2)]
Pages = Annotated[int, Field(ge=1, le=100_000)]
Tag = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,30}$")]
Tags = Annotated[list[Tag], Field(max_length=10)]


class BookIn(BaseModel):
    """A book as clients send it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    isbn: Annotated[str, Field(pattern=r"^(97[89])?[0-9]{9}[0-9X]$", examples=["9780262510875"])]
    title: Title
    author: Title
    price: Price
    pages: Pages | None = None
    published: date | None = None
    tags: Tags = []


class BookChange(BaseModel):
    """What of a book is to change: fields that are not sent stay as they are."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    title: Title | None = None
    author: Title | None = None
    price: Price | None = None
    pages: Pages | None = None
    published: date | None = None
    tags: Tags | None = None

    @model_validator(mode="after")
    def _required_stay(self) -> "BookChange":
        for name in ("title", "author", "price", "tags"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null")
        return self


class Book(BookIn):
    """A book as it is kept."""

    id: int


class Page(BaseModel, Generic[Item]):
    """One page of a longer list."""

    items: list[Item]
    total: int
    limit: int
    offset: int


class BookFilter(BaseModel):
    """Which books to list, and how."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(max_length=100, description="Part of title or author")] = ""
    tag: Annotated[list[Tag], Field(max_length=5, description="Tags it must have")] = []
    price_min: Annotated[Decimal, Field(ge=0, le=100_000)] = Decimal(0)
    price_max: Annotated[Decimal, Field(ge=0, le=100_000)] = Decimal(100_000)
    sort: Literal["id", "title", "-title", "price", "-price"] = "id"
    limit: Annotated[int, Field(ge=1, le=PAGE_ITEMS_MAX)] = 20
    offset: Annotated[int, Field(ge=0, le=ID_MAX)] = 0

    @field_validator("text")
    @classmethod
    def _no_wildcards(cls, text: str) -> str:
        """`%` and `_` mean themselves."""
        return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Makes the table before the first request."""
    with closing(connect()) as connection, connection:
        connection.execute(SCHEMA)
    yield


def connect() -> sqlite3.Connection:
    """A connection to the database; a request may use it in one thread after the other."""
    connection = sqlite3.connect(DATABASE, BUSY_TIMEOUT_S, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection


def transaction() -> Iterator[sqlite3.Connection]:
    """A transaction for one request: committed when the handler returns, else rolled back."""
    with closing(connect()) as connection, connection:
        yield connection


Transaction = Annotated[sqlite3.Connection, Depends(transaction, scope="function")]
BookId = Annotated[int, PathParameter(ge=1, le=ID_MAX)]


def book_of(row: sqlite3.Row) -> Book:
    """The model of a row."""
    values = dict(row)
    values["price"] = Decimal(values.pop("price_cents")).scaleb(-2)
    values["tags"] = values["tags"].split()
    return Book.model_validate(values)


def columns_of(values: dict[str, Any]) -> dict[str, Any]:
    """Column names and values of a model's fields."""
    columns = dict(values)
    if "price" in columns:
        columns["price_cents"] = int(columns.pop("price").scaleb(2))
    if "tags" in columns:
        columns["tags"] = " ".join(columns["tags"])
    if columns.get("published") is not None:
        columns["published"] = columns["published"].isoformat()
    return columns


def find(connection: Transaction, book_id: BookId) -> Book:
    """The book of a request's path; 404 when there is none."""
    row = connection.execute("select * from books where id = ?", (book_id,)).fetchone()
    if row is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no book {book_id}")
    return book_of(row)


Found = Annotated[Book, Depends(find)]
Responses = dict[int | str, dict[str, Any]]
NOT_FOUND: Responses = {404: {"model": Problem}}
CONFLICT: Responses = {409: {"model": Problem}}
# A body whose text is not even UTF-8.
NOT_TEXT: Responses = {400: {"model": Problem}}
app = FastAPI(title="Books", version="1.0.0", lifespan=lifespan)


@app.exception_handler(sqlite3.IntegrityError)
async def not_unique(request: Request, error: sqlite3.IntegrityError) -> JSONResponse:
    """The only constraint that a valid request can break is that of the ISBN."""
    problem = Problem(detail="There is a book with this ISBN")
    return JSONResponse(problem.model_dump(), status.HTTP_409_CONFLICT)


@app.post(
    "/books", status_code=status.HTTP_201_CREATED, responses=NOT_TEXT | CONFLICT, tags=["books"]
)
def create(book: BookIn, connection: Transaction, request: Request, response: Response) -> Book:
    """Add a book."""
    columns = columns_of(book.model_dump())
    marks = ", ".join(f":{name}" for name in columns)
    statement = f"insert into books ({', '.join(columns)}) values ({marks}) returning *"
    created = book_of(connection.execute(statement, columns).fetchone())
    response.headers["location"] = request.url_for("read", book_id=created.id).path
    return created


@app.get("/books", tags=["books"])
def search(connection: Transaction, wanted: Annotated[BookFilter, Query()]) -> Page[Book]:
    """List the books that match every condition, page by page."""
    conditions = [
        r"(title like :text escape '\' or author like :text escape '\')",
        "price_cents between :price_min and :price_max",
    ]
    values: dict[str, Any] = {
        "text": f"%{wanted.text}%",
        "price_min": int(wanted.price_min * 100),
        "price_max": int(wanted.price_max * 100),
    }
    for number, tag in enumerate(wanted.tag):
        conditions.append(f"' ' || tags || ' ' like :tag{number}")
        values[f"tag{number}"] = f"% {tag} %"
    where = " and ".join(conditions)
    (total,) = connection.execute(f"select count(*) from books where {where}", values).fetchone()
    column = wanted.sort.removeprefix("-").replace("price", "price_cents")
    order = f"{column} desc" if wanted.sort.startswith("-") else column
    statement = (
        f"select * from books where {where} order by {order}, id limit :limit offset :offset"
    )
    values |= {"limit": wanted.limit, "offset": wanted.offset}
    books = [book_of(row) for row in connection.execute(statement, values)]
    return Page(items=books, total=total, limit=wanted.limit, offset=wanted.offset)


@app.get("/books/{book_id}", responses=NOT_FOUND, tags=["books"])
def read(book: Found) -> Book:
    """One book."""
    return book


@app.put("/books/{book_id}", responses=NOT_TEXT | NOT_FOUND | CONFLICT, tags=["books"])
def replace(before: Found, book: BookIn, connection: Transaction) -> Book:
    """Put another book in the place of this one."""
    return store(connection, before.id, book.model_dump())


@app.patch("/books/{book_id}", responses=NOT_TEXT | NOT_FOUND, tags=["books"])
def change(before: Found, changes: BookChange, connection: Transaction) -> Book:
    """Change what is sent, and nothing else: null clears a field, a missing one stays."""
    return store(connection, before.id, changes.model_dump(exclude_unset=True))


@app.delete(
    "/books/{book_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NOT_FOUND,
    tags=["books"],
)
def delete(book: Found, connection: Transaction) -> None:
    """Forget a book."""
    connection.execute("delete from books where id = ?", (book.id,))


def store(connection: sqlite3.Connection, book_id: int, values: dict[str, Any]) -> Book:
    """Writes fields of a book and gives the book as it is now."""
    columns = columns_of(values)
    settings = ", ".join(["id = id", *(f"{name} = :{name}" for name in columns)])
    statement = f"update books set {settings} where id = :book_id returning *"
    return book_of(connection.execute(statement, {**columns, "book_id": book_id}).fetchone())
