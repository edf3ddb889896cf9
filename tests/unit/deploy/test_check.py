"""What stands in the way of `up` is told with its line and its remedy, before anything is touched."""

import errno
import json
import re
import socket
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from fakes import FakeEngine, FakeHost
from resolved_sites import FACTS, TOY, counted, resolved
from stackyard.bundle import bundle
from stackyard.catalogue import catalogue_root, load, open_site, site_path
from stackyard.deploy import check
from stackyard.deploy.desired import Desired
from stackyard.deploy.state import SiteState, locked
from stackyard.effects.host import Host
from stackyard.effects.links import Link
from stackyard.effects.routes import Route
from stackyard.errors import InputError
from stackyard.plan.decide import NetworkStep, Plan, Port, decide
from stackyard.plan.observed import LABEL_CONTAINER, LABEL_NODE, Observed, Running
from stackyard.plan.resolved import EngineNetwork, ResolvedSite

CATALOGUE = load(catalogue_root(), "2026.2", "ovn")


def planned(site: ResolvedSite, *, built: bool = True) -> Plan:
    images = {each.image: "sha256:1" for each in site.containers} | {site.node_image: "sha256:1"} if built else {}
    return decide(site.networks, bundle(site, b"key").targets, Observed({}, {}, images))


OTHER = {
    "network ls": "1",
    "network inspect": json.dumps(
        [
            {"Name": "other", "Id": "1" * 64, "Options": {}, "Labels": None}
            | {"IPAM": {"Config": [{"Subnet": "172.31.97.128/25"}]}}
        ]
    ),
}
"""An engine that has a network which overlaps the toy site's."""
PUBLISHED = {"ps --filter publish": "other-one"}


def refused(host: Host, *, built: bool = True, **changes: object) -> InputError:
    """Refuses the toy site, with top-level keys changed, before it is up."""
    site = resolved("toy", TOY, **changes)
    plan = planned(site, built=built)
    with pytest.raises(InputError) as caught:
        check.engine_allows(host, site, plan)
    return caught.value


def test_flavors_that_no_node_can_hold(tmp_path: Path) -> None:
    flavors = {"fits": {"vcpus": 4, "ram": 8192}, "wide": {"vcpus": 5, "ram": 64}, "large": {"ram": 8193}}
    error = refused(FakeHost(FakeEngine(), tmp_path), contents={"flavors": flavors})
    remedy = "make it smaller, or leave it out: no VM of it could run"
    wide = "wide.vcpus: wide has 5 processors, and no node has more than 4"
    large = "large.ram: large has 8193 MiB of memory, and no node has more than 8192"
    lines = [f"  contents.flavors.{each} ({remedy})" for each in (wide, large)]
    assert error.message.splitlines() == ["2 problems", *lines]


def test_a_port_that_another_process_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = refused(Host(FakeEngine(), Path("/nowhere")), publish={"offset": port - 7000} if port >= 7000 else {})
    assert error.message.startswith(f"publish: port {port} (echo) of 127.0.0.1 is in use by ")
    assert "(process " in error.message
    assert "offset" in error.hint


def test_ports_that_another_container_has_are_one_problem() -> None:
    error = refused(FakeHost(FakeEngine(PUBLISHED), taken=None))
    assert error.message.endswith(" of 127.0.0.1 is in use by the container other-one")


def test_an_address_that_the_host_has_not() -> None:
    error = refused(FakeHost(), publish={"address": "192.0.2.77"})
    assert error.message == "publish.address: this host has no address 192.0.2.77"


def test_a_network_that_another_has() -> None:
    error = refused(FakeHost(FakeEngine(OTHER)))
    assert error.message.startswith("networks.tunnel: 172.31.97.0/24 overlaps 172.31.97.128/25")


ROUTES = (
    Route(IPv4Network("172.31.112.0/20"), "wlan0"),
    Route(IPv4Network("172.31.118.4/32"), "wlan0"),
    Route(IPv4Network("172.31.96.0/24"), "br-111111111111"),
    Route(IPv4Network("172.31.97.0/24"), "docker7"),
    Route(IPv4Network("172.31.99.0/24"), "eth1"),
)
"""A host with an address in a large network, and with bridges of its engine."""
BRIDGES = [
    {"Name": "toytest-management", "Id": "1" * 64, "Options": None, "Labels": {"stackyard.site": "toytest"}},
    {"Name": "old", "Id": "2" * 64, "Options": {"com.docker.network.bridge.name": "docker7"}, "Labels": None},
]


def test_a_network_that_the_host_is_in() -> None:
    networks = {"management": "172.31.112.0/24", "tunnel": "172.31.97.0/24"}
    error = refused(FakeHost(lacks={"routes": ROUTES[:2]}), networks=networks)
    way = "networks.management: 172.31.112.0/24 overlaps 172.31.112.0/20, which this host reaches through wlan0"
    assert error.message == way
    assert error.hint == "choose another network in the site"


def test_the_sites_own_bridges_do_not_count_and_those_of_others_have_names() -> None:
    there = [{**each, "IPAM": {"Config": [{"Subnet": str(ROUTES[at].network)}]}} for at, each in enumerate(BRIDGES, 2)]
    engine = FakeEngine({"network ls": "1 2", "network inspect": json.dumps(there)})
    error = refused(FakeHost(engine, lacks={"routes": ROUTES}))
    assert (
        error.message == "networks.tunnel: 172.31.97.0/24 overlaps 172.31.97.0/24, which the engine's network old has"
    )


UNFIT = {
    "none": ((), (), "this host has no interface eth1", "it has: none"),
    "mistyped": ((Link("eth10", 1500),), (), "this host has no interface eth1", "did you mean eth10?"),
    "a bridge": ((Link("eth1", 1500, kind="bridge"),), (), "eth1 is a bridge, which can be no part", "an Ethernet"),
    "of another": ((Link("eth1", 1500, "bond0"),), (), "eth1 is a part of bond0 already", "take it out of that"),
    "in use": (
        (Link("eth1", 1500),),
        ROUTES[4:],
        "this host reaches 172.31.99.0/24 through eth1",
        "name eth1.120 type",
    ),
    "small packets": ((Link("eth1", 1450),), (), "eth1 has an MTU of 1450", "ip link set dev eth1 mtu 1500"),
}
"""Links and routes of a host, and what is wrong with the interface for a public network."""


@pytest.mark.parametrize("what", UNFIT)
def test_an_interface_that_cannot_be_a_part_of_a_network(what: str) -> None:
    links, routes, message, hint = UNFIT[what]
    error = unfit(FakeHost(lacks={"links": links, "routes": routes}))
    assert error.message.startswith(f"networks.public.interface: {message}")
    assert hint in error.hint


def unfit(host: FakeHost) -> InputError:
    """Refuses to connect eth1."""
    plan = Plan((), (), ports=(Port("connect", "toytest-public", "eth1", "br-1"),))
    with pytest.raises(InputError) as caught:
        check.engine_allows(host, resolved("toy", TOY), plan)
    return caught.value


def test_a_host_that_cannot_connect_interfaces() -> None:
    error = unfit(FakeHost(lacks={"links": (Link("eth1", 1500),), "can_connect": False}))
    assert error.message == "networks.public.interface: this host has no `ip`, which puts an interface into a network"


@pytest.mark.parametrize("link", [Link("eth1", 1500), Link("eth1", 9000, "br-1")], ids=["free", "there already"])
def test_an_interface_that_fits(link: Link) -> None:
    plan = Plan((), (), ports=(Port("connect", "toytest-public", "eth1", "br-1"),))
    check.engine_allows(FakeHost(lacks={"links": (link,)}), resolved("toy", TOY), plan)


def test_addresses_of_nodes_at_an_interface_need_only_be_free_in_the_engine() -> None:
    """The host has no address there, so its routes do not matter: some have one for all link-local addresses."""
    site, wanted = resolved("toy", TOY), EngineNetwork("172.31.97.0/24", interface="eth1")
    plan = Plan((NetworkStep("create", "toytest-public", wanted),), ())
    check.engine_allows(FakeHost(lacks={"routes": ROUTES[3:4]}), site, plan)
    with pytest.raises(InputError) as caught:
        check.engine_allows(FakeHost(FakeEngine(OTHER)), site, plan)
    assert caught.value.message.startswith("networks.public.nodes: 172.31.97.0/24 overlaps 172.31.97.128/25")


LACKS = {
    "a device": ({"existing": frozenset({"/dev/net/tun"})}, "there is no /dev/net/tun; needed by one/echo"),
    "a capability": ({"capabilities": frozenset({"NET_RAW"})}, "capability NET_RAW; needed by one/echo"),
    "memory": ({"memory": 199}, "0.2 GiB of memory and swap are free; the site needs 0.2 GiB before any VM"),
    "room": ({"room": 2047}, "/ has 2.0 GiB free; the site needs 2.0 GiB"),
}


@pytest.mark.parametrize("what", LACKS)
def test_what_the_host_lacks(what: str) -> None:
    lacks, words = LACKS[what]
    site = needing(resolved("toy", TOY))
    with pytest.raises(InputError) as caught:
        check.requirements(FakeHost(lacks=lacks), site, planned(site))
    assert words in caught.value.message
    assert caught.value.hint
    check.requirements(FakeHost(), site, planned(site))


def needing(site: ResolvedSite) -> ResolvedSite:
    """The toy site, whose echo needs a machine."""
    wants = {"devices": ("/dev/net/tun",), "capabilities": ("NET_RAW",), "memory": 200, "disk": 2048}
    containers = [
        replace(each, definition=each.definition.model_copy(update=wants)) if each.name == "echo" else each
        for each in site.containers
    ]
    return replace(site, containers=tuple(containers))


def test_nothing_is_asked_when_there_is_nothing_to_do() -> None:
    host = FakeHost(lacks={"memory": 0, "room": None})
    check.engine_allows(host, resolved("toy", TOY), Plan((), ()))
    assert host.engine.calls == []


def test_images_that_are_not_there_and_that_no_registry_could_have() -> None:
    error = refused(FakeHost(), built=False, registry="yard")
    assert error.message.startswith("3 of the site's images are not there: ")
    assert "stackyard build" in error.hint


def test_all_that_stands_in_the_way_is_told_at_once() -> None:
    message = refused(FakeHost(FakeEngine(OTHER | PUBLISHED), taken=None), built=False, registry="").message
    for word in ("3 problems", "are not there", "the container other-one", "overlaps 172.31.97.128/25"):
        assert word in message


def test_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(InputError, match=r"`stackyard up` .* needs root") as caught:
        check.root(Host.local(), "up")
    assert "sudo" in caught.value.hint


def test_state_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = SiteState(tmp_path / "file" / "sites" / "one")
    with pytest.raises(InputError, match=r"cannot write to .*: Not a directory"), locked(state, "up"):
        pass
    with pytest.raises(InputError, match=r"state\.json: Not a directory"):
        state.read()


def test_a_port_is_free_and_an_address_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host.local()
    assert host.has_address("127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not host.port_is_free("127.0.0.1", port)
        assert host.port_holder(port).endswith(")")

    def refuse(_socket: object, _address: object) -> None:
        raise OSError(errno.EADDRNOTAVAIL, "not here")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert not host.has_address("192.0.2.77")


def test_a_node_with_vms_stays_in_its_zone(tmp_path: Path) -> None:
    host = FakeHost(state=tmp_path, living={"demo-compute2": {7}})
    changed = {"controller": {"roles": ["controller"]}, "compute2": {"roles": ["compute"], "zone": "gold"}}
    wanted = Desired(host, resolved("demo", nodes=changed), FACTS, counted())
    there = Observed({"demo-compute2": Running("1", "demo-compute2", "sha256:1", {}, "running")})
    wanted.state.write({"zones": {"compute2": "az2"}})
    with pytest.raises(InputError) as caught:
        check.changeable(wanted, there, planned(wanted.site), CATALOGUE)
    assert (
        "nodes.compute2.zone: 1 VM on compute2 would go from zone az2 to gold, which no VM can" in caught.value.message
    )
    host.living.clear()
    check.changeable(wanted, there, planned(wanted.site), CATALOGUE)


@pytest.mark.parametrize(("before", "after"), [("file", "rbd"), ("rbd", "file")])
def test_what_vms_were_made_with_stays(tmp_path: Path, before: str, after: str) -> None:
    """Nova would look for the disks of all VMs in the other place."""
    host = FakeHost(state=tmp_path, living={"full-compute2": {7}})
    text = site_path("full").read_text()
    line = "  nova: {environment: {DISKS: rbd}}\n"
    assert line in text
    (file := tmp_path / "full.yaml").write_text(text if after == "rbd" else text.replace(line, ""))
    wanted = Desired(host, resolved(str(file)), FACTS, counted())
    environment = {"DISKS": before} if before == "rbd" else {}  # an image for files has no such variable
    names = [f"full-compute{number}-nova-compute" for number in (1, 2)]
    there = Observed({name: Running("1", name, "sha256:1", {}, "running", environment=environment) for name in names})
    with pytest.raises(InputError) as caught:
        check.changeable(wanted, there, planned(wanted.site), CATALOGUE)
    assert f"1 VM on compute2 would lose what DISKS={before} gave, were it {after}" in caught.value.message
    assert "compute1" not in caught.value.message
    host.living.clear()
    check.changeable(wanted, there, planned(wanted.site), CATALOGUE)


def test_what_keeps_data_does_not_move_to_another_node(tmp_path: Path) -> None:
    """A controller with another name would begin with an empty database."""
    site, catalogue = open_site("demo")
    before = Desired.of(FakeHost(state=tmp_path), site, catalogue)
    nodes = {"head" if name == "controller" else name: each for name, each in site.nodes.items()}
    after = Desired.of(FakeHost(state=tmp_path), site.model_copy(update={"nodes": nodes}), catalogue)
    labels = {each.name: {LABEL_NODE: each.node, LABEL_CONTAINER: each.container} for each in before.bundle.targets}
    there = Observed({name: Running("1", name, "sha256:1", each, "running") for name, each in labels.items()})
    with pytest.raises(InputError) as caught:
        check.changeable(after, there, decide(after.site.networks, after.bundle.targets, there), catalogue)
    assert re.search(
        r"nodes.head: mariadb, rabbitmq, \S+ and \d more would begin without data on head: they stay on controller",
        caught.value.message,
    )
    assert "down --volumes" in caught.value.hint
