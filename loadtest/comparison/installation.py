"""The peers' virtual environment: made once, one pinned package after the other."""

import json
import subprocess
from pathlib import Path

from comparison.servers import PINS

INSTALL_TIMEOUT_S = 600


def install(python: Path, venv: Path, packages: set[str]) -> dict[str, str]:
    """Installs what is missing and returns why a package could not be installed, by name.

    One package that fails must not take the others with it, so each is installed on its own.
    """
    stamp = venv / "installed.json"
    installed: dict[str, str] = json.loads(stamp.read_text()) if stamp.exists() else {}
    if not (venv / "bin" / "python").exists():
        subprocess.run([python, "-m", "venv", venv], check=True, timeout=INSTALL_TIMEOUT_S)
    failures: dict[str, str] = {}
    for name in PINS:
        if name not in packages or installed.get(name) == PINS[name]:
            continue
        print(f"installing {name} {PINS[name]}", flush=True)
        reason = pip_install(venv, f"{name}=={PINS[name]}")
        if reason is None:
            installed[name] = PINS[name]
            stamp.write_text(json.dumps(installed))
        else:
            failures[name] = reason
    return failures


def install_wheel(venv: Path, wheel: Path) -> None:
    """Installs a package that was built here, in place of what an earlier build left."""
    command: list[str | Path] = [venv / "bin" / "python", "-m", "pip", "install", "--quiet"]
    command += ["--disable-pip-version-check", "--force-reinstall", "--no-deps", wheel]
    subprocess.run(command, check=True, timeout=INSTALL_TIMEOUT_S)


def pip_install(venv: Path, requirement: str) -> str | None:
    """Returns why it failed, in one line."""
    # The pins already installed bind the later ones, or one peer would change another's versions.
    constraints = venv / "constraints.txt"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in PINS.items()))
    command: list[str | Path] = [venv / "bin" / "python", "-m", "pip", "install", "--quiet"]
    command += ["--disable-pip-version-check", "--constraint", constraints, requirement]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return f"installation took more than {INSTALL_TIMEOUT_S} s"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return f"cannot be installed: {lines[-1] if lines else 'pip failed'}"
