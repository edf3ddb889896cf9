"""A site that the first version of Stackyard made is adopted: no VM ends, and nothing is done twice."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import BUILD_SECONDS, UP_SECONDS, VERIFY_SECONDS, Site, checks
from guest import last_heartbeat, virtual_machines, well_again
from tool import ROOT, Outcome, Tool, run
from waiting import wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.full]

FIRST = "0afd6e5"
"""The commit of the first cloud."""
NODES = ("controller", "compute1", "compute2")
DATABASES = ("keystone", "glance", "placement", "nova", "neutron")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The command line of the first version, from this repository's history."""
    folder = tmp_path_factory.mktemp("first") / "checkout"
    made = subprocess.run(
        ["git", "-C", str(ROOT), "worktree", "add", "--detach", str(folder), FIRST],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"needs the repository's history: {made.stderr.strip()}")
    run("bash", "-c", "set -euo pipefail; . tools/setup.sh; set_up_tool tool", cwd=folder, timeout=300)
    yield str(folder / ".venv" / "bin" / "stackyard")
    run("git", "-C", str(ROOT), "worktree", "remove", "--force", str(folder))


class Adopting(Tool):
    """This version, with a catalogue whose demo has the networks that it had in the first."""

    def __init__(self, catalogue: Path) -> None:
        shutil.copytree(ROOT / "catalogue", catalogue)
        self.catalogue = str(catalogue)
        demo = catalogue / "sites" / "demo.yaml"
        demo.write_text(demo.read_text().replace("198.18.8", "172.31.8"))

    def __call__(self, *arguments: str, check: bool = True, timeout: float = 600, **env: str) -> Outcome:
        return super().__call__(*arguments, check=check, timeout=timeout, STACKYARD_CATALOGUE=self.catalogue, **env)


@pytest.fixture(scope="module")
def old_site(first: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The demo site as the first version makes it, with a VM on each compute node."""
    site = Site(Adopting(tmp_path_factory.mktemp("adopting") / "catalogue"))
    site.remove()
    run(first, "build", timeout=BUILD_SECONDS)
    run(first, "up", timeout=UP_SECONDS)
    run(first, "verify", "--keep", timeout=VERIFY_SECONDS)
    return site


def nodes(site: Site) -> dict[str, str]:
    """Id and start of the containers that are nodes."""
    found = site.containers()
    return {node: found[f"demo-{node}"] for node in NODES}


def migrations(site: Site) -> dict[str, str]:
    """Identity and time of each migration that the databases remember."""
    query = "SELECT identity, done_at FROM {}.stackyard_bootstrap WHERE step = 'schema'"
    return {
        name: site.inside("controller", "mariadb", "mariadb", "-N", "-e", query.format(name)).stdout.strip()
        for name in DATABASES
    }


def test_a_site_of_the_first_version_is_adopted(old_site: Site) -> None:
    site = old_site
    servers = [server.id for server in site.cloud.compute.servers(all_projects=True)]
    assert len(servers) == 2
    before = (nodes(site), virtual_machines(), migrations(site))
    assert len(before[1]) == 2, "there is a QEMU on each compute node"
    beats = {server: last_heartbeat(site, server) for server in servers}

    site.build()
    plan = site.stackyard("up", "--plan", "--output", "json").json
    touched = {
        step["node"] for step in plan["containers"] if step["container"] == "node" and step["verb"] != "unchanged"
    }
    assert touched == set(), "no node is made anew"
    site.up()

    assert (nodes(site), virtual_machines(), migrations(site)) == before
    for server, beat in beats.items():
        wait_for(f"{server} to be well", well_again(site, server, beat), 180, pause=1)
    assert "nothing to do" in str(site.stackyard("up"))
    outcome = site.verify()  # which removes the VMs that the first version's proof kept
    assert all(check["ok"] for check in checks(outcome).values())
