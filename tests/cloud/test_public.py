"""The way out of the cloud and into it: floating addresses, what VMs reach, and what they must not."""

import base64
import contextlib
import hashlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from demo import COMPUTES, Site, engine
from stackyard.effects.host import Host
from stackyard.effects.openstack import Api
from stackyard.guest.guest import ensure
from stackyard.verify.cloud import Cloud as Proof
from tool import STATE, run
from waiting import NotYet, wait_for

pytestmark = pytest.mark.cloud

NAME = "stackyard-test-public"
GATEWAY = "198.18.82.1"
OUTSIDE, SERVER, HTTP = "198.51.100.1", "198.51.100.2", 8080
"""A machine that the host routes to: a network namespace, with a server of files."""
PORT = 18080
"""A port of the host that is none of the cloud's."""
SHELL = 7777
LISTEN = f"#!/bin/sh\nnc -ll -p {SHELL} -e sh\n"
BIG = 4 * 1024 * 1024
SECONDS = 120


@dataclass(frozen=True)
class Vm:
    """A VM and its addresses: the one in its network and, if it has one, the floating one."""

    id: str
    node: str
    port: str
    address: str
    floating: str = ""


@dataclass(frozen=True)
class Cloud:
    """Two VMs of a network with a router, on a node each. The second has no floating address."""

    site: Site
    first: Vm
    second: Vm

    def ask(self, command: str, vm: Vm | None = None) -> str:
        """Return what a shell in a VM prints; the second is asked through the first."""
        if vm == self.second:
            command = f"echo '({command}) 2>&1; exit' | nc {vm.address} {SHELL}"
        with socket.create_connection((self.first.floating, SHELL), timeout=5) as connection:
            connection.settimeout(60)
            connection.sendall(f"({command}) 2>&1; exit\n".encode())
            told = b""
            while more := connection.recv(65536):
                told += more
        return told.decode()

    def reached(self, servers: Sequence[tuple[str, int]], vm: Vm | None = None) -> list[str]:
        """Return which servers a VM can make a connection to; it tries all at once."""
        tries = [
            f"nc -w 3 {address} {port} -e true 2>/dev/null && echo {address}:{port} &" for address, port in servers
        ]
        return sorted(self.ask(" ".join([*tries, "wait"]), vm).split())


def answers(cloud: Cloud, vm: Vm) -> None:
    """Probe: the shell of a VM answers."""
    try:
        told = cloud.ask("echo here", vm)
    except OSError as error:
        raise NotYet(str(error)) from error
    if told != "here\n":
        raise NotYet(told)


def connects(address: str, port: int) -> None:
    """Probe: something takes connections there."""
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError as error:
        raise NotYet(str(error)) from error


@pytest.fixture(scope="module")
def cloud(site: Site) -> Iterator[Cloud]:
    network = site.cloud.network
    with contextlib.ExitStack() as made:
        yield _made(site, network, made)


def _made(site: Site, network: Any, made: contextlib.ExitStack) -> Cloud:
    names = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
    proof = Proof(Api({name: site.credentials[f"OS_{name.upper()}"] for name in names}))
    public = network.find_network("public", ignore_missing=False)
    private = network.create_network(name=NAME)
    made.callback(network.delete_network, private)
    subnet = network.create_subnet(network_id=private.id, ip_version=4, cidr="10.78.0.0/24")
    router = network.create_router(name=NAME, external_gateway_info={"network_id": public.id})
    made.callback(network.delete_router, router)
    network.add_interface_to_router(router, subnet=subnet)
    made.callback(network.remove_interface_from_router, router, subnet=subnet)
    group = network.create_security_group(name=NAME)
    made.callback(network.delete_security_group, group)
    network.create_security_group_rule(security_group_id=group.id, direction="ingress", ether_type="IPv4")

    guest = ensure(STATE, "trixie")
    image, flavor = proof.upload(NAME, guest), proof.make_flavor(NAME, 128)
    for kind in ("image", "flavor"):
        for each in proof.of_kind(kind, NAME):
            made.callback(proof.delete, each)

    def boot(node: str) -> Vm:
        port = proof.make_port(f"{NAME}-{node}", private.id, group.id)
        made.callback(network.delete_port, port.id)
        how = {"image": image, "flavor": flavor, "port": port.id, "zone": f"az{node[-1]}", "user_data": LISTEN}
        server = proof.boot(f"{NAME}-{node}", **how)
        made.callback(gone, site, server)
        return Vm(server, node, port.id, port.address)

    first, second = map(boot, COMPUTES)
    address = network.create_ip(floating_network_id=public.id, port_id=first.port)
    made.callback(network.delete_ip, address)
    cloud = Cloud(site, replace(first, floating=address.floating_ip_address), second)
    wait_for("the first VM to answer at its floating address", lambda: answers(cloud, cloud.first), SECONDS)

    wait_for("the second VM to answer the first", lambda: answers(cloud, cloud.second), SECONDS)
    return cloud


def gone(site: Site, server: str) -> None:
    """Delete a VM and wait until it is gone."""
    compute = site.cloud.compute
    compute.delete_server(server, ignore_missing=True)
    compute.wait_for_delete(compute.get_server(server), wait=60)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A machine that the host routes to, which serves the files of a folder."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "big").write_bytes(bytes(range(256)) * (BIG // 256))
    name = "stackyard-out"
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", "stackyard-out", "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "address", "add", f"{OUTSIDE}/24", "dev", "stackyard-out")
        run("ip", "link", "set", "stackyard-out", "up")
        for words in (("address", "add", f"{SERVER}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
            run("ip", "-n", name, *words)
        run("ip", "-n", name, "route", "add", "default", "via", OUTSIDE)
        serve = ["ip", "netns", "exec", name, sys.executable, "-m", "http.server", str(HTTP), "--bind", SERVER]
        with subprocess.Popen(
            [*serve, "--directory", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as server:
            wait_for("the server outside", lambda: connects(SERVER, HTTP), 30)
            yield folder
            server.terminate()
    finally:
        run("ip", "netns", "delete", name)


@contextlib.contextmanager
def listening(address: str, port: int) -> Iterator[None]:
    """A server on the host, which takes connections."""
    with socket.create_server((address, port)) as server:
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    server.accept()[0].close()

        server.settimeout(0.2)
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield
        ended.set()
        thread.join()


def own_addresses() -> list[str]:
    """Every address of this host but those of the loopback interface."""
    rows = run("ip", "-4", "-o", "address", "show").stdout.splitlines()
    return [row.split()[3].partition("/")[0] for row in rows if row.split()[1] != "lo"]


def test_a_floating_address_answers_from_the_host(cloud: Cloud) -> None:
    assert cloud.first.address in cloud.ask("ip -4 address show dev eth0")


@pytest.mark.parametrize("which", ["first", "second"])
def test_vms_reach_what_the_host_routes_to(cloud: Cloud, outside: Path, which: str) -> None:
    """One from its floating address, one from that of the router; with full packets."""
    content = (outside / "big").read_bytes()
    told = cloud.ask(f"wget -q -T 20 -O - http://{SERVER}:{HTTP}/big | md5sum", getattr(cloud, which))
    assert told.split() == [hashlib.md5(content, usedforsecurity=False).hexdigest(), "-"]


def test_a_vm_sends_much_to_the_host(cloud: Cloud) -> None:
    """Who asked it: an answer to the host goes to the host's own address."""
    assert len(cloud.ask(f"head -c {BIG} /dev/zero")) == BIG


def test_a_security_group_lets_in_what_it_says(cloud: Cloud) -> None:
    """While both VMs run: nothing without a rule, and nothing any more when the rule goes."""
    network = cloud.site.cloud.network
    group = network.create_security_group(name=f"{NAME}-closed")
    before = network.get_port(cloud.second.port).security_group_ids
    target = [(cloud.second.address, SHELL)]

    def wait_until(reached: Sequence[str]) -> None:
        def look() -> None:
            if (found := cloud.reached(target)) != reached:
                raise NotYet(str(found))

        wait_for(f"the first VM to reach {reached}", look, 20)

    try:
        wait_until([f"{cloud.second.address}:{SHELL}"])
        network.update_port(cloud.second.port, security_group_ids=[group.id])
        wait_until([])
        how = {"direction": "ingress", "ether_type": "IPv4", "protocol": "tcp"}
        how |= {"port_range_min": SHELL, "port_range_max": SHELL, "remote_ip_prefix": f"{cloud.first.address}/32"}
        rule = network.create_security_group_rule(security_group_id=group.id, **how)
        wait_until([f"{cloud.second.address}:{SHELL}"])
        network.delete_security_group_rule(rule)
        wait_until([])
    finally:
        network.update_port(cloud.second.port, security_group_ids=before)
        network.delete_security_group(group)
    wait_until([f"{cloud.second.address}:{SHELL}"])


def test_a_security_group_logs_what_it_drops(cloud: Cloud) -> None:
    """Where the VM is: OVN's controller writes it."""
    network, second = cloud.site.cloud.network, cloud.second
    before = network.get_port(second.port).security_group_ids
    group = network.create_security_group(name=f"{NAME}-closed")
    wanted = {"resource_type": "security_group", "resource_id": group.id, "event": "DROP"}
    answer = network.post("/log/logs", json={"log": {"name": NAME, "project_id": group.project_id, **wanted}})
    log = answer.json()["log"]["id"]
    try:
        network.update_port(second.port, security_group_ids=[group.id])

        def logged() -> None:
            cloud.ask(f"ping -c 1 -W 1 {second.address}")
            told = engine("logs", cloud.site.container(second.node, "ovn-controller"))
            lines = [line for line in (told.stdout + told.stderr).splitlines() if f"neutron-{log}" in line]
            if not any(f"nw_src={cloud.first.address},nw_dst={second.address}" in line for line in lines):
                raise NotYet(f"{lines[-3:]}")
            assert all("verdict=drop" in line for line in lines)

        wait_for("a dropped ping in the log", logged, 60, 1)
    finally:
        network.update_port(second.port, security_group_ids=before)
        network.delete(f"/log/logs/{log}")
        network.delete_security_group(group)


def test_metadata_is_that_of_the_cloud(cloud: Cloud) -> None:
    assert cloud.first.id in cloud.ask("wget -q -T 5 -O - http://169.254.169.254/openstack/latest/meta_data.json")


def test_metadata_is_answered_when_many_ask_at_once(cloud: Cloud) -> None:
    """Both VMs, twenty programs in each, five times: each is told of its own VM."""
    ask = "wget -q -T 20 -O - http://169.254.169.254/openstack/latest/meta_data.json | grep -c {}"
    one = f"for turn in 1 2 3 4 5; do {ask}; done"
    many = f"for program in $(seq 20); do ({one}) & done; wait"
    with ThreadPoolExecutor() as pool:
        told = pool.map(lambda vm: cloud.ask(many.format(vm.id), vm).split(), (cloud.first, cloud.second))
    assert list(told) == [["1"] * 100] * 2


def test_vms_have_names(cloud: Cloud) -> None:
    """Neutron gives them, OVN answers for them; for others those are asked that the host asks."""
    name = f"{NAME}-{cloud.second.node}"
    for asked in (name, f"{name}.cloud.internal"):
        told = cloud.ask(f"ping -c 1 -W 5 {asked}")
        assert f"({cloud.second.address})" in told, told
    reverse = f"{ip_address(cloud.second.address).reverse_pointer}"
    assert f"{name}.cloud.internal" in cloud.ask(f"nslookup -type=ptr {reverse}")
    own = cloud.ask("wget -q -T 5 -O - http://169.254.169.254/latest/meta-data/hostname")
    assert own == f"{NAME}-{cloud.first.node}.cloud.internal"
    servers = [line.split()[1] for line in cloud.ask("cat /etc/resolv.conf").splitlines() if "nameserver" in line]
    assert servers == [*(each for each in Host.local().resolvers() if ":" not in each), "169.254.169.254"]


def closed(cloud: Cloud) -> list[str]:
    """Addresses that a VM reaches, of those that it must not."""
    nodes = [("198.18.80.10", 3306), ("198.18.80.10", 5672), ("198.18.80.10", 9696), ("198.18.81.11", 4789)]
    with listening("0.0.0.0", PORT):  # noqa: S104 - it is to be reachable, were it not for the rules
        return cloud.reached([*((address, PORT) for address in own_addresses()), *nodes])


def test_vms_reach_no_address_of_the_host_and_no_network_of_the_site(cloud: Cloud, outside: Path) -> None:
    assert outside
    assert {GATEWAY, OUTSIDE, "198.18.80.1"} <= set(own_addresses())
    assert closed(cloud) == []


def test_an_address_that_the_host_gets_later_is_closed_too(cloud: Cloud) -> None:
    late = "198.51.100.77"
    run("ip", "address", "add", f"{late}/32", "dev", "lo")
    try:
        with listening(late, PORT):

            def shut() -> None:
                if cloud.reached([(late, PORT)]):
                    raise NotYet(f"{late} is reached")

            wait_for("the new address to be closed", shut, 20)
    finally:
        run("ip", "address", "delete", f"{late}/32", "dev", "lo")


def test_vms_reach_the_published_apis_at_the_gateway(cloud: Cloud) -> None:
    with listening(GATEWAY, 5000):
        for vm in (cloud.first, cloud.second):
            assert cloud.reached([(GATEWAY, 5000), (GATEWAY, PORT)], vm) == [f"{GATEWAY}:5000"]


def test_the_host_can_do_without_its_firewall_for_that(cloud: Cloud) -> None:
    """Whoever reloads it takes the engine's rules away until the engine starts again: ours are elsewhere."""
    before = run("iptables-save").stdout
    opened = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n"
    try:
        subprocess.run(["iptables-restore"], input=opened, text=True, check=True)
        assert closed(cloud) == []
        assert cloud.first.address in cloud.ask("ip -4 address show dev eth0")
    finally:
        subprocess.run(["iptables-restore"], input=before, text=True, check=True)


@contextlib.contextmanager
def forwarded(site: Site, name: str, node: str) -> Iterator[str]:
    """A VM on a node whose shell is a forwarded port of a floating address, which the router's gateway has: that.

    Network and security group are those of the name.
    """
    network, compute = site.cloud.network, site.cloud.compute
    group = network.find_security_group(name)
    with contextlib.ExitStack() as made:
        port = network.create_port(network_id=network.find_network(name).id, security_groups=[group.id])
        made.callback(network.delete_port, port)
        server = compute.create_server(
            name=f"{name}-forwarded",
            image_id=site.cloud.image.find_image("guest").id,
            flavor_id=compute.find_flavor("tiny").id,
            networks=[{"port": port.id}],
            availability_zone=f"nova:{node}",
            user_data=base64.b64encode(LISTEN.encode()).decode(),
        )
        made.callback(gone, site, server.id)
        floating = network.create_ip(floating_network_id=network.find_network("public").id)
        made.callback(network.delete_ip, floating)
        forwarding = network.create_port_forwarding(
            floatingip_id=floating.id,
            internal_port_id=port.id,
            internal_ip_address=port.fixed_ips[0]["ip_address"],
            internal_port=SHELL,
            external_port=SHELL,
            protocol="tcp",
        )
        made.callback(network.delete_port_forwarding, forwarding, floating)
        yield str(floating.floating_ip_address)


def test_a_port_of_a_floating_address_is_forwarded(cloud: Cloud) -> None:
    with forwarded(cloud.site, NAME, COMPUTES[1]) as address:
        there = replace(cloud, first=replace(cloud.first, floating=address))
        wait_for("the forwarded port", lambda: answers(there, there.first), SECONDS)
