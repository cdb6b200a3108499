"""The rules of the house that no compiler knows. Prints each breach as `file:line: sentence`."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

TOP_LEVEL = {
    *("Cargo.toml", "runtime", "protocols", "embed", "examples", "loadtest", "rust-toolchain.toml"),
    *("README.md", "Makefile", "pyproject.toml", "LICENSE", "CHANGELOG.md", "docs", ".ci"),
    *("Cargo.lock", "clippy.toml", "rustfmt.toml", ".gitignore"),
}
# What the tools leave behind, where git does not say.
GENERATED = {"target", "dist", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache"}
# Which of our crates each may build on; nothing else, in no kind of dependency.
MAY_USE = {
    "protocols": set(),
    "protocols/fuzz": {"protocols"},
    "runtime": {"protocols"},
    "embed": {"protocols", "runtime"},
    "loadtest": {"protocols", "runtime"},
}
OURS = {"protocols", "runtime", "embed", "loadtest"}
# Crates that stay behind one wall each.
HOME = {"glommio": "runtime", "pyo3": "embed", "jiter": "embed"}
# `protocols` turns bytes into meaning and back, nothing else.
NOT_IN_PROTOCOLS = {
    r"\basync\b|\.await\b": "is async",
    r"\btokio\b|\bmio\b": "names a reactor",
    r"\b(?:Tcp|Udp|Unix)(?:Stream|Listener|Socket|Datagram)\b|\bToSocketAddrs\b": "uses sockets",
    r"\bstd::(?:fs|process|thread|env)\b|\bstdin\(|\bstdout\(|\be?print(?:ln)?!": "does I/O",
    r"\bInstant\b|\bSystemTime::now\b|\.elapsed\(\)": "reads a clock",
}
MAY_BE_UNSAFE = (
    "runtime/src/stream.rs",
    "runtime/src/file_answer.rs",
    # Sends a signal to one thread.
    "runtime/tests/suite/reactor.rs",
    "embed/src/",
)
UNFINISHED = re.compile(r"\b(?:todo|dbg|unimplemented)!")
# In two parts, or this file would break its own rule.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:" + r"root|home/\w+|work)(?:/|\b(?![-\w]))")
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
# How far above an unsafe block its reason may begin.
SAFETY_LINES_MAX = 10

RUST_TOKEN = re.compile(
    r"""
      //[^\n]* | /\*.*?\*/                       # comments
    | b?r(?P<hashes>\#*)".*?"(?P=hashes)         # raw strings
    | [bc]?"(?:\\.|[^"\\])*"                     # strings
    | b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\\n])'    # characters, not lifetimes
    """,
    re.VERBOSE | re.DOTALL,
)
FUNCTION = re.compile(
    r"^[ \t]*(?:pub(?:\([^)]*\))? )?(?:(?:const|async|unsafe|extern) )*fn (\w+)", re.MULTILINE
)
TESTS = re.compile(r"^#\[cfg\(test\)\]\n(?:#\[[^\n]*\]\n)*mod \w+ \{", re.MULTILINE)

Breach = tuple[str, int, str]


def files() -> list[str]:
    """Every file of the repository, as a path from its root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        found = listed.stdout.splitlines()
    else:  # an unpacked archive
        found = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [name for name in folders if name not in GENERATED]
            found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(path for path in found if (ROOT / path).is_file())


def without_text(source: str) -> str:
    """Rust without its comments, strings and characters; every line stays where it is."""
    return RUST_TOKEN.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), source)


def line_of(text: str, offset: int) -> int:
    """The number of the line that holds ``offset``."""
    return text.count("\n", 0, offset) + 1


def end_of_block(code: str, start: int) -> int:
    """Where the block ends whose first brace comes next, or the declaration without one."""
    depth = 0
    for match in re.compile(r"[][(){};]").finditer(code, start):
        depth += (match[0] in "{[(") - (match[0] in "}])")
        if depth == 0 and match[0] in "};":
            return match.end()
    return len(code)


def without_tests(code: str) -> str:
    """The code above its unit tests."""
    found = TESTS.search(code)
    return code[: found.start()] + code[end_of_block(code, found.start()) :] if found else code


def breaches() -> Iterator[Breach]:
    """Everything that is wrong."""
    for path in files():
        name = path.split("/")[0]
        if name not in TOP_LEVEL:
            yield path, 1, f"{name} does not belong at the top level"
        try:
            text = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue
        for match in MACHINE_PATH.finditer(text):
            yield path, line_of(text, match.start()), f"names a path of one machine: {match[0]}"
        if path.endswith(".rs"):
            yield from rust_file(path, text)
        elif path.startswith("embed/python/") and path.endswith((".py", ".pyi")):
            yield from too_long(path, text)
        elif path.endswith("Cargo.toml") and "/" in path:
            yield from manifest(path, text)
    yield from examples()


def too_long(path: str, text: str) -> Iterator[Breach]:
    """A file that nobody reads to its end."""
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield path, FILE_LINES_MAX, f"has {lines} lines, more than {FILE_LINES_MAX}"


def rust_file(path: str, text: str) -> Iterator[Breach]:
    """What holds for every Rust file."""
    if not text.startswith("//!"):
        yield path, 1, "does not say in a `//!` line what it is for"
    code = without_text(text)
    crate = path.split("/", maxsplit=1)[0]
    for name, home in HOME.items():
        if crate != home:
            for match in re.finditer(rf"\b{name}(?:_\w+)?\b", code):
                yield path, line_of(code, match.start()), f"names {name}, which stays in {home}/"
    for match in UNFINISHED.finditer(code):
        yield path, line_of(code, match.start()), f"still has a {match[0]}"
    yield from unsafe_code(path, text, code)
    is_test = "/tests/" in path or "/benches/" in path or "/fuzz/" in path
    if not is_test:
        yield from sizes(path, without_tests(code))
    if path.startswith("protocols/src/"):
        for pattern, what in NOT_IN_PROTOCOLS.items():
            for match in re.finditer(pattern, without_tests(code)):
                sentence = f"{what}, which protocols must not: {match[0]}"
                yield path, line_of(code, match.start()), sentence


def unsafe_code(path: str, text: str, code: str) -> Iterator[Breach]:
    """Unsafe code has its places and its reasons."""
    lines = text.splitlines()
    for match in re.finditer(r"\bunsafe\b", code):
        line = line_of(code, match.start())
        if not path.startswith(MAY_BE_UNSAFE):
            yield path, line, "is unsafe here; that stays in " + ", ".join(MAY_BE_UNSAFE)
        follows = code[match.end() :].lstrip()
        above = "\n".join(lines[max(0, line - 1 - SAFETY_LINES_MAX) : line])
        if follows.startswith(("{", "impl")) and "SAFETY:" not in above:
            yield path, line, "is unsafe without a `// SAFETY:` line above"


def sizes(path: str, code: str) -> Iterator[Breach]:
    """Files and functions that fit in a head."""
    yield from too_long(path, code)
    for match in FUNCTION.finditer(code):
        begin = line_of(code, match.start())
        lines = line_of(code, end_of_block(code, match.end())) - begin + 1
        if lines > FUNCTION_LINES_MAX:
            sentence = f"the function {match[1]} has {lines} lines, more than {FUNCTION_LINES_MAX}"
            yield path, begin, sentence


def manifest(path: str, text: str) -> Iterator[Breach]:
    """Dependencies run one way."""
    crate = str(Path(path).parent)
    if crate not in MAY_USE:
        yield path, 1, "is a crate that .ci/tidy.py does not know"
        return
    content = tomllib.loads(text)
    kinds = ("dependencies", "dev-dependencies", "build-dependencies")
    for name in {name for kind in kinds for name in content.get(kind, {})}:
        found = re.search(rf"^\s*{re.escape(name)}\b", text, re.MULTILINE)
        line = line_of(text, found.start()) if found else 1
        if name in OURS - MAY_USE[crate]:
            yield path, line, f"{crate} must not depend on {name}"
        for foreign, home in HOME.items():
            if re.match(rf"{foreign}\b", name.replace("_", "-")) and crate != home:
                yield path, line, f"{name} stays in {home}/"


def examples() -> Iterator[Breach]:
    """An example that no test runs is wrong sooner or later."""
    tests = "".join(path.read_text() for path in (ROOT / "embed/tests").glob("test_*.py"))
    for path in sorted((ROOT / "examples").glob("*.py")):
        if not re.search(rf"\b{path.stem}:app\b|\bexamples/{path.name}\b", tests):
            yield f"examples/{path.name}", 1, "is run by no test in embed/tests"


def main() -> None:
    """Print what is wrong, and end with 1 if anything is."""
    found = sorted(breaches())
    for path, line, sentence in found:
        print(f"{path}:{line}: {sentence}")
    print(f"{len(found)} breaches of the house rules" if found else "the house is tidy")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
