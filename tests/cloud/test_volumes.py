"""Volumes in a Ceph of the site's own: real VMs write to them and read them, and nothing acknowledged is lost."""

import base64
import contextlib
import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from openstack.exceptions import ResourceFailure

from demo import BUILD_SECONDS, UP_SECONDS, Site, engine, failed
from stackyard.catalogue import site_path
from waiting import NotYet, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.long]

NAME = "stackyard-test-volumes"
SECONDS = 90
GIB = 2**30 // 512
"""Sectors of a GiB."""
SCRIPT = r"""#!/bin/sh
# A disk that comes gets a mark, or shows the one that it has. Then lines are added to it, each told when it is on the
# disk, with the last one that was there before.
read_sectors() { dd if="/dev/$1" bs=512 skip="$2" count="$3" 2>/dev/null | tr -d '\000' | tail -n 1; }
write_sector() { dd of="/dev/$1" bs=512 seek="$2" conv=sync,fsync,notrunc 2>/dev/null; }
number=1
while sleep 1; do
    # Of a disk that went while something was written to it: a file, where the next one has its node.
    for path in /dev/vd[b-z]; do [ ! -f "$path" ] || rm "$path"; done
    for path in /sys/block/vd[b-z]; do
        disk=${path##*/}
        [ -b "/dev/$disk" ] || continue
        case $(read_sectors "$disk" 0 1) in
        MARK*) ;;
        *) printf 'MARK-%s\n' "$(cat /proc/sys/kernel/random/uuid)" | write_sector "$disk" 0 ;;
        esac
        kept=$(read_sectors "$disk" 1 600)
        printf '%08d\n' $number | write_sector "$disk" $number &&
            echo "DISK $disk $(cat "$path/size") $(read_sectors "$disk" 0 1) kept ${kept:-0} line $number" >/dev/console
        number=$((number + 1))
    done
done
"""
DISK = re.compile(r"DISK vd\w (\d+) (MARK\S+) kept (\d+) line (\d+)")


@dataclass(frozen=True)
class Seen:
    """What a VM has told of a disk: sectors, mark, the last line that it found there, and the one that it added."""

    size: int
    mark: str
    kept: int
    line: int


@dataclass(frozen=True)
class Vm:
    """A VM that marks disks."""

    cloud: Any
    id: str

    def told(self) -> list[Seen]:
        """Return all that it has told of disks so far."""
        log = self.cloud.compute.get_server_console_output(self.id)["output"] or ""
        return [Seen(int(size), mark, int(kept), int(line)) for size, mark, kept, line in DISK.findall(log)]

    def sees(self, wanted: Callable[[Seen], bool]) -> Seen:
        """Wait until it tells of a disk what is wanted; return the first such message."""
        found: list[Seen] = []

        def probe() -> None:
            told = self.told()
            found[:] = [each for each in told if wanted(each)]
            if not found:
                raise NotYet(str(told[-1:]))

        wait_for("the VM to see a disk", probe, SECONDS, 1)
        return found[0]


@pytest.fixture(scope="module")
def volumes(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo with volumes; it is the demo again in the end."""
    file = tmp_path_factory.mktemp("volumes") / "demo.yaml"
    data = yaml.safe_load(site_path("demo").read_text())
    file.write_text(yaml.safe_dump({**data, "containers": {"ceph": True, "cinder": True}}))
    site.stackyard("build", "--site", str(file), timeout=BUILD_SECONDS)
    site.stackyard("up", "--site", str(file), timeout=UP_SECONDS)
    site.file = str(file)
    yield site
    site.file = "demo"
    site.stackyard("up", timeout=UP_SECONDS)


@pytest.fixture(scope="module")
def storage(volumes: Site) -> Iterator[Any]:
    """The API of volumes; what has the name of these tests is deleted in the end."""
    cloud = volumes.cloud
    yield cloud.block_storage
    for kind in ("backup", "snapshot", "volume"):
        there = [each for each in getattr(cloud.block_storage, f"{kind}s")() if (each.name or "").startswith(NAME)]
        for each in there:
            getattr(cloud.block_storage, f"delete_{kind}")(each)
        for each in there:
            cloud.block_storage.wait_for_delete(each, wait=SECONDS)


@pytest.fixture(scope="module")
def vms(volumes: Site, storage: Any) -> Iterator[tuple[Vm, Vm]]:
    """Two, one on each node."""
    cloud = volumes.cloud
    assert storage
    network = cloud.network.create_network(name=NAME)
    cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.81.0.0/24")
    how = {
        "image_id": cloud.image.find_image("guest").id,
        "flavor_id": cloud.compute.find_flavor("tiny").id,
        "networks": [{"uuid": network.id}],
        "user_data": base64.b64encode(SCRIPT.encode()).decode(),
    }
    servers = [cloud.compute.create_server(name=NAME, availability_zone=zone, **how) for zone in ("az1", "az2")]
    for server in servers:
        cloud.compute.wait_for_server(server, wait=SECONDS)
    yield tuple(Vm(cloud, server.id) for server in servers)
    for server in servers:
        cloud.compute.delete_server(server)
    for server in servers:
        cloud.compute.wait_for_delete(server, wait=SECONDS)
    cloud.network.delete_network(network)


def made(storage: Any, **how: Any) -> Any:
    """A new volume, available."""
    volume = storage.create_volume(name=NAME, **how)
    return storage.wait_for_status(volume, "available", failures=["error"], wait=SECONDS)


@contextlib.contextmanager
def attached(storage: Any, volume: Any, vm: Vm) -> Iterator[None]:
    vm.cloud.compute.create_volume_attachment(vm.id, volume_id=volume.id)
    storage.wait_for_status(volume, "in-use", failures=["error", "available"], wait=SECONDS)
    yield
    vm.cloud.compute.delete_volume_attachment(vm.id, volume.id)
    storage.wait_for_status(volume, "available", failures=["error"], wait=SECONDS)


def test_what_one_vm_writes_another_reads_also_from_copies(storage: Any, vms: tuple[Vm, Vm]) -> None:
    """Extended while a VM has it; a snapshot of it then, a clone, and a backup that is restored."""
    writer, reader = vms
    volume = made(storage, size=1)
    with attached(storage, volume, writer):
        mark = writer.sees(lambda seen: seen.size == GIB).mark
        storage.extend_volume(volume, 2)
        writer.sees(lambda seen: (seen.mark, seen.size) == (mark, 2 * GIB))
        snapshot = storage.create_snapshot(volume_id=volume.id, name=NAME, force=True)
        storage.wait_for_status(snapshot, "available", failures=["error"], wait=SECONDS)
    backup = storage.create_backup(name=NAME, volume_id=volume.id)
    storage.wait_for_status(backup, "available", failures=["error"], wait=SECONDS)
    restored = storage.restore_backup(backup, name=f"{NAME}-restored").volume_id
    storage.wait_for_status(storage.get_volume(restored), "available", failures=["error"], wait=SECONDS)
    copies = (
        (volume, 2),
        (made(storage, snapshot_id=snapshot.id, size=3), 3),
        (made(storage, source_volume_id=volume.id, size=4), 4),
        (storage.extend_volume(storage.get_volume(restored), 5) or storage.get_volume(restored), 5),
    )
    for copy, size in copies:
        storage.wait_for_status(copy, "available", failures=["error"], wait=SECONDS)
        with attached(storage, copy, reader):
            reader.sees(lambda seen, wanted=size * GIB: (seen.mark, seen.size) == (mark, wanted))


@pytest.mark.full
def test_a_vm_boots_from_a_volume_and_moves(volumes: Site, storage: Any, vms: tuple[Vm, Vm]) -> None:
    """Made from an image; its disk is nowhere but in Ceph, and it runs on while it moves."""
    cloud = volumes.cloud
    volume = made(storage, size=1, image_id=cloud.image.find_image("guest").id)
    (port,) = cloud.network.ports(device_id=vms[0].id)
    disk = {"boot_index": 0, "uuid": volume.id, "source_type": "volume", "destination_type": "volume"}
    server = cloud.compute.create_server(
        name=NAME,
        flavor_id=cloud.compute.find_flavor("tiny").id,
        networks=[{"uuid": port.network_id}],
        block_device_mapping_v2=[{**disk, "delete_on_termination": True}],
    )
    try:
        cloud.compute.wait_for_server(server, wait=SECONDS)

        def booted() -> None:
            log = cloud.compute.get_server_console_output(server.id)["output"] or ""
            if "STACKYARD boot=started" not in log:
                raise NotYet(log[-300:])

        wait_for("the VM to boot", booted, SECONDS)
        before = cloud.compute.get_server(server).compute_host
        cloud.compute.live_migrate_server(server, host=None, block_migration="auto")

        def moved() -> None:
            seen = cloud.compute.get_server(server)
            if seen.status != "ACTIVE" or seen.compute_host == before:
                raise NotYet(f"{seen.status} on {seen.compute_host}")

        wait_for("the VM to move", moved, SECONDS)
    finally:
        cloud.compute.delete_server(server)
        cloud.compute.wait_for_delete(server, wait=SECONDS)
    storage.wait_for_delete(volume, wait=SECONDS)


def test_nothing_acknowledged_is_lost_when_the_store_is_killed(volumes: Site, storage: Any, vms: tuple[Vm, Vm]) -> None:
    """The VM that writes goes on by itself; each line that it has told as written is there for another."""
    writer, reader = vms
    volume = made(storage, size=6)
    with attached(storage, volume, writer):
        first = writer.sees(lambda seen: seen.size == 6 * GIB)
        name = volumes.container("controller", "ceph-osd")
        os.kill(int(engine("inspect", "--format", "{{.State.Pid}}", name).stdout), signal.SIGKILL)
        last = writer.sees(lambda seen: seen.mark == first.mark and seen.line > first.line + 20)
    with attached(storage, volume, reader):
        assert reader.sees(lambda seen: seen.mark == first.mark).kept >= last.line


def test_a_store_that_is_full_says_so_and_who_writes_waits(volumes: Site, storage: Any, vms: tuple[Vm, Vm]) -> None:
    """It is told what counts as full, because to fill it takes long. What is deleted goes when there is room."""
    ask = ("controller", "ceph-osd", "/opt/stackyard/container/works", "osd.0")
    writer, other, volume = vms[0], made(storage, size=1), made(storage, size=7)

    def full_at(*shares: float) -> None:
        for name, share in zip(("full", "backfillfull", "nearfull"), shares, strict=True):
            volumes.inside("controller", "ceph-mon", "ceph", "osd", f"set-{name}-ratio", str(share))

    def is_full() -> None:
        told = volumes.inside(*ask, check=False)
        if (told.code, "the store is full" in told.stderr) != (1, True):
            raise NotYet(told.stderr)

    with attached(storage, volume, writer):
        writer.sees(lambda seen: seen.size == 7 * GIB)
        try:
            full_at(0.0003, 0.0002, 0.0001)
            wait_for("the store to say that it is full", is_full, SECONDS)
            storage.delete_volume(other)
        finally:
            full_at(0.95, 0.9, 0.85)
        storage.wait_for_delete(other, wait=SECONDS)
        last = writer.told()[-1]
        writer.sees(lambda seen: seen.mark == last.mark and seen.line > last.line + 5)
    assert volumes.inside(*ask).code == 0


def test_a_volume_that_no_store_can_hold_is_refused(storage: Any) -> None:
    volume = storage.create_volume(name=NAME, size=900)
    with pytest.raises(ResourceFailure):
        storage.wait_for_status(volume, "available", failures=["error"], wait=SECONDS)
    told = storage.get("/messages", microversion="3.3").json()["messages"]
    assert any("Could not find any available weighted backend" in each["user_message"] for each in told), told


@pytest.mark.full
def test_verify_covers_volumes_and_fails_without_the_store(volumes: Site) -> None:
    proof = volumes.stackyard("verify", "--site", volumes.file, "--output", "json", timeout=600)
    assert failed(proof) == []
    assert "volume" in {check["name"] for check in proof.json["checks"]}
    name = volumes.container("controller", "ceph-osd")
    engine("stop", name)
    try:
        proof = volumes.stackyard("verify", "--site", volumes.file, "--output", "json", check=False, timeout=600)
        assert failed(proof) == ["volume"]
    finally:
        engine("start", name)
        volumes.stackyard("up", "--site", volumes.file, timeout=UP_SECONDS)


def test_a_key_that_is_refused_is_named_and_comes_back(volumes: Site) -> None:
    """Somebody gives the user another key in Ceph; the job that makes users gives it the site's again."""
    ask = ("/opt/venv/bin/python", "/etc/stackyard/pool.py", "cinder", "volumes")
    lines = ["[client.cinder]", "key = AQAAAAAAAAAAABAAMDEyMzQ1Njc4OTAxMjM0NQ==", 'caps mon = "profile rbd"']
    other = f"printf '%s\\n' {shlex.join(lines)} | ceph auth import -i -"
    volumes.inside("controller", "ceph-mon", "sh", "-c", other)
    told = volumes.inside("controller", "cinder-volume", *ask, check=False)
    assert (told.code, "Ceph refuses the user cinder" in told.stderr) == (1, True), told.stderr
    job = engine("start", "--attach", volumes.container("controller", "ceph-bootstrap"))
    assert "user cinder is changed" in job.stdout + job.stderr
    assert volumes.inside("controller", "cinder-volume", *ask).code == 0
