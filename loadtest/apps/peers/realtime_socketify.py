"""The realtime rows of the comparison in socketify: `realtime_socketify.py PORT`."""

import os
import sys

from socketify import (  # type: ignore[import-untyped, import-not-found, unused-ignore]
    App,
    AppListenOptions,
    CompressOptions,
    OpCode,
    Request,
    Response,
    WebSocket,
)

ROOM = "room"


def main() -> None:
    app = App()

    def echo(websocket: WebSocket, message: str, opcode: OpCode) -> None:
        websocket.send(message, opcode, True)

    def enter(websocket: WebSocket) -> None:
        websocket.subscribe(ROOM)
        websocket.send(f"worker {os.getpid()}", OpCode.TEXT)

    async def publish(response: Response, request: Request) -> None:
        app.publish(ROOM, await response.get_text(), OpCode.TEXT)
        response.end("published")

    def nothing(response: Response, request: Request) -> None:
        response.write_status(404).end("Not Found")

    # Both ends of every message in the process's own codec, as the library's examples have it.
    app.ws("/echo", {"compression": CompressOptions.SHARED_COMPRESSOR, "message": echo})
    app.ws("/room", {"open": enter, "message": lambda *_: None})
    app.post("/publish", publish)
    app.any("/*", nothing)
    app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"), lambda _: None)
    app.run()


main()
