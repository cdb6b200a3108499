"""What runs after an answer is not lost when the server stops or reloads."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Serve

APP = """
import asyncio
import pathlib
from typing import Annotated

from fasterapi import BackgroundTasks, Depends, FasterAPI

app = FasterAPI()


def note(text):
    with pathlib.Path("notes.txt").open("a") as file:
        file.write(text + ";")


async def work():
    note("begun")
    await asyncio.sleep(1)
    note("task")


async def dependency():
    yield
    await asyncio.sleep(0.2)
    note("dependency")


@app.get("/")
async def handler(tasks: BackgroundTasks, _: Annotated[None, Depends(dependency)]):
    tasks.add_task(work)
    return "answered"
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_ends_before_the_shard_does(serve: Serve, tmp_path: Path, number: int) -> None:
    """Within the time for draining."""
    server = serve(APP, cwd=tmp_path)
    assert server.get("/").json() == "answered"
    notes = tmp_path / "notes.txt"
    server.process.send_signal(number)
    deadline = time.monotonic() + 15
    while "dependency" not in notes.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert notes.read_text() == "begun;task;dependency;"
    if number == signal.SIGTERM:
        # Before another signal comes, which would end it at once.
        assert server.process.wait(10) == 0
