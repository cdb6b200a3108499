"""The logger of the framework itself, under FastAPI's name."""

from __future__ import annotations

import logging

__all__ = ["logger"]

logger = logging.getLogger("fastapi")
