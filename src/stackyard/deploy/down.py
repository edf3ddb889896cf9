"""`down`: takes away what carries the site's label, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from stackyard.catalogue import Catalogue
from stackyard.deploy import boot
from stackyard.deploy.apply import remove_containers
from stackyard.deploy.observe import containers, observe
from stackyard.deploy.state import SiteState, locked
from stackyard.deploy.vms import end_vms
from stackyard.effects.host import Host
from stackyard.errors import StackyardError
from stackyard.events import Event, Report
from stackyard.plan.facts import HostFacts
from stackyard.plan.observed import LABEL_NODE, LABEL_SITE, Running
from stackyard.plan.resolve import cgroup_paths


def down(host: Host, site: str, report: Report, *, volumes: bool = False, catalogue: Catalogue | None = None) -> bool:
    """Stop and remove containers and networks; with ``volumes`` also data, secrets and state.

    With a ``catalogue``, VMs are shut down before, so that they come back with the site; without one, or when they go
    with their data, they end like a machine without power. False when there was nothing.
    """
    state = SiteState.of(host, site)
    if not volumes and not state.folder.exists() and not containers(host.engine, site):
        return False
    with locked(state, "down") as lock:
        boot.disable(host, site)
        if catalogue and not volumes:
            _end_vms(host, catalogue, site, report)
        changed = take_down(host, site, lock, report)
        kept = host.engine.ask("volume", "ls", "-q", "--filter", f"label={LABEL_SITE}={site}").split()
        if volumes:
            if kept:
                host.engine.run("volume", "rm", *kept, pass_fds=(lock,))
            state.forget()
        return changed or bool(volumes and kept)


def take_down(host: Host, site: str, lock: int, report: Report) -> bool:
    """Stop and remove containers and networks; False when there were none. ``lock`` is the file of the site's lock."""
    run = partial(host.engine.run, pass_fds=(lock,))
    there = observe(host.engine, site)
    found = list(there.containers.values())
    nodes = [each for each in found if each.is_node]
    members = [each for each in found if not each.is_node]
    for kind, gone in (("containers", members), ("nodes", nodes)):
        if gone:
            report(Event("started", site, f"removing {len(gone)} {kind}"))
            remove_containers(run, [each.name for each in gone])
    for network in there.networks.values():
        if network.outside:
            host.release(network.bridge)
    if there.networks:
        run("network", "rm", *there.networks)
    _cgroups(host, site, found)
    return bool(found or there.networks)


def _end_vms(host: Host, catalogue: Catalogue, site: str, report: Report) -> None:
    """Shut VMs down; what cannot be is told, and ends with its node."""
    try:
        end_vms(host.engine, catalogue, containers(host.engine, site).values(), report)
    except StackyardError as error:
        report(Event("note", site, f"{error.message}; they are switched off"))


def _cgroups(host: Host, site: str, found: Iterable[Running]) -> None:
    """Remove the nodes' cgroups as far as nothing lives in them."""
    facts = HostFacts(host.cgroups())
    for node in {each.labels.get(LABEL_NODE, "") for each in found}:
        for path in cgroup_paths(facts, f"{site}-{node}"):
            host.remove_cgroup(Path(path))
