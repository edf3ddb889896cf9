"""Running VMs outlive the containers that made them and that carry their network."""

import pytest

from demo import Site, engine
from guest import console, last_heartbeat, well_again
from waiting import NotYet, wait_for

pytestmark = pytest.mark.cloud

CONTAINERS = ("libvirt", "nova-compute", "ovs-vswitchd", "ovn-controller", "neutron-ovn-agent")
NODE = "compute1"
SECONDS = 180


def status_becomes(site: Site, server: str, wanted: str):
    """Probe: nova has the server in this state."""

    def probe() -> None:
        found = site.cloud.compute.get_server(server).status
        if found != wanted:
            raise NotYet(found)

    return probe


def gone(site: Site, server: str):
    """Probe: nova does not know the server any more."""

    def probe() -> None:
        if found := site.cloud.compute.find_server(server, all_projects=True):
            raise NotYet(found.status)

    return probe


@pytest.fixture(scope="module")
def servers(site):
    """The ids of two VMs, one on each compute node, left by a proof."""
    site.verify("--keep")
    found = list(site.cloud.compute.servers(all_projects=True))
    assert len(found) == 2
    yield [server.id for server in found]
    site.verify()  # a proof removes what an earlier one kept


def restart(_site: Site, name: str) -> None:
    """Stop the process and start it in the same container."""
    engine("restart", name)


def recreate(site: Site, name: str) -> None:
    """Remove the container; `up` makes a new one."""
    engine("rm", "--force", name)
    site.up()


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("act", [restart, recreate])
def test_vms_run_on(site, servers, container, act):
    before = {server: last_heartbeat(site, server) for server in servers}
    act(site, site.container(NODE, container))
    for server, beat in before.items():
        wait_for(f"{server} well after {act.__name__} of {container}", well_again(site, server, beat), SECONDS, 1)
    boots = [sum("boot" in line for line in console(site, server)) for server in servers]
    assert boots == [1, 1]


def test_nova_still_has_them_in_hand(site, servers):
    """Last in this file: after all that was done to the containers, the VMs can be stopped, started and deleted."""
    compute = site.cloud.compute
    for server in servers:
        compute.stop_server(server)
    for server in servers:
        wait_for(f"{server} to stop", status_becomes(site, server, "SHUTOFF"), SECONDS)
        compute.start_server(server)
    for server in servers:
        wait_for(f"{server} to start", status_becomes(site, server, "ACTIVE"), SECONDS)
        compute.delete_server(server)
    for server in servers:
        wait_for(f"{server} to be gone", gone(site, server), SECONDS)

    processes = "".join(engine("top", site.container(NODE, "libvirt")).stdout)
    assert "qemu-system" not in processes
