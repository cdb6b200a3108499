"""What may differ from one installation to the next, read from the environment once."""

import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

PREFIX = "ACCOUNTS_"


class Settings(BaseModel):
    """Each field is an environment variable, as `ACCOUNTS_TOKEN_SECRET`."""

    database: Path = Path("accounts.sqlite3")
    # Shards are processes of their own: with more than one, all must be given the same secret.
    token_secret: SecretStr = Field(default_factory=lambda: SecretStr(secrets.token_hex(32)))
    token_lifetime_s: Annotated[int, Field(ge=1, le=86_400)] = 1_800
    administrator: str = "admin"
    administrator_password: SecretStr = SecretStr("change me")
    allowed_origins: list[str] = ["https://app.example.com"]


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process; a dependency, so that tests can override it."""
    values: dict[str, object] = {}
    for name in Settings.model_fields:
        text = os.environ.get(PREFIX + name.upper())
        if text is not None:
            values[name] = text.split(",") if name == "allowed_origins" else text
    return Settings.model_validate(values)
