"""The rows of the comparison as FastAPI handlers."""

import asyncio

from fastapi import FastAPI  # type: ignore[import-not-found, unused-ignore]
from fastapi.responses import (  # type: ignore[import-not-found, unused-ignore]
    PlainTextResponse,
)


async def text() -> str:
    return "Hello, world"


async def message() -> dict[str, str | int]:
    return {"message": "Hello, world", "id": 42}


async def item(item_id: int, q: str) -> dict[str, str | int]:
    return {"item_id": item_id, "q": q}


async def sleep() -> str:
    await asyncio.sleep(0)
    return "Hello, world"


def thread() -> str:
    return "Hello, world"


app = FastAPI()
app.get("/str", response_class=PlainTextResponse)(text)
app.get("/json")(message)
app.get("/items/{item_id}")(item)
app.get("/sleep", response_class=PlainTextResponse)(sleep)
app.get("/thread", response_class=PlainTextResponse)(thread)
