"""The end of VMs whose node is taken away: as if their owner had pressed the button, and so that they come back."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from stackyard.catalogue import Catalogue
from stackyard.effects.engine import Engine
from stackyard.errors import StackyardError
from stackyard.events import Event, Report
from stackyard.plan.observed import LABEL_CONTAINER, LABEL_NODE, Running

ENDING = 120
"""Seconds that the VMs of a node have to end, all at once."""


def end_vms(engine: Engine, catalogue: Catalogue, there: Iterable[Running], report: Report) -> None:
    """Shut down all VMs of a site. Raises StackyardError when one cannot be ended.

    What would notice is stopped before, so that they are started again with their node: it is what waits for the
    hypervisor. Everything else runs on until then, because VMs have their disks and networks from it.
    """
    running = [each for each in there if each.running and not each.is_node]
    names = {each.labels.get(LABEL_CONTAINER, "") for each in running} & catalogue.containers.keys()
    images = {name: catalogue.effective(catalogue.containers[name].image) for name in names}
    ways = {name: image.ends_vms for name, image in images.items() if image.ends_vms}
    watching = {name for name, image in images.items() if any(wait.container in ways for wait in image.wait_for)}
    if first := [each.name for each in running if each.labels.get(LABEL_CONTAINER) in watching]:
        engine.run("stop", *first)
    below = [each for each in running if each.labels.get(LABEL_CONTAINER) in ways]

    def end(each: Running) -> None:
        subject, begun = f"VMs of {each.labels[LABEL_NODE]}", time.monotonic()
        report(Event("started", subject, "shutting down"))
        done = engine.exec(each.name, *ways[each.labels[LABEL_CONTAINER]], timeout=ENDING)
        if done.code:
            raise StackyardError(f"{subject} cannot be ended: {(done.stderr or done.stdout).strip()}")
        for line in done.stdout.splitlines():
            report(Event("note", subject, line))
        report(Event("done", subject, "shut down", time.monotonic() - begun))

    with ThreadPoolExecutor(max(1, len(below))) as pool:
        [*pool.map(end, below)]
