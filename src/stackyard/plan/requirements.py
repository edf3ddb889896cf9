"""What a host and its engine must be, for a site or a build: what is known of them -> what stands in the way. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import PurePath

from stackyard.catalogue.problems import some
from stackyard.model.service import Container

Lack = tuple[str, str]
Taken = tuple[IPv4Network, str]
"""A network, and who has it, as a relative clause without `which`."""
"""What is wrong, and the remedy."""

ARCHITECTURES = ("x86_64", "amd64")
OLDEST = (20, 10)
"""Version of the oldest engine that is tried."""
WIDEST = 8
"""Prefix length of the widest route that counts: what is wider is a way to everywhere, as 0.0.0.0/1 of a VPN is."""
IMAGE_MIB = 64
"""What an image adds to those that it shares layers with."""
SNAP = PurePath("/var/snap")
"""Below it the engine of a snap has its data."""
LOCAL = "unix://"

_OWN = "use an engine of this machine (./quickstart installs one): unset DOCKER_HOST, `docker context use default`"
_KINDS = {
    "rootless": (
        "the Docker engine is rootless: it cannot give nodes their networks, devices and cgroups",
        f"{_OWN}, and run this with sudo",
    ),
    "userns": (
        "the Docker engine puts containers into a user namespace: there, root may not use devices and cgroups",
        "remove userns-remap from /etc/docker/daemon.json, restart the engine, and build again: its images are apart",
    ),
}
"""Kinds of engine, as it calls them, that a site cannot run on."""


@dataclass(frozen=True)
class EngineFacts:
    """What an engine and its client tell of themselves.

    ``kinds`` are its security options; ``endpoint`` is how the client reaches it; ``unread`` is what the client said
    of a file below the state's folder that it could not read.
    """

    version: str
    platform: str
    kernel: str
    root: str
    kinds: frozenset[str] = field(default_factory=frozenset)
    endpoint: str = LOCAL
    unread: str = ""


@dataclass(frozen=True)
class Machine:
    """What a host has; memory, and room where the engine keeps its data, in MiB.

    ``room`` is None when that place is not on this host. ``capabilities`` are those that a process may have at all.
    """

    kernel: str
    memory: int
    room: int | None
    capabilities: frozenset[str]
    devices: frozenset[str]
    cgroups: tuple[str, ...]


def for_build(engine: EngineFacts, machine: Machine, room: int) -> Iterator[Lack]:
    """What keeps images that take ``room`` MiB from being built."""
    yield from _engine(engine)
    yield from _room(engine, machine, room, "a build")


def for_site(
    engine: EngineFacts,
    machine: Machine,
    made: Mapping[str, Container],
    started: Collection[str] = (),
    missing: int = 0,
) -> Iterator[Lack]:
    """What keeps containers from running: ``made`` are all that are made or started anew, by what people call them.

    ``started`` are those that do not run now, and add to what is in use; ``missing`` images have to be pulled.
    """
    yield from _engine(engine)
    elsewhere = [*_elsewhere(engine, machine)]
    yield from elsewhere
    yield from (_KINDS[kind] for kind in sorted(engine.kinds & _KINDS.keys()))
    if elsewhere:
        return
    for device, users in _needed(made, lambda each: each.devices, machine.devices):
        remedy = (
            f"load its kernel module: modprobe {PurePath(device).name}; in a container or VM, whoever runs that must"
        )
        yield f"there is no {device}; needed by {users}", f"{remedy} allow it"
    for name, users in _needed(made, lambda each: each.capabilities, machine.capabilities):
        remedy = "use a whole machine, or have whoever runs this container allow it"
        yield f"no process here may have the capability {name}; needed by {users}", remedy
    mounted = ("/sys/fs/cgroup",) if machine.cgroups else ()
    for path, users in _needed(made, lambda each: ("/sys/fs/cgroup",) if each.node_cgroup else (), mounted):
        yield f"no cgroups are mounted on {path}; needed by {users}", f"mount them: mount -t cgroup2 cgroup2 {path}"
    added = [made[name] for name in started]
    memory, room = sum(each.memory for each in added), sum(each.disk for each in added) + missing * IMAGE_MIB
    if machine.memory < memory:
        message = f"{_gib(machine.memory)} of memory and swap are free; the site needs {_gib(memory)} before any VM"
        yield message, "end other programs, add swap, or use a larger machine"
    yield from _room(engine, machine, room, "the site")


def overlapping(wanted: IPv4Network, others: Iterable[Taken]) -> Iterator[str]:
    """Of networks that others have, and who, those that overlap; the widest of each."""
    seen = set()
    for network, who in sorted(others, key=lambda each: each[0].prefixlen):
        if who not in seen and network.prefixlen >= WIDEST and network.overlaps(wanted):
            seen.add(who)
            yield f"{wanted} overlaps {network}, which {who}"


def _engine(engine: EngineFacts) -> Iterator[Lack]:
    """It, and its client, can be worked with."""
    system, _, architecture = engine.platform.partition("/")
    if system != "linux" or architecture not in ARCHITECTURES:
        yield (
            f"the Docker engine is for {engine.platform}: images are made for linux/amd64 only yet",
            "use such a machine",
        )
    if engine.version and _version(engine.version) < OLDEST:
        message = (
            f"the Docker engine is version {engine.version}; Stackyard needs {'.'.join(map(str, OLDEST))} or later"
        )
        yield message, "install a later one, docker.io of Debian 12 or Ubuntu 22.04 for instance"
    if PurePath(engine.root).is_relative_to(SNAP):
        message = "Docker is installed as a snap, which does not see the files that Stackyard writes"
        yield message, "remove it (snap remove docker) and install docker.io, or run ./quickstart, which does"
    elif engine.unread:
        message = f"the docker client does not see files that are here: {engine.unread}"
        remedy = "use a client that sees the whole file system: docker.io, or ./quickstart; or set STACKYARD_STATE"
        yield message, f"{remedy} to a folder that it sees"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _elsewhere(engine: EngineFacts, machine: Machine) -> Iterator[Lack]:
    """Containers see the files, devices and networks of the machine that the engine is on."""
    if not engine.endpoint.startswith(LOCAL):
        yield f"the Docker engine is a remote one, {engine.endpoint}; nodes run where Stackyard runs", _OWN
    elif engine.kernel != machine.kernel:
        message = (
            f"the Docker engine is on another machine or in a VM: its kernel is {engine.kernel}, not {machine.kernel}"
        )
        yield message, _OWN
    elif machine.room is None:
        yield f"the Docker engine does not see our files: there is no {engine.root} here, where it has its data", _OWN


def _needed(
    made: Mapping[str, Container], kind: Callable[[Container], Iterable[str]], there: Collection[str]
) -> Iterator[tuple[str, str]]:
    """What containers need and is not there, each with a few of those that need it, by name."""
    users: dict[str, list[str]] = {}
    for key, container in made.items():
        for name in kind(container):
            users.setdefault(name, []).append(key)
    for name, keys in sorted(users.items()):
        if name not in there:
            yield name, some(keys)


def _room(engine: EngineFacts, machine: Machine, need: int, what: str) -> Iterator[Lack]:
    """An engine on another machine is not looked into."""
    if machine.room is not None and machine.room < need:
        remedy = "free space there, with `docker builder prune` and `docker image prune` for a start; or move the"
        message = f"{engine.root} has {_gib(machine.room)} free; {what} needs {_gib(need)}"
        yield message, f"{remedy} engine's data to a larger disk (data-root in /etc/docker/daemon.json)"


def _gib(mib: int) -> str:
    return f"{mib / 1024:.1f} GiB"
