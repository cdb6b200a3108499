"""Finds the tests of asyncpg's that look behind its interface, by reading their source.

A test does when it, its class's set-up, or a helper of the same file that it uses takes a name with
a leading underscore from something other than the test case, imports from a module that asyncpg
does not document, patches one of asyncpg's names, or compares with text that names one.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

MODULES = (
    *("codecs", "execute", "record", "copy", "cursor", "prepare", "transaction", "listeners"),
    *("timeout", "cancellation", "cache_invalidation", "exceptions", "introspection", "pool"),
    "connect",
)
# Not in asyncpg's documentation.
PRIVATE_MODULES = (
    *("compat", "connect_utils", "connresource", "introspection", "protocol", "serverversion"),
    "utils",
)
# Parts of `asyncpg._testbase`, which brings its own clusters and is used as it is.
TEST_BASE = {"_testbase", "_default_cluster"}


def private_text(text: str) -> str | None:
    """The private name that a string holds, as what is patched or compared with."""
    for module in PRIVATE_MODULES:
        if f"asyncpg.{module}" in text:
            return f"'asyncpg.{module}...'"
    return None


def imported(tree: ast.AST) -> dict[str, str]:
    """What names stand for that come from private modules."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asyncpg"):
            module = node.module or ""
            for alias in node.names:
                path = f"{module}.{alias.name}"
                if any(path.startswith(f"asyncpg.{private}") for private in PRIVATE_MODULES):
                    found[alias.asname or alias.name] = path.removeprefix("asyncpg.")
    return found


def own_reasons(node: ast.AST, private_names: dict[str, str]) -> Iterator[str]:
    """What one function, class or statement itself does."""
    for inner in ast.walk(node):
        match inner:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name, value=value) if is_private(name):
                yield f"{ast.unparse(value)[-40:]}.{name}"
            case ast.Name(id=name) if name in private_names:
                yield private_names[name]
            case ast.ImportFrom(module=str(module)) if module.startswith("asyncpg."):
                if module.split(".")[1] in PRIVATE_MODULES:
                    yield module.removeprefix("asyncpg.")
            case ast.Constant(value=str(text)) if (found := private_text(text)) is not None:
                yield found
            case ast.Call(
                func=ast.Attribute(attr="object"), args=[_, ast.Constant(value=name), *_]
            ):
                if isinstance(name, str) and is_private(name):
                    yield f"patches {name}"


def is_private(name: str) -> bool:
    """Whether it has a leading underscore, and is not a part of the language's."""
    return name.startswith("_") and not name.endswith("__") and name not in TEST_BASE


def overrides(node: ast.ClassDef) -> Iterator[str]:
    """The private methods that a class of connections replaces, and what it takes from itself."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and is_private(inner.name):
            yield f"{node.name}.{inner.name}"
        if isinstance(inner, ast.Attribute) and is_private(inner.attr):
            yield f"{node.name}: {ast.unparse(inner)[-40:]}"


class Scan:
    """One file of tests."""

    def __init__(self, path: Path) -> None:
        self.module = path.stem
        tree = ast.parse(path.read_text())
        self._imported = imported(tree)
        self._names: dict[str, ast.AST] = {}
        self._cases: list[ast.ClassDef] = []
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                self._names[node.name] = node
                if isinstance(node, ast.ClassDef) and is_case(node):
                    self._cases.append(node)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self._names[target.id] = node

    def reasons(self) -> dict[str, list[str]]:
        """For every test, as `module.Class::test`, why it is no black-box test; often nothing."""
        return {
            f"{self.module}.{case.name}::{method.name}": self._of_test(case, method)
            for case in self._cases
            for method in case.body
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
            and method.name.startswith("test")
        }

    def _of_test(self, case: ast.ClassDef, test: ast.AST) -> list[str]:
        methods = {
            node.name: node
            for node in case.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        set_up = [methods[name] for name in ("setUp", "setUpClass", "tearDown") if name in methods]
        seen: set[int] = set()
        waiting: list[ast.AST] = [test, *set_up, *case.decorator_list]
        found: dict[str, None] = {}
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            found |= dict.fromkeys(own_reasons(node, self._imported))
            if isinstance(node, ast.ClassDef):
                found |= dict.fromkeys(overrides(node))
            for inner in ast.walk(node):
                match inner:
                    case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                        waiting += [methods[name]] if name in methods else []
                    case ast.Name(id=name) if name in self._names and name != case.name:
                        waiting.append(self._names[name])
        return sorted(found)


def is_case(node: ast.ClassDef) -> bool:
    """Whether a class has tests."""
    return any(
        isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name.startswith("test")
        for inner in node.body
    )


def scan(folder: Path) -> dict[str, list[str]]:
    """The tests of all files that are run."""
    found: dict[str, list[str]] = {}
    for name in MODULES:
        found |= Scan(folder / f"test_{name}.py").reasons()
    return found
