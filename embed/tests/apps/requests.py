"""Handlers that tell what they were asked."""

import asyncio
import contextvars
import hashlib

from fasterapi import FasterAPI, HTTPException, Request, StreamingResponse, UploadFile

app = FasterAPI(title="requests")
app.state.started = "yes"
SEEN: dict[str, object] = {}


@app.api_route("/all/{number:int}/{rest:path}", methods=["GET", "POST"], name="everything")
async def everything(request: Request):  # noqa: ANN201
    """Each attribute once."""
    client = request.client
    return {
        "method": request.method,
        "url": str(request.url),
        "url_path": request.url.path,
        "url_query": request.url.query,
        "url_hostname": request.url.hostname,
        "url_port": request.url.port,
        "url_scheme": request.url.scheme,
        "base_url": str(request.base_url),
        "query_params": dict(request.query_params),
        "query_list": request.query_params.getlist("a"),
        "headers": {
            "x-a": request.headers.get("X-A"),
            "x-b": request.headers.getlist("x-b"),
            "missing": request.headers.get("missing"),
            "present": "HOST" in request.headers,
        },
        "cookies": request.cookies,
        "path_params": request.path_params,
        "client": [client.host, client.port] if client else None,
        "app": request.app.title,
        "app_state": request.app.state.started,
        "same_app": request.app is app,
        "body": (await request.body()).decode(),
    }


@app.get("/state")
async def state(request: Request):  # noqa: ANN201
    """A bag for each request."""
    empty = not hasattr(request.state, "value")
    request.state.value = 1
    return {"empty": empty, "kept": request.state.value}


@app.get("/unannotated")
async def unannotated(request):  # noqa: ANN001, ANN201
    """As in FastAPI, only a type makes it the request; this is a query parameter."""
    return request


@app.post("/json")
async def read_json(request: Request):  # noqa: ANN201
    """The body as JSON."""
    try:
        return {"got": await request.json()}
    except ValueError as error:
        raise HTTPException(400, "no JSON") from error


@app.post("/twice")
async def twice(request: Request):  # noqa: ANN201
    """The body is kept, so that it can be read again, in each form."""
    first, second = await request.body(), await request.body()
    streamed = b"".join([chunk async for chunk in request.stream()])
    return [first == second == streamed, await request.json()]


@app.post("/threaded")
def threaded(request: Request):  # noqa: ANN201
    """A ``def`` handler sees the request too."""
    return {"method": request.method, "x": request.headers.get("x-a")}


@app.post("/stream")
async def stream(request: Request):  # noqa: ANN201
    """The body as it comes."""
    digest, size, chunks = hashlib.sha256(), 0, 0
    async for chunk in request.stream():
        digest.update(chunk)
        size += len(chunk)
        chunks += 1
    return {"sha256": digest.hexdigest(), "size": size, "several": chunks > 1}


@app.post("/echo_stream")
async def echo_stream(request: Request):  # noqa: ANN201
    """Answers with the body as it arrives."""

    async def pieces():  # noqa: ANN202
        async for chunk in request.stream():
            yield chunk

    return StreamingResponse(pieces())


@app.post("/stream_twice")
async def stream_twice(request: Request):  # noqa: ANN201
    """A stream can be read once only."""
    async for _ in request.stream():
        pass
    try:
        await request.body()
    except RuntimeError as error:
        return str(error)
    return "read again"


@app.post("/form")
async def form(request: Request):  # noqa: ANN201
    """Fields and files of a form."""
    async with request.form() as fields:
        return [[name, await described(value)] for name, value in fields.multi_items()]


async def described(value: str | UploadFile) -> object:
    """A field, or what there is to know about a file."""
    if isinstance(value, str):
        return value
    head = (await value.read(4)).decode()
    await value.seek(0)
    content = await value.read()
    return {
        "filename": value.filename,
        "type": value.content_type,
        "size": value.size,
        "head": head,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


@app.get("/url_for")
async def url_for(request: Request):  # noqa: ANN201
    """URLs of routes."""
    try:
        request.url_for("nobody")
        missing = "found"
    except Exception as error:
        missing = type(error).__name__
    return {
        "state": str(request.url_for("state")),
        "everything": str(request.url_for("everything", number=5, rest="a b/c")),
        "path": str(request.app.url_path_for("state")),
        "missing": missing,
    }


@app.post("/disconnected/{name}")
async def disconnected(request: Request, name: str):  # noqa: ANN201
    """Notices that the client has gone, when it shields itself from being cancelled."""
    await request.body()
    SEEN[name] = await request.is_disconnected()

    async def watch() -> None:
        for _ in range(300):
            if await request.is_disconnected():
                SEEN[name] = "gone"
                return
            await asyncio.sleep(0.01)

    await asyncio.shield(asyncio.ensure_future(watch()))
    return "never gone"


@app.get("/seen/{name}")
async def seen(name: str):  # noqa: ANN201
    """What the handlers noted."""
    return SEEN.get(name)


@app.post("/leaves/{name}")
async def leaves(request: Request, name: str):  # noqa: ANN201
    """Notes with what the reading of an unfinished body ended."""
    try:
        return len(await request.body())
    except BaseException as error:
        SEEN[name] = type(error).__name__
        raise


@app.post("/ignored")
async def ignored():  # noqa: ANN201
    """Does not care for the body."""
    return "ignored"


NAME: contextvars.ContextVar[str] = contextvars.ContextVar("NAME", default="nobody")


@app.post("/context/{name}")
async def context(request: Request, name: str):  # noqa: ANN201
    """A context variable lives through the reading of a body."""
    before = NAME.get()
    NAME.set(name)
    await request.body()
    return [before, NAME.get()]
