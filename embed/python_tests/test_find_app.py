"""What a command line may name, and what is said when it names nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fasterapi import FasterAPI
from fasterapi._find_app import TargetError, load_target

APP = "from fasterapi import FasterAPI\n"

FILES = {
    "one.py": f"{APP}the_app = FasterAPI(title='one')\nalias = the_app\n",
    "two.py": f"{APP}a = FasterAPI()\nb = FasterAPI()\n",
    "usual.py": f"{APP}a, api, app = (FasterAPI(title=name) for name in ('a', 'api', 'app'))\n",
    "api_only.py": f"{APP}a = FasterAPI()\napi = FasterAPI(title='api')\n",
    "bad_route.py": f"{APP}app = FasterAPI()\n@app.get('/{{x:nothing}}')\ndef get(x): ...\n",
    "none.py": "x = 3\n",
    "holder.py": f"{APP}class Holder:\n    app = FasterAPI(title='held')\n",
    "factory.py": f"""{APP}
def make(): return FasterAPI(title='made')
def wrong(): return 3
def fails(): raise LookupError('mine')
async def later(): ...
""",
    "missing_import.py": "import absent_package.inner\n",
    "broken.py": "def helper():\n    return 1 / 0\n\nhelper()\n",
    "syntax.py": "def\n",
    "relative.py": "from . import x\n",
    "json.py": "",
    "not-a-name.py": "",
    "pkg/__init__.py": "",
    "pkg/inner/__init__.py": f"{APP}app = FasterAPI(title='package')\n",
    "pkg/inner/main.py": f"from ..other import title\n{APP}app = FasterAPI(title=title)\n",
    "pkg/other.py": "title = 'relative'\n",
    "folder/nested.py": f"import sibling\n{APP}app = FasterAPI(title=sibling.title)\n",
    "folder/sibling.py": "title = 'sibling'\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[str]:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    modules, paths = set(sys.modules), sys.path[:]
    yield str(tmp_path)
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("target", "title"),
    [
        ("one", "one"),
        ("one:the_app", "one"),
        ("one.py", "one"),
        ("one.py:alias", "one"),
        ("./one.py:the_app", "one"),
        ("usual", "app"),
        ("api_only", "api"),
        ("holder:Holder.app", "held"),
        ("factory:make()", "made"),
        ("factory:make", "made"),
        ("factory.py:make", "made"),
        ("pkg.inner", "package"),
        ("pkg.inner.main", "relative"),
        ("pkg/inner/main.py", "relative"),
        ("pkg/inner/main.py:app", "relative"),
        ("pkg/inner/__init__.py", "package"),
        ("pkg/inner/", "package"),
        ("folder/nested.py:app", "sibling"),
    ],
)
def test_found(folder: str, target: str, title: str) -> None:
    app = load_target(target, folder)
    assert isinstance(app, FasterAPI)
    assert app.title == title


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("absent", "No module named 'absent' in {folder} or on sys.path."),
        ("absent:app", "No module named 'absent' in {folder} or on sys.path."),
        ("pkg.gone:app", "No module named 'pkg.gone' in {folder} or on sys.path."),
        ("gone.inner", "No module named 'gone' (of 'gone.inner') in {folder} or on sys.path."),
        ("one.the_app", "No module named 'one.the_app' in {folder} or on sys.path. "
         "Did you mean one:the_app?"),
        ("absent.py", "The file {folder}/absent.py does not exist."),
        ("folder/", "The file {folder}/folder is a folder, not a file."),
        ("one:the_ap", "one has no attribute 'the_ap'. Did you mean the_app?"),
        ("one:zzz", "one has no attribute 'zzz'."),
        ("holder:Holder.ap", "holder:Holder has no attribute 'ap'. Did you mean app?"),
        ("none:x", "none:x is a int, not a FasterAPI application."),
        ("none:x()", "none:x is a int and cannot be called."),
        ("none", "none has no FasterAPI instance. Name what to serve: none:attribute."),
        ("two", "two has several FasterAPI instances (a, b). Choose one: two:attribute."),
        ("factory:wrong", "factory:wrong() returned a int, not a FasterAPI application."),
        ("factory:later", "factory:later is a coroutine function; a factory must be an "
         "ordinary one."),
        ("json.py", "{folder}/json.py is hidden by another module called 'json'"),
        ("not-a-name.py", "{folder}/not-a-name.py cannot be imported: 'not-a-name' is not a "
         "module name."),
        ("not-a-name", "'not-a-name' is not the name of a module."),
        ("one:", "'one:' has nothing after its ':'."),
        (":app", "':app' names no module. Write module:attribute."),
    ],
)  # fmt: skip
def test_not_found(folder: str, target: str, message: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_target(target, folder)
    expected = message.format(folder=folder)
    assert caught.value.message[: len(expected)] == expected
    if expected.endswith("."):
        assert caught.value.message == expected
    assert caught.value.traceback is None
    assert str(caught.value) == caught.value.message


@pytest.mark.parametrize(
    ("target", "message", "frames"),
    [
        ("missing_import", "missing_import imports 'absent_package', which is not installed",
         ["missing_import.py"]),
        ("broken", "broken failed while it was imported: ZeroDivisionError: division by zero",
         ["broken.py", "broken.py"]),
        ("syntax", "syntax failed while it was imported: SyntaxError", []),
        ("relative", "relative failed while it was imported: ImportError: attempted relative",
         ["relative.py"]),
        ("factory:fails", "factory:fails() failed: LookupError: mine", ["factory.py"]),
    ],
)  # fmt: skip
def test_the_users_own_errors(folder: str, target: str, message: str, frames: Any) -> None:
    with pytest.raises(TargetError) as caught:
        load_target(target, folder)
    error = caught.value
    assert error.message.startswith(message)
    assert error.traceback is not None
    files = [line.split('"')[1] for line in error.traceback.splitlines() if '  File "' in line]
    if target == "syntax":
        assert files == [f"{folder}/syntax.py"]  # the place, not a frame
    else:
        assert files == [f"{folder}/{name}" for name in frames]
    assert str(error).startswith(error.traceback)


def test_the_app_folder_comes_first(folder: str) -> None:
    sys.path.append(folder)
    load_target("one", folder)
    assert sys.path[0] == folder
    assert sys.path.count(folder) == 1


def test_exits_pass_through(folder: str) -> None:
    (Path(folder) / "leaves.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(SystemExit):
        load_target("leaves", folder)


def test_a_route_that_cannot_be_is_told_without_a_traceback(folder: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_target("bad_route", folder)
    assert "Unknown path convertor 'nothing'" in str(caught.value)
    assert caught.value.traceback is None
