"""What the proof takes from a resolved site."""

from ipaddress import IPv4Address, IPv4Network
from types import SimpleNamespace

import pytest

from stackyard.errors import InputError
from stackyard.model.site import Networks, Node, Site
from stackyard.plan.resolved import PlacedNode, ResolvedSite
from stackyard.verify.target import target

CAPTURE = {"container": "switch", "command": ["tcpdump", "-nn", "-i", "eth1", "udp", "port", 4789]}


def resolved(zones=("az1", "az2"), **declarations) -> ResolvedSite:
    names = [f"compute{number}" for number in range(1, len(zones) + 1)]
    nodes = tuple(
        PlacedNode(
            name,
            ("compute",),
            frozenset({"compute"}),
            frozenset(),
            IPv4Address(f"198.18.80.{n}"),
            IPv4Address(f"198.18.81.{n}"),
            zone,
        )
        for n, (name, zone) in enumerate(zip(names, zones, strict=True), start=11)
    )
    containers = tuple(SimpleNamespace(key=f"{name}/switch", image="registry/switch:1") for name in names)
    site = Site(
        site="toy",
        release="1",
        networks=Networks(management=IPv4Network("198.18.80.0/24"), tunnel=IPv4Network("198.18.81.0/24")),
        nodes={name: Node(roles=("compute",)) for name in names},
    )
    declared = {"credentials": ({"username": "admin"},), "capture": (CAPTURE,)}
    declared |= {"hypervisor": ({"service": "agent"},)} | declarations
    return ResolvedSite(site, "1", "registry/node:1", 0, nodes, containers, declared)


def test_each_node_with_its_zone_and_tunnel_address():
    found = target(resolved(), None, "run")
    assert [(host.name, host.request, host.tunnel) for host in found.hosts] == [
        ("compute1", "az1", "198.18.81.11"),
        ("compute2", "az2", "198.18.81.12"),
    ]
    assert found.prefix == "stackyard-verify-run-"


def test_one_node_is_enough():
    found = target(resolved(("az1",)), None, "run")
    assert [host.name for host in found.hosts] == ["compute1"]


@pytest.mark.parametrize(("types", "has"), [(("compute",), False), (("compute", "block-storage"), True)])
def test_a_site_has_volumes_when_their_service_is_registered(types, has):
    assert target(resolved(endpoint=tuple({"type": each} for each in types)), None, "run").volumes is has


def test_nodes_that_share_a_zone_are_asked_for_by_name():
    found = target(resolved(("az1", "az1", "az2")), None, "run")
    assert [host.request for host in found.hosts] == ["az1:compute1", "az1:compute2", "az2"]


def test_the_capture_runs_beside_the_node_with_little():
    point = target(resolved(), None, "run").capture_points[0]
    line = " ".join(point.start)
    assert "--network container:toy-compute1" in line
    assert "--cap-drop ALL --cap-add NET_RAW --cap-add SETUID --cap-add SETGID" in line
    assert "--entrypoint tcpdump registry/switch:1 -nn -i eth1 udp port 4789" in line
    assert "--privileged" not in line
    assert point.stop == ["rm", "--force", "stackyard-verify-run-toy-compute1"]


@pytest.mark.parametrize(
    ("site", "message"),
    [
        (resolved(("",)), "has no compute node, and the proof boots VMs"),
        (resolved(capture=()), "declares capture"),
        (resolved(credentials=()), "declares credentials"),
        (resolved(hypervisor=()), "declares hypervisor"),
    ],
)
def test_what_is_lacking_is_bad_input(site, message):
    with pytest.raises(InputError, match=message):
        target(site, None, "run")
