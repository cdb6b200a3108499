"""`examples/fortunes.py` for FastAPI and asyncpg: only the imports and the driver differ."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape

import asyncpg
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

DATABASE_URL = os.environ["DATABASE_URL"]
CONNECTIONS_MAX = 8
ADDED = "Additional fortune added at request time."
PAGE = (
    "<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table>"
    "<tr><th>id</th><th>message</th></tr>{rows}</table></body></html>"
)
ROW = "<tr><td>{}</td><td>{}</td></tr>"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, asyncpg.Pool]]:
    """The pool of this process; the table is there."""
    async with asyncpg.create_pool(DATABASE_URL, min_size=1, max_size=CONNECTIONS_MAX) as pool:
        yield {"pool": pool}


app = FastAPI(title="Fortunes", lifespan=lifespan)


def render(fortunes: list[tuple[int, str]]) -> str:
    """The page."""
    rows = [ROW.format(number, escape(text)) for number, text in fortunes]
    return PAGE.format(rows="".join(rows))


@app.get("/fortunes", response_class=HTMLResponse)
async def fortunes(request: Request) -> HTMLResponse:
    """All fortunes and one more, in the order of their messages."""
    pool: asyncpg.Pool = request.state.pool
    found = [tuple(row) for row in await pool.fetch("select id, message from fortune")]
    found.append((0, ADDED))
    found.sort(key=lambda fortune: fortune[1])
    return HTMLResponse(render(found))
