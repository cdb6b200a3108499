"""``import starlette``: ours where Starlette is not installed, and never where it is."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "python"

# Hides every installed Starlette and FastAPI, as where they are not installed.
HIDE = """
import sys
sys.path.insert(0, PACKAGE)
class Hidden:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("starlette", "fastapi"):
            return None
        return self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Hidden(finder) for finder in sys.meta_path]
""".replace("PACKAGE", repr(str(PACKAGE)))


def python(code, *, hide=True):
    text = (HIDE if hide else "") + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_are_ours():
    python("""
        import fasterapi
        import starlette.responses
        from starlette import status
        from starlette.background import BackgroundTask
        from starlette.config import Config, Secret
        from starlette.datastructures import URL, Headers, Secret as TheSame, State
        from starlette.exceptions import HTTPException
        from starlette.middleware import Middleware
        from starlette.middleware.cors import CORSMiddleware
        from starlette.requests import Request
        from starlette.status import HTTP_418_IM_A_TEAPOT
        from starlette.types import ASGIApp, Receive, Scope, Send
        import fasterapi.responses, fasterapi.requests
        assert starlette.responses.JSONResponse is fasterapi.responses.JSONResponse
        assert Request is fasterapi.requests.Request
        assert status.HTTP_200_OK == 200 and Secret is TheSame
        assert starlette.__version__[0] == "1"
        assert "JSONResponse" in dir(starlette.responses)
        from starlette.responses import *
        assert PlainTextResponse is fasterapi.responses.PlainTextResponse
    """)


def test_what_is_lacking_is_named():
    python("""
        import fasterapi
        def said(statement):
            try:
                exec(statement)
            except ImportError as error:
                return str(error)
        for statement, name in [
            ("import starlette.schemas", "starlette.schemas"),
            ("from starlette.formparsers import MultiPartParser", "starlette.formparsers"),
            ("from starlette import schemas", "starlette.schemas"),
            ("from starlette.middleware.nothing import X", "starlette.middleware.nothing"),
            ("from starlette.responses import NoSuchThing", "starlette.responses.NoSuchThing"),
            ("from starlette.middleware import NoSuchThing", "starlette.middleware.NoSuchThing"),
        ]:
            message = said(statement)
            assert message and name in message and "pip install starlette" in message, message
        import starlette.responses
        assert not hasattr(starlette.responses, "__wrapped__")
        assert said("import starlettex") == "No module named 'starlettex'"
    """)


def test_an_installed_starlette_is_left_alone(tmp_path):
    inner = tmp_path / "starlette"
    inner.mkdir()
    (inner / "__init__.py").write_text("mark = 'installed'")
    (inner / "requests.py").write_text("Request = 'theirs'")
    python(
        f"""
        import sys
        sys.path[:0] = [{str(PACKAGE)!r}, {str(tmp_path)!r}]
        import fasterapi
        import starlette
        from starlette.requests import Request
        assert (starlette.mark, Request) == ("installed", "theirs")
        try:
            import starlette.responses
        except ModuleNotFoundError as error:
            assert error.name == "starlette.responses" and "FasterAPI" not in str(error)
        else:
            raise AssertionError("ours stood in for a part of theirs")
        """,
        hide=False,
    )


def test_importing_fasterapi_imports_nothing_of_this():
    loaded = python("""
        import fasterapi
        print(*(name for name in sys.modules if "starlette" in name or name == "importlib.util"))
    """)
    assert loaded.strip() == ""


def test_a_starlette_application_answers():
    python("""
        import fasterapi, asyncio
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route, Mount
        async def hello(request):
            return PlainTextResponse("hello " + request.path_params["name"])
        async def wrong(request):
            raise HTTPException(418, "short")
        async def teapot(request, error):
            return PlainTextResponse(error.detail, error.status_code)
        app = Starlette(
            routes=[Mount("/in", routes=[Route("/{name}", hello)]), Route("/wrong", wrong)],
            exception_handlers={418: teapot},
        )
        app.add_route("/later/{name}", hello, name="later")
        assert app.url_path_for("later", name="x") == "/later/x"
        async def ask(path):
            sent = []
            async def send(message):
                sent.append(message)
            async def receive():
                return {"type": "http.request"}
            scope = {"type": "http", "method": "GET", "path": path, "headers": [],
                     "query_string": b"", "root_path": ""}
            await app(scope, receive, send)
            return sent[0]["status"], sent[1]["body"]
        assert asyncio.run(ask("/in/you")) == (200, b"hello you")
        assert asyncio.run(ask("/later/you")) == (200, b"hello you")
        assert asyncio.run(ask("/wrong")) == (418, b"short")
        assert asyncio.run(ask("/nothing"))[0] == 404
    """)


def test_every_place_of_the_table_is_there():
    from fasterapi._starlette import _HOMES

    missing = []
    for name, places in _HOMES.items():
        for place in places[:1]:
            try:
                import_module(f"fasterapi.{place}")
            except ModuleNotFoundError as error:
                missing.append((name, error.name))
    assert missing == []


def test_a_kind_of_path_parameter_can_be_added():
    python("""
        import fasterapi
        from fasterapi._path import PathPattern
        from starlette.convertors import Convertor, register_url_convertor
        class Hex(Convertor[int]):
            regex = "[0-9a-f]+"
            def convert(self, value):
                return int(value, 16)
            def to_string(self, value):
                return format(value, "x")
        register_url_convertor("hex", Hex())
        pattern = PathPattern("/{n:hex}")
        assert pattern.match("/ff") == {"n": 255} and pattern.match("/x") is None
        assert pattern.fill({"n": 255}) == "/ff"
        assert "hex" in str(pattern.unmatchable())
    """)


# `import fastapi`, as `--as-fastapi` answers it


def test_fastapi_is_the_same_module():
    python("""
        from fasterapi._as_fastapi import install
        install()
        install()
        assert sum(type(finder).__name__ == "_Finder" for finder in sys.meta_path) == 1
        import fastapi, fasterapi
        from fastapi.responses import JSONResponse
        import fastapi.middleware.cors
        from fastapi import status
        import fasterapi.responses, fasterapi.middleware.cors
        assert fastapi is fasterapi and fastapi.FastAPI is fasterapi.FastAPI
        assert sys.modules["fastapi.responses"] is fasterapi.responses
        assert fastapi.middleware.cors is fasterapi.middleware.cors
        assert fasterapi.responses.__spec__.name == "fasterapi.responses"
        assert status is fasterapi.status
    """)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from fastapi.telemetry import x", "fastapi.telemetry"),
        ("from fastapi import NoSuchThing", "fastapi.NoSuchThing"),
        ("from fastapi.responses import NoSuchThing", "fastapi.responses.NoSuchThing"),
        ("import fastapi; fastapi.NoSuchThing()", "fastapi.NoSuchThing"),
    ],
)
def test_what_fastapi_has_and_we_lack_is_one_sentence(tmp_path, line, name):
    (tmp_path / "main.py").write_text(f"import os\n\n{line}\n")
    said = python(f"""
        from fasterapi._find_app import TargetError, load_target
        try:
            load_target("main:app", {str(tmp_path)!r}, True)
        except TargetError as error:
            print(error)
    """)
    assert said == (
        f"{tmp_path}/main.py, line 3: this program uses {name}, which FasterAPI does not have.\n"
    )


def test_a_fastapi_that_is_loaded_already_is_not_replaced():
    python("""
        import types
        sys.modules["fastapi"] = types.ModuleType("fastapi")
        from fasterapi._as_fastapi import install
        try:
            install()
        except RuntimeError as error:
            assert "already" in str(error)
        else:
            raise AssertionError
    """)
