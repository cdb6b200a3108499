"""An application's databases, without one: budgets, names, and when pools are opened."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from fasterapi import FasterAPI
from fasterapi.pg import database
from fasterapi.pg.backplane import PostgresBackplane, pack, unpack
from fasterapi.pg.database import Database, share_of
from fasterapi.pg.pool import Pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("total", [64, 65, 100, 127])
def test_shares_use_up_the_budget(total: int, shards: int) -> None:
    """And differ by one at most, the larger ones first."""
    shares = [share_of(total, index, shards) for index in range(shards)]
    assert sum(shares) == total
    assert shares == sorted(shares, reverse=True)
    assert shares[0] - shares[-1] <= 1
    assert shares[-1] >= 1


def test_a_budget_below_the_shards_is_refused() -> None:
    """With what there is to do about it."""
    with pytest.raises(ValueError, match=r"total_connections=3 is not enough for 4 shards.*raise"):
        share_of(3, 0, 4)


@pytest.mark.parametrize(
    ("options", "place", "size"),
    [
        ({}, (0, 1), 20),
        ({}, (1, 3), 7),
        ({}, (2, 3), 6),
        ({}, (29, 30), 1),
        ({"total_connections": 9}, (0, 2), 5),
        ({"max_size": 9}, (1, 2), 9),
        ({"total_connections": 9, "processes": 2}, (0, 1), 4),
        ({"total_connections": 9, "processes": 5}, (0, 3), 3),
    ],
)
def test_size_of_a_shard(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], place: tuple[int, int], size: int
) -> None:
    """By its place and the options."""
    monkeypatch.setattr(database, "_place", lambda: place)
    assert Database("postgresql://", **options).size_max() == size


@pytest.mark.parametrize(
    "options",
    [{"total_connections": 4, "max_size": 4}, {"total_connections": 0}, {"processes": 0}],
)
def test_sizes_that_do_not_fit(options: dict[str, Any]) -> None:
    """They are refused where they are written."""
    with pytest.raises(ValueError, match=r"total_connections|processes"):
        FasterAPI().postgres("postgresql://", **options)  # type: ignore[arg-type]


def test_names() -> None:
    """Each once; who asks for one that is not there is told which are."""
    app = FasterAPI()
    with pytest.raises(RuntimeError, match=r"call app\.postgres"):
        _ = app.pg
    reports = app.postgres("postgresql://secret:secret@a/b", name="reports")
    with pytest.raises(RuntimeError, match="no database 'default', but 'reports'"):
        _ = app.pg
    default = app.postgres()
    assert app.pg is default
    assert app.databases["reports"] is reports
    assert "secret" not in repr(reports)
    with pytest.raises(ValueError, match="another name"):
        app.postgres(name="reports")
    with pytest.raises(RuntimeError, match="not open"):
        _ = reports.pool


def watch_pools(monkeypatch: pytest.MonkeyPatch, log: list[str], failing: str = "") -> None:
    """Note when pools are opened and closed, instead of doing so."""

    async def open_(self: Database) -> None:
        if self.name == failing:
            raise OSError("nobody there")
        log.append(f"open {self.name}")

    async def close(self: Database) -> None:
        log.append(f"close {self.name}")

    monkeypatch.setattr(Database, "open", open_)
    monkeypatch.setattr(Database, "close", close)


def make_app(log: list[str], state: Any = None) -> FasterAPI:
    """With two databases and a lifespan."""

    @asynccontextmanager
    async def lifespan(app: FasterAPI) -> AsyncIterator[Any]:
        log.append("start")
        yield state
        log.append("stop")

    app = FasterAPI(lifespan=lifespan)
    app.postgres("postgresql://", name="one")
    app.postgres("postgresql://", name="two")
    return app


IN_ORDER = ["open one", "open two", "start", "stop", "close two", "close one"]


def test_pools_are_around_the_lifespan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs it, and as often as it runs."""
    log: list[str] = []
    watch_pools(monkeypatch, log)
    app = make_app(log, {"key": "value"})

    async def by_shard() -> None:
        async with app._lifespan_context() as state:
            assert state == {"key": "value"}

    async def by_asgi() -> None:
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        sent: list[str] = []

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        scope: dict[str, Any] = {"type": "lifespan", "state": {}}
        await app(scope, receive, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert scope["state"] == {"key": "value"}

    for run in (by_shard, by_asgi, by_shard):
        asyncio.run(run())
        assert log == IN_ORDER
        log.clear()


def test_a_start_that_fails_closes_what_was_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails."""
    log: list[str] = []
    watch_pools(monkeypatch, log, failing="two")

    async def run(app: FasterAPI) -> None:
        async with app._lifespan_context():
            raise AssertionError("it started")

    with pytest.raises(OSError, match="nobody there"):
        asyncio.run(run(make_app(log)))
    assert log == ["open one", "close one"]
    log.clear()
    watch_pools(monkeypatch, log)
    with pytest.raises(TypeError, match="must yield a mapping"):
        asyncio.run(run(make_app(log, state=5)))
    assert log[-2:] == ["close two", "close one"]


def test_messages_of_the_backplane() -> None:
    """They are read as they were written, and nothing else is."""
    for channel, envelope in (("a", b""), ("ä" * 200, bytes(range(256)))):
        assert unpack(pack(channel, envelope)) == (channel, envelope)
    for nonsense in (b"", b"\0", b"\0\5abc"):
        with pytest.raises(ValueError, match="no message"):
            unpack(nonsense)


def test_options_of_the_backplane() -> None:
    """Those that do not fit are refused where they are written."""
    for options in ({"long_messages": "drop"}, {"keep_s": 0}):
        with pytest.raises(ValueError, match=r"long_messages|keep_s"):
            PostgresBackplane("postgresql://", **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="with a DSN only"):
        PostgresBackplane(Pool(), min_size=1)
