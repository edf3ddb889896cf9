"""What the proof needs to know of a site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stackyard.errors import InputError
from stackyard.guest.guest import Guest
from stackyard.model.site import PublicNetwork
from stackyard.plan.resolved import PublicUrl, ResolvedSite
from stackyard.plan.values import REGISTERED
from stackyard.verify.capture import CapturePoint
from stackyard.verify.clean import prefix
from stackyard.verify.cloud import VOLUMES


@dataclass(frozen=True)
class ComputeNode:
    """A compute node; ``request`` is the availability zone to ask for so that a VM lands on it."""

    name: str
    zone: str
    tunnel: str
    request: str


@dataclass(frozen=True)
class Target:
    """A site to prove, the guest to do it with, and the tag in the names of all that is made.

    ``hypervisor`` is the name under which the compute API knows the services that run VMs.
    """

    site: str
    encapsulation: str
    credentials: Mapping[str, str]
    hypervisor: str
    hosts: tuple[ComputeNode, ...]
    capture_points: tuple[CapturePoint, ...]
    guest: Guest
    tag: str
    urls: tuple[PublicUrl, ...] = ()
    volumes: bool = False
    public: PublicNetwork | None = None
    """The network that leads out, where the site has one."""

    @property
    def prefix(self) -> str:
        """What the names of all that is made begin with."""
        return prefix(self.tag)


def credentials(resolved: ResolvedSite) -> dict[str, str]:
    """Return how the administrator signs in. Raises InputError when no service says it."""
    return {key: str(value) for key, value in _declared(resolved, "credentials").items()}


def local(urls: Iterable[PublicUrl]) -> dict[str, str]:
    """Public URL, without its path -> where the same answers on this host."""
    return {url.base: url.local for url in urls}


def _declared(resolved: ResolvedSite, kind: str) -> Mapping[str, Any]:
    """Return what a service declares. Raises InputError when none does."""
    found = resolved.declarations.get(kind, ())
    if not found:
        message = f"no service of the site {resolved.name} declares {kind}"
        raise InputError(message, f"run one that does, or add `{kind}:` to `declares` of the one that should")
    declaration: Mapping[str, Any] = found[0]
    return declaration


def target(resolved: ResolvedSite, guest: Guest, tag: str) -> Target:
    """Return what there is to prove. Raises InputError when there is no compute node."""
    return Target(
        site=resolved.name,
        encapsulation=resolved.site.encapsulation,
        credentials=credentials(resolved),
        hypervisor=str(_declared(resolved, "hypervisor")["service"]),
        hosts=hosts(resolved),
        capture_points=_capture_points(resolved, tag),
        guest=guest,
        tag=tag,
        urls=resolved.urls,
        volumes=has_volumes(resolved),
        public=resolved.site.networks.public,
    )


def has_volumes(resolved: ResolvedSite) -> bool:
    """Return whether the site has a service of volumes."""
    return any(each["type"] == VOLUMES for each in resolved.declarations.get(REGISTERED, ()))


def hosts(resolved: ResolvedSite) -> tuple[ComputeNode, ...]:
    """Return the compute nodes; of one that shares its zone, the node is named in the request.

    Raises InputError when there is none.
    """
    nodes = [node for node in resolved.nodes if node.zone]
    if not nodes:
        raise InputError(
            f"the site {resolved.name} has no compute node, and the proof boots VMs",
            "add nodes with the role compute to the site, and run `stackyard up`",
        )
    sharing = Counter(node.zone for node in nodes)
    return tuple(
        ComputeNode(
            name=node.name,
            zone=node.zone,
            tunnel=str(node.tunnel),
            request=node.zone if sharing[node.zone] == 1 else f"{node.zone}:{node.name}",
        )
        for node in nodes
    )


def _capture_points(resolved: ResolvedSite, tag: str) -> tuple[CapturePoint, ...]:
    """Return a capture for each compute node, as the SDN declares it. Raises InputError when it does not."""
    declared = _declared(resolved, "capture")
    by_key = {container.key: container for container in resolved.containers}
    keys = [(node.name, f"{node.name}/{declared['container']}") for node in resolved.nodes if node.zone]
    return tuple(
        CapturePoint(
            node=node,
            name=f"{prefix(tag)}{resolved.name}-{node}",
            network=resolved.node_container(node),
            image=by_key[key].image,
            command=tuple(str(word) for word in declared["command"]),
        )
        for node, key in keys
        if key in by_key
    )
