"""What runs around serving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from fasterapi import APIRouter, FasterAPI


def enter(app: FasterAPI) -> Any:
    async def run() -> Any:
        async with app._lifespan_context() as state:
            return dict(state)

    return asyncio.run(run())


@asynccontextmanager
async def managed(app: FasterAPI) -> AsyncIterator[dict[str, Any]]:
    app.state.log = ["up"]
    yield {"pool": 1}
    app.state.log.append("down")


async def generated(app: FasterAPI) -> AsyncIterator[dict[str, Any]]:
    app.state.log = ["up"]
    yield {"pool": 1}
    app.state.log.append("down")


def synchronous(app: FasterAPI) -> Iterator[dict[str, Any]]:
    app.state.log = ["up"]
    yield {"pool": 1}
    app.state.log.append("down")


@pytest.mark.parametrize("lifespan", [managed, generated, synchronous, contextmanager(synchronous)])
def test_kinds_of_lifespan(lifespan: Callable[[Any], Any]) -> None:
    app = FasterAPI(lifespan=lifespan)
    assert enter(app) == {"pool": 1}
    assert app.state.log == ["up", "down"]


def test_a_lifespan_may_yield_nothing() -> None:
    async def lifespan(app: FasterAPI) -> AsyncIterator[None]:
        yield

    assert enter(FasterAPI(lifespan=lifespan)) == {}


def test_a_lifespan_must_yield_a_mapping() -> None:
    log = []

    @asynccontextmanager
    async def lifespan(app: FasterAPI) -> AsyncIterator[int]:
        try:
            yield 3
        finally:
            log.append("closed")

    with pytest.raises(TypeError, match="mapping or nothing, not int"):
        enter(FasterAPI(lifespan=lifespan))
    assert log == ["closed"]


def test_what_is_no_lifespan() -> None:
    with pytest.raises(TypeError, match="asynccontextmanager"):
        enter(FasterAPI(lifespan=lambda app: 3))  # type: ignore[arg-type,return-value]


def test_errors_of_a_lifespan_pass_through() -> None:
    async def lifespan(app: FasterAPI) -> AsyncIterator[None]:
        raise LookupError("mine")
        yield

    with pytest.raises(LookupError, match="mine"):
        enter(FasterAPI(lifespan=lifespan))


def test_events() -> None:
    log: list[str] = []

    async def up() -> None:
        log.append("up")

    app = FasterAPI(on_startup=[up, lambda: log.append("up2")])

    async def down() -> None:
        log.append("down")

    app.add_event_handler("shutdown", down)

    assert enter(app) == {}
    assert log == ["up", "up2", "down"]


def test_every_shutdown_function_runs() -> None:
    log: list[str] = []

    def fails() -> None:
        raise LookupError("first")

    def fails_too() -> None:
        raise ValueError("second")

    app = FasterAPI(on_shutdown=[fails, lambda: log.append("ran"), fails_too])
    with pytest.raises(LookupError, match="first") as caught:
        enter(app)
    assert log == ["ran"]
    assert "second" in caught.value.__notes__[0]


def test_a_failed_startup_does_not_shut_down() -> None:
    log: list[str] = []

    def fails() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        enter(FasterAPI(on_startup=[fails], on_shutdown=[lambda: log.append("down")]))
    assert log == []


def test_included_routers_have_their_part() -> None:
    log: list[str] = []

    async def inner(app: FasterAPI) -> AsyncIterator[dict[str, Any]]:
        log.append("inner up")
        yield {"pool": 2, "inner": 3}
        log.append("inner down")

    app = FasterAPI(lifespan=managed)
    app.include_router(APIRouter(lifespan=inner))
    app.include_router(APIRouter(on_startup=[lambda: log.append("function")]))
    assert enter(app) == {"pool": 1, "inner": 3}
    assert log == ["inner up", "function", "inner down"]
    assert app.state.log == ["up", "down"]


def test_a_lifespan_replaces_the_events() -> None:
    log: list[str] = []
    app = FasterAPI(lifespan=managed, on_startup=[lambda: log.append("up")])
    with pytest.warns(UserWarning, match="do not run"):
        enter(app)
    assert log == []
