"""Running VMs outlive the containers that made them and that carry their network."""

import json

import pytest

from demo import Site, engine
from guest import console, last_heartbeat, virtual_machines, well_again
from tool import ROOT
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


def test_the_agent_forgets_its_own_ports_only(site):
    """Names of VMs' interfaces may be such as the agent gives to its own: a new start leaves those alone."""
    vsctl = (NODE, "ovs-vswitchd", "ovs-vsctl", "--no-wait")
    names = {"tap0000000a-a0": "external_ids:vm-uuid=somebody", "tap0000000b-b0": "external_ids:iface-id=nobody"}
    try:
        for name, setting in names.items():
            site.inside(*vsctl, "add-port", "br-int", name, "--", "set", "Interface", name, setting)
        engine("restart", site.container(NODE, "neutron-ovn-agent"))
        site.up()
        ports = site.inside(*vsctl, "list-ports", "br-int").stdout.split()
        assert names.keys() & set(ports) == {"tap0000000a-a0"}
    finally:
        for name in names:
            site.inside(*vsctl, "--if-exists", "del-port", "br-int", name)


def test_an_interface_that_is_off_when_its_vm_starts_is_switched_on(site, servers):
    """Open vSwitch may switch an interface off in the moment in which libvirt switches it on."""
    name = site.cloud.compute.get_server(servers[0]).instance_name
    (port,) = site.cloud.network.ports(device_id=servers[0])
    node, tap = port.binding_host_id, f"tap{port.id[:11]}"
    site.inside(node, "libvirt", "ip", "link", "set", tap, "down")
    definition = f"<interface>\n<target dev='{tap}'/>\n</interface>\n<disk>\n<target dev='vda'/>\n</disk>"
    site.inside(
        node, "libvirt", "sh", "-c", 'echo "$1" | /etc/libvirt/hooks/qemu "$0" started begin -', name, definition
    )
    (link,) = json.loads(site.inside(node, "libvirt", "ip", "-json", "link", "show", tap).stdout)
    assert "UP" in link["flags"]
    before = last_heartbeat(site, servers[0])
    wait_for("the VM to be well", well_again(site, servers[0], before), SECONDS, 1)


DEMO = (ROOT / "catalogue/sites/demo.yaml").read_text(encoding="utf-8")
THREE = DEMO.replace("nodes:\n", "nodes:\n  compute3: {roles: [compute]}\n")
INSIDE = DEMO.replace("    public: {external: true}\n", "").replace(", external: public", "")
CHANGES = {
    "a node added": THREE,
    "an option": f"{THREE}services: {{nova: {{options: {{DEFAULT: {{cpu_allocation_ratio: 3.0}}}}}}}}\n",
    "a node removed, and the option": DEMO,
    "no public network": INSIDE.replace("  public: 198.18.82.0/24\n", ""),
    "a public network": DEMO,
}


@pytest.mark.long
@pytest.mark.parametrize(
    "change", [pytest.param(each, marks=pytest.mark.full) if "public" in each else each for each in CHANGES]
)
def test_a_change_of_the_site_leaves_vms_alone(site, servers, tmp_path, change):
    """One after the other, on the running site."""
    file = tmp_path / "changed.yaml"
    file.write_text(CHANGES[change], encoding="utf-8")
    before = virtual_machines()
    assert len(before) == len(servers)
    site.stackyard("up", "--site", str(file))
    assert virtual_machines() == before


def test_vms_end_only_when_that_was_said(site, servers, tmp_path):
    """A node with a VM taken out of the site: refused with the number, and nothing is touched."""
    file = tmp_path / "without.yaml"
    file.write_text(DEMO.replace("  compute1:\n    roles: [compute]\n    zone: az1\n", ""), encoding="utf-8")
    before, there = virtual_machines(), site.containers()
    plan = site.stackyard("up", "--plan", "--output", "json", "--site", str(file)).json
    assert plan["ended_vms"] == {NODE: 1}
    outcome = site.stackyard("up", "--site", str(file), check=False)
    assert (outcome.code, "1 VM on compute1 would end: the node is removed" in outcome.stderr) == (2, True)
    assert (virtual_machines(), site.containers()) == (before, there)
    assert len(before) == len(servers)


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
