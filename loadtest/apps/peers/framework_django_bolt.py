"""The framework rows as django-bolt handlers, with msgspec structs."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

from django_bolt import BoltAPI, Depends
from django_bolt.datastructures import UploadFile
from django_bolt.middleware import CompressionConfig
from django_bolt.param_functions import File, Path, Query
from framework_data import products, report
from msgspec import Meta, Struct

COMPRESSION = CompressionConfig(backend="gzip", minimum_size=500, gzip_level=6)
api = BoltAPI(enable_logging=False, compression=False)


@api.get("/items/{item_id}")
async def item(
    item_id: Annotated[int, Path(ge=1, le=1_000_000)],
    q: Annotated[str, Query(max_length=50)],
    limit: Annotated[int, Query(ge=1, le=100)],
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


@api.post("/orders", response_model=Order, status_code=200)
async def order(order: Order) -> Order:
    return order


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


async def get_session(settings: Annotated[Settings, Depends(get_settings)]) -> Session:
    return Session(settings)


async def get_user(
    session: Annotated[Session, Depends(get_session)], user_id: int
) -> dict[str, Any]:
    return {"id": user_id, "name": session.name_of(user_id), "is_open": session.is_open}


@api.get("/profile")
async def profile(
    user: Annotated[dict[str, Any], Depends(get_user)],
    session: Annotated[Session, Depends(get_session)],
) -> dict[str, Any]:
    # There are no dependencies that yield: the handler ends what it was given.
    try:
        return user
    finally:
        session.close()


class Product(Struct):
    id: int
    name: str
    price: float
    stock: int
    is_active: bool
    tags: list[str]


PRODUCTS = [Product(**values) for values in products()]


@api.get("/products", response_model=list[Product])
async def listing() -> list[Product]:
    return PRODUCTS


@api.post("/upload", status_code=200)
async def upload(file: Annotated[UploadFile, File()]) -> dict[str, int]:
    return {"size": len(await file.read())}


class AddHeader:
    def __init__(self, get_response: Callable[[Any], Awaitable[Any]]) -> None:
        self.get_response = get_response

    async def __call__(self, request: Any) -> Any:
        response = await self.get_response(request)
        response.headers["x-served-by"] = "bench"
        return response


wrapped = BoltAPI(enable_logging=False, middleware=[AddHeader], compression=COMPRESSION)
REPORT = report()


@wrapped.get("/report")
async def send_report() -> dict[str, Any]:
    return REPORT
