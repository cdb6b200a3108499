"""Says whether this Python can be embedded: `packages` prints what Debian lacks, `ready` its path.

Any Python 3 can run this, so that an old one gets its sentence too.
"""

import os
import sys
import sysconfig
from importlib.util import find_spec


def sentence() -> str:
    """Why this Python will never do, or an empty string."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.implementation.name != "cpython":
        return f"{sys.executable} is not CPython: choose another with PYTHON=..."
    if sys.version_info < (3, 11):  # noqa: UP036
        return f"{sys.executable} is Python {version}; choose 3.11 or newer with PYTHON=..."
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return f"{sys.executable} is free-threaded: choose an ordinary one with PYTHON=..."
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        return (
            f"{sys.executable} has no shared libpython to embed: choose another with PYTHON=..., "
            "or build it with --enable-shared (pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared)"
        )
    return ""


def missing_packages() -> "list[str]":
    """What is not installed, as Debian names it."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    library = [sysconfig.get_config_var(part) for part in ("LIBDIR", "LDLIBRARY")]
    missing = [] if os.path.exists(os.path.join(*library)) else [f"lib{name}-dev"]
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        missing.append(f"{name}-venv")
    return missing


def main() -> None:
    """Print what is asked for; exit with 1 and a sentence when it cannot be had."""
    problem = sentence()
    missing = [] if problem else missing_packages()
    can_install = sys.base_prefix == "/usr" and sys.argv[1] == "packages"
    if missing and not can_install:
        problem = f"{sys.executable} lacks what Debian has in {' and '.join(missing)}"
    if problem:
        sys.exit(problem)
    if sys.argv[1] == "packages":
        print(*missing)
    else:
        print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))


if __name__ == "__main__":
    main()
