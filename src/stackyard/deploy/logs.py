"""The logs of several containers, each line with the container that wrote it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from stackyard.bundle.compose import LABEL_CONTAINER, LABEL_NODE
from stackyard.catalogue.problems import suggest
from stackyard.deploy import engine
from stackyard.effects.process import docker
from stackyard.effects.stream import stream
from stackyard.errors import InputError
from stackyard.plan.observed import Running


def show(
    site: str, container: str | None, node: str | None, line: Callable[[str], None], *, tail: int, follow: bool
) -> None:
    """Hand on the last lines of each container that is meant, and with ``follow`` those that come.

    Raises InputError when there is none.
    """
    found = _meant(site, container, node)
    if not follow:
        for each in found:
            _one(each, line, ["--tail", str(tail)], alone=len(found) == 1)
        return
    threads = [
        threading.Thread(
            target=_one,
            args=(each, line, ["--tail", str(tail), "--follow"]),
            kwargs={"alone": len(found) == 1},
            daemon=True,
        )
        for each in found
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _meant(site: str, container: str | None, node: str | None) -> list[Running]:
    everything = engine.containers(site).values()
    if not everything:
        raise InputError(f"the site {site} has no containers here", f"stackyard up --site {site}")
    found = [
        each
        for each in everything
        if node in {None, each.labels.get(LABEL_NODE)} and container in {None, each.labels.get(LABEL_CONTAINER)}
    ]
    if not found:
        names = sorted({each.labels.get(LABEL_CONTAINER, "") for each in everything})
        where = f" on {node}" if node else ""
        hint = suggest(container or "", names, "there are")
        raise InputError(f"there is no container {container or ''}{where}", hint)
    return sorted(found, key=lambda each: each.name)


def _one(running: Running, line: Callable[[str], None], options: list[str], *, alone: bool) -> None:
    prefix = "" if alone else f"{running.labels.get(LABEL_NODE)}/{running.labels.get(LABEL_CONTAINER)} | "
    stream([docker(), "logs", *options, running.name], lambda text: line(prefix + text))
