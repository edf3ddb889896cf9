"""Keys of the site file changed on the running demo, one by one: the cloud is then that of a site made from nothing."""

import copy
from ipaddress import ip_network

import pytest
import yaml

from demo import BUILD_SECONDS, NAME, Site, engine
from tool import ROOT

pytestmark = pytest.mark.cloud
full = pytest.mark.full

DEMO = yaml.safe_load((ROOT / "catalogue/sites/demo.yaml").read_text())
TYPES = ("compute", "identity", "image", "network", "placement")
UP_SECONDS = 900


@pytest.fixture
def up(site, tmp_path):
    """Bring the site up with some keys changed; returns what it is then to be. It is the demo again in the end."""
    file = tmp_path / "demo.yaml"
    site.file = str(file)

    def changed(*options: str, **changes: object) -> dict:
        data = {**copy.deepcopy(DEMO), **changes}
        file.write_text(yaml.safe_dump(data))
        if "containers" in changes:
            site.stackyard("build", "--site", str(file), timeout=BUILD_SECONDS)
        site.stackyard("up", "--site", str(file), *options, timeout=UP_SECONDS)
        assert "nothing to do" in site.stackyard("up", "--site", str(file), "--plan").stdout
        return data

    file.write_text(yaml.safe_dump(DEMO))
    yield changed
    site.file = NAME
    site.stackyard("up", "--end-vms", timeout=UP_SECONDS)
    assert there(site) == wanted(DEMO)


@pytest.fixture
def vm(site):
    """Make a VM on a node; all are deleted in the end."""
    cloud, made = site.cloud, []
    image = cloud.create_image("idle", disk_format="raw", container_format="bare", data=b"\0" * 1024**2, wait=True)
    flavor = cloud.compute.create_flavor(name="idle", ram=64, vcpus=1, disk=0)

    def make(zone: str):
        what = {"image_id": image.id, "flavor_id": flavor.id, "networks": "none", "availability_zone": zone}
        server = cloud.compute.create_server(name=f"in-{zone}", **what)
        made.append(server)
        assert cloud.compute.wait_for_server(server, wait=300).status == "ACTIVE"
        return server

    yield make
    for server in made:
        delete(site, server)
    site.cloud.compute.delete_flavor(flavor.id)
    site.cloud.image.delete_image(image.id)


def delete(site: Site, server) -> None:
    """Delete a VM, whatever became of it."""
    now = site.cloud.compute
    now.delete_server(server.id, ignore_missing=True)
    now.wait_for_delete(server, wait=120)


def qemus(site: Site, node: str) -> set[str]:
    """Processes of the VMs of a node."""
    return set(site.inside(node, "libvirt", "pgrep", "-f", "qemu-system", check=False).stdout.split())


def there(site: Site) -> dict[str, object]:
    """What the cloud is, as far as the site file decides it; what these tests make beside it is named `foreign`."""
    cloud = site.cloud
    types = {each.id: each.type for each in cloud.identity.services()}
    services = list(cloud.compute.services())
    endpoints = [each for each in cloud.identity.endpoints() if "foreign" not in each.url]
    return {
        "endpoints": sorted(
            (types[each.service_id], each.interface, each.region_id, each.url.split("/")[2].partition(":")[0])
            for each in endpoints
        ),
        "regions": sorted(each.id for each in cloud.identity.regions() if each.id != "foreign"),
        "zones": sorted(
            (each.name, *sorted(each.hosts)) for each in cloud.compute.aggregates() if each.name != "foreign"
        ),
        "hosts": sorted(each.host for each in services if each.binary == "nova-compute" and each.state == "up"),
        "services": sorted({each.host for each in services}),
        "providers": sorted(each.name for each in cloud.placement.resource_providers()),
        "agents": sorted({each.host for each in cloud.network.agents()}),
    }


def wanted(data: dict) -> dict[str, object]:
    """What it is when it is made from nothing. Nodes keep their addresses, so the controller has that of the demo."""
    computes = {name: each for name, each in data["nodes"].items() if "compute" in each["roles"]}
    zones: dict[str, list[str]] = {}
    for name, each in computes.items():
        zones.setdefault(each.get("zone", name), []).append(name)
    where = {"internal": address("controller"), "public": data.get("publish", {}).get("address", "127.0.0.1")}
    region = data.get("region", "RegionOne")
    return {
        "endpoints": sorted((kind, interface, region, host) for kind in TYPES for interface, host in where.items()),
        "regions": [region],
        "zones": sorted((zone, *sorted(names)) for zone, names in zones.items()),
        "hosts": sorted(computes),
        "services": sorted(data["nodes"]),
        "providers": sorted(computes),
        "agents": sorted(computes),
    }


def address(node: str) -> str:
    """Management address of a node."""
    form = f'{{{{(index .NetworkSettings.Networks "{NAME}-management").IPAddress}}}}'
    return engine("inspect", "--format", form, f"{NAME}-{node}").stdout.strip()


def nodes(**changes: dict | None) -> dict[str, dict[str, dict]]:
    """The demo's nodes, some changed, added, or gone."""
    merged = {
        **DEMO["nodes"],
        **{name: {**DEMO["nodes"].get(name, {}), **each} for name, each in changes.items() if each},
    }
    return {"nodes": {name: each for name, each in merged.items() if changes.get(name, each) is not None}}


@pytest.fixture
def foreign(site):
    """What an operator made: endpoints of another region, a host aggregate, a user."""
    cloud = site.cloud
    cloud.identity.create_region(id="foreign")
    endpoints = [
        cloud.identity.create_endpoint(
            service_id=service.id, interface=each, region_id="foreign", url=f"http://{each}.foreign.example.org"
        )
        for service in cloud.identity.services()
        for each in ("internal", "public")
    ]
    aggregate = cloud.compute.create_aggregate(name="foreign")
    cloud.compute.add_host_to_aggregate(aggregate, "compute1")
    user = cloud.identity.create_user(name="foreign", password="irrelevant-1")  # noqa: S106

    def seen() -> object:
        now = site.cloud
        return (
            {each.id: (each.url, each.region_id) for each in now.identity.endpoints() if "foreign" in each.url},
            [each.hosts for each in now.compute.aggregates() if each.name == "foreign"],
            now.identity.find_user("foreign").id,
        )

    yield seen
    now = site.cloud
    now.compute.remove_host_from_aggregate(aggregate, "compute1")
    now.compute.delete_aggregate(aggregate)
    for each in endpoints:
        now.identity.delete_endpoint(each)
    now.identity.delete_region("foreign")
    now.identity.delete_user(user)


def test_the_demo_is_what_it_should_be(site):
    assert there(site) == wanted(DEMO)


@pytest.mark.full
def test_a_changed_region_moves_the_sites_endpoints_and_no_others(site, up, vm, foreign):
    vm("az1")
    before, running = foreign(), qemus(site, "compute1")
    data = up(region="east")
    assert there(site) == wanted(data)
    assert foreign() == before
    assert qemus(site, "compute1") == running


def test_a_node_that_is_removed_is_gone_everywhere_and_comes_back(site, up, vm, foreign):
    vm("az1")
    before, running = foreign(), qemus(site, "compute1")
    data = up(**nodes(compute2=None))
    assert there(site) == wanted(data)
    assert (foreign(), qemus(site, "compute1")) == (before, running)
    data = up()
    assert there(site) == wanted(data)
    assert (foreign(), qemus(site, "compute1")) == (before, running)


def test_a_changed_zone_moves_the_node_unless_it_has_vms(site, up, vm):
    data = up(**nodes(compute2={"zone": "gold"}))
    assert there(site) == wanted(data)
    vm("gold")
    refused = site.stackyard("up", check=False, timeout=UP_SECONDS)
    assert refused.code == 2
    assert "1 VM on compute2 would go from zone gold to az2, which no VM can" in refused.stderr
    assert there(site) == wanted(data)


@full
@pytest.mark.usefixtures("up")
def test_vms_of_a_removed_node_are_said(site, vm, tmp_path):
    server = vm("az2")
    data = {**DEMO, **nodes(compute2=None)}
    file = tmp_path / "demo.yaml"
    file.write_text(yaml.safe_dump(data))
    refused = site.stackyard("up", "--site", str(file), check=False, timeout=UP_SECONDS)
    assert (refused.code, "1 VM on compute2 would end" in refused.stderr) == (2, True)
    failed = site.stackyard("up", "--site", str(file), "--end-vms", check=False, timeout=UP_SECONDS)
    assert failed.code == 1
    assert "compute2 is not in the site any more, and Nova still has VMs on it" in failed.stderr
    assert site.cloud.compute.get_server(server.id).status == "ERROR"
    delete(site, server)
    site.stackyard("up", "--site", str(file), timeout=UP_SECONDS)
    assert there(site) == wanted(data)


MATRIX = {
    "encapsulation": {"encapsulation": "geneve"},
    "publish.address": {"publish": {"address": "127.0.0.2"}},
    "publish.offset": {"publish": {"offset": 10000}},
    "zone for two": nodes(compute1={"zone": "one"}, compute2={"zone": "one"}),
    "node renamed": nodes(compute2=None, worker=DEMO["nodes"]["compute2"]),
    "node added": nodes(compute3={"roles": ["compute"]}),
    "first node removed": nodes(compute1=None),
    "node's address": nodes(
        compute2={kind: str(ip_network(DEMO["networks"][kind])[77]) for kind in ("management", "tunnel")}
    ),
    "node's options": nodes(compute2={"services": {"nova": {"options": {"DEFAULT": {"debug": True}}}}}),
    "options": {"services": {"nova": {"options": {"DEFAULT": {"cpu_allocation_ratio": 2.0}}}}},
    "environment": {"services": {"glance": {"environment": {"API_PORT": "9293"}}}},
    "containers": {"containers": {"neutron-periodic-workers": True}},
    "settings": {"settings": {"LOG_LEVEL": "debug"}},
}


@full
@pytest.mark.parametrize("key", MATRIX)
def test_every_key_on_a_running_site(site, up, key, tmp_path):
    data = up("--end-vms", **MATRIX[key])
    assert there(site) == wanted(data)
    proof = site.verify("--site", str(tmp_path / "demo.yaml"), check=False)
    assert proof.code == 0, str(proof)
