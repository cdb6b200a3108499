"""A page from PostgreSQL: query, sort, escape, template.

`DATABASE_URL=postgresql://user@localhost/database fasterapi run examples/fortunes.py`, or, with a
throwaway server, `python3 embed/tests/postgres_cluster.py fasterapi run examples/fortunes.py`.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape

from fasterapi import FastAPI, Request, pg
from fasterapi.responses import HTMLResponse

DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql://localhost/postgres")
# Of each shard.
CONNECTIONS_MAX = 8
# Any number that the shards agree on: one of them makes the table, the others wait for it.
LOCK = 20231
ADDED = "Additional fortune added at request time."

FORTUNES = (
    "fortune: No such file or directory",
    "A computer scientist is someone who fixes things that aren't broken.",
    "After enough decimal places, nobody gives a damn.",
    "A bad random number generator: 1, 1, 1, 1, 1, 4.33e+67, 1, 1, 1",
    "A computer program does what you tell it to do, not what you want it to do.",
    "Emacs is a nice operating system, but I prefer UNIX. — Tom Christaensen",
    "Any program that runs right is obsolete.",
    "A list is only as strong as its weakest link. — Donald Knuth",
    "Feature: A bug with seniority.",
    "Computers make very fast, very accurate mistakes.",
    '<script>alert("This should not be displayed in a browser alert box.");</script>',
    "フレームワークのベンチマーク",
)

PAGE = (
    "<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table>"
    "<tr><th>id</th><th>message</th></tr>{rows}</table></body></html>"
)
ROW = "<tr><td>{}</td><td>{}</td></tr>"


async def make_table(connection: pg.Connection) -> None:
    """Makes and fills the table where it is missing."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
        if await connection.fetchval("select to_regclass('fortune')") is None:
            await connection.execute(
                "create table fortune (id integer primary key, message text not null)"
            )
            await connection.executemany(
                "insert into fortune (id, message) values ($1, $2)", enumerate(FORTUNES, 1)
            )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, pg.Pool]]:
    """Each shard has a pool of its own, from its first request to its last."""
    async with pg.create_pool(DATABASE_URL, min_size=1, max_size=CONNECTIONS_MAX) as pool:
        async with pool.acquire() as connection:
            await make_table(connection)
        yield {"pool": pool}


app = FastAPI(title="Fortunes", lifespan=lifespan)


def render(fortunes: list[tuple[int, str]]) -> str:
    """The page."""
    rows = [ROW.format(number, escape(text)) for number, text in fortunes]
    return PAGE.format(rows="".join(rows))


@app.get("/fortunes", response_class=HTMLResponse)
async def fortunes(request: Request) -> HTMLResponse:
    """All fortunes and one more, in the order of their messages."""
    pool: pg.Pool = request.state.pool
    found = [tuple(row) for row in await pool.fetch("select id, message from fortune")]
    found.append((0, ADDED))
    found.sort(key=lambda fortune: fortune[1])
    return HTMLResponse(render(found))
