"""`up`: check, observe, decide, pull, apply, wait."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from stackyard.catalogue import Catalogue
from stackyard.deploy import check
from stackyard.deploy.apply import Executor
from stackyard.deploy.desired import Desired
from stackyard.deploy.image_files import fetch
from stackyard.deploy.observe import observe, with_interfaces
from stackyard.deploy.probes import ready
from stackyard.deploy.readiness import Readiness
from stackyard.deploy.state import locked
from stackyard.deploy.wait import until_ready
from stackyard.effects.host import Host
from stackyard.events import Event, Report
from stackyard.images import digests
from stackyard.model.site import Site
from stackyard.plan.decide import Plan, decide
from stackyard.plan.observed import Observed

DEADLINE = 900


@dataclass(frozen=True)
class Up:
    """The way of a site, or of its node ``only``, to what it should be."""

    host: Host
    site: Site
    catalogue: Catalogue
    only: str | None = None
    end_vms: bool = False
    """Whether VMs may end."""

    def plan(self) -> tuple[Desired, Observed, Plan]:
        """What should be, what is, and what there is to do. Raises InputError; nothing is touched."""
        with ThreadPoolExecutor(1) as pool:  # the engine is asked while the rest is decided
            asked = pool.submit(observe, self.host.engine, self.site.site)
            wanted = Desired.of(self.host, self.site, self.catalogue)
            check.loaded(wanted.state)
            wanted.containers(self.only)  # there is such a node
            check.names(self.host, wanted.site, self.catalogue)
            stale = wanted.state.stale(wanted.bundle.files)
            doubtful, there = digests.unproven(self.host), asked.result()
            images = {name: each for name, each in there.images.items() if name not in doubtful}
            there = replace(there, images=images, stale_files=stale, networks=with_interfaces(self.host, there))
        plan = decide(wanted.site.networks, wanted.bundle.targets, there, self.only)
        check.changeable(wanted, there, plan, self.catalogue)
        hypervisors = {name for name, each in self.catalogue.containers.items() if each.hypervisor}
        ending = plan.ending(hypervisors).items()
        ended = {node: (vms, step) for node, step in ending if (vms := len(wanted.vms(node)))}
        return wanted, there, replace(plan, ended=ended)

    def run(self, report: Report, deadline: float = DEADLINE, begun: float | None = None) -> bool:
        """Do it, and wait until all of it is ready; False when there was nothing to do.

        ``deadline`` is in seconds from when it has ``begun``, on the monotonic clock, or else from now.

        Raises InputError for what is wrong before anything is touched, StackyardError for what fails on the way.
        """
        begun = time.monotonic() if begun is None else begun
        wanted, there, plan = self.plan()
        check.engine_allows(self.host, wanted.site, plan)
        if not self.end_vms:
            check.keeps_vms(plan)
        if plan.empty and not any(ready(self.host.engine, wanted.containers(self.only), there.containers).values()):
            return False
        with locked(wanted.state, "up") as lock:
            fetch(self.host, self.site, self.catalogue, wanted.facts.image_files, report)
            if plan.missing_images:
                from stackyard.deploy.pull import pull  # noqa: PLC0415 - takes long to import, and is seldom needed

                pull(self.host, self.site, self.catalogue, plan.missing_images, report)
            wanted, there, plan = self.plan()  # something may have changed before the lock was had
            if not self.end_vms:
                check.keeps_vms(plan)
            started = time.monotonic()
            wanted.remember()
            used = there.images.keys() & wanted.site.images
            digests.update(self.host, {each: there.digests.get(each, "") for each in used})
            Executor(wanted, lock, report).apply(plan)
            report(Event("note", "up", "all containers are started", time.monotonic() - started))
            touched = {step.name for step in plan.changes}
            logs = self.host.engine.logs
            readiness = Readiness(wanted.site.containers, self.only, begun, deadline, logs, touched)
            until_ready(self.host.engine, readiness, report)
        return True
