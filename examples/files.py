"""Files, sent by Rust: `fasterapi run examples/files.py`, then open /source/hello.py."""

from pathlib import Path

from fasterapi import FasterAPI, FileResponse, HTTPException, StaticFiles

HERE = Path(__file__).parent

app = FasterAPI()
# Byte ranges, entity tags and dates are taken care of; nothing outside the folder is served.
app.mount("/source", StaticFiles(HERE))


@app.get("/download/{name}")
async def download(name: str) -> FileResponse:
    """One of the examples, for the browser to save."""
    path = HERE / f"{name}.py"
    if not name.isidentifier() or not path.is_file():
        raise HTTPException(404, f"There is no example called {name}")
    return FileResponse(path, filename=path.name)
