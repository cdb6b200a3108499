"""Takes every kind of input, and lets handlers send what must not be sent."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from fasterapi import (
    Body,
    Cookie,
    FasterAPI,
    File,
    Form,
    Header,
    Query,
    Request,
    Response,
    UploadFile,
)
from fasterapi.responses import JSONResponse
from fasterapi.staticfiles import StaticFiles

app = FasterAPI()
app.mount("/static", StaticFiles(directory=Path(__file__).parent))


class Thing(BaseModel):
    """Something with bounds."""

    name: Annotated[str, Field(max_length=50)]
    count: int
    weight: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    parts: list["Thing"] = []


@app.get("/")
async def fine() -> str:
    """What is asked for afterwards."""
    return "fine"


@app.get("/int/{number}")
async def number(number: int, q: int = 0) -> dict[str, int]:
    """Numbers in path and query."""
    return {"number": number, "q": q}


@app.get("/float/{number}")
async def real(number: Annotated[float, Field(allow_inf_nan=False)]) -> dict[str, float]:
    """A number that has an end."""
    return {"number": number}


@app.get("/text/{text}")
async def text(text: str, q: str = "") -> dict[str, str]:
    """Text in path and query."""
    return {"text": text, "q": q}


@app.get("/needed")
async def needed(one: str, two: int) -> dict[str, str | int]:
    """Two parameters that must be there."""
    return {"one": one, "two": two}


@app.get("/many")
async def many(q: Annotated[list[int], Query()]) -> dict[str, int]:
    """A parameter that may be repeated."""
    return {"count": len(q)}


@app.get("/request")
async def request(request: Request) -> dict[str, int]:
    """What the framework makes of the whole query."""
    return {"count": len(request.query_params.multi_items())}


@app.post("/thing")
async def thing(thing: Thing) -> dict[str, Any]:
    """A model."""
    return {"name": thing.name, "count": thing.count}


@app.post("/any")
async def anything(value: Annotated[Any, Body()]) -> str:
    """Any JSON; what it was is not repeated."""
    return type(value).__name__


@app.post("/json")
async def parsed(request: Request) -> str:
    """JSON that the handler asks for."""
    return type(await request.json()).__name__


@app.post("/form")
async def form(name: Annotated[str, Form()], age: Annotated[int, Form()] = 0) -> dict[str, Any]:
    """A form."""
    return {"name": name, "age": age}


@app.post("/file")
async def file(file: Annotated[UploadFile, File()]) -> dict[str, Any]:
    """A file."""
    return {"name": file.filename, "size": len(await file.read())}


@app.get("/header")
async def header(x_number: Annotated[int, Header()]) -> int:
    """A header."""
    return x_number


@app.get("/cookie")
async def cookie(request: Request, a: Annotated[str | None, Cookie()] = None) -> dict[str, Any]:
    """Cookies, whatever they are."""
    return {"a": a, "count": len(request.cookies)}


@app.get("/send/header")
async def send_header(response: Response, kind: str) -> str:
    """A handler that sets a header as it should not be."""
    values = {
        "crlf": ("x-value", "a\r\nset-cookie: evil=1"),
        "lf": ("x-value", "a\nset-cookie: evil=1"),
        "nul": ("x-value", "a\0b"),
        "name": ("x value", "a"),
        "name-crlf": ("x\r\nset-cookie: evil=1\r\ny", "a"),
        "large": ("x-value", "a" * 2**20),
        "unicode": ("x-value", "\N{SNOWMAN}"),
    }
    name, value = values[kind]
    response.headers[name] = value
    return "sent"


@app.get("/send/response")
async def send_response(value: str) -> Response:
    """A handler that puts what came into a header of its own response."""
    return JSONResponse({}, headers={"x-value": value})


@app.get("/send/cookie")
async def send_cookie(response: Response, value: str) -> str:
    """A handler that puts what came into a cookie."""
    response.set_cookie("a", value)
    return "sent"


@app.get("/send/location")
async def send_location(to: str) -> Response:
    """A handler that redirects to what came."""
    return Response(status_code=307, headers={"location": to})


@app.get("/send/nan")
async def send_nan() -> Response:
    """A handler that sends what is no JSON."""
    return JSONResponse({"value": float("nan")})
