"""The framework rows as BlackSheep handlers: pydantic models, orjson, rodi's services."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

import orjson
from blacksheep import Application, Content, FromFiles, FromJSON, Request, Response, Router
from blacksheep.exceptions import BadRequest
from blacksheep.server.compression import GzipMiddleware
from blacksheep.settings.json import json_settings
from framework_data import products, report
from pydantic import BaseModel, Field, TypeAdapter


def dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


json_settings.use(loads=orjson.loads, dumps=dumps)
app = Application()


@app.router.get("/items/{item_id}")
async def item(item_id: int, q: str, limit: int) -> dict[str, Any]:
    # Parameters have types here, but no bounds.
    if not 1 <= item_id <= 1_000_000 or len(q) > 50 or not 1 <= limit <= 100:
        raise BadRequest("out of bounds")
    return {"item_id": item_id, "q": q, "limit": limit}


class Order(BaseModel):
    order_id: Annotated[int, Field(ge=1)]
    customer: Annotated[str, Field(min_length=1, max_length=100)]
    email: Annotated[str, Field(max_length=100)]
    amount: Annotated[float, Field(gt=0)]
    quantity: Annotated[int, Field(ge=1, le=1_000)]
    is_paid: bool
    placed: datetime | None = None
    coupon: str | None = None
    tags: list[str] = []
    note: str = ""


def answer(body: bytes) -> Response:
    return Response(200, content=Content(b"application/json", body))


@app.router.post("/orders")
async def order(data: FromJSON[Order]) -> Response:
    return answer(data.value.model_dump_json().encode())


class Settings:
    prefix = "user"


class Session:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.is_open = True

    def name_of(self, user_id: int) -> str:
        return f"{self.settings.prefix}-{user_id}"

    def close(self) -> None:
        self.is_open = False


class Users:
    def __init__(self, session: Session) -> None:
        self.session = session

    def user(self, user_id: int) -> dict[str, Any]:
        name = self.session.name_of(user_id)
        return {"id": user_id, "name": name, "is_open": self.session.is_open}


app.services.add_singleton(Settings)
app.services.add_scoped(Session)
app.services.add_scoped(Users)


@app.router.get("/profile")
async def profile(user_id: int, users: Users) -> dict[str, Any]:
    # Services are made for a request, but not ended with it.
    try:
        return users.user(user_id)
    finally:
        users.session.close()


class Product(BaseModel):
    id: int
    name: str
    price: float
    stock: int
    is_active: bool
    tags: list[str]


PRODUCTS = [Product(**values) for values in products()]
LISTING = TypeAdapter(list[Product])


@app.router.get("/products")
async def listing() -> Response:
    return answer(LISTING.dump_json(PRODUCTS))


@app.router.post("/upload")
async def upload(files: FromFiles) -> dict[str, int]:
    return {"size": len(files.value[0].data)}


wrapped = Application(router=Router())
wrapped.middlewares.append(GzipMiddleware(min_size=500, comp_level=6))
wrapped.use_cors(allow_origins="https://example.com", allow_methods="GET")
REPORT = report()


async def add_header(
    request: Request, handler: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await handler(request)
    response.add_header(b"x-served-by", b"bench")
    return response


wrapped.middlewares.append(add_header)


@wrapped.router.get("/report")
async def send_report() -> dict[str, Any]:
    return REPORT
