"""The rows of the comparison as socketify handlers: `socketify_app.py PORT`."""

import asyncio
import sys

from socketify import (  # type: ignore[import-untyped, import-not-found, unused-ignore]
    App,
    AppListenOptions,
    Request,
    Response,
)


def text(response: Response, request: Request) -> None:
    response.end("Hello, world")


def message(response: Response, request: Request) -> None:
    response.end({"message": "Hello, world", "id": 42})


def item(response: Response, request: Request) -> None:
    item_id = int(request.get_parameter(0))
    response.end({"item_id": item_id, "q": request.get_query("q")})


async def sleep(response: Response, request: Request) -> None:
    await asyncio.sleep(0)
    response.end("Hello, world")


def main() -> None:
    app = App()
    app.get("/str", text)
    app.get("/json", message)
    app.get("/items/:item_id", item)
    app.get("/sleep", sleep)
    app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"), lambda _: None)
    app.run()


main()
