"""What Nova's API offers works: config drive, UEFI, the processor, VMs that grow and move, and what nodes offer."""

import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from openstack.exceptions import BadRequestException

from demo import COMPUTES, Site, engine
from stackyard.effects.openstack import Api
from stackyard.guest.guest import ensure
from stackyard.verify.cloud import Cloud as Proof
from tool import STATE
from vm import ALIVE, INSTANCES, SECONDS, Vm, gone
from waiting import NotYet, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.long]

NAME = "stackyard-test-compute"
X86_64_V2 = {"cx16", "lahf_lm", "popcnt", "ssse3", "sse4_1", "sse4_2"}
LOST = 10
"""Pings, one a second, until the switches know where a VM is now."""
TELL = f"""echo "FLAGS $(grep -m1 ^flags /proc/cpuinfo) END"
while sleep 1; do echo "DISK $(cat /sys/block/vda/size) END"; done &
{ALIVE}"""
"""A console is a new one on each node that a VM moves to, so what is asked there is said again and again."""
WATCH = """while :; do
    ping -c 1 -W 1 PEER >/dev/null 2>&1 && echo "PING ok END" || echo "PING lost END"
    sleep 1
done
"""


@dataclass(frozen=True)
class Vms:
    """One that is tried, with a config drive, and one that pings it, on the other node; and what makes others."""

    mover: Vm
    watcher: Vm
    boot: Callable[..., Vm]
    flavors: dict[str, str]


@pytest.fixture(scope="module")
def vms(site: Site) -> Iterator[Vms]:
    with contextlib.ExitStack() as made:
        yield _made(site, made)


def _made(site: Site, made: contextlib.ExitStack) -> Vms:
    names = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
    proof = Proof(Api({name: site.credentials[f"OS_{name.upper()}"] for name in names}))
    cloud, guest = site.cloud, ensure(STATE, "trixie")
    image = proof.upload(NAME, guest)
    flavors = {}
    for name, ram, disk in (("small", 128, 0), ("large", 192, 1)):
        flavors[name] = cloud.compute.create_flavor(name=f"{NAME}-{name}", ram=ram, vcpus=1, disk=disk).id
    network = proof.make_network(NAME, "10.79.0.0/24")
    group = proof.make_group(NAME)
    for kind in ("image", "flavor", "security group", "network"):
        for each in proof.of_kind(kind, NAME):
            made.callback(proof.delete, each)

    def boot(name: str, script: str, **how: Any) -> Vm:
        port = proof.make_port(f"{NAME}-{name}", network.id, group)
        made.callback(cloud.network.delete_port, port.id)
        text = base64.b64encode(script.encode()).decode()
        server = cloud.compute.create_server(
            name=f"{NAME}-{name}", flavor_id=flavors["small"], networks=[{"port": port.id}], user_data=text, **how
        )
        made.callback(gone, cloud.compute, server.id)
        return Vm(site, cloud.compute, cloud.network, server.id, port.id, port.address)

    mover = boot("mover", TELL, image_id=image, config_drive=True)
    mover.becomes("ACTIVE")
    other = next(each for each in COMPUTES if each != mover.node)
    where = f"az{other[-1]}:{other}"
    watcher = boot("watcher", WATCH.replace("PEER", mover.address), image_id=image, availability_zone=where)
    watcher.becomes("ACTIVE")
    mover.pinged_by(watcher)
    return Vms(mover, watcher, boot, flavors)


def takes_vms(compute: Any, node: str) -> None:
    """Probe: Nova lets VMs onto a node, which it does not while it misses libvirt there."""
    (service,) = compute.services(binary="nova-compute", host=node)
    if (service.state, service.status) != ("up", "enabled"):
        raise NotYet(f"{service.state}, {service.status}")


def test_nodes_of_one_machine_offer_no_more_than_it_has(site: Site) -> None:
    """Less the cloud's own share, which is more than a GiB."""
    has = json.loads(engine("info", "--format", "{{json .}}").stdout)
    memory, cores = has["MemTotal"] // 2**20, has["NCPU"]
    cloud = site.cloud
    told = cloud.compute.get("/os-hypervisors/detail", microversion="2.53").json()["hypervisors"]
    assert len(told) == len(COMPUTES)
    assert sum(each["vcpus"] for each in told) <= max(cores, len(COMPUTES))
    assert 0 < sum(each["memory_mb"] for each in told) < memory - 1024
    offered = [
        cloud.placement.get(f"/resource_providers/{each.id}/inventories").json()["inventories"]
        for each in cloud.placement.resource_providers()
    ]
    assert sum(each["VCPU"]["total"] for each in offered) <= max(cores, len(COMPUTES))
    assert sum(each["MEMORY_MB"]["total"] for each in offered) < memory - 1024
    assert [each["VCPU"]["max_unit"] for each in offered] == [cores] * len(COMPUTES)


def test_a_guest_has_the_processor_of_current_systems(vms: Vms) -> None:
    assert X86_64_V2 - set(vms.mover.told("FLAGS").split()) == set()


@pytest.mark.full
def test_a_guest_has_uefi_when_its_image_asks_for_it(site: Site, vms: Vms) -> None:
    """Its disk is empty: what runs is the firmware's own shell."""
    disk = ensure(STATE, "trixie").disk.read_bytes()
    how = {"container_format": "bare", "disk_format": "raw", "hw_firmware_type": "uefi"}
    image = site.cloud.image.create_image(f"{NAME}-efi", data=disk, **how)
    try:
        vm = vms.boot("efi", "", image_id=image.id)
        vm.becomes("ACTIVE")
    finally:
        site.cloud.image.delete_image(image)
    assert "OVMF_CODE" in vm.domain(vm.node)

    def shell() -> None:
        log = vm.compute.get_server_console_output(vm.id)["output"] or ""
        if "Shell>" not in log:
            raise NotYet(log[-300:])

    wait_for("the shell of the firmware", shell, SECONDS)


@pytest.mark.full
def test_secure_boot_refuses_a_system_without_signature(site: Site, vms: Vms) -> None:
    """The guest starts with UEFI, and is signed by nobody."""
    disk = ensure(STATE, "trixie").image.read_bytes()
    secure = {"hw_firmware_type": "uefi", "hw_machine_type": "q35", "os_secure_boot": "required"}
    how = {"container_format": "bare", "disk_format": "raw", **secure}
    image = site.cloud.image.create_image(f"{NAME}-secure", data=disk, **how)
    try:
        vm = vms.boot("secure", "", image_id=image.id)
        vm.becomes("ACTIVE")
    finally:
        site.cloud.image.delete_image(image)
    assert "secure='yes'" in vm.domain(vm.node)

    def refused() -> None:
        log = vm.compute.get_server_console_output(vm.id)["output"] or ""
        if "Access Denied" not in log:
            raise NotYet(log[-300:])

    wait_for("the firmware to refuse it", refused, SECONDS)


def test_a_config_drive_is_a_disk_of_the_vm(vms: Vms) -> None:
    drive = f"{INSTANCES}/{vms.mover.id}/disk.config"
    assert drive in vms.mover.domain(vms.mover.node)
    listed = vms.mover.site.inside(vms.mover.node, "nova-compute", "isoinfo", "-J", "-f", "-i", drive).stdout
    assert {"/openstack/latest/meta_data.json", "/openstack/latest/user_data"} <= set(listed.split())


def moves_while_it_runs(vms: Vms, vm: Vm) -> None:
    """It moves, and runs on: pings, console, and no boot."""
    old, before, pings = vm.node, vm.alive() if vm == vms.mover else 0, len(vms.watcher.all_told("PING"))
    vm.compute.live_migrate_server(vm.id, host=None, block_migration="auto")
    vm.becomes("ACTIVE")
    assert vm.node != old
    vm.is_only_on(vm.node)
    vms.mover.pinged_by(vms.watcher)
    if vm == vms.mover:
        assert vm.alive() > before
        assert vms.watcher.all_told("PING")[pings:].count("lost") <= LOST


def test_a_vm_moves_while_it_runs(vms: Vms) -> None:
    """And back."""
    moves_while_it_runs(vms, vms.mover)
    moves_while_it_runs(vms, vms.mover)


def resized(vms: Vms, flavor: str) -> str:
    """Let the VM change its flavor; return the node on which it was."""
    old = vms.mover.node
    vms.mover.compute.resize_server(vms.mover.id, vms.flavors[flavor])
    vms.mover.becomes("VERIFY_RESIZE")
    vms.mover.pinged_by(vms.watcher)
    return old


@pytest.mark.full
def test_a_vm_moves_when_it_is_off(vms: Vms) -> None:
    vm, old = vms.mover, vms.mover.node
    vm.compute.migrate_server(vm.id)
    vm.becomes("VERIFY_RESIZE")
    vm.compute.confirm_server_resize(vm.id)
    vm.becomes("ACTIVE")
    assert vm.node != old
    vm.is_only_on(vm.node)
    vm.pinged_by(vms.watcher)
    vm.alive()


def test_a_vm_grows_and_shrinks_back_and_grows(vms: Vms) -> None:
    vm = vms.mover
    before = vm.told("DISK")
    old = resized(vms, "large")
    vm.tells("DISK", str(2**30 // 512))
    vm.compute.revert_server_resize(vm.id)
    vm.becomes("ACTIVE")
    assert vm.node == old
    vm.is_only_on(old)
    vm.pinged_by(vms.watcher)
    vm.tells("DISK", before)
    resized(vms, "large")
    vm.compute.confirm_server_resize(vm.id)
    vm.becomes("ACTIVE")
    vm.tells("DISK", str(2**30 // 512))
    assert vm.seen.flavor.ram == 192
    vm.is_only_on(vm.node)


def test_a_vm_that_cannot_move_runs_on(vms: Vms) -> None:
    """Nothing takes its disks on the other node; and there libvirt does not run."""
    vm, node = vms.mover, vms.mover.node
    away = next(each for each in COMPUTES if each != node)
    for container in ("nova-migration", "libvirt"):
        name = vm.site.container(away, container)
        before = vm.alive()
        engine("stop", name)
        try:
            if container == "libvirt":
                with contextlib.suppress(BadRequestException):  # as soon as Nova has noticed
                    vm.compute.live_migrate_server(vm.id, host=away, block_migration="auto")
            else:
                vm.compute.migrate_server(vm.id, host=away)
            vm.becomes("ACTIVE")
        finally:
            engine("start", name)
            wait_for("the other node to take VMs again", lambda: takes_vms(vm.compute, away), SECONDS)
        assert vm.node == node
        assert vm.alive() > before
        vm.is_only_on(node)
