"""What runs in threads: ``def`` handlers and dependencies, when their client goes, and anyio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from live_server import own_virtual_environment, wait_until

if TYPE_CHECKING:
    from conftest import Serve

APP = """
import threading
import time

import anyio
import anyio.from_thread
from fasterapi import Depends, FastAPI

app = FastAPI()
notes = []


def resource(enter_s: float = 0):
    notes.append("enter")
    time.sleep(enter_s)
    notes.append("entered")
    try:
        yield "resource"
    except BaseException as error:
        notes.append(type(error).__name__)
        raise
    finally:
        notes.append("closed")


async def between():
    return 0


@app.get("/composed")
def composed(work_s: float, own=Depends(resource), other=Depends(between)):
    time.sleep(work_s)
    notes.append("worked")


# A bound for the body is something that only the general path keeps.
@app.post("/general", max_body_size=100)
def general(work_s: float, own=Depends(resource)):
    time.sleep(work_s)
    notes.append("worked")


@app.get("/notes")
async def read():
    return notes


def is_main():
    return threading.current_thread() is threading.main_thread()


def from_a_dependency():
    return anyio.from_thread.run_sync(is_main)


@app.get("/from_thread")
def from_thread(found=Depends(from_a_dependency)):
    anyio.from_thread.check_cancelled()
    anyio.from_thread.run(anyio.sleep, 0.01)
    return [is_main(), anyio.from_thread.run_sync(is_main), found]


@app.get("/from_a_handler")
def from_a_handler():
    return anyio.from_thread.run_sync(is_main)
"""


@pytest.mark.parametrize("route", ["GET /composed", "POST /general"])
@pytest.mark.parametrize("entering", [False, True])
def test_nothing_is_closed_under_a_thread(serve: Serve, route: str, entering: bool) -> None:
    """The client goes, but a function that runs in a thread keeps its dependencies to its end."""
    server = serve(APP, env=own_virtual_environment())
    query = "work_s=0&enter_s=1" if entering else "work_s=1"
    with server.connect() as connection, server.client() as client:
        connection.sendall(f"{route}?{query} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        began = "enter" if entering else "entered"
        wait_until(lambda: began in client.get("/notes").json())
        connection.close()
        wait_until(lambda: "closed" in client.get("/notes").json())
        work = [] if entering else ["worked"]
        expected = ["enter", "entered", *work, "CancelledError", "closed"]
        assert client.get("/notes").json() == expected


def test_from_thread(serve: Serve) -> None:
    """The way back to the event loop, for anyio, in handlers and in dependencies."""
    server = serve(APP, env=own_virtual_environment())
    with server.client() as client:
        for _ in range(3):
            assert client.get("/from_thread").json() == [False, True, True]
            assert client.get("/from_a_handler").json() is True
