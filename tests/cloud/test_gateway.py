"""A router leads out through one node; when that falls silent, through another.

Of two nodes neither takes over: one that hears nobody cannot tell whether it is the other that is cut off, or itself.
"""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml
from test_public import SECONDS, SHELL, forwarded

from demo import Site, engine
from stackyard.catalogue import site_path
from waiting import NotYet, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.full]

NAME = "stackyard-test-gateway"
NODES = ("compute1", "compute2", "compute3")


@dataclass(frozen=True)
class Wide:
    """The demo with a third compute node, and a network with a router."""

    site: Site
    router: str


@pytest.fixture(scope="module")
def wide(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wide]:
    file = tmp_path_factory.mktemp("gateway") / "demo.yaml"
    document = yaml.safe_load(site_path("demo").read_text())
    document["nodes"]["compute3"] = {"roles": ["compute"], "zone": "az3"}
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    site.stackyard("up", "--site", str(file))
    network = site.cloud.network
    try:
        with contextlib.ExitStack() as made:
            private = network.create_network(name=NAME)
            made.callback(network.delete_network, private)
            subnet = network.create_subnet(network_id=private.id, ip_version=4, cidr="10.79.0.0/24")
            public = network.find_network("public")
            router = network.create_router(name=NAME, external_gateway_info={"network_id": public.id})
            made.callback(network.delete_router, router)
            network.add_interface_to_router(router, subnet=subnet)
            made.callback(network.remove_interface_from_router, router, subnet=subnet)
            group = network.create_security_group(name=NAME)
            made.callback(network.delete_security_group, group)
            network.create_security_group_rule(security_group_id=group.id, direction="ingress", ether_type="IPv4")
            yield Wide(site, router.id)
    finally:
        site.up()


def gateway(site: Site, router: str) -> str:
    """The node through which the router leads out."""

    def rows(*query: str) -> dict[str, str]:
        form = ("ovn-sbctl", "--format=csv", "--no-headings")
        lines = site.inside("controller", "ovn-sb", *form, *query).stdout.splitlines()
        return dict(reversed(line.split(",", 1)) for line in lines)

    (port,) = site.cloud.network.ports(device_owner="network:router_gateway", device_id=router)
    bound = rows("--columns=chassis,logical_port", "find", "Port_Binding", "type=chassisredirect")
    hosts = {identity: host for host, identity in rows("--columns=_uuid,hostname", "list", "Chassis").items()}
    return hosts[bound[f"cr-lrp-{port.id}"]]


def shell(address: str) -> None:
    """Probe: the VM behind a forwarded port answers."""
    try:
        with socket.create_connection((address, SHELL), timeout=3) as connection:
            connection.settimeout(5)
            connection.sendall(b"echo here; exit\n")
            told = connection.recv(100)
    except OSError as error:
        raise NotYet(str(error)) from error
    if told != b"here\n":
        raise NotYet(repr(told))


def test_another_node_takes_over(wide: Wide) -> None:
    silent = gateway(wide.site, wide.router)
    home = next(node for node in NODES if node != silent)
    with forwarded(wide.site, NAME, home) as address:
        wait_for("the forwarded port", lambda: shell(address), SECONDS)
        names = [wide.site.container(silent, each) for each in ("ovs-vswitchd", "ovn-controller")]
        engine("pause", *names)
        try:
            wait_for("another gateway", lambda: shell(address), 60)
            assert gateway(wide.site, wide.router) != silent
        finally:
            engine("unpause", *names)
        wait_for("the forwarded port, with all nodes", lambda: shell(address), 60)
