"""The CRUD API of `crud.py` over PostgreSQL, with `async def` handlers.

`DATABASE_URL=postgresql://user@localhost/database fasterapi run examples/crud_postgres.py`, or,
with a throwaway server,
`python3 embed/tests/postgres_cluster.py fasterapi run examples/crud_postgres.py`; then open /docs.

Models are those of `crud.py`. Each request has a transaction on a connection of the shard's pool,
which a dependency commits or rolls back before the answer is sent.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from crud import (
    CONFLICT,
    NOT_FOUND,
    NOT_TEXT,
    Book,
    BookChange,
    BookFilter,
    BookId,
    BookIn,
    Page,
    Problem,
)

from fasterapi import Depends, FastAPI, HTTPException, Query, Request, Response, pg, status
from fasterapi.responses import JSONResponse

DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql://localhost/postgres")
# Of each shard: a server's max_connections is for all of them.
CONNECTIONS_MAX = 8
# Any number that the shards agree on: one of them makes the table, the others wait for it.
LOCK = 20232

SCHEMA = """
create table if not exists books (
    id bigint generated always as identity primary key,
    isbn text not null unique,
    title text not null,
    author text not null,
    price numeric(8, 2) not null,
    pages integer,
    published date,
    tags text[] not null default '{}'
)
"""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, pg.Pool]]:
    """Opens the shard's pool, and makes the table before the first request."""
    async with pg.create_pool(DATABASE_URL, min_size=1, max_size=CONNECTIONS_MAX) as pool:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
            await connection.execute(SCHEMA)
        yield {"pool": pool}


async def transaction(request: Request) -> AsyncIterator[pg.Connection]:
    """A transaction for one request: committed when the handler returns, else rolled back."""
    async with request.state.pool.acquire() as connection, connection.transaction():
        yield connection


Transaction = Annotated[pg.Connection, Depends(transaction, scope="function")]


def book_of(row: pg.Record) -> Book:
    """The model of a row."""
    return Book.model_validate(dict(row))


async def find(connection: Transaction, book_id: BookId) -> Book:
    """The book of a request's path; 404 when there is none."""
    row = await connection.fetchrow("select * from books where id = $1", book_id)
    if row is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no book {book_id}")
    return book_of(row)


Found = Annotated[Book, Depends(find)]
app = FastAPI(title="Books", version="1.0.0", lifespan=lifespan)


@app.exception_handler(pg.UniqueViolationError)
async def not_unique(request: Request, error: pg.UniqueViolationError) -> JSONResponse:
    """The only constraint that a valid request can break is that of the ISBN."""
    problem = Problem(detail="There is a book with this ISBN")
    return JSONResponse(problem.model_dump(), status.HTTP_409_CONFLICT)


@app.post(
    "/books", status_code=status.HTTP_201_CREATED, responses=NOT_TEXT | CONFLICT, tags=["books"]
)
async def create(
    book: BookIn, connection: Transaction, request: Request, response: Response
) -> Book:
    """Add a book."""
    values = book.model_dump()
    marks = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    statement = f"insert into books ({', '.join(values)}) values ({marks}) returning *"
    created = book_of(await connection.fetchrow(statement, *values.values()))
    response.headers["location"] = request.url_for("read", book_id=created.id).path
    return created


@app.get("/books", tags=["books"])
async def search(connection: Transaction, wanted: Annotated[BookFilter, Query()]) -> Page[Book]:
    """List the books that match every condition, page by page."""
    where = "(title ilike $1 or author ilike $1) and price between $2 and $3 and tags @> $4"
    values: list[Any] = [f"%{wanted.text}%", wanted.price_min, wanted.price_max, wanted.tag]
    total = await connection.fetchval(f"select count(*) from books where {where}", *values)
    column = wanted.sort.removeprefix("-")
    order = f"{column} desc" if wanted.sort.startswith("-") else column
    statement = f"select * from books where {where} order by {order}, id limit $5 offset $6"
    rows = await connection.fetch(statement, *values, wanted.limit, wanted.offset)
    books = [book_of(row) for row in rows]
    return Page(items=books, total=total, limit=wanted.limit, offset=wanted.offset)


@app.get("/books/{book_id}", responses=NOT_FOUND, tags=["books"])
async def read(book: Found) -> Book:
    """One book."""
    return book


@app.put("/books/{book_id}", responses=NOT_TEXT | NOT_FOUND | CONFLICT, tags=["books"])
async def replace(before: Found, book: BookIn, connection: Transaction) -> Book:
    """Put another book in the place of this one."""
    return await store(connection, before.id, book.model_dump())


@app.patch("/books/{book_id}", responses=NOT_TEXT | NOT_FOUND, tags=["books"])
async def change(before: Found, changes: BookChange, connection: Transaction) -> Book:
    """Change what is sent, and nothing else: null clears a field, a missing one stays."""
    return await store(connection, before.id, changes.model_dump(exclude_unset=True))


@app.delete(
    "/books/{book_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NOT_FOUND,
    tags=["books"],
)
async def delete(book: Found, connection: Transaction) -> None:
    """Forget a book."""
    await connection.execute("delete from books where id = $1", book.id)


async def store(connection: pg.Connection, book_id: int, values: dict[str, Any]) -> Book:
    """Writes fields of a book and gives the book as it is now."""
    fields = [f"{name} = ${number}" for number, name in enumerate(values, 2)]
    settings = ", ".join(["isbn = isbn", *fields]) if "isbn" not in values else ", ".join(fields)
    statement = f"update books set {settings} where id = $1 returning *"
    return book_of(await connection.fetchrow(statement, book_id, *values.values()))
