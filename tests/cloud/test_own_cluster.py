"""Volumes, images and disks of VMs in a Ceph that is not the site's: made and run beside it, by its own tools."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import pytest
import yaml

from demo import BUILD_SECONDS, UP_SECONDS, Site, engine, failed
from stackyard.catalogue import site_path
from stackyard.secrets import generate
from tool import PROGRAM
from waiting import NotYet, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.long]

NAME = "stackyard-test-ceph"
NETWORK, ADDRESS = "198.18.92.0/24", "198.18.92.1"
"""A network of this host; the cluster's daemons are at the host's own address in it."""
IMAGE = "localhost:5100/{}:2026.2"
KINDS = ("mon", "mgr", "osd")
USERS = {
    "cinder": "profile rbd pool=cloud-volumes, profile rbd pool=cloud-backups, profile rbd-read-only pool=cloud-images",
    "glance": "profile rbd pool=cloud-images",
    "nova": "profile rbd pool=cloud-vms, profile rbd-read-only pool=cloud-images",
}
POOLS = {
    "cinder": {"VOLUME_POOL": "cloud-volumes", "BACKUP_POOL": "cloud-backups"},
    "glance": {"IMAGE_POOL": "cloud-images", "STORE": "rbd"},
    "nova": {"DISK_POOL": "cloud-vms", "DISKS": "rbd"},
}


def ceph(*words: str) -> str:
    """What a command of Ceph's own prints, asked of the monitor by the cluster's administrator."""
    return engine("exec", f"{NAME}-mon", "ceph", *words).stdout.strip()


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """One that has pools and users as its administrator makes them; the users' keyrings by service."""
    keys = {f"CEPH_{name}_KEY": generate("cephx") for name in ("ADMIN", "MONITOR", "MANAGER", "STORE")}
    given = {"HOST_IP": ADDRESS, "CEPH_MONITORS": ADDRESS, **keys}
    environment = [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
    remove()
    engine("network", "create", "--subnet", NETWORK, NAME)
    try:
        for kind in KINDS:
            name, image = f"{NAME}-{kind}", IMAGE.format(f"ceph-{kind}")
            engine("run", "--detach", "--name", name, "--network", "host", *environment, image)
        wait_for("the store to be in", store_is_in, 60)
        for pool in sorted({value for each in POOLS.values() for value in each.values() if value.startswith("cloud-")}):
            ceph("osd", "pool", "create", pool)
            ceph("osd", "pool", "application", "enable", pool, "rbd")
        for user, caps in USERS.items():
            ceph("auth", "get-or-create", f"client.cloud-{user}", "mon", "profile rbd", "osd", caps)
        yield {user: ceph("auth", "get", f"client.cloud-{user}") for user in USERS}
    finally:
        remove()


def remove() -> None:
    engine("rm", "--force", "--volumes", *(f"{NAME}-{kind}" for kind in KINDS), check=False)
    engine("network", "rm", NAME, check=False)


def store_is_in() -> None:
    told = engine("exec", f"{NAME}-mon", "ceph", "osd", "stat", check=False)
    if "1 up" not in told.stdout:
        raise NotYet(told.stdout + told.stderr)


def described(folder: Path) -> dict[str, Any]:
    """The demo whose services store in that cluster, with the keyrings of a folder."""
    services = {
        service: {"environment": {"CEPH_USER": f"cloud-{service}", "CEPH_KEY_FILE": str(folder / service), **pools}}
        for service, pools in POOLS.items()
    }
    data = yaml.safe_load(site_path("demo").read_text())
    return {**data, "containers": {"cinder": True}, "settings": {"CEPH_MONITORS": ADDRESS}, "services": services}


@pytest.fixture(scope="module")
def stored(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Path]]:
    """The site with the file that describes it; it is the demo again in the end."""
    file = tmp_path_factory.mktemp("ceph") / "demo.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(site_path("demo").read_text()), "containers": {"ceph": True}}))
    site.stackyard("build", "--site", str(file), timeout=BUILD_SECONDS)
    with cluster() as keyrings:
        for service, text in keyrings.items():
            (file.parent / service).write_text(text)
        file.write_text(yaml.safe_dump(described(file.parent)))
        site.stackyard("build", "--site", str(file), timeout=BUILD_SECONDS)
        site.stackyard("up", "--site", str(file), timeout=UP_SECONDS)
        site.file = str(file)
        try:
            yield site, file
        finally:
            site.file = "demo"
            site.stackyard("down", "--volumes", "--site", str(file), timeout=UP_SECONDS)
            site.stackyard("up", timeout=UP_SECONDS)


def test_the_cloud_is_proven_and_what_it_stores_is_there(stored: tuple[Site, Path]) -> None:
    """Volumes too; in each pool is what belongs into it, while the VMs of the proof are there."""
    site, file = stored
    proof = site.stackyard("verify", "--site", str(file), "--keep", "--output", "json", timeout=600)
    assert failed(proof) == []
    assert "volume" in {check["name"] for check in proof.json["checks"]}
    cloud = site.cloud
    images = {image.id for image in cloud.image.images()}
    disks = {f"{server.id}_disk" for server in cloud.compute.servers()}
    volume = cloud.block_storage.create_volume(name=NAME, size=1)
    cloud.block_storage.wait_for_status(volume, "available", failures=["error"], wait=60)
    assert len(disks) == 2
    assert disks <= listed(site, "cloud-vms")
    assert listed(site, "cloud-images") & images
    assert f"volume-{volume.id}" in listed(site, "cloud-volumes")
    cloud.block_storage.delete_volume(volume)
    site.stackyard("verify", "--site", str(file), "--clean", timeout=300)


def listed(site: Site, pool: str) -> set[str]:
    """Images of RBD in a pool."""
    disks = pool == "cloud-vms"
    name = site.container("compute1", "nova-compute") if disks else site.container("controller", "cinder-volume")
    user = "cloud-nova" if disks else "cloud-cinder"
    return set(engine("exec", name, "rbd", "--id", user, "--pool", pool, "ls").stdout.split())


def test_what_the_cluster_refuses_is_told_while_up_waits(stored: tuple[Site, Path], tmp_path: Path) -> None:
    """Another key and a pool that is not there: seconds later their names and reasons, and the next `up` mends it."""
    site, file = stored
    wrong = yaml.safe_load(file.read_text())
    (tmp_path / "key").write_text(generate("cephx"))
    for service, key, value in (("cinder", "CEPH_KEY_FILE", "key"), ("glance", "IMAGE_POOL", "nothing")):
        wrong["services"][service]["environment"][key] = value
    other = tmp_path / "demo.yaml"
    other.write_text(yaml.safe_dump(wrong))
    wanted = (
        "cinder-volume (waits for the pool of volumes: Ceph refuses the user cloud-cinder",
        "glance-api (waits for the pool of images: Ceph has no pool nothing",
    )
    log = tmp_path / "up.txt"

    def told() -> None:
        missing = [each for each in wanted if each not in log.read_text()]
        if missing:
            raise NotYet(str(missing))

    with log.open("w") as output:
        process = subprocess.Popen([PROGRAM, "up", "--site", other], stdin=DEVNULL, stdout=output, stderr=output)
        try:
            wait_for("up to tell what is refused", told, 120)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
    site.stackyard("up", "--site", str(file), timeout=UP_SECONDS)
