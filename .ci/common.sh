# Shared by the scripts here: what is installed, which Pythons there are, where things go.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
PYTHON=${PYTHON:-python3}
# Where this repository's builds go is decided below, for each Python.
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
unset CARGO_TARGET_DIR
# rustup's own installer puts cargo there; a new shell may not know it yet.
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

say() { printf '\n== %s\n' "$*"; }

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Installs Debian packages, or says which ones to install.
install_packages() {
    local -a sudo=()
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            sudo=(sudo)
        else
            fail "missing: $*. Install with: apt-get install $*"
        fi
    fi
    command -v apt-get >/dev/null || fail "missing: $* (Debian's names). Install them first."
    local -a apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
    say "installing $*"
    "${apt[@]}" install -y -q --no-install-recommends "$@" ||
        { "${apt[@]}" update -q && "${apt[@]}" install -y -q --no-install-recommends "$@"; } ||
        fail "apt-get cannot install $*"
}

# Installs Debian packages that tests can do without (they say what they then leave out) when the
# program $1 is missing and that needs no password.
install_for_tests() {
    local program=$1
    shift
    if ! command -v "$program" >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        (install_packages "$@") || say "warning: testing without $program"
    fi
}

# What building needs, for the Python $PYTHON. Quick when all is there.
check_tools() {
    local -a missing=()
    command -v cc >/dev/null && echo 'int main(void){return 0;}' | cc -x c -o /dev/null - 2>/dev/null ||
        missing+=(gcc libc6-dev)
    # glommio's build script calls it.
    command -v git >/dev/null || missing+=(git)
    command -v "$PYTHON" >/dev/null || missing+=(python3)
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
    cargo --version >/dev/null ||
        fail "no cargo that works: install Rust from https://rustup.rs, then the toolchain that rust-toolchain.toml names"
    local packages
    packages=$("$PYTHON" -I .ci/check_python.py packages) || exit 1
    # shellcheck disable=SC2086
    [ -z "$packages" ] || install_packages $packages
    "$PYTHON" -I .ci/check_python.py ready >/dev/null
}

# What the documentation pages run is fetched once; without it they load it from a CDN.
fetch_docs_assets() {
    "$PYTHON" -I .ci/fetch_docs_assets.py || say "warning: building without the files above"
}

# The real program of a Python, without shims and virtual environments; fails when PyO3 cannot
# embed it. Its path names the version, so that another version makes cargo build anew.
base_python() { "$1" -I .ci/check_python.py ready 2>/dev/null; }

version_of() { "$1" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# Prints a Python of the version $1 that can be embedded.
find_python() {
    local candidate found
    for candidate in "python$1" "$HOME"/.pyenv/versions/"$1".*/bin/"python$1"; do
        if found=$(base_python "$candidate") && [ "$(version_of "$found")" = "$1" ]; then
            echo "$found"
            return
        fi
    done
    return 1
}

# Prints the newest Python that there is, up to the newest that is tested.
newest_python() { find_python 3.13 || find_python 3.12 || base_python "$PYTHON"; }

# Where cargo builds for the Python $1: going from one to another must not build everything anew.
target_of() {
    if [ "$1" = "$(base_python "$PYTHON")" ]; then
        echo "$TARGET"
    else
        echo "$TARGET/py$(version_of "$1" | tr -d .)"
    fi
}

# Makes a virtual environment of the Python $1 with the requirements files $2... once, and prints
# where it is. A change of the files makes another.
venv_with() {
    local python=$1 key folder
    shift
    key=$({ echo "$python"; cat "$@"; } | sha256sum | cut -c1-12)
    folder=$TARGET/venvs/$(version_of "$python")-$key
    if [ ! -e "$folder/complete" ]; then
        rm -rf "$folder"
        "$python" -m venv "$folder" >&2
        "$folder/bin/python" -m pip install -q --disable-pip-version-check --retries 10 \
            "${@/#/--requirement=}" >&2
        touch "$folder/complete"
    fi
    echo "$folder"
}

# Gives the cargo target directory $2 what $1 holds, once: most of what is built does not know which
# Python it is for.
seed_target() {
    if [ -e "$1/debug" ] && [ ! -e "$2/debug" ]; then
        rm -rf "$2/debug.new"
        mkdir -p "$2/debug.new"
        cp -a --reflink=auto "$1"/debug/{deps,build,.fingerprint} "$2/debug.new/"
        mv "$2/debug.new" "$2/debug"
    fi
}
