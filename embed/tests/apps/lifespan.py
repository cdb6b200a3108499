"""A lifespan that leaves marks in the folder MARKS."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fasterapi import FasterAPI, Request


def mark(what: str) -> None:
    """Leave a file that says which process did what."""
    with (Path(os.environ["MARKS"]) / f"{what}-{os.getpid()}").open("a") as file:
        file.write("x")


@asynccontextmanager
async def lifespan(app: FasterAPI) -> AsyncIterator[dict[str, object]]:
    """Start up, hand out state, shut down."""
    mark("startup")
    app.state.ready = True
    yield {"answer": 42, "shared": []}
    mark("shutdown")


app = FasterAPI(lifespan=lifespan)


@app.get("/")
async def state(request: Request):  # noqa: ANN201
    """What the lifespan yielded; ``shared`` is the very same list in every request."""
    request.state.shared.append(1)
    mine = hasattr(request.state, "mine")
    request.state.mine = True
    return {
        "answer": request.state.answer,
        "seen": len(request.state.shared),
        "mine": mine,
        "ready": request.app.state.ready,
        "pid": os.getpid(),
    }


@app.get("/def")
def state_on_a_thread(request: Request):  # noqa: ANN201
    """Visible on a thread too."""
    return request.state.answer


events = FasterAPI()


@events.on_event("startup")
async def start() -> None:
    """An async function."""
    mark("startup")


@events.on_event("startup")
def start_too() -> None:
    """An ordinary one."""
    mark("startup2")


@events.on_event("shutdown")
async def stop() -> None:
    """At the end."""
    mark("shutdown")


@events.on_event("shutdown")
def stop_too() -> None:
    """At the end, too."""
    mark("shutdown2")


@events.get("/")
async def root() -> str:
    """Something to answer."""
    return "events"
