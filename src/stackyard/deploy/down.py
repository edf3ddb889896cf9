"""`down`: takes away what carries the site's label, and nothing else."""

from __future__ import annotations

from pathlib import Path

from stackyard.bundle.compose import LABEL_NODE, LABEL_SITE
from stackyard.deploy import engine
from stackyard.deploy.apply import remove_containers
from stackyard.deploy.state import SiteState, locked
from stackyard.effects import host
from stackyard.effects.process import docker, run
from stackyard.events import Event, Report
from stackyard.plan.facts import HostFacts
from stackyard.plan.observed import Running
from stackyard.plan.resolve import cgroup_paths


def down(site: str, report: Report, *, volumes: bool = False) -> bool:
    """Stop and remove containers and networks; with ``volumes`` also data, secrets and state.

    False when there was nothing.
    """
    state = SiteState.of(site)
    if not volumes and not state.folder.exists() and not engine.containers(site):
        return False
    with locked(state, "down") as lock:

        def call(*arguments: str) -> None:
            run([docker(), *arguments], pass_fds=(lock,))

        there = engine.observe(site)
        found = list(there.containers.values())
        members = [each for each in found if each.network_mode.startswith("container:")]
        nodes = [each for each in found if each not in members]
        for kind, containers in (("containers", members), ("nodes", nodes)):
            if containers:
                report(Event("started", site, f"removing {len(containers)} {kind}"))
                remove_containers(call, [each.name for each in containers])
        if there.networks:
            call("network", "rm", *there.networks)
        _cgroups(site, found)
        kept = engine.ask("volume", "ls", "-q", "--filter", f"label={LABEL_SITE}={site}").split()
        if volumes:
            if kept:
                call("volume", "rm", *kept)
            state.forget()
        return bool(found or there.networks or (volumes and kept))


def _cgroups(site: str, containers: list[Running]) -> None:
    """Remove the nodes' cgroups as far as nothing lives in them."""
    nodes = {each.labels.get(LABEL_NODE, "") for each in containers}
    facts = HostFacts(host.cgroups())
    for node in nodes:
        for path in cgroup_paths(facts, f"{site}-{node}"):
            host.remove_cgroup(Path(path))
