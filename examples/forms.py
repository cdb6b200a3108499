"""A form with a file: open http://localhost:8000/ and send one."""

import hashlib

from fasterapi import FasterAPI, HTMLResponse, HTTPException, Request, UploadFile

app = FasterAPI()

PAGE = """<!doctype html>
<title>Upload</title>
<form action="/upload" method="post" enctype="multipart/form-data">
  <input name="note" placeholder="note">
  <input name="file" type="file">
  <button>Send</button>
</form>
"""


@app.get("/")
async def page() -> HTMLResponse:
    """The form."""
    return HTMLResponse(PAGE)


@app.post("/upload")
async def upload(request: Request) -> dict[str, str | int | None]:
    """Tell what came, reading the file piece by piece: a large one is on disk, not in memory."""
    async with request.form() as form:
        note, file = form.get("note"), form.get("file")
        if not isinstance(file, UploadFile):
            raise HTTPException(422, "The form has no file")
        digest = hashlib.sha256()
        while chunk := await file.read(65536):
            digest.update(chunk)
        return {
            "note": str(note or ""),
            "name": file.filename,
            "size": file.size,
            "sha256": digest.hexdigest(),
        }
