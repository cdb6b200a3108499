"""The realtime rows of the comparison as Robyn handlers; the port comes from the environment."""

import os

from robyn import (  # type: ignore[import-not-found, unused-ignore]
    Request,
    Robyn,
    WebSocketAdapter,
)

# Any of them can tell all the others.
members: list[WebSocketAdapter] = []


async def echo(websocket: WebSocketAdapter) -> None:
    while True:
        await websocket.send_text(await websocket.receive_text())


async def room(websocket: WebSocketAdapter) -> None:
    await websocket.send_text(f"worker {os.getpid()}")
    members.append(websocket)
    try:
        while True:
            await websocket.receive_text()
    finally:
        members.remove(websocket)


async def publish(request: Request) -> str:
    await members[-1].broadcast(request.body)
    return "published"


app = Robyn(__file__)
app.websocket("/echo")(echo)
app.websocket("/room")(room)
app.post("/publish")(publish)

if __name__ == "__main__":
    app.start(host="127.0.0.1", port=int(os.environ["PORT"]))
