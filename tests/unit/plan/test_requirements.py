"""What a host and its engine lack is told by name, with who needs it, before anything is touched."""

import re
from dataclasses import replace
from ipaddress import IPv4Network, ip_network

import pytest

from resolved_sites import resolved
from stackyard.catalogue import catalogue_root, load
from stackyard.effects.host import CAPABILITIES
from stackyard.plan.requirements import EngineFacts, Lack, Machine, for_build, for_site, overlapping
from stackyard.plan.resolved import ResolvedContainer

CATALOGUE = load(catalogue_root(), "2026.2", "ovn")
CONTAINERS = [each for service in CATALOGUE.services.values() for each in service.containers.values()]
DEVICES = sorted({device for each in CONTAINERS for device in each.devices})
NEEDED = sorted({name for each in CONTAINERS for name in each.capabilities})
ENGINE = EngineFacts("20.10.24+dfsg1", "linux/x86_64", "6.1.0", "/var/lib/docker", frozenset({"seccomp"}))
MACHINE = Machine("6.1.0", 1 << 16, 1 << 16, frozenset(CAPABILITIES), frozenset(DEVICES), ("",))


@pytest.fixture(scope="module")
def demo() -> tuple[ResolvedContainer, ...]:
    """The containers of the demo site."""
    return resolved("demo").containers


def lacks(
    made: tuple[ResolvedContainer, ...], engine: EngineFacts = ENGINE, machine: Machine = MACHINE, started: int = 1
) -> list[Lack]:
    definitions = {each.key: each.definition for each in made}
    return [*for_site(engine, machine, definitions, [*definitions] * started)]


def test_a_machine_that_has_everything(demo: tuple[ResolvedContainer, ...]) -> None:
    assert lacks(demo) == []
    assert [*for_build(ENGINE, MACHINE, 8 * 1024)] == []


def test_the_catalogue_needs_something() -> None:
    assert DEVICES
    assert NEEDED


@pytest.mark.parametrize("device", DEVICES)
def test_each_device_of_the_catalogue_taken_away(demo: tuple[ResolvedContainer, ...], device: str) -> None:
    ((message, remedy),) = lacks(demo, machine=replace(MACHINE, devices=MACHINE.devices - {device}))
    users = [each.key for each in demo if device in each.definition.devices]
    assert message.startswith(f"there is no {device}; needed by {', '.join(users[:3])}")
    assert f"modprobe {device.rpartition('/')[2]};" in remedy


@pytest.mark.parametrize("name", NEEDED)
def test_each_capability_of_the_catalogue_taken_away(demo: tuple[ResolvedContainer, ...], name: str) -> None:
    ((message, remedy),) = lacks(demo, machine=replace(MACHINE, capabilities=MACHINE.capabilities - {name}))
    users = [each.key for each in demo if name in each.definition.capabilities]
    assert message.startswith(f"no process here may have the capability {name}; needed by {users[0]}")
    assert remedy


def test_no_cgroups(demo: tuple[ResolvedContainer, ...]) -> None:
    ((message, remedy),) = lacks(demo, machine=replace(MACHINE, cgroups=()))
    users = [each.key for each in demo if each.definition.node_cgroup]
    assert message == f"no cgroups are mounted on /sys/fs/cgroup; needed by {', '.join(users)}"
    assert "mount -t cgroup2" in remedy


def test_memory_and_room_are_those_of_what_does_not_run_yet(demo: tuple[ResolvedContainer, ...]) -> None:
    memory = sum(each.definition.memory for each in demo)
    room = sum(each.definition.disk for each in demo)
    assert lacks(demo, machine=replace(MACHINE, memory=memory, room=room)) == []
    small = replace(MACHINE, memory=memory - 1, room=room - 1)
    (first, _), (second, _) = lacks(demo, machine=small)
    assert re.fullmatch(r"2\.\d GiB of memory and swap are free; the site needs 2\.\d GiB before any VM", first)
    assert re.fullmatch(r"/var/lib/docker has 0\.\d GiB free; the site needs 0\.\d GiB", second)
    assert lacks(demo, machine=small, started=0) == []
    ((message, _remedy),) = for_site(ENGINE, replace(MACHINE, room=1024), {}, missing=29)
    assert message == "/var/lib/docker has 1.0 GiB free; the site needs 1.8 GiB"


@pytest.mark.parametrize("name", sorted({name for each in CATALOGUE.services.values() for name in each.containers}))
def test_each_container_that_stays_says_what_memory_it_takes(name: str) -> None:
    assert CATALOGUE.containers[name].job or CATALOGUE.containers[name].memory


def test_the_broker_has_more_room_than_its_own_limit() -> None:
    text = (CATALOGUE.root / "common/rabbitmq/rabbitmq.conf.j2").read_text()
    (limit,) = re.findall(r"^disk_free_limit\.absolute = (\d+)MB$", text, re.MULTILINE)
    assert CATALOGUE.containers["rabbitmq"].disk * 1024**2 > int(limit) * 10**6


ENGINES = {
    "rootless": ({"kinds": frozenset({"seccomp", "rootless"})}, "is rootless", "unset DOCKER_HOST"),
    "user namespaces": ({"kinds": frozenset({"userns"})}, "user namespace", "remove userns-remap"),
    "snap": ({"root": "/var/snap/docker/common/var-lib-docker"}, "a snap", "snap remove docker"),
    "a client that sees other files": ({"unread": "open /x.yml: no such file"}, "no such file", "STACKYARD_STATE"),
    "TCP": ({"endpoint": "tcp://192.0.2.1:2375"}, "remote one, tcp://192.0.2.1:2375", "unset DOCKER_HOST"),
    "SSH": ({"endpoint": "ssh://there"}, "remote one, ssh://there", "docker context use default"),
    "a VM": ({"kernel": "6.6.0-linuxkit"}, "its kernel is 6.6.0-linuxkit, not 6.1.0", "docker context use default"),
    "ARM": ({"platform": "linux/aarch64"}, "linux/aarch64: images are made for linux/amd64 only yet", "machine"),
    "Windows": ({"platform": "windows/x86_64"}, "windows/x86_64", "machine"),
    "an old one": ({"version": "19.03.15"}, "version 19.03.15; Stackyard needs 20.10 or later", "install a later one"),
}
BUILDS = ("snap", "a client", "ARM", "Windows", "an old one")


@pytest.mark.parametrize("kind", ENGINES)
def test_each_kind_of_engine_that_cannot_work(demo: tuple[ResolvedContainer, ...], kind: str) -> None:
    changes, words, remedy = ENGINES[kind]
    engine = replace(ENGINE, **changes)  # type: ignore[arg-type]
    ((message, hint),) = lacks(demo, engine)
    assert words in message
    assert remedy in hint
    building = [*for_build(engine, MACHINE, 0)]
    assert building == ([(message, hint)] if kind.startswith(BUILDS) else [])


def test_an_engine_that_keeps_its_data_elsewhere(demo: tuple[ResolvedContainer, ...]) -> None:
    ((message, _hint),) = lacks(demo, machine=replace(MACHINE, room=None, devices=frozenset()))
    assert (
        message == "the Docker engine does not see our files: there is no /var/lib/docker here, where it has its data"
    )


@pytest.mark.parametrize("version", ["20.10.0", "24.0.7", "28.2.2", "29.0.0-rc.1"])
def test_engines_that_will_do(demo: tuple[ResolvedContainer, ...], version: str) -> None:
    assert lacks(demo, replace(ENGINE, version=version)) == []


def test_a_build_without_room() -> None:
    ((message, remedy),) = for_build(ENGINE, replace(MACHINE, room=1024), 8 * 1024)
    assert message == "/var/lib/docker has 1.0 GiB free; a build needs 8.0 GiB"
    assert "docker builder prune" in remedy


@pytest.mark.parametrize(
    ("wanted", "other", "told"),
    [
        ("172.31.112.0/24", "172.31.112.0/20", True),  # row 8 of the cases: the way to a part of it would be lost
        ("172.31.112.0/20", "172.31.118.4/32", True),
        ("10.1.2.0/24", "10.0.0.0/8", True),
        ("10.1.2.0/24", "10.1.2.128/25", True),
        ("10.1.2.0/24", "10.1.3.0/24", False),
        ("10.1.2.0/24", "0.0.0.0/1", False),  # everything, by a VPN
    ],
)
def test_networks_that_overlap(wanted: str, other: str, told: bool) -> None:
    there = [(IPv4Network(other), "eth1 has"), (IPv4Network("192.0.2.0/24"), "eth0 has")]
    assert [*overlapping(IPv4Network(wanted), there)] == (
        [f"{wanted} overlaps {other}, which eth1 has"] if told else []
    )


def test_an_interface_is_named_once() -> None:
    there = [(IPv4Network(each), "eth1 has") for each in ("10.1.2.3/32", "10.1.0.0/16")]
    assert [*overlapping(IPv4Network("10.1.2.0/24"), there)] == ["10.1.2.0/24 overlaps 10.1.0.0/16, which eth1 has"]


USUAL = {
    "AWS": "172.31.0.0/16",
    "GCP, Azure, OCI, Kubernetes, LXD, Podman, VPNs": "10.0.0.0/8",
    "the Docker engine's pools": "172.16.0.0/12",
    "libvirt, VirtualBox, homes, the Docker engine's pools": "192.168.0.0/16",
    "Tailscale and carriers": "100.64.0.0/10",
    "link-local and metadata": "169.254.0.0/16",
    "documents": "192.0.2.0/24",
}


@pytest.mark.parametrize("whose", USUAL)
def test_the_demo_keeps_clear_of_usual_networks(whose: str) -> None:
    for each in resolved("demo").networks.values():
        assert not ip_network(each.subnet).overlaps(ip_network(USUAL[whose]))
