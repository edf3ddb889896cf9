# Shortcuts; everything works without just, too.

# List what there is.
default:
    @just --list

# Linters, types and unit tests: seconds.
unit:
    ./test unit

# Everything but what takes minutes each.
test:
    ./test

# What takes minutes each.
long:
    ./test long

# What is long and rarely broken, before a release.
full:
    ./test full

# Mend what the linters can mend.
format:
    .venv/bin/ruff check --fix --quiet . || true
    .venv/bin/ruff format --quiet .

# Write the locks of the tool itself; `just lock --upgrade` for the newest versions.
lock *arguments:
    tools/lock-tool.sh {{ arguments }}
