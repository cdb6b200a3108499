"""Runs asyncpg's own tests against a driver that answers `import asyncpg`.

The driver is this Python's `fasterapi.pg`, or asyncpg itself with --driver asyncpg, which shows
what can pass here. The tests come from asyncpg's source distribution, as do `asyncpg._testbase` and
`asyncpg.cluster`, which start the servers. Ends with 1 when fewer than --at-least percent of the
tests that stay in front of asyncpg's interface pass, or when one fails that the file of known
misses does not explain.
"""

import argparse
import json
import os
import pwd
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "embed/tests"))

from asyncpg_suite_scan import scan  # noqa: E402
from postgres_cluster import NoPostgres, find_programs, guard  # noqa: E402

PRIVATE = HERE / "asyncpg_suite_private.txt"
MISSES = HERE / "asyncpg_suite_misses.txt"
# How the files are shared out to processes, so that none ends much later than the others.
SHARES = (
    ("connect", "introspection"),
    ("pool", "timeout", "cancellation", "exceptions", "transaction", "listeners"),
    ("codecs", "execute", "record", "copy", "cursor", "prepare", "cache_invalidation"),
)
SHARE_TIMEOUT_S = 280


@dataclass
class Outcomes:
    """What became of every test."""

    passed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, line: str, tests: Iterable[str]) -> None:
        """Takes one line of a process that runs tests: of one, or of a class that has no set-up."""
        name, outcome, text = json.loads(line)
        for test in [name] if "::" in name else [test for test in tests if is_of(test, name)]:
            if outcome == "passed":
                self.passed.append(test)
            else:
                {"skipped": self.skipped, "failed": self.failed}[outcome][test] = text

    def complete(self, tests: Iterable[str]) -> None:
        """A test that nothing is known of has not been run."""
        known = {*self.passed, *self.skipped, *self.failed}
        self.failed |= {test: "did not run" for test in tests if test not in known}


def is_of(test: str, case: str) -> bool:
    """Whether a test belongs to a class."""
    return test.partition("::")[0] == case


def as_ordinary_user(command: list[str], folder: Path) -> list[str]:
    """The command as whom PostgreSQL accepts, who may read all that root may."""
    if os.geteuid() != 0:
        return command
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    who = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    # This Python may be in root's home.
    may = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return ["setpriv", *who, *may, "--", *command]


def run(
    options: argparse.Namespace, folder: Path, tests: Iterable[str]
) -> tuple[Outcomes, list[str]]:
    """Runs all files; the second part is what went wrong with the processes themselves."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment |= {"PGINSTALLATION": str(find_programs()), "PYTHONDONTWRITEBYTECODE": "1"}
    running = []
    for number, share in enumerate(SHARES):
        modules = [name for name in share if options.only is None or name in options.only]
        if not modules:
            continue
        place = folder / str(number)
        place.mkdir(mode=0o700)
        command = [str(options.python), str(HERE / "asyncpg_suite_child.py")]
        command += [options.driver, str(options.sdist), str(place / "outcomes"), *modules]
        log = (options.cache / f"share-{number}.log").open("w")
        process = subprocess.Popen(
            as_ordinary_user(command, place),
            env=environment | {"TMPDIR": str(place), "HOME": str(place)},
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        running.append((process, place, modules))
    outcomes, problems = Outcomes(), []
    deadline = time.monotonic() + SHARE_TIMEOUT_S
    for process, place, modules in running:
        try:
            code = process.wait(max(deadline - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if (place / "outcomes").exists():
            for line in (place / "outcomes").read_text().splitlines():
                outcomes.add(line, tests)
        names = {f"test_{name}" for name in modules}
        outcomes.complete([test for test in tests if test.partition(".")[0] in names])
        if code != 0:
            problems.append(f"the process of {', '.join(modules)} ended with {code}")
    return outcomes, problems


def listed(path: Path) -> dict[str, str]:
    """The tests that a kept file names at the beginning of its lines, and what follows them."""
    lines = path.read_text().splitlines() if path.exists() else []
    found = [line.partition(" ") for line in lines if "::" in line.partition(" ")[0]]
    return {test: rest for test, _, rest in found}


def check_private(found: dict[str, list[str]], write: bool) -> str:
    """Keeps or compares the list of the tests that look behind the interface."""
    lines = [f"{test} {', '.join(reasons)}" for test, reasons in found.items() if reasons]
    head = (
        "asyncpg's tests that look behind its interface, and at what; .ci/asyncpg_suite_scan.py\n"
    )
    head += (
        "finds them. They run like the others, but do not count for the share that must pass.\n\n"
    )
    text = head + "\n".join(lines) + "\n"
    if write:
        PRIVATE.write_text(text)
    elif not PRIVATE.exists() or PRIVATE.read_text() != text:
        return f"{PRIVATE.name} is out of date: run .ci/asyncpg_suite with --scan"
    return ""


def report(options: argparse.Namespace, outcomes: Outcomes, problems: list[str]) -> int:
    """Prints what became of the tests, and gives the exit code."""
    private = listed(PRIVATE)
    known = listed(MISSES) if options.driver != "asyncpg" else {}
    kinds = {"black-box": 0, "private": 0}
    for kind in kinds:
        of_kind = [test for test in outcomes.passed if (test in private) == (kind == "private")]
        failed = [test for test in outcomes.failed if (test in private) == (kind == "private")]
        share = 100 * len(of_kind) / max(len(of_kind) + len(failed), 1)
        kinds[kind] = share
        print(f"{kind}: {len(of_kind)} passed, {len(failed)} failed ({share:.1f}%)")
    print(f"{len(outcomes.skipped)} skipped")
    unexplained = {test: text for test, text in outcomes.failed.items() if test not in known}
    for test, text in unexplained.items():
        print(f"FAILED {test}: {text}")
    passing = sorted(set(known).intersection(outcomes.passed))
    if passing:
        print(f"{MISSES.name} names tests that pass: {', '.join(passing)}")
    if unexplained:
        problems.append(f"{len(unexplained)} tests fail that {MISSES.name} does not explain")
    if kinds["black-box"] < options.at_least:
        problems.append(f"fewer than {options.at_least}% of the black-box tests pass")
    print(*problems, sep="\n")
    return 1 if problems else 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="has the driver")
    parser.add_argument("--driver", default="fasterapi.pg", help="module that is tested")
    parser.add_argument("--sdist", type=Path, required=True, help="asyncpg's unpacked source")
    parser.add_argument("--cache", type=Path, required=True, help="where the logs go")
    parser.add_argument("--at-least", type=float, default=95.0, help="percent that must pass")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), help="files, as in 'pool,copy'"
    )
    parser.add_argument("--scan", action="store_true", help=f"write {PRIVATE.name}, run nothing")
    return parser.parse_args()


def main() -> int:
    """Runs what the command line says."""
    options = arguments()
    options.cache.mkdir(parents=True, exist_ok=True)
    tests = scan(options.sdist / "tests")
    problem = check_private(tests, options.scan)
    if options.scan or problem:
        print(problem or f"{PRIVATE} is written")
        return bool(problem)
    began = time.monotonic()
    try:
        find_programs()
    except NoPostgres as problem:
        print(f"NOT RUN: {problem}")
        return 0
    # Unix sockets are below it, so its path must be short.
    folder = Path(tempfile.mkdtemp(prefix="apg-"))
    folder.chmod(0o711)
    guards = [guard(folder / str(number)) for number in range(len(SHARES))]
    try:
        outcomes, problems = run(options, folder, tests)
    finally:
        for one in guards:
            one.communicate()
        folder.rmdir()
    code = report(options, outcomes, problems)
    print(f"asyncpg's tests with {options.driver}: {time.monotonic() - began:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
