"""Answers every method and path with the request's body, for the HTTP/1.1 suite."""

from fasterapi import FasterAPI, Request, Response

app = FasterAPI()

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@app.route("/{path:path}", methods=METHODS)
async def echo(request: Request) -> Response:
    """The body, as it came."""
    return Response(await request.body())
