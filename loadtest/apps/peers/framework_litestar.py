"""The framework rows as Litestar handlers, with Litestar's own msgspec structs."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated, Any

from framework_data import products, report
from litestar import Litestar, get, post
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.datastructures import UploadFile
from litestar.di import Provide
from litestar.enums import RequestEncodingType
from litestar.middleware import ASGIMiddleware
from litestar.params import Body, Parameter
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import Meta, Struct


@get("/items/{item_id:str}")
async def item(
    item_id: Annotated[int, Parameter(ge=1, le=1_000_000)],
    q: Annotated[str, Parameter(max_length=50)],
    limit: Annotated[int, Parameter(ge=1, le=100)],
) -> dict[str, Any]:
    return {"item_id": item_id, "q": q, "limit": limit}


class Order(Struct):
    order_id: Annotated[int, Meta(ge=1)]
    customer: Annotated[str, Meta(min_length=1, max_length=100)]
    email: Annotated[str, Meta(max_length=100)]
    amount: Annotated[float, Meta(gt=0)]
    quantity: Annotated[int, Meta(ge=1, le=1_000)]
    is_paid: bool
    placed: datetime | None = None
    coupon: str | None = None
    tags: list[str] = []
    note: str = ""


@post("/orders", status_code=200)
async def order(data: Order) -> Order:
    return data


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


SETTINGS = Settings()


async def get_settings() -> Settings:
    return SETTINGS


async def get_session(settings: Settings) -> AsyncGenerator[Session, None]:
    session = Session(settings)
    try:
        yield session
    finally:
        session.close()


async def get_user(session: Session, user_id: int) -> dict[str, Any]:
    return {"id": user_id, "name": session.name_of(user_id), "is_open": session.is_open}


@get(
    "/profile",
    dependencies={
        "settings": Provide(get_settings),
        "session": Provide(get_session),
        "user": Provide(get_user),
    },
)
async def profile(user: dict[str, Any]) -> dict[str, Any]:
    return user


class Product(Struct):
    id: int
    name: str
    price: float
    stock: int
    is_active: bool
    tags: list[str]


PRODUCTS = [Product(**values) for values in products()]


@get("/products")
async def listing() -> list[Product]:
    return PRODUCTS


@post("/upload", status_code=200)
async def upload(
    data: Annotated[dict[str, UploadFile], Body(media_type=RequestEncodingType.MULTI_PART)],
) -> dict[str, int]:
    return {"size": len(await data["file"].read())}


REPORT = report()


@get("/report")
async def send_report() -> dict[str, Any]:
    return REPORT


class AddHeader(ASGIMiddleware):
    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-served-by", b"bench")]
            await send(message)

        await next_app(scope, receive, send_with_header)


app = Litestar([item, order, profile, listing, upload], openapi_config=None)
wrapped = Litestar(
    [send_report],
    openapi_config=None,
    middleware=[AddHeader()],
    cors_config=CORSConfig(allow_origins=["https://example.com"]),
    compression_config=CompressionConfig(backend="gzip", minimum_size=500, gzip_compress_level=6),
)
