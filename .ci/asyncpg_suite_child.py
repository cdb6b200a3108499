"""Runs some files of asyncpg's tests in this process: DRIVER SOURCE OUTCOMES MODULE...

Writes a line of JSON for each test to OUTCOMES: its name, what became of it, and why.
"""

import json
import signal
import sys
import unittest
import warnings
from pathlib import Path
from types import FrameType
from typing import TextIO

# The longest of asyncpg's tests takes some ten seconds.
TEST_TIMEOUT_S = 40
REASON_CHARS_MAX = 300


class TooSlowError(BaseException):
    """Not an `Exception`: tests catch those."""


class Result(unittest.TestResult):
    """Writes down each test as it ends, so that nothing is lost with the process."""

    def __init__(self, outcomes: TextIO) -> None:
        super().__init__()
        self._outcomes = outcomes
        self._failed: str | None = None
        self._skipped: str | None = None

    def startTest(self, test: unittest.TestCase) -> None:
        """Starts the clock."""
        super().startTest(test)
        self._failed = self._skipped = None
        print(f"== {test.id()}", file=sys.stderr, flush=True)
        signal.alarm(TEST_TIMEOUT_S)

    def stopTest(self, test: unittest.TestCase) -> None:
        """Writes the line."""
        signal.alarm(0)
        super().stopTest(test)
        if self._failed is not None:
            self._write(test.id(), "failed", self._failed)
        elif self._skipped is not None:
            self._write(test.id(), "skipped", self._skipped)
        else:
            self._write(test.id(), "passed", "")

    def addError(self, test: unittest.TestCase, err: object) -> None:
        """Of a test, or of a class's set-up, which has no start and no stop."""
        super().addError(test, err)  # type: ignore[arg-type]
        self._keep(test, err)

    def addFailure(self, test: unittest.TestCase, err: object) -> None:
        """Keeps the reason."""
        super().addFailure(test, err)  # type: ignore[arg-type]
        self._keep(test, err)

    def addSubTest(self, test: unittest.TestCase, subtest: object, err: object) -> None:
        """One part that fails fails its test."""
        super().addSubTest(test, subtest, err)  # type: ignore[arg-type]
        if err is not None:
            self._keep(test, err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        """Keeps the reason; a skipped class has no start and no stop either."""
        super().addSkip(test, reason)
        self._skipped = reason
        if isinstance(test, unittest.suite._ErrorHolder):
            self._write(test.id(), "skipped", reason)

    def addExpectedFailure(self, test: unittest.TestCase, err: object) -> None:
        """Asyncpg expects it."""
        super().addExpectedFailure(test, err)  # type: ignore[arg-type]

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        """Asyncpg expects a failure that does not come: nothing wrong with the driver."""
        super().addUnexpectedSuccess(test)
        self._skipped = "passes, which asyncpg does not expect"

    def _keep(self, test: unittest.TestCase, err: object) -> None:
        kind, error, _ = err  # type: ignore[misc]
        reason = f"{kind.__name__}: {error}"[:REASON_CHARS_MAX].replace("\n", " ")
        text = max(self.errors[-1:], self.failures[-1:], key=len)[0][1]
        print(text, file=sys.stderr, flush=True)
        if isinstance(test, unittest.suite._ErrorHolder):
            # `setUpClass (tests.test_pool.TestPool)`: none of the class's tests runs.
            self._write(test.id(), "failed", reason)
        elif self._failed is None:
            self._failed = reason

    def _write(self, test: str, outcome: str, text: str) -> None:
        if test.endswith(")"):  # setUpClass (tests.test_pool.TestPool)
            name = test.partition("(tests.")[2].removesuffix(")")
        else:
            case, _, method = test.removeprefix("tests.").rpartition(".")
            name = f"{case}::{method}"
        self._outcomes.write(json.dumps([name, outcome, text]) + "\n")
        self._outcomes.flush()


def too_slow(_number: int, _frame: FrameType | None) -> None:
    """Ends a test that hangs in Python; one that hangs elsewhere ends with the process."""
    raise TooSlowError(f"took longer than {TEST_TIMEOUT_S} s")


def main() -> None:
    """Runs the tests."""
    driver, source, outcomes, *modules = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    if driver != "asyncpg":
        from asyncpg_suite_alias import answer_asyncpg

        answer_asyncpg(driver, Path(source))
    # Only the tests: the source has an `asyncpg` that is not compiled.
    package = type(sys)("tests")
    package.__path__ = [str(Path(source) / "tests")]
    sys.modules["tests"] = package
    signal.signal(signal.SIGALRM, too_slow)
    warnings.simplefilter("default")
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromNames([f"tests.test_{name}" for name in modules])
    with Path(outcomes).open("w") as file:
        result = Result(file)
        for error in loader.errors:
            print(error, file=sys.stderr)
        suite.run(result)
    print(f"{result.testsRun} tests", file=sys.stderr)


if __name__ == "__main__":
    main()
