"""The application: its parts, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fasterapi import FastAPI

from . import errors, middleware, passwords
from .database import Database
from .routers import admin, auth, notes, users
from .settings import Settings, get_settings


class State(TypedDict):
    """What every request finds in `request.state`."""

    database: Database


def prepare(settings: Settings) -> Database:
    """The database, with its tables and its administrator."""
    database = Database(settings.database)
    database.prepare()
    with database.session() as session:
        if session.user(settings.administrator) is None:
            secret = settings.administrator_password.get_secret_value()
            session.add_user(settings.administrator, passwords.digest_of(secret), is_admin=True)
    return database


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Runs before the first request, and after the last one."""
    yield {"database": prepare(get_settings())}


def create_app() -> FastAPI:
    """The application, with the settings of the environment."""
    app = FastAPI(title="Accounts", version="1.0.0", lifespan=lifespan)
    middleware.install(app, get_settings())
    errors.install(app)
    app.include_router(auth.router)
    app.include_router(users.router)
    app.include_router(notes.router)
    app.include_router(admin.router, prefix="/admin")

    @app.get("/health", tags=["health"])
    async def health() -> dict[str, str]:
        """Whether this answers."""
        return {"status": "ok"}

    return app


app = create_app()
