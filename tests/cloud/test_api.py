"""What the APIs offer beside moving and volumes: a call does what it says, or is refused, and no VM is worse for it."""

import base64
import contextlib
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openstack
import pytest
import websocket
from openstack.exceptions import ConflictException, HttpException

from demo import COMPUTES, Site, engine
from vm import ALIVE, SECONDS, Vm, gone
from waiting import NotYet, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.full]

NAME = "stackyard-test-api"
SCRIPT = f"""state() {{
  echo "BOOT $(cat /proc/sys/kernel/random/boot_id) END"
  for each in /sys/class/net/*; do echo "LINK $(cat "$each/address") END"; done
}}
while state; do sleep 1; done &
{ALIVE}"""


@dataclass(frozen=True)
class Yard:
    """A cloud with a network; `boot(name, **how)` makes a VM in it, which is deleted in the end."""

    cloud: Any
    network: Any
    subnet: Any
    image: str
    boot: Callable[..., Vm]


@pytest.fixture(scope="module")
def yard(site: Site) -> Iterator[Yard]:
    cloud = site.cloud
    with contextlib.ExitStack() as made:
        network = cloud.network.create_network(name=NAME)
        made.callback(cloud.network.delete_network, network)
        subnet = cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.83.0.0/24")
        image, flavor = cloud.image.find_image("guest").id, cloud.compute.find_flavor("tiny").id
        text = base64.b64encode(f"#!/bin/sh\n{SCRIPT}".encode()).decode()

        def boot(name: str, **how: Any) -> Vm:
            wanted = {"image_id": image, "networks": [{"uuid": network.id}], "user_data": text, **how}
            server = cloud.compute.create_server(name=f"{NAME}-{name}", flavor_id=flavor, **wanted)
            made.callback(gone, cloud.compute, server.id)
            vm = Vm(site, cloud.compute, cloud.network, server.id, "", "")
            vm.becomes("ACTIVE")
            return vm

        yield Yard(cloud, network, subnet, image, boot)


@pytest.fixture(scope="module")
def vm(yard: Yard) -> Vm:
    """The one that all is tried with."""
    return yard.boot("subject")


@pytest.fixture(scope="module")
def member(site: Site) -> Iterator[Any]:
    """The cloud as another user of the administrator's project, who is none, sees it."""
    cloud = site.cloud
    user = cloud.identity.create_user(name=NAME, password=(password := secrets.token_hex(8)))
    try:
        project = cloud.current_project_id
        cloud.identity.assign_project_role_to_user(project, user, cloud.identity.find_role("member"))
        auth = {"auth_url": cloud.auth["auth_url"], "username": NAME, "password": password, "project_id": project}
        yield openstack.connect(
            auth={**auth, "user_domain_name": "Default"}, region_name="RegionOne", load_yaml_config=False,
            load_envvars=False,
        )  # fmt: skip
    finally:
        cloud.identity.delete_user(user)


@pytest.fixture(autouse=True)
def _is_well(vm: Vm) -> Iterator[None]:
    """Whatever was done to it, it runs."""
    yield
    vm.becomes("ACTIVE")
    vm.alive()


def boots_anew(vm: Vm, before: str) -> None:
    """Wait until it has booted once more."""

    def look() -> None:
        if vm.told("BOOT") == before:
            raise NotYet(before)

    wait_for("another boot", look, SECONDS, 1)


@pytest.mark.parametrize("how", ["SOFT", "HARD"])
def test_reboot(vm: Vm, how: str) -> None:
    before = vm.told("BOOT")
    vm.compute.reboot_server(vm.id, how)
    vm.becomes("ACTIVE")
    boots_anew(vm, before)


def test_stop_and_start(vm: Vm) -> None:
    before = vm.told("BOOT")
    vm.compute.stop_server(vm.id)
    vm.becomes("SHUTOFF")
    vm.compute.start_server(vm.id)
    vm.becomes("ACTIVE")
    boots_anew(vm, before)


@pytest.mark.parametrize(
    ("away", "status", "back"),
    [("pause_server", "PAUSED", "unpause_server"), ("suspend_server", "SUSPENDED", "resume_server")],
    ids=["pause", "suspend"],
)
def test_held_and_let_go(vm: Vm, away: str, status: str, back: str) -> None:
    """It is where it was: it did not boot."""
    boot = vm.told("BOOT")
    getattr(vm.compute, away)(vm.id)
    vm.becomes(status)
    getattr(vm.compute, back)(vm.id)
    vm.becomes("ACTIVE")
    vm.alive()
    assert vm.told("BOOT") == boot


def test_rescue(vm: Vm, yard: Yard) -> None:
    vm.compute.rescue_server(vm.id, image_ref=yard.image)
    vm.becomes("RESCUE")
    vm.compute.unrescue_server(vm.id)
    vm.becomes("ACTIVE")


def test_shelve(vm: Vm) -> None:
    vm.compute.shelve_server(vm.id)
    vm.becomes("SHELVED_OFFLOADED")
    assert not any(vm.domain(node) for node in COMPUTES)
    vm.compute.unshelve_server(vm.id)
    vm.becomes("ACTIVE")


def test_rebuild(vm: Vm, yard: Yard) -> None:
    before = vm.told("BOOT")
    vm.compute.rebuild_server(vm.id, image=yard.image)
    vm.becomes("ACTIVE")
    boots_anew(vm, before)


def test_a_snapshot_boots(vm: Vm, yard: Yard) -> None:
    image = vm.compute.create_server_image(vm.id, f"{NAME}-snapshot", wait=True, timeout=SECONDS)
    try:
        yard.boot("of-snapshot", image_id=image.id).alive()
    finally:
        yard.cloud.image.delete_image(image)


def test_a_lock_keeps_others_away(vm: Vm, member: Any) -> None:
    """What the administrator has locked no other user of its project touches, until it is unlocked."""
    vm.compute.lock_server(vm.id)
    with pytest.raises(ConflictException, match="locked"):
        member.compute.reboot_server(vm.id, "HARD")
    vm.compute.unlock_server(vm.id)
    before = vm.told("BOOT")
    member.compute.reboot_server(vm.id, "HARD")
    boots_anew(vm, before)


def test_an_interface_comes_and_goes(vm: Vm, yard: Yard) -> None:
    """The VM sees it, and sees it no more."""
    port = yard.cloud.network.create_port(network_id=yard.network.id, name=NAME)
    address = port.mac_address
    vm.compute.create_server_interface(vm.id, port_id=port.id)

    def there(*, wanted: bool) -> Callable[[], None]:
        def look() -> None:
            links = vm.all_told("LINK")[-3:]
            if any(address in link for link in links) != wanted:
                raise NotYet(str(links))

        return look

    wait_for("the interface", there(wanted=True), SECONDS, 1)
    vm.compute.delete_server_interface(port.id, server=vm.id)
    wait_for("the interface to go", there(wanted=False), SECONDS, 1)
    yard.cloud.network.delete_port(port, ignore_missing=True)


@pytest.mark.parametrize(("policy", "nodes"), [("affinity", 1), ("anti-affinity", 2)])
def test_server_groups(yard: Yard, policy: str, nodes: int) -> None:
    """Of three that must be apart on two nodes one finds no place, and the others run."""
    group = yard.cloud.compute.create_server_group(name=f"{NAME}-{policy}", policies=[policy])
    hint = {"scheduler_hints": {"group": group.id}}
    made = [yard.boot(f"{policy}-{number}", **hint) for number in range(2)]
    try:
        assert len({each.node for each in made}) == nodes
        if policy == "anti-affinity":
            with pytest.raises(AssertionError, match="No valid host"):
                yard.boot("one-too-many", **hint)
    finally:
        for each in made:
            gone(yard.cloud.compute, each.id)
        yard.cloud.compute.delete_server_group(group)


def test_consoles(vm: Vm) -> None:
    """A page for a browser; of kinds that no proxy serves a refusal."""
    assert vm.compute.create_console(vm.id, "novnc")["url"].startswith("http")
    with pytest.raises(HttpException):
        vm.compute.create_console(vm.id, "spice-html5")


def test_a_serial_console_is_talked_with(vm: Vm) -> None:
    """Through the proxy, by a program and by a page of the site; not by a page of another, nor with another token."""
    url = vm.compute.create_console(vm.id, "serial")["url"]
    assert "DONE 42" in answer(url, "echo DONE $((6 * 7))")
    assert "DONE 43" in answer(url, "echo DONE $((6 * 7 + 1))", origin="http://127.0.0.1")
    assert answer(url, "echo DONE $((6 * 7))", origin="http://evil.example.org") == ""
    assert answer(f"{url}x", "echo DONE $((6 * 7))") == ""
    token = url.partition("token=")[2]
    told = engine("logs", vm.site.container("controller", "nova-novncproxy"))
    assert token not in told.stdout + told.stderr


def answer(url: str, line: str, **how: Any) -> str:
    """What a serial console says to a line, up to what it is asked to say in the end; nothing when it is closed."""
    heard = b""
    console = websocket.create_connection(url, SECONDS, subprotocols=["binary"], **how)
    with contextlib.closing(console), contextlib.suppress(websocket.WebSocketConnectionClosedException):
        console.send_binary(f"\n{line}\n".encode())
        while not re.search(rb"DONE \d", heard):
            heard += console.recv()
    return heard.decode(errors="replace")


@pytest.mark.parametrize(
    ("what", "status"),
    [
        (lambda vm: vm.compute.change_server_password(vm.id, "new"), 409),
        (lambda vm: vm.compute.evacuate_server(vm.id), 400),
        (lambda vm: vm.compute.resize_server(vm.id, "no-such-flavor"), 400),
        (lambda vm: vm.compute.migrate_server(vm.id, host="no-such-node"), 400),
        (lambda vm: vm.compute.live_migrate_server(vm.id, host="no-such-node", block_migration="auto"), 400),
        (lambda vm: vm.compute.create_server_interface(vm.id, net_id="no-such-network"), 400),
        (lambda vm: vm.compute.trigger_server_crash_dump("no-such-vm"), 404),
    ],
    ids=["password", "evacuate", "no flavor", "no node", "no node, live", "no network", "no VM"],
)
def test_what_cannot_be_is_refused(vm: Vm, what: Callable[[Vm], None], status: int) -> None:
    """The VM does not notice."""
    before = vm.alive()
    with pytest.raises(HttpException) as refused:
        what(vm)
    assert refused.value.status_code == status, refused.value
    vm.becomes("ACTIVE")
    assert vm.alive() > before


# ---------------------------------------------------------------- networks


@pytest.fixture
def net(yard: Yard) -> Any:
    return yard.cloud.network


def test_trunk_ports(yard: Yard, net: Any) -> None:
    """A VM on the parent of a trunk, with a network of another one as a VLAN."""
    other = net.create_network(name=f"{NAME}-vlan")
    net.create_subnet(network_id=other.id, ip_version=4, cidr="10.84.0.0/24")
    parent, child = (net.create_port(network_id=each.id, name=NAME) for each in (yard.network, other))
    trunk = net.create_trunk(name=NAME, port_id=parent.id)
    net.add_trunk_subports(trunk, [{"port_id": child.id, "segmentation_type": "vlan", "segmentation_id": 101}])
    on_it = yard.boot("trunk", networks=[{"port": parent.id}])

    def active() -> None:
        states = (net.get_port(child.id).status, net.get_trunk(trunk.id).status)
        if states != ("ACTIVE", "ACTIVE"):
            raise NotYet(str(states))

    wait_for("the trunk", active, SECONDS)
    gone(yard.cloud.compute, on_it.id)
    net.delete_trunk(trunk)
    for each in (child, parent):
        net.delete_port(each, ignore_missing=True)
    net.delete_network(other)


def test_qos(vm: Vm, net: Any) -> None:
    """A limit that is put on a port of a VM that runs reaches the switch."""
    policy = net.create_qos_policy(name=NAME)
    net.create_qos_bandwidth_limit_rule(policy, max_kbps=1000, max_burst_kbps=100, direction="egress")
    (port,) = net.ports(device_id=vm.id)
    net.update_port(port, qos_policy_id=policy.id)
    try:
        wait_for("the limit in OVN", lambda: limited(vm.site, port.id), 30, 1)
    finally:
        net.update_port(port, qos_policy_id=None)
        net.delete_qos_policy(policy)


def test_segments(net: Any) -> None:
    """Each network has one. Others come and go where there is room for them, and are refused where there is none."""
    network = net.create_network(name=f"{NAME}-segments")
    try:
        (first,) = net.segments(network_id=network.id)
        assert first.network_type == "vxlan"
        second = net.create_segment(network_id=network.id, network_type="vxlan", name=NAME)
        assert {each.id for each in net.segments(network_id=network.id)} == {first.id, second.id}
        net.delete_segment(second)
        for wanted in ({"network_type": "vlan", "segmentation_id": 100}, {"network_type": "flat"}):
            with pytest.raises(HttpException) as refused:
                net.create_segment(network_id=network.id, physical_network="public", **wanted)
            assert refused.value.status_code in {400, 409}
    finally:
        net.delete_network(network)


def limited(site: Site, port: str) -> None:
    """Probe: OVN's northbound database has a rule for the port."""
    listed = site.inside("controller", "ovn-nb", "ovn-nbctl", "--format=json", "list", "QoS").stdout
    if port not in listed:
        raise NotYet(listed[-300:])


def test_routers_with_more_routes_and_forwarded_ports(vm: Vm, yard: Yard, net: Any) -> None:
    public = net.find_network("public")
    router = net.create_router(name=NAME, external_gateway_info={"network_id": public.id})
    net.add_interface_to_router(router, subnet_id=yard.subnet.id)
    (port,) = net.ports(device_id=vm.id)
    address = port.fixed_ips[0]["ip_address"]
    routed = net.update_router(router, routes=[{"destination": "10.99.0.0/16", "nexthop": address}])
    assert routed.routes == [{"destination": "10.99.0.0/16", "nexthop": address}]
    floating = net.create_ip(floating_network_id=public.id)
    how = {"internal_port_id": port.id, "internal_ip_address": address, "protocol": "tcp"}
    how |= {"internal_port": 22, "external_port": 2222}
    forwarding = net.create_port_forwarding(floatingip_id=floating.id, **how)
    assert forwarding.external_port == 2222
    net.delete_port_forwarding(forwarding, floating)
    net.delete_ip(floating)
    net.update_router(router, routes=[])
    net.remove_interface_from_router(router, subnet_id=yard.subnet.id)
    net.delete_router(router)


def test_address_scopes_and_pools(net: Any) -> None:
    scope = net.create_address_scope(name=NAME, ip_version=4)
    pool = net.create_subnet_pool(
        name=NAME, address_scope_id=scope.id, prefixes=["10.85.0.0/16"], default_prefix_length=24
    )
    network = net.create_network(name=f"{NAME}-scope")
    subnet = net.create_subnet(network_id=network.id, ip_version=4, subnet_pool_id=pool.id)
    assert subnet.cidr.startswith("10.85.")
    net.delete_network(network)
    net.delete_subnet_pool(pool)
    net.delete_address_scope(scope)


def test_application_credentials_sign_in(yard: Yard) -> None:
    cloud = yard.cloud
    made = cloud.identity.create_application_credential(cloud.current_user_id, name=NAME)
    auth = {"auth_url": cloud.auth["auth_url"], "application_credential_id": made.id}
    auth["application_credential_secret"] = made.secret
    other = openstack.connect(
        auth_type="v3applicationcredential", auth=auth, region_name="RegionOne", load_yaml_config=False,
        load_envvars=False,
    )  # fmt: skip
    assert other.current_project_id == cloud.current_project_id
    cloud.identity.delete_application_credential(cloud.current_user_id, made)
