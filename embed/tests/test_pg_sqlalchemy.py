"""SQLAlchemy over our driver, in a process of one's own and in a shard."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import enum
import importlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from live_server import own_virtual_environment
from postgres_driver import OURS, in_loop, within
from sqlalchemy.dialects.postgresql import HSTORE, JSONB, TSTZRANGE, Range
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from conftest import Serve
    from postgres_cluster import Cluster

pytestmark = pytest.mark.skipif(not OURS, reason="SQLAlchemy knows asyncpg by itself")
SOON_S = 20.0
BEGIN = dt.datetime(2020, 2, 29, tzinfo=dt.UTC)


class Base(DeclarativeBase):
    """All tables."""


class Color(enum.Enum):
    """An enum type of the database's."""

    red = "red"
    blue = "blue"


class Author(Base):
    """A row of many types."""

    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    raw: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    pairs: Mapped[dict[str, Any]] = mapped_column(HSTORE)
    uid: Mapped[uuid.UUID]
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    tags: Mapped[list[str]] = mapped_column(sa.ARRAY(sa.String))
    color: Mapped[Color]
    blob: Mapped[bytes]
    span: Mapped[Any] = mapped_column(TSTZRANGE)
    wait: Mapped[dt.timedelta]
    made: Mapped[dt.datetime] = mapped_column(server_default=sa.func.now())
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    """Some for each author."""

    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


def author(name: str) -> Author:
    """One with three books."""
    return Author(
        name=name,
        data={"a": [1, None]},
        raw={"x": "y"},
        pairs={"k": "v", "none": None},
        uid=uuid.UUID(int=7),
        price=Decimal("1.25"),
        tags=["a", "b"],
        color=Color.red,
        blob=b"\0\xff",
        span=Range(BEGIN, None),
        wait=dt.timedelta(days=3, seconds=5),
        books=[Book(title=f"{name} {number}") for number in range(3)],
    )


@pytest.fixture
def url(postgres: Cluster) -> Iterator[str]:
    """A database of the test's own."""
    with postgres.database("alchemy") as name:
        postgres.sql("GRANT ALL ON SCHEMA public TO PUBLIC; CREATE EXTENSION hstore", name)
        arguments = postgres.arguments(database=name)
        yield "postgresql+fasterapi://{user}:{password}@{host}:{port}/{database}".format_map(
            arguments
        )


@contextlib.asynccontextmanager
async def engine_of(pg: Any, url: str) -> AsyncIterator[AsyncEngine]:
    """An engine, and the tables."""
    # In the pip form SQLAlchemy would find it by itself.
    importlib.import_module(f"{pg.__name__}.sqlalchemy")
    engine = create_async_engine(url, pool_pre_ping=True, pool_size=4)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield engine
    finally:
        await engine.dispose()


@in_loop
async def test_objects(pg: Any, url: str) -> None:
    """They come back as they were, whatever their types."""
    async with engine_of(pg, url) as engine:
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        async with sessions() as session:
            session.add_all(author(f"author {number}") for number in range(10))
            await session.commit()
        query = sa.select(Author).options(selectinload(Author.books)).order_by(Author.id)
        async with sessions() as session:
            found = (await session.execute(query)).scalars().all()
        assert len(found) == 10
        given, got = author("author 0"), found[0]
        for column in Author.__table__.columns:
            if column.name not in {"id", "made"}:
                assert getattr(got, column.name) == getattr(given, column.name), column
        assert [book.title for book in got.books] == [book.title for book in given.books]
        assert isinstance(got.made, dt.datetime)


@in_loop
async def test_statements(pg: Any, url: str) -> None:
    """Streams, savepoints, isolation levels, bulk inserts, reflection, and many at once."""
    async with engine_of(pg, url) as engine:
        sessions = async_sessionmaker(engine)
        async with sessions.begin() as session:
            session.add_all(author(f"author {number}") for number in range(10))
        async with sessions.begin() as session:
            stream = await session.stream(sa.select(Book.id).order_by(Book.id))
            assert [row[0] async for row in stream] == list(range(1, 31))
            with contextlib.suppress(ZeroDivisionError):
                async with session.begin_nested():
                    await session.execute(sa.delete(Book))
                    raise ZeroDivisionError
            rows = [{"title": "more", "author_id": 1}] * 5
            made = await session.execute(sa.insert(Book).returning(Book.id), rows)
            assert len(made.all()) == 5
        async with sessions() as session:
            assert await session.scalar(sa.select(sa.func.count()).select_from(Book)) == 35
        serializable = engine.execution_options(isolation_level="SERIALIZABLE")
        async with serializable.connect() as connection:
            shown = await connection.scalar(sa.text("SHOW transaction_isolation"))
            assert shown == "serializable"
        alone = engine.execution_options(isolation_level="AUTOCOMMIT")
        async with alone.connect() as connection:
            await connection.execute(sa.text("VACUUM book"))
        async with engine.connect() as connection:
            tables = sa.MetaData()
            await connection.run_sync(tables.reflect)
        assert set(tables.tables) == {"author", "book"}

        async def name_of(number: int) -> str | None:
            async with sessions() as session:
                name: str | None = await session.scalar(
                    sa.select(Author.name).where(Author.id == number)
                )
                return name

        names = await within(SOON_S, asyncio.gather(*(name_of(n % 10 + 1) for n in range(100))))
        assert names == [f"author {n % 10}" for n in range(100)]


@in_loop
async def test_errors(pg: Any, postgres: Cluster, url: str) -> None:
    """SQLAlchemy's own, by kind; a session that was killed is replaced before its next use."""
    async with engine_of(pg, url) as engine:
        sessions = async_sessionmaker(engine)
        async with sessions.begin() as session:
            session.add(author("twice"))
        with pytest.raises(sa.exc.IntegrityError, match="author_name_key") as twice:
            async with sessions.begin() as session:
                session.add(author("twice"))
        assert getattr(twice.value.orig, "sqlstate", None) == "23505"
        for text, kind in (
            ("SELECT nonsense", sa.exc.ProgrammingError),
            ("SELECT 1/0", sa.exc.DBAPIError),
        ):
            with pytest.raises(kind):
                async with engine.connect() as connection:
                    await connection.execute(sa.text(text))
        postgres.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'alchemy'"
        )
        async with sessions() as session:
            assert await session.scalar(sa.select(Author.name)) == "twice"


APP = """
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import fasterapi.pg.sqlalchemy
from fasterapi import FasterAPI

@asynccontextmanager
async def lifespan(app: FasterAPI) -> AsyncIterator[None]:
    app.state.engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=4)
    yield
    await app.state.engine.dispose()

app = FasterAPI(lifespan=lifespan)

@app.get("/{number}")
async def one(number: int) -> int:
    async with app.state.engine.begin() as connection:
        return await connection.scalar(text("SELECT :number + 1"), {"number": number})
"""


def test_in_a_shard(serve: Serve, url: str) -> None:
    """Its greenlets run on the shard's loop."""
    env = own_virtual_environment() | {"DATABASE_URL": url}
    # The pip form has an environment of its own, without SQLAlchemy.
    env["PYTHONPATH"] = str(Path(sa.__file__).parents[1])
    server = serve(APP, env=env)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: server.get(f"/{n}").json(), range(100)))
    assert answers == list(range(1, 101))
