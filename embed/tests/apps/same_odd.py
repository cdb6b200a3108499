"""What is rarely done with routes, paths and values. Held by test_same_answers.py."""

# ruff: noqa: D102, D103 - what a route does is said by its path

import uuid
from typing import Annotated, Any

from fasterapi import APIRouter, FastAPI, Form, Header, Request, Response
from fasterapi.routing import APIRoute

app = FastAPI(form_limits={"max_part_size": 4})


class Marked(APIRoute):
    """Chooses its requests itself, and tells the handler so."""

    def matches(self, scope: Any) -> Any:
        match, child_scope = super().matches(scope)
        if b"unmarked" in scope.get("query_string", b""):
            return type(match).NONE, {}
        return match, {**child_scope, "mark": "marked"}


router = APIRouter(route_class=Marked)


@router.get("/marked/{number}")
async def marked(number: int, request: Request) -> Any:
    return [number, request.scope.get("mark")]


app.include_router(router)
app.include_router(router, prefix="/included")


@app.get("/marked/{text}")
async def unmarked(text: str) -> Any:
    return [text]


below = FastAPI()


@below.post("/form")
async def form(text: Annotated[str, Form()]) -> str:
    return text


@app.post("/form")
async def own_form(text: Annotated[str, Form()]) -> str:
    return text


app.mount("/below", below)


@app.get("/convertors/{whole:int}/{part:float}/{id:uuid}/{rest:path}")
async def convertors(whole: int, part: float, id: uuid.UUID, rest: str) -> Any:  # noqa: A002
    return [whole, part, id, rest]


@app.get("/url/{text}/{rest:path}")
async def url(request: Request, text: str, rest: str) -> Any:
    made = request.url_for("url", text=text, rest=rest)
    return [request.url.path, str(request.url), made.path, str(request.base_url)]


@app.get("/header")
async def header(x_key: Annotated[int, Header(alias="X-Key")]) -> int:
    return x_key


class DriversUUID:
    """As some database drivers have one: no UUID, but it says so."""

    def __str__(self) -> str:
        return "12345678-1234-5678-1234-567812345678"

    @property
    def __class__(self) -> Any:
        return uuid.UUID

    @property
    def __dict__(self) -> Any:
        raise TypeError("it has none")


@app.get("/uuid")
async def drivers_uuid() -> Any:
    return {"id": DriversUUID()}


@app.head("/size")
async def size(response: Response) -> None:
    response.headers["x-size"] = "unknown"


FORM = {"content-type": "multipart/form-data; boundary=B"}


def part(text: str) -> bytes:
    head = '--B\r\ncontent-disposition: form-data; name="text"\r\n\r\n'
    return f"{head}{text}\r\n--B--\r\n".encode()


_ID = "12345678-1234-1234-1234-123456789abc"
REQUESTS: list[tuple[str, str, Any, bytes]] = [
    *(
        ("GET", path, {}, b"")
        for path in (
            "/marked/1",
            "/marked/x",
            "/marked/1?unmarked",
            "/included/marked/1",
            "/included/marked/1?unmarked",
            f"/convertors/1/1.5/{_ID}/a/b",
            f"/convertors/1/2/{_ID.replace('-', '')}/",
            f"/convertors/1/2/{_ID[:-1]}/x",
            f"/convertors/-1/1.5/{_ID}/x",
            f"/convertors/1/1./{_ID}/x",
            "/url/a%20b/c",
            "/url/%C3%A9/%E9",
            "/url/a/d%5Ce?q=%20",
            "/url/a/%2F%2Fb",
            "/url/%25/%2B+",
            "/header",
            "/uuid",
        )
    ),
    ("GET", "/header", {"x-key": "x"}, b""),
    ("GET", "/header", {"X-KEY": "3"}, b""),
    ("HEAD", "/size", {}, b""),
    *(
        ("POST", path, FORM, part(text))
        for path in ("/form", "/below/form")
        for text in ("ab", "abcde")
    ),
    ("POST", "/form", {"content-type": "multipart/form-data"}, b""),
]
