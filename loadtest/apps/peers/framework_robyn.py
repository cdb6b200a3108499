"""The framework rows as Robyn handlers; it has no nested dependencies and no compression."""

import os
from datetime import datetime
from typing import Annotated, Any

from framework_data import products
from pydantic import BaseModel, Field
from robyn import Request, Response, Robyn

app = Robyn(__file__)


@app.get("/items/:item_id")
async def item(item_id: int, q: str, limit: int) -> dict[str, Any] | Response:
    # Parameters have types here, but no bounds.
    if not 1 <= item_id <= 1_000_000 or len(q) > 50 or not 1 <= limit <= 100:
        return Response(422, {}, "out of bounds")
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


@app.post("/orders")
async def order(order: Order) -> Order:
    return order


class Product(BaseModel):
    id: int
    name: str
    price: float
    stock: int
    is_active: bool
    tags: list[str]


PRODUCTS = [Product(**values) for values in products()]


@app.get("/products")
async def listing() -> list[Product]:
    return PRODUCTS


@app.post("/upload")
async def upload(request: Request) -> dict[str, int]:
    return {"size": len(next(iter(request.files.values())))}


if __name__ == "__main__":
    app.start(host="127.0.0.1", port=int(os.environ["PORT"]))
