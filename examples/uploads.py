"""An upload service: `fasterapi run examples/uploads.py`, then open /docs.

Files go to a folder piece by piece, so that none is ever in memory as a whole; what is known of
each is in a JSON file beside it, so that all shards see the same. Disks block, so whatever touches
one is a `def` function and runs in a thread.
"""

import hashlib
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from fasterapi import (
    BackgroundTasks,
    Depends,
    FastAPI,
    File,
    Form,
    HTTPException,
    Query,
    Request,
    UploadFile,
    status,
)
from fasterapi import Path as PathParameter
from fasterapi.responses import FileResponse, StreamingResponse

FOLDER = Path(os.environ.get("UPLOADS_FOLDER") or Path(tempfile.gettempdir(), "uploads"))
FILE_BYTES_MAX = int(os.environ.get("UPLOADS_FILE_BYTES_MAX") or 8 * 2**20)
FILES_PER_REQUEST_MAX = 10
CHUNK_BYTES = 64 * 1024
LINE_CHARACTERS_MAX = 1_000


class FileInfo(BaseModel):
    """What is known of a file."""

    id: str
    name: str
    media_type: str
    note: str
    size: int
    sha256: str
    received: datetime


class Line(BaseModel):
    """One line of a text file."""

    number: int
    text: str


class Digest(BaseModel):
    """What came, when it was not kept."""

    size: int
    sha256: str


class Event(BaseModel):
    """Something that happened to a file."""

    at: datetime
    what: str
    id: str


class Totals(BaseModel):
    """How much there is."""

    files: Annotated[int, Field(ge=0)]
    bytes: Annotated[int, Field(ge=0)]


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Makes the folder before the first request."""
    os.makedirs(FOLDER, exist_ok=True)
    yield


def responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Answers other than the good one, for the documentation."""
    return {code: {"model": Problem} for code in codes}


app = FastAPI(title="Uploads", version="1.0.0", lifespan=lifespan)


def record(what: str, file_id: str) -> None:
    """Writes to the journal; runs when the answer has been sent."""
    event = Event(at=datetime.now(UTC), what=what, id=file_id)
    with (FOLDER / "journal.jsonl").open("a") as journal:
        journal.write(event.model_dump_json() + "\n")


def content_of(file_id: str) -> Path:
    """Where the bytes of a file are."""
    return FOLDER / f"{file_id}.bin"


def info_path(file_id: str) -> Path:
    """Where what is known of a file is."""
    return FOLDER / f"{file_id}.json"


def find(file_id: Annotated[str, PathParameter(pattern="^[0-9a-f]{16}$")]) -> FileInfo:
    """The file of a request's path; 404 when there is none."""
    try:
        return FileInfo.model_validate_json(info_path(file_id).read_bytes())
    except FileNotFoundError:
        raise HTTPException(404, f"There is no file {file_id}") from None


Found = Annotated[FileInfo, Depends(find)]


def keep(upload: UploadFile, note: str) -> FileInfo:
    """Copies an upload to the folder, and gives up when it is too large."""
    file_id = secrets.token_hex(8)
    digest = hashlib.sha256()
    size = 0
    partial = FOLDER / f"{file_id}.part"
    try:
        with partial.open("wb") as target:
            while chunk := upload.file.read(CHUNK_BYTES):
                size += len(chunk)
                if size > FILE_BYTES_MAX:
                    problem = f"{upload.filename} has more than {FILE_BYTES_MAX} bytes"
                    raise HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, problem)
                digest.update(chunk)
                target.write(chunk)
        partial.rename(content_of(file_id))
    finally:
        partial.unlink(missing_ok=True)
    info = FileInfo(
        id=file_id,
        name=Path(upload.filename or "unnamed").name,
        media_type=upload.content_type or "application/octet-stream",
        note=note,
        size=size,
        sha256=digest.hexdigest(),
        received=datetime.now(UTC),
    )
    info_path(file_id).write_text(info.model_dump_json())
    return info


@app.post("/files", status_code=status.HTTP_201_CREATED, responses=responses(400, 413))
def upload(
    background: BackgroundTasks,
    files: Annotated[
        list[UploadFile],
        File(description="What to keep", min_length=1, max_length=FILES_PER_REQUEST_MAX),
    ],
    note: Annotated[str, Form(max_length=200)] = "",
) -> list[FileInfo]:
    """Keep files, all with the same note."""
    kept = []
    for file in files:
        info = keep(file, note)
        background.add_task(record, "kept", info.id)
        kept.append(info)
    return kept


@app.get("/files")
def listing(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[FileInfo]:
    """The files that there are, the newest first."""
    infos = [FileInfo.model_validate_json(path.read_bytes()) for path in FOLDER.glob("*.json")]
    return sorted(infos, key=lambda info: info.received, reverse=True)[:limit]


@app.get("/files/{file_id}", responses=responses(404))
def describe(info: Found) -> FileInfo:
    """What is known of a file."""
    return info


@app.get(
    "/files/{file_id}/content",
    response_class=FileResponse,
    responses={
        200: {"content": {"application/octet-stream": {}}},
        206: {"description": "A part", "content": {"application/octet-stream": {}}},
        **responses(404),
    },
)
def download(info: Found) -> FileResponse:
    """The file itself; `Range: bytes=0-99` gives a part of it."""
    headers = {"x-sha256": info.sha256}
    # What a stranger uploaded is for saving, not for showing: it might be a page with scripts.
    return FileResponse(
        content_of(info.id),
        headers=headers,
        media_type="application/octet-stream",
        filename=info.name,
    )


@app.get("/files/{file_id}/lines", responses=responses(404))
def lines(info: Found, contains: Annotated[str, Query(max_length=100)] = "") -> Iterable[Line]:
    """The lines of a text file that contain a text, each sent as soon as it is found."""
    with content_of(info.id).open(encoding="utf-8", errors="replace") as text:
        for number, line in enumerate(iter(lambda: text.readline(LINE_CHARACTERS_MAX), ""), 1):
            if contains in line:
                yield Line(number=number, text=line.rstrip("\n"))


@app.delete("/files/{file_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(404))
def delete(info: Found, background: BackgroundTasks) -> None:
    """Forget a file."""
    info_path(info.id).unlink(missing_ok=True)
    content_of(info.id).unlink(missing_ok=True)
    background.add_task(record, "deleted", info.id)


@app.post("/digest", responses=responses(413))
async def digest(request: Request) -> Digest:
    """The digest of a body of any type, read as it arrives."""
    running = hashlib.sha256()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > FILE_BYTES_MAX:
            raise HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, "The body is too large")
        running.update(chunk)
    return Digest(size=size, sha256=running.hexdigest())


@app.get(
    "/journal",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}}},
)
def journal() -> StreamingResponse:
    """Everything that happened, one JSON object per line."""

    def pieces() -> Iterator[bytes]:
        path = FOLDER / "journal.jsonl"
        if path.exists():
            with path.open("rb") as file:
                yield from iter(lambda: file.read(CHUNK_BYTES), b"")

    return StreamingResponse(pieces(), media_type="application/x-ndjson")


@app.get("/totals")
def totals() -> Totals:
    """How many files there are and how large they are together."""
    sizes = [path.stat().st_size for path in FOLDER.glob("*.bin")]
    return Totals(files=len(sizes), bytes=sum(sizes))
