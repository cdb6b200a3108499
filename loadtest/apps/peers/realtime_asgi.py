"""The realtime rows of the comparison as a bare ASGI application."""

from collections.abc import Awaitable

from asgi_app import Message, Receive, Send, answer, lifespan
from realtime_room import Room

room = Room()


async def echo(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": message["text"]})


async def sit(receive: Receive, send: Send) -> None:
    def tell(text: str) -> Awaitable[None]:
        return send({"type": "websocket.send", "text": text})

    await room.join(tell)
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        room.leave(tell)


async def publish(receive: Receive, send: Send) -> None:
    body, is_whole = b"", False
    while not is_whole:
        message = await receive()
        body += message.get("body", b"")
        is_whole = not message.get("more_body", False)
    await room.publish(body.decode())
    await answer(send, 200, b"text/plain", b"published")


async def app(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await (echo if scope["path"] == "/echo" else sit)(receive, send)
    elif scope["path"] == "/publish":
        await publish(receive, send)
    else:
        await answer(send, 404, b"text/plain", b"Not Found")
