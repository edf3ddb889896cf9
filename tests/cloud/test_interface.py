"""The public network is a VLAN at an interface of this host: what is on the wire, and that the host takes no part."""

import base64
import contextlib
import json
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from test_public import SHELL, listening

from demo import Site, checks, engine
from provider import HOST, HTTP, INTERFACE, NEXT, RANGE, ROUTER, Provider, provider
from stackyard.catalogue import site_path
from tool import Tool, run
from waiting import NotYet, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.long]

NAME = "wiretest"
VLAN, OTHER = 120, 121
POOL = {"start": "203.0.113.100", "end": "203.0.113.119"}
SECONDS = 120
BIG = 4 * 1024 * 1024
LISTEN = f"#!/bin/sh\nnc -ll -p {SHELL} -e sh\n"
PORT = 18081
"""A port of the host that is none of the cloud's."""


@dataclass(frozen=True)
class Wired:
    """A site at the interface, the network that it leads to, and a VM on each node: (node, floating address)."""

    site: Site
    file: Path
    outside: Provider
    vms: tuple[tuple[str, str], ...]

    @property
    def network(self) -> str:
        return f"{NAME}-public"

    @property
    def bridge(self) -> str:
        """The interface of the engine's network on the host."""
        return f"br-{json.loads(engine('network', 'inspect', self.network).stdout)[0]['Id'][:12]}"


def document(vlan: int) -> str:
    """The site: a controller that runs VMs as well, and a compute node."""
    made = yaml.safe_load(site_path("demo").read_text())
    public = {"range": RANGE, "gateway": ROUTER, "pool": POOL, "interface": INTERFACE, "vlan": vlan}
    made |= {"site": NAME, "publish": {"offset": 20000, "bind": "0.0.0.0"}}  # noqa: S104 - see there
    made["networks"] = {"management": "198.18.88.0/24", "tunnel": "198.18.89.0/24", "public": public}
    made["nodes"] = {"one": {"roles": ["controller", "compute"]}, "two": {"roles": ["compute"]}}
    return yaml.safe_dump(made, sort_keys=False)


def ask(address: str, command: str) -> bytes:
    """What the shell of a VM prints. Raises OSError."""
    with socket.create_connection((address, SHELL), timeout=5) as connection:
        connection.settimeout(60)
        connection.sendall(f"({command}) 2>&1; exit\n".encode())
        told = b""
        while more := connection.recv(65536):
            told += more
    return told


def answers(address: str) -> None:
    """Probe: the shell of a VM answers this host, whose route leads over the router outside."""
    try:
        told = ask(address, "echo here")
    except OSError as error:
        raise NotYet(f"{address}: {error}") from error
    if told != b"here\n":
        raise NotYet(f"{address}: {told!r}")


@pytest.fixture(scope="module")
def wired(site: Site, stackyard: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    file = tmp_path_factory.mktemp("interface") / "wire.yaml"
    file.write_text(document(VLAN))
    there = Site(stackyard)
    there.file = str(file)
    image = json.loads(engine("inspect", site.container("compute1", "ovs-vswitchd")).stdout)[0]["Config"]["Image"]
    with provider(image, VLAN) as outside, contextlib.ExitStack() as made:
        made.callback(stackyard, "down", "--volumes", "--site", str(file))
        stackyard("up", "--site", str(file))
        yield Wired(there, file, outside, tuple((node, vm(there, node)) for node in ("one", "two")))


def vm(site: Site, node: str, network_id: str = "") -> str:
    """Boot a VM with a shell on a node, in a network; its address there.

    In the private network if none is given; then it answers at its floating address, and that is returned.
    """
    network, compute = site.cloud.network, site.cloud.compute
    group = network.find_security_group("open") or network.create_security_group(name="open")
    if not [rule for rule in group.security_group_rules if rule["direction"] == "ingress"]:
        network.create_security_group_rule(security_group_id=group.id, direction="ingress", ether_type="IPv4")
    where = network_id or network.find_network("private").id
    port = network.create_port(network_id=where, security_groups=[group.id])
    compute.create_server(
        name=node,
        image_id=site.cloud.image.find_image("guest").id,
        flavor_id=compute.find_flavor("tiny").id,
        networks=[{"port": port.id}],
        availability_zone=f"nova:{node}",
        user_data=base64.b64encode(LISTEN.encode()).decode(),
    )
    if network_id:
        return str(port.fixed_ips[0]["ip_address"])
    floating = network.create_ip(floating_network_id=network.find_network("public").id, port_id=port.id)
    wait_for(f"the VM on {node}", lambda: answers(floating.floating_ip_address), SECONDS)
    return str(floating.floating_ip_address)


def test_the_cloud_knows_the_network_as_it_is(wired: Wired) -> None:
    network = wired.site.cloud.network
    public = network.find_network("public")
    (subnet,) = network.subnets(network_id=public.id)
    assert (public.provider_network_type, public.provider_segmentation_id) == ("vlan", VLAN)
    assert (subnet.cidr, subnet.gateway_ip, subnet.allocation_pools) == (RANGE, ROUTER, [POOL])


def test_frames_on_the_wire_have_the_tag_and_no_address_of_a_node(wired: Wired) -> None:
    with wired.outside.capture() as frames:
        for _node, address in wired.vms:
            assert ask(address, "echo here") == b"here\n"
    tagged = [line for line in frames if f"vlan {VLAN}," in line]
    for _node, address in wired.vms:
        assert any(f"{HOST}." in line and f"> {address}.{SHELL}" in line for line in tagged), frames
        assert any(f"{address}.{SHELL} > {HOST}." in line for line in tagged), frames
    own = [each for node in ("one", "two") for each in addresses(f"{NAME}-{node}")]
    assert len(own) == 6
    assert not [line for line in frames for each in own if re.search(rf"\b{re.escape(each)}\b", line)]
    assert not [line for line in frames if "ARP" in line and f"vlan {VLAN}," not in line]


def addresses(container: str) -> list[str]:
    """Addresses of a node, in all of the engine's networks."""
    networks = json.loads(engine("inspect", container).stdout)[0]["NetworkSettings"]["Networks"]
    return [each["IPAddress"] for each in networks.values()]


def test_much_comes_through_in_full_packets(wired: Wired) -> None:
    for _node, address in wired.vms:
        assert len(ask(address, f"head -c {BIG} /dev/zero")) == BIG


def test_vms_reach_what_the_router_leads_to_and_of_this_host_its_apis_alone(wired: Wired) -> None:
    """At an address of this host that they come to over the router, in this host again from outside."""
    open_, shut = [(NEXT, HTTP), (HOST, 25000)], [(HOST, PORT), ("198.18.88.1", PORT), ("198.18.88.10", 3306)]
    tries = [
        f"nc -w 3 {address} {port} -e true 2>/dev/null && echo {address}:{port} &" for address, port in (*open_, *shut)
    ]
    with listening("0.0.0.0", PORT):  # noqa: S104 - it is to be reachable, were it not for the rules
        for _node, address in wired.vms:
            told = ask(address, " ".join([*tries, "wait"])).decode().split()
            assert sorted(told) == sorted(f"{server}:{port}" for server, port in open_)


def test_this_host_has_no_part_in_the_network(wired: Wired) -> None:
    """It has no address there, answers for none that it has elsewhere, and routes nothing that comes from there.

    That it would answer otherwise is shown by letting it.
    """
    assert "inet" not in run("ip", "-o", "address", "show", "dev", wired.bridge).stdout
    beside, mac = wired.outside.beside, Path(f"/sys/class/net/{wired.bridge}/address").read_text().strip()
    node = addresses(f"{NAME}-one")[0]

    def reached(server: str, port: int) -> bool:
        script = f"import socket; socket.create_connection(({server!r}, {port}), 3)"
        done = run(*beside(sys.executable, "-c", script), check=False)
        assert done.code == 0 or re.search("No route to host|timed out", done.stderr), done
        return done.code == 0

    answering = Path(f"/proc/sys/net/ipv4/conf/{wired.bridge}/arp_ignore")
    with listening("0.0.0.0", PORT):  # noqa: S104 - as above
        for address in (HOST, node):
            run(*beside("ip", "route", "add", f"{address}/32", "dev", "plain"))
        try:
            assert not reached(HOST, PORT)
            run(*beside("ip", "neigh", "add", node, "lladdr", mac, "dev", "plain"))
            assert not reached(node, 5000)
            answering.write_text("0")
            run(*beside("ip", "neigh", "flush", "dev", "plain"))
            assert reached(HOST, PORT)
        finally:
            answering.write_text("8")
            for address in (HOST, node):
                run(*beside("ip", "route", "delete", f"{address}/32", "dev", "plain"))


def test_a_second_up_does_nothing(wired: Wired) -> None:
    told = wired.site.stackyard("up", "--site", str(wired.file), "--output", "json").json
    assert told["changed"] is False


@pytest.mark.parametrize("what", ["the interface", "the rule of the firewall", "forwarding"])
def test_what_is_lost_of_the_connection_comes_back(wired: Wired, what: str) -> None:
    rule = ("--table", "raw", "--flush", "PREROUTING")
    ways = {
        "the interface": lambda: run("ip", "link", "set", INTERFACE, "nomaster"),
        "the rule of the firewall": lambda: run("iptables", *rule),
        "forwarding": lambda: Path(f"/proc/sys/net/ipv4/conf/{wired.bridge}/forwarding").write_text("1"),
    }
    ways[what]()
    tool, file = wired.site.stackyard, str(wired.file)
    planned = tool("up", "--plan", "--site", file, "--output", "json").json
    assert planned["interfaces"] == [{"verb": "connect", "interface": INTERFACE, "network": wired.network}]
    if what == "the interface":
        told = tool("status", "--site", file, check=False)
        assert told.code == 1
        assert f"{INTERFACE} is not a part of it; `stackyard up` connects it" in told.stdout
    tool("up", "--site", file)
    assert tool("up", "--plan", "--site", file, "--output", "json").json["nothing_to_do"]
    for _node, address in wired.vms:
        wait_for("the VM", lambda address=address: answers(address), 30)


def test_the_proof_comes_in_over_the_wire(wired: Wired) -> None:
    outcome = wired.site.stackyard("verify", "--site", str(wired.file), "--output", "json", timeout=600)
    assert checks(outcome)["floating"]["ok"]


def test_a_vm_in_a_network_of_its_own_on_another_vlan(wired: Wired) -> None:
    """The administrator makes it at the same interface, with the router outside as its gateway."""
    network, gateway = wired.site.cloud.network, wired.outside.port("other", OTHER, "100.64.77.1/24")
    physical = {"provider_network_type": "vlan", "provider_physical_network": "public"}
    other = network.create_network(name="other", **physical, provider_segmentation_id=OTHER)
    network.create_subnet(network_id=other.id, ip_version=4, cidr="100.64.77.0/24", gateway_ip=gateway)
    address = vm(wired.site, "two", other.id)
    script = f"""import socket
with socket.create_connection(({address!r}, {SHELL}), 3) as connection:
    connection.sendall(b"echo $((6 * 7)); nc -w 3 {HOST} {PORT} -e true && echo reached; exit\\n")
    connection.settimeout(20)
    while told := connection.recv(4096):
        print(told.decode())
"""

    def answered() -> str:
        done = run(*wired.outside.beside(sys.executable, "-c", script), check=False)
        if done.code:
            raise NotYet(done.stderr)
        return done.stdout

    with listening("0.0.0.0", PORT), wired.outside.capture() as frames:  # noqa: S104 - as above
        assert wait_for("the VM on the other VLAN", answered, SECONDS).split() == ["42"]
    assert any(f"vlan {OTHER}," in line and f"{address}.{SHELL} >" in line for line in frames)


def test_another_vlan_is_refused_while_vms_are_in_this_one(wired: Wired) -> None:
    """By Neutron; the routers stay as they are."""
    refused = f"network public: it is VLAN {VLAN}, and cannot become VLAN {OTHER}"
    wired.file.write_text(document(OTHER))
    try:
        told = wired.site.stackyard("up", "--site", str(wired.file), check=False)
        assert told.code == 1
        assert f"{refused} while routers or floating addresses are in it" in told.stderr
        for _node, address in wired.vms:
            answers(address)
    finally:
        wired.file.write_text(document(VLAN))
        wired.site.stackyard("up", "--site", str(wired.file))


def test_the_interface_is_free_when_the_site_is_down(wired: Wired) -> None:
    """Last in this file."""
    bridge = wired.bridge
    wired.site.stackyard("down", "--site", str(wired.file))
    assert "master" not in run("ip", "-o", "link", "show", INTERFACE).stdout
    assert bridge not in run("iptables-save").stdout
