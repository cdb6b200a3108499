"""The framework rows as FastAPI handlers; FasterAPI serves this very file (`--as-fastapi`)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request, Response, UploadFile
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from framework_data import products, report
from pydantic import BaseModel, Field

app = FastAPI()


@app.get("/items/{item_id}")
async def item(
    item_id: Annotated[int, Path(ge=1, le=1_000_000)],
    q: Annotated[str, Query(max_length=50)],
    limit: Annotated[int, Query(ge=1, le=100)],
) -> dict[str, Any]:
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


@app.post("/orders", response_model=Order)
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


async def get_session(
    settings: Annotated[Settings, Depends(get_settings)],
) -> AsyncIterator[Session]:
    session = Session(settings)
    try:
        yield session
    finally:
        session.close()


async def get_user(
    session: Annotated[Session, Depends(get_session)], user_id: int
) -> dict[str, Any]:
    return {"id": user_id, "name": session.name_of(user_id), "is_open": session.is_open}


@app.get("/profile")
async def profile(user: Annotated[dict[str, Any], Depends(get_user)]) -> dict[str, Any]:
    return user


class Product(BaseModel):
    id: int
    name: str
    price: float
    stock: int
    is_active: bool
    tags: list[str]


PRODUCTS = [Product(**values) for values in products()]


@app.get("/products", response_model=list[Product])
async def listing() -> list[Product]:
    return PRODUCTS


@app.post("/upload")
async def upload(file: UploadFile) -> dict[str, int]:
    return {"size": len(await file.read())}


# An application of its own, or the other rows would pass through the middleware too.
wrapped = FastAPI()
wrapped.add_middleware(GZipMiddleware, minimum_size=500, compresslevel=6)
wrapped.add_middleware(CORSMiddleware, allow_origins=["https://example.com"])
REPORT = report()


@wrapped.middleware("http")
async def add_header(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    response.headers["x-served-by"] = "bench"
    return response


@wrapped.get("/report")
async def send_report() -> dict[str, Any]:
    return REPORT
