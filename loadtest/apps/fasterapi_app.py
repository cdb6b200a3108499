"""The rows of the comparison as FasterAPI handlers."""

import asyncio
from pathlib import Path

from fasterapi import FasterAPI
from fasterapi.staticfiles import StaticFiles

app = FasterAPI()
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))


@app.get("/str")
async def text() -> str:
    return "Hello, world"


@app.get("/json")
async def message() -> dict[str, str | int]:
    return {"message": "Hello, world", "id": 42}


@app.get("/items/{item_id}")
async def item(item_id: int, q: str) -> dict[str, str | int]:
    return {"item_id": item_id, "q": q}


@app.get("/sleep")
async def sleep() -> str:
    await asyncio.sleep(0)
    return "Hello, world"


@app.get("/thread")
def thread() -> str:
    return "Hello, world"
