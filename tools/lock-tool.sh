#!/usr/bin/env bash
# Writes the locks of the tool itself, with hashes and without the address of any index.
# With --upgrade, to the newest versions; without it, what is locked stays where pyproject.toml allows.
set -euo pipefail
cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
. tools/setup.sh

uv=$(find_uv) || fail "there is no uv" "run ./test unit once, which installs it"

# lock FILE ARGUMENT...
lock() {
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
    "${@:2}" --output-file "$1" >/dev/null
}

lock requirements.txt pyproject.toml "$@"
lock requirements-dev.txt pyproject.toml --group dev --constraints requirements.txt "$@"
lock tools/build.txt tools/build.in "$@"
lock tools/uv.txt tools/uv.in "$@"
