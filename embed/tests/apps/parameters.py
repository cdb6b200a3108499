"""Path and query parameters, methods and paths."""

import uuid
from typing import Annotated, Optional

from fasterapi import FasterAPI, Request

app = FasterAPI()


@app.get("/path/str/{value}")
async def path_str(value: str):  # noqa: ANN201
    """A segment."""
    return {"value": value}


@app.get("/path/plain/{value}")
async def path_plain(value):  # noqa: ANN001, ANN201
    """A segment without a type."""
    return {"value": value}


@app.get("/path/int/{value}")
async def path_int(value: int):  # noqa: ANN201
    """A number."""
    return {"value": value}


@app.get("/path/float/{value}")
def path_float(value: float):  # noqa: ANN201
    """A number with a fraction."""
    return {"value": value}


@app.get("/path/bool/{value}")
async def path_bool(value: bool):  # noqa: ANN201
    """Yes or no."""
    return {"value": value}


@app.get("/path/uuid/{value}")
async def path_uuid(value: uuid.UUID):  # noqa: ANN201
    """A UUID."""
    return {"value": value, "kind": type(value).__name__}


@app.get("/files/{name:path}")
async def files(name: str):  # noqa: ANN201
    """Whatever is left, slashes and all."""
    return {"name": name}


@app.get("/two/{first}/and/{second}")
async def two(second: int, first: str):  # noqa: ANN201
    """Two, in another order."""
    return {"first": first, "second": second}


@app.get("/conv/int/{value:int}")
async def conv_int(request: Request):  # noqa: ANN201
    """The path's own converter."""
    value = request.path_params["value"]
    return {"value": value, "kind": type(value).__name__}


@app.get("/conv/float/{value:float}")
async def conv_float(value: float):  # noqa: ANN201
    """The path's own converter."""
    return {"value": value}


@app.get("/conv/uuid/{value:uuid}")
async def conv_uuid(request: Request):  # noqa: ANN201
    """The path's own converter."""
    value = request.path_params["value"]
    return {"value": str(value), "kind": type(value).__name__}


@app.get("/pick/{number:int}")
async def pick_int(number: int):  # noqa: ANN201
    """The first of two routes that differ in their converter."""
    return {"number": number}


@app.get("/pick/{name}")
async def pick_str(name: str):  # noqa: ANN201
    """The second."""
    return {"name": name}


@app.get("/order/me")
async def order_me():  # noqa: ANN201
    """Registered before the route that would match it too."""
    return {"me": True}


@app.get("/order/{name}")
async def order_name(name: str):  # noqa: ANN201
    """Registered second."""
    return {"name": name}


@app.get("/first/{name}")
async def first_name(name: str):  # noqa: ANN201
    """Registered first, so it answers ``/first/me`` too."""
    return {"name": name}


@app.get("/first/me")
async def first_me():  # noqa: ANN201
    """Never reached."""
    return {"me": True}


@app.get("/query/required")
async def query_required(text: str, number: int):  # noqa: ANN201
    """Both have to be there."""
    return {"text": text, "number": number}


@app.get("/query/defaults")
async def query_defaults(  # noqa: ANN201
    text: str = "d",
    number: int = 3,
    ratio: float = 0.5,
    flag: bool = False,
):
    """None has to be there."""
    return {"text": text, "number": number, "ratio": ratio, "flag": flag}


@app.get("/query/optional")
def query_optional(  # noqa: ANN201
    text: str | None = None,
    number: Optional[int] = None,  # noqa: UP045 - the older spelling is what most code has
    ident: uuid.UUID | None = None,
):
    """Absent is ``None``."""
    return {"text": text, "number": number, "ident": ident}


@app.get("/query/nullable")
async def query_nullable(text: str | None):  # noqa: ANN201
    """May be ``None`` but has no default."""
    return {"text": text}


@app.get("/query/annotated")
async def query_annotated(number: Annotated[int, "a note"] = 1):  # noqa: ANN201
    """A type with a note on it."""
    return {"number": number}


@app.get("/query/keyword/{ident}")
async def query_keyword(request: Request, ident: int, *, after: str, limit: int = 10):  # noqa: ANN201
    """Keyword-only parameters."""
    return {"path": request.url.path, "ident": ident, "after": after, "limit": limit}


@app.get("/mixed/{ident}")
async def mixed(ident: int, number: int, flag: bool = True):  # noqa: ANN201
    """From the path and from the query."""
    return {"ident": ident, "number": number, "flag": flag}


@app.get("/methods")
async def methods_get():  # noqa: ANN201
    """GET, and HEAD with it."""
    return {"method": "GET"}


@app.post("/methods")
async def methods_post():  # noqa: ANN201
    """POST."""
    return {"method": "POST"}


@app.put("/methods")
def methods_put():  # noqa: ANN201
    """PUT."""
    return {"method": "PUT"}


@app.patch("/methods")
async def methods_patch():  # noqa: ANN201
    """PATCH."""
    return {"method": "PATCH"}


@app.delete("/methods")
async def methods_delete():  # noqa: ANN201
    """DELETE."""
    return {"method": "DELETE"}


@app.head("/own")
async def own_head() -> None:
    """A HEAD handler."""


@app.options("/own")
async def own_options():  # noqa: ANN201
    """An OPTIONS handler."""
    return {"method": "OPTIONS"}


@app.api_route("/several", methods=["GET", "POST"])
async def several(request: Request):  # noqa: ANN201
    """Two methods, one handler."""
    return {"method": request.method}


@app.get("/slash/")
async def with_slash():  # noqa: ANN201
    """Ends with a slash."""
    return {"slash": True}


@app.get("/noslash")
async def without_slash():  # noqa: ANN201
    """Ends without one."""
    return {"slash": False}


@app.get("/item/{ident}/")
async def item_with_slash(ident: int):  # noqa: ANN201
    """A parameter and then a slash."""
    return {"ident": ident}
