"""A site as it should be on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stackyard.bundle import Bundle, bundle
from stackyard.catalogue import Catalogue
from stackyard.deploy.image_files import image_files
from stackyard.deploy.state import SiteState
from stackyard.effects.host import Host
from stackyard.errors import InputError
from stackyard.model.site import Site
from stackyard.plan.facts import HostFacts
from stackyard.plan.resolve import cgroup_paths, resolve
from stackyard.plan.resolved import ResolvedContainer, ResolvedSite
from stackyard.secrets import Secrets, load, save

HASH_KEY = "stackyard/hash-key"


@dataclass(frozen=True)
class Desired:
    """A site decided for a host; nothing is written yet."""

    host: Host
    site: ResolvedSite
    facts: HostFacts
    secrets: Secrets

    @classmethod
    def of(cls, host: Host, site: Site, catalogue: Catalogue) -> Desired:
        """Resolve a site. Raises InputError; nothing is touched."""
        state = SiteState.of(host, site.site)
        secrets, facts = load(state.secrets), facts_for(host, site, catalogue, state.read().get("nodes", {}))
        return cls(host, resolve(catalogue, site, facts, secrets), facts, secrets)

    @property
    def state(self) -> SiteState:
        """Where the site's files are."""
        return SiteState.of(self.host, self.site.name)

    @cached_property
    def bundle(self) -> Bundle:
        """The files of all nodes, rendered."""
        return bundle(self.site, self.secrets.get(HASH_KEY).reveal().encode())

    def containers(self, only: str | None) -> tuple[ResolvedContainer, ...]:
        """Containers of a node, or all. Raises InputError when there is no such node."""
        known = [node.name for node in self.site.nodes]
        if only is not None and only not in known:
            raise InputError(f"the site {self.site.name} has no node {only}", f"it has: {', '.join(known)}")
        return tuple(each for each in self.site.containers if only in {None, each.node})

    def vms(self, node: str) -> frozenset[int]:
        """Processes of the VMs that run on a node: they are what lives in its cgroup."""
        return self.host.processes(map(Path, cgroup_paths(self.facts, self.site.node_container(node))))

    def remember(self) -> None:
        """Keep the secrets, and what the site was made of."""
        site = self.site.site
        save(self.state.secrets, self.secrets)
        nodes = {node.name: [*map(str, node.addresses.values())] for node in self.site.nodes}
        zones = {node.name: node.zone for node in self.site.nodes if node.zone}
        record = {"site": site.site, "release": site.release, "sdn": site.sdn, "nodes": nodes, "zones": zones}
        self.state.write(record)


def facts_for(host: Host, site: Site, catalogue: Catalogue, nodes: Mapping[str, Sequence[str]]) -> HostFacts:
    """What has to be known of a host. ``nodes`` are the addresses that its nodes have."""
    devices = {
        device
        for service in catalogue.services.values()
        for container in service.containers.values()
        for device in container.optional_devices
    }
    files = image_files(host, site, catalogue)
    return HostFacts(host.cgroups(), host.existing(devices), host.address(), nodes, files, host.resolvers())
