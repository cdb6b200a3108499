"""Forms that arrive in pieces: what was in them, and whether their files were closed."""

import hashlib
from typing import Annotated, Any

from fasterapi import BackgroundTasks, FastAPI, File, Form, HTTPException, Request, UploadFile

app = FastAPI()
# Every file that a handler has had.
given: list[UploadFile] = []


async def described(value: str | UploadFile) -> Any:
    """A text's length and a file's size, with a digest of the content."""
    if isinstance(value, str):
        return [len(value), hashlib.sha256(value.encode()).hexdigest()]
    given.append(value)
    content = await value.read()
    assert value.size == len(content)
    return [value.filename, value.content_type, hashlib.sha256(content).hexdigest()]


@app.post("/any")
async def read_any(request: Request) -> list[Any]:
    """Whatever is in the form."""
    form = await request.form()
    return [[name, await described(value)] for name, value in form.multi_items()]


@app.post("/composed")
async def composed(
    tasks: BackgroundTasks, files: list[UploadFile], number: Annotated[int, Form()] = 1
) -> list[Any]:
    """The files, which background tasks may still read."""
    for file in files:
        tasks.add_task(file.seek, 0)
    return [number, [await described(file) for file in files]]


@app.post("/thread")
def in_a_thread(file: UploadFile, more: Annotated[bytes, File()] = b"") -> list[int]:
    """A handler that reads the plain file."""
    given.append(file)
    return [len(file.file.read()), len(more)]


@app.post("/limited", form_limits={"max_files": 2, "max_fields": 1500})
async def limited(file: UploadFile) -> int:
    """Bounds of the route's own."""
    return file.size or 0


@app.post("/bounded", max_body_size=100_000)
async def bounded(file: UploadFile) -> int:
    """A bound for the whole body."""
    return file.size or 0


@app.post("/refused")
async def refused(file: UploadFile) -> None:
    """Fails with the file open."""
    given.append(file)
    raise HTTPException(409, "refused")


@app.get("/closed")
async def closed() -> list[bool]:
    """Whether each file is closed; forgets them."""
    answer = [file.file.closed for file in given]
    given.clear()
    return answer
