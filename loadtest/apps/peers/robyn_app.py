"""The rows of the comparison as Robyn handlers; the port comes from the environment."""

import asyncio
import os

from robyn import (  # type: ignore[import-not-found, unused-ignore]
    Request,
    Robyn,
)


async def text() -> str:
    return "Hello, world"


async def message() -> dict[str, str | int]:
    return {"message": "Hello, world", "id": 42}


async def item(request: Request) -> dict[str, str | int | None]:
    return {
        "item_id": int(request.path_params["item_id"]),
        "q": request.query_params.get("q", None),
    }


async def sleep() -> str:
    await asyncio.sleep(0)
    return "Hello, world"


def thread() -> str:
    return "Hello, world"


app = Robyn(__file__)
app.get("/str")(text)
app.get("/json")(message)
app.get("/items/:item_id")(item)
app.get("/sleep")(sleep)
app.get("/thread")(thread)

if __name__ == "__main__":
    app.start(host="127.0.0.1", port=int(os.environ["PORT"]))
