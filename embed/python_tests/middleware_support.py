"""Drives ASGI applications without a server, for the tests of the middleware."""

import asyncio


class Answer:
    def __init__(self, messages):
        self.messages = messages
        start = next(m for m in messages if m["type"] == "http.response.start")
        self.status = start["status"]
        self.fields = [(name.decode(), value.decode()) for name, value in start["headers"]]
        self.pieces = [m.get("body", b"") for m in messages if m["type"] == "http.response.body"]
        self.body = b"".join(self.pieces)

    def field(self, name):
        found = [value for field, value in self.fields if field == name]
        assert len(found) < 2, found
        return found[0] if found else None


def scope(path="/", method="GET", headers=(), **more):
    fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": fields,
        "client": ("10.0.0.1", 1234),
        "server": ("127.0.0.1", 8000),
        "state": {},
    } | more


async def ask(app, scope, body=(b"",)):
    """The messages that ``app`` sends; its exceptions pass, after what it has sent."""
    waiting = [
        {"type": "http.request", "body": piece, "more_body": index + 1 < len(body)}
        for index, piece in enumerate(body)
    ]
    messages = []

    async def receive():
        if waiting:
            return waiting.pop(0)
        return await asyncio.get_running_loop().create_future()

    async def send(message):
        messages.append({**message, "headers": list(message.get("headers", ()))})

    await asyncio.wait_for(app(scope, receive, send), 5)
    return Answer(messages)


def run(app, scope, body=(b"",)):
    return asyncio.run(ask(app, scope, body))


def plain(body=b"hello", status=200, headers=(), pieces=None):
    """An application that answers with that."""
    fields = [(name.encode(), value.encode()) for name, value in headers]

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": fields})
        if pieces is None:
            await send({"type": "http.response.body", "body": body})
            return
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app
