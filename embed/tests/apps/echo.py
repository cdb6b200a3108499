"""Answers every request with its body and every WebSocket message with itself, for the suites."""

from fasterapi import FasterAPI, Request, Response, WebSocket

app = FasterAPI()

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@app.route("/{path:path}", methods=METHODS)
async def echo(request: Request) -> Response:
    """The body, as it came."""
    return Response(await request.body())


@app.websocket("/ws")
async def echo_messages(websocket: WebSocket) -> None:
    """Every message, as it came."""
    await websocket.accept()
    while (message := await websocket.receive())["type"] == "websocket.receive":
        text = message.get("text")
        if text is None:
            await websocket.send_bytes(message["bytes"])
        else:
            await websocket.send_text(text)
