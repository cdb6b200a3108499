"""Fetches what the documentation pages run: Swagger UI and ReDoc, from the npm registry.

Each package is fetched whole, at one version, and its checksum is compared before a file
is taken out of it. With npm at hand npm fetches it, with the registry it is set up for.
The files are written compressed, so that they are sent and embedded as they are.
Does nothing when all are there. Standard library only.
"""

import base64
import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "embed/python/fasterapi/openapi/_assets"
sys.path.insert(0, str(ROOT / "embed/python"))
sys.dont_write_bytecode = True

from fasterapi.openapi.assets import PACKAGES, stored_name  # noqa: E402

REGISTRY = "https://registry.npmjs.org"
TIMEOUT_S = 60
PACKAGE_BYTES_MAX = 32 * 1024 * 1024
# The sha512 of each package, as npm's own lock files write it.
INTEGRITY = {
    "swagger-ui-dist@5.35.0": "U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0w"
    "CDNsXdGarTNNHC3sU8yVUQ==",
    "redoc@2.5.4": "M6jWhG1qoBnH6TFmzJnstyCZ87HmOY/UzDm78mHiYihEdlV/YcS9ogOo1NlElnJMeLsyxHFe2yFc"
    "4sNjHTrABQ==",
}
# Where the files of a package are, and the texts that must go wherever the files go.
INSIDE = {"swagger-ui-dist": "package/", "redoc": "package/bundles/"}
LICENCES = {
    "swagger-ui-dist": ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"),
    "redoc": ("LICENSE", "bundles/redoc.standalone.js.LICENSE.txt"),
}


def fetched(package: str, version: str) -> bytes:
    """The package's archive. Raises OSError when it cannot be had."""
    if npm := shutil.which("npm"):
        with tempfile.TemporaryDirectory() as folder:
            command = [npm, "pack", "--silent", "--pack-destination", folder]
            done = subprocess.run(
                [*command, f"{package}@{version}"], capture_output=True, check=False, cwd=folder
            )
            found = list(Path(folder).glob("*.tgz"))
            if done.returncode == 0 and len(found) == 1:
                return found[0].read_bytes()
    address = f"{REGISTRY}/{package}/-/{package}-{version}.tgz"
    with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
        return answer.read(PACKAGE_BYTES_MAX)


def checked(archive: bytes, name: str) -> bytes:
    """The archive. Raises ValueError when it is not the one that was chosen."""
    digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if digest != INTEGRITY[name]:
        raise ValueError(f"{name} has the checksum sha512-{digest}, not sha512-{INTEGRITY[name]}")
    return archive


def unpacked(archive: bytes, package: str) -> dict[str, bytes]:
    """What to write, by the name that it gets."""
    version, files = PACKAGES[package]
    taken = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as inside:
        for file in files:
            content = inside.extractfile(INSIDE[package] + file).read()
            taken[stored_name(package, file)] = gzip.compress(content, 9, mtime=0)
        for file in LICENCES[package]:
            name = f"{package}-{version}-{Path(file).name}"
            taken[name] = inside.extractfile(f"package/{file}").read()
    return taken


def main() -> None:
    """Fetch what is missing. Exit status 1 when something stays missing."""
    for package, (version, files) in PACKAGES.items():
        if all((FOLDER / stored_name(package, file)).exists() for file in files):
            continue
        name = f"{package}@{version}"
        try:
            taken = unpacked(checked(fetched(package, version), name), package)
        except (OSError, ValueError, KeyError, tarfile.TarError) as error:
            sys.exit(f"cannot fetch {name}: {error}\nthe documentation pages will use a CDN")
        FOLDER.mkdir(exist_ok=True)
        for stale in FOLDER.glob(f"{package}-*"):
            stale.unlink()
        for file, content in taken.items():
            (FOLDER / file).write_bytes(content)
        print(f"fetched {name}: {sum(map(len, taken.values())) // 1024} KiB")


if __name__ == "__main__":
    main()
