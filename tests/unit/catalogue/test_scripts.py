"""The scripts and commands of the catalogue: a failure is seen, and what waits says for what, and not for ever."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stackyard.catalogue import catalogue_root, load

ROOT = catalogue_root()
SCRIPTS = [path for path in ROOT.rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh")]
ZONES = next(ROOT.rglob("zones.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_ends_where_a_command_fails(path: Path) -> None:
    """`./test unit` has shellcheck look for commands whose failure is hidden all the same."""
    reacts_itself = path.name == "started"  # libvirt's hook: what fails there is not always the end of a VM
    assert re.search(r"^set -eu$", path.read_text(), re.MULTILINE) or reacts_itself


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_waits_through_the_entrypoint(path: Path) -> None:
    """Which says what it waits for, and gives up. What runs at build has nobody who looks at it while it waits."""
    # One looks again and again, for as long as it runs; the other gives up by itself, and whoever calls it tells.
    waits_itself = path.name in {"gateway-filter", "end-vms"}
    assert path.name == "bake.sh" or waits_itself or "sleep" not in path.read_text()


def test_a_file_of_sql_ends_where_a_statement_fails() -> None:
    """MariaDB's client goes on, and exits with 0, when it is not told otherwise."""
    catalogue = load(ROOT, "2026.2", "ovn")
    runtimes = [catalogue.effective(image) for image in catalogue.images]
    commands = [command for each in runtimes for step in each.bootstrap for command in step.run]
    sources = [command for command in commands if any(word.startswith("source ") for word in command)]
    assert sources
    assert all("--abort-source-on-error" in command for command in sources)


HANGS = '''
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("zones", sys.argv[1])
zones = importlib.util.module_from_spec(spec)
spec.loader.exec_module(zones)

class Api:
    """All APIs at once."""
    nova = property(lambda self: self)

    def __iter__(self):
        return iter((self, self))

    def get(self, path):
        time.sleep(60)

zones.DEADLINE = 1
zones.apis = Api
zones.main()
'''


def test_the_job_of_zones_says_what_it_waits_for_and_gives_up_when_an_api_hangs() -> None:
    env = {**os.environ, "AVAILABILITY_ZONES": '[{"name": "az1", "hosts": ["compute1"]}]', "NOVA_SERVICES": "[]"}
    done = subprocess.run(
        [sys.executable, "-c", HANGS, ZONES], env=env, capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "waiting, 0 s of 1: nova-compute of compute1 is to register in Nova and in Placement",
        "gave up after 1 s; seen last: nova-compute of compute1 is to register in Nova and in Placement",
    ]
