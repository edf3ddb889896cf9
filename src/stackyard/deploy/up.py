"""`up`: check, observe, decide, walk the plan, wait."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from stackyard.bundle import Bundle, bundle
from stackyard.catalogue import Catalogue
from stackyard.deploy import check, engine
from stackyard.deploy.apply import Walk, apply
from stackyard.deploy.probes import all_ready
from stackyard.deploy.ready import Readiness
from stackyard.deploy.state import SiteState, locked
from stackyard.effects import host
from stackyard.errors import InputError
from stackyard.events import Event, Report
from stackyard.model.site import Site
from stackyard.plan.decide import Plan, decide
from stackyard.plan.facts import HostFacts
from stackyard.plan.observed import Observed
from stackyard.plan.resolve import resolve
from stackyard.plan.resolved import ResolvedContainer, ResolvedSite
from stackyard.secrets import Secrets, load, save

HASH_KEY = "stackyard/hash-key"
DEADLINE = 900


@dataclass(frozen=True)
class Desired:
    """A site decided and rendered; nothing is written yet."""

    site: ResolvedSite
    bundle: Bundle
    facts: HostFacts
    secrets: Secrets
    state: SiteState


def facts_for(catalogue: Catalogue) -> HostFacts:
    """What has to be known of this host."""
    devices = {
        device
        for service in catalogue.services.values()
        for container in service.containers.values()
        for device in container.optional_devices
    }
    return HostFacts(host.cgroups(), host.existing(devices), host.address())


def desired(site: Site, catalogue: Catalogue) -> Desired:
    """Resolve and render a site. Raises InputError; nothing is touched."""
    state = SiteState.of(site.site)
    state.read()
    secrets = load(state.secrets)
    facts = facts_for(catalogue)
    resolved = resolve(catalogue, site, facts, secrets)
    check.names(resolved, catalogue)
    made = bundle(resolved, secrets.get(HASH_KEY).reveal().encode())
    return Desired(resolved, made, facts, secrets, state)


def compared(site: Site, catalogue: Catalogue) -> tuple[Desired, Observed]:
    """A site as it should be and as it is; the engine is asked while the rest is decided."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(engine.observe, site.site)
        wanted = desired(site, catalogue)
        stale = wanted.state.stale(wanted.bundle.files)
        return wanted, replace(asked.result(), stale_files=stale)


def plan_for(wanted: Desired, there: Observed, only: str | None = None) -> Plan:
    """What there is to do, for all nodes or one. Raises InputError when there is no such node."""
    known = [node.name for node in wanted.site.nodes]
    if only is not None and only not in known:
        raise InputError(f"the site {wanted.site.name} has no node {only}", f"it has: {', '.join(known)}")
    return decide(wanted.site.networks, wanted.bundle.targets, there, only)


def of_node(wanted: Desired, only: str | None) -> tuple[ResolvedContainer, ...]:
    """Containers of a node, or all."""
    return tuple(each for each in wanted.site.containers if only in {None, each.node})


def up(
    site: Site,
    catalogue: Catalogue,
    report: Report,
    *,
    only: str | None = None,
    deadline: float = DEADLINE,
) -> bool:
    """Bring a site to what it should be, and wait until all of it is ready; False when there was nothing to do.

    Raises InputError for what is wrong before anything is touched, StackyardError for what fails on the way.
    """
    wanted, there = compared(site, catalogue)
    plan = plan_for(wanted, there, only)
    check.engine_allows(wanted.site, plan)
    if plan.empty and all_ready(of_node(wanted, only), there.containers):
        return False
    begun = time.monotonic()
    with locked(wanted.state, "up") as lock:
        wanted, there = compared(site, catalogue)  # something may have changed before the lock was had
        plan = plan_for(wanted, there, only)
        save(wanted.state.secrets, wanted.secrets)
        wanted.state.write({"site": site.site, "release": site.release, "sdn": site.sdn})
        apply(Walk(wanted.site, wanted.bundle, wanted.state, wanted.facts, lock, report), plan)
        report(Event("note", "up", "all containers are started", time.monotonic() - begun))
        Readiness(wanted.site.containers, only, report, deadline).until_ready()
    return True
