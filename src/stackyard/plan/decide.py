"""What should be and what is -> steps, each with its reasons. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from stackyard.plan.observed import LABEL_CONTAINER, LABEL_NODE, Network, Observed, Running
from stackyard.plan.resolved import EngineNetwork

LABEL_HASH = "stackyard.config-hash"
LABEL_CONFIG = "stackyard.config"

UNHASHED = frozenset({"extra_hosts", "networks"})
"""Parts in the labels of earlier versions that are no reason for anything: addresses are compared one by one."""

LATE = "public"
"""Kind of network that nodes join and leave while they run: no container is called at its address in it."""

Verb = Literal["create", "recreate", "start", "restart", "remove", "unchanged"]


@dataclass(frozen=True)
class Target:
    """What one container should be.

    ``parts`` are hashes of what it is made of, by name. ``member_of`` is the container whose network namespace
    it joins; ``addresses`` those of a container that has a namespace of its own, by network.
    """

    name: str
    node: str
    project: str
    container: str
    image: str
    parts: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    job: bool = False
    member_of: str | None = None
    shares_pid: bool = False
    addresses: Mapping[str, str] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """Hash of all parts."""
        text = "\n".join(f"{name}:{value}" for name, value in sorted(self.parts.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def key(self) -> str:
        """How people name it; a node by its own name."""
        return f"{self.node}/{self.container}" if self.member_of else self.node


@dataclass(frozen=True)
class Step:
    """One thing to do to a container, or nothing, and why."""

    verb: Verb
    name: str
    node: str
    project: str
    container: str
    why: tuple[str, ...] = ()
    is_node: bool = False

    @property
    def key(self) -> str:
        """How people name it."""
        return self.node if self.is_node else f"{self.node}/{self.container}"


@dataclass(frozen=True)
class NetworkStep:
    """A network to make, to make anew, or to remove."""

    verb: Literal["create", "recreate", "remove", "unchanged"]
    name: str
    wanted: EngineNetwork
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Port:
    """An interface of the host that becomes a part of a network of the engine, or is one no more.

    ``bridge`` is the network's own interface, where it is there already.
    """

    verb: Literal["connect", "disconnect"]
    network: str
    interface: str
    bridge: str = ""


@dataclass(frozen=True)
class Join:
    """A node's place in a network, which it takes or gives up while it runs."""

    verb: Literal["connect", "disconnect"]
    name: str
    node: str
    network: str
    address: str = ""


@dataclass(frozen=True)
class Plan:
    """Everything that `up` will do, in order."""

    networks: tuple[NetworkStep, ...]
    steps: tuple[Step, ...]
    files: tuple[str, ...] = ()
    missing_images: tuple[str, ...] = ()
    joins: tuple[Join, ...] = ()
    ports: tuple[Port, ...] = ()
    ended: Mapping[str, tuple[int, Step]] = field(default_factory=dict)
    """Node -> how many VMs run on it now, and the step in which they end."""

    @property
    def changes(self) -> tuple[Step, ...]:
        """Steps that do something."""
        return tuple(step for step in self.steps if step.verb != "unchanged")

    def ending(self, hypervisors: Collection[str]) -> dict[str, Step]:
        """Node -> the step in which its VMs end, if it has any. ``hypervisors`` are the containers that run VMs.

        They outlive their hypervisor when it is made anew, but nobody cares for them when it is gone.
        """
        gone = {step.node: step for step in self.of("remove") if step.container in hypervisors}
        return gone | {step.node: step for step in self.of("recreate", "remove", "restart") if step.is_node}

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        changed = self.changes or self.files or self.missing_images or self.joins or self.ports
        return not changed and all(step.verb == "unchanged" for step in self.networks)

    def of(self, *verbs: Verb) -> tuple[Step, ...]:
        """Steps with one of these verbs."""
        return tuple(step for step in self.steps if step.verb in verbs)


def decide(
    networks: Mapping[str, EngineNetwork],
    targets: Iterable[Target],
    observed: Observed,
    only: str | None = None,
) -> Plan:
    """Compare what should be with what is. ``only`` one node, if given; networks always."""
    targets = list(targets)
    network_steps = tuple(_network(name, wanted, observed.networks.get(name)) for name, wanted in networks.items())
    left = {name: each for name, each in observed.networks.items() if name not in networks}
    if only is None:
        network_steps += tuple(_unwanted(name, each) for name, each in sorted(left.items()))
    rebuilt = frozenset(step.name for step in network_steps if step.verb != "unchanged")
    nodes = [_node(target, observed, rebuilt) for target in targets if target.member_of is None]
    by_name = {step.name: step for step in nodes}
    staying = {step.name for step in nodes if step.verb not in {"create", "recreate"}}
    joins = tuple(
        join
        for target in targets
        if target.name in staying and only in (None, target.node)
        for join in _joins(target, observed.containers[target.name], left)
    )
    members = [
        _member(target, by_name[target.member_of], observed, joins)
        for target in targets
        if target.member_of is not None
    ]
    known = {target.name for target in targets}
    gone = [_gone(running) for name, running in sorted(observed.containers.items()) if name not in known]
    steps = tuple(step for step in (*gone, *nodes, *members) if only in (None, step.node))
    used = {target.image for target in targets if only in (None, target.node)}
    return Plan(
        networks=network_steps,
        steps=steps,
        files=tuple(path for path in observed.stale_files if only is None or path.startswith(f"{only}/")),
        missing_images=tuple(sorted(used - observed.images.keys())),
        joins=joins,
        ports=tuple(port for step in network_steps for port in _ports(step, observed.networks.get(step.name))),
    )


def _network(name: str, wanted: EngineNetwork, there: Network | None) -> NetworkStep:
    if there is None:
        return NetworkStep("create", name, wanted, ("not there",))
    same = wanted.subnet in there.subnets and there.internal == wanted.internal
    if not same or there.outside != bool(wanted.interface) or wanted.gateway not in {"", there.gateway}:
        return NetworkStep("recreate", name, wanted, (f"it is {_as_it_was(there)}",))
    return NetworkStep("unchanged", name, wanted)


def _as_it_was(there: Network) -> str:
    told = {"internal": there.internal, "without an address of the host": there.outside}
    words = [word for word, true in told.items() if true]
    return ", ".join(there.subnets) + (f" ({', '.join(words)})" if words else "")


def _unwanted(name: str, there: Network) -> NetworkStep:
    wanted = EngineNetwork(", ".join(there.subnets), there.internal)
    return NetworkStep("remove", name, wanted, ("not in the site any more",))


def _ports(step: NetworkStep, there: Network | None) -> Iterator[Port]:
    """The interfaces of the host that a network gets or loses; one that is made anew or removed loses all before."""
    stays, wanted = step.verb == "unchanged", step.wanted.interface
    had, bridge = (there.interfaces, there.bridge) if there else ((), "")
    yield from (Port("disconnect", step.name, each, bridge) for each in had if not stays or each != wanted)
    if wanted and not (stays and there and there.shut and had == (wanted,)):
        yield Port("connect", step.name, wanted, bridge if stays else "")


def _joins(target: Target, running: Running, left: Collection[str]) -> Iterator[Join]:
    """The networks that a node joins or leaves as it runs."""
    for network, address in target.addresses.items():
        if network.endswith(f"-{LATE}") and network not in running.addresses:
            yield Join("connect", target.name, target.node, network, address)
    for network in sorted(running.addresses.keys() - target.addresses.keys()):
        if network in left or network.endswith(f"-{LATE}"):
            yield Join("disconnect", target.name, target.node, network)


def _gone(running: Running) -> Step:
    return Step(
        verb="remove",
        name=running.name,
        node=running.labels.get(LABEL_NODE, ""),
        project="",
        container=running.labels.get(LABEL_CONTAINER, running.name),
        why=("not in the site any more",),
        is_node=running.is_node,
    )


def _step(verb: Verb, target: Target, *why: str) -> Step:
    return Step(
        verb=verb,
        name=target.name,
        node=target.node,
        project=target.project,
        container=target.container,
        why=why,
        is_node=target.member_of is None,
    )


def _node(target: Target, observed: Observed, rebuilt: frozenset[str]) -> Step:
    """A container with a namespace of its own.

    A newer image is no reason to make it anew: all that runs in it, VMs included, would end with it.
    """
    running = observed.containers.get(target.name)
    if running is None:
        return _step("create", target, "not there")
    why = [*_changed_parts(target, running), *_network_differences(target, running, rebuilt)]
    if why:
        return _step("recreate", target, *why)
    return _as_it_is(target, running)


def _network_differences(target: Target, running: Running, rebuilt: frozenset[str]) -> list[str]:
    found = []
    for network, address in target.addresses.items():
        if network.endswith(f"-{LATE}") and network not in running.addresses:
            continue  # it joins
        if network in rebuilt:
            found.append(f"network {network} is made anew")
        elif running.addresses.get(network) != address:
            found.append(f"its address in {network} is {running.addresses.get(network) or 'none'}, not {address}")
    return found


def _member(target: Target, node: Step, observed: Observed, joins: Iterable[Join]) -> Step:
    """A container in a node's namespace."""
    running = observed.containers.get(target.name)
    if running is None:
        return _step("create", target, "not there")
    why = _differences(target, running, observed)
    if why:
        return _step("recreate", target, *why)
    if target.job and running.status == "exited" and running.exit_code == 0:
        return _step("unchanged", target, "done")
    step = _in_its_node(target, running, node, observed.containers.get(node.name))
    joined = [join for join in joins if join.name == node.name and join.verb == "connect"]
    known = next((join.network for join in joined if join.address in target.environment.values()), "")
    if step.verb == "unchanged" and running.running and known:
        # It was told that address, and has not seen the interface that comes now.
        return _step("restart", target, f"its node joins {known}")
    return step


def _in_its_node(target: Target, running: Running, node: Step, there: Running | None) -> Step:
    """A container that is right in itself: is it in the namespace that its node has now?"""
    if there is None or node.verb in {"create", "recreate"}:
        return _step("recreate", target, f"its node {target.node} is made anew")
    if running.network_mode != f"container:{there.id}" or _stale_pid(target, running, there):
        return _step("recreate", target, f"it belongs to an earlier {target.node}")
    if running.running and (node.verb != "unchanged" or _older(running.started_at, there.started_at)):
        return _step("restart", target, f"its node {target.node} was started after it: its network is gone")
    return _as_it_is(target, running)


def _stale_pid(target: Target, running: Running, node: Running) -> bool:
    return target.shares_pid and running.pid_mode != f"container:{node.id}"


def _older(one: str, other: str) -> bool:
    """Whether a time is before another; both as the engine writes them."""
    return _comparable(one) < _comparable(other)


def _comparable(time: str) -> tuple[str, str]:
    seconds, _dot, fraction = time.rstrip("Z").partition(".")
    return seconds, fraction.ljust(9, "0")


def _as_it_is(target: Target, running: Running) -> Step:
    """A container that is right, whatever its state."""
    if running.status in {"running", "restarting"}:
        return _step("unchanged", target)
    if running.status == "paused":
        return _step("restart", target, "it is paused")
    if running.status == "created":
        return _step("start", target, "it was never started")
    reason = f": {running.error}" if running.error else ""
    return _step("start", target, f"it is {running.status}, code {running.exit_code}{reason}")


def _differences(target: Target, running: Running, observed: Observed) -> list[str]:
    """Why a container is not what it should be."""
    why = []
    image_id = observed.images.get(target.image)
    if image_id is not None and image_id != running.image_id:
        why.append("image changed")
    return [*why, *_changed_parts(target, running)]


def _changed_parts(target: Target, running: Running) -> list[str]:
    """What of its configuration differs."""
    if running.labels.get(LABEL_HASH) == target.hash:
        return []
    labelled = (part.partition(":")[::2] for part in running.labels.get(LABEL_CONFIG, "").split())
    before = {name: value for name, value in labelled if name not in UNHASHED}
    after = {name.replace(" ", "-"): value for name, value in target.parts.items()}
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return [_reason(name, target, running) for name in changed]


def _reason(part: str, target: Target, running: Running) -> str:
    if part == "secret-files":
        return "secrets changed"
    if part == "ports":
        return "published ports changed"
    if part != "values":
        return f"docker-compose.yml changed ({part})"
    changed = {name for name, value in target.environment.items() if running.environment.get(name) != value}
    if not changed:
        return "common.env changed"
    shared = "common.env" if changed & target.shared else "docker-compose.yml"
    return f"{shared} changed ({', '.join(sorted(changed))})"
