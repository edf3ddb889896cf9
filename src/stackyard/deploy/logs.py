"""The logs of several containers, each line with the container that wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from threading import Thread

from stackyard.catalogue.problems import suggest
from stackyard.deploy.observe import containers
from stackyard.effects.engine import Engine
from stackyard.errors import InputError
from stackyard.plan.observed import LABEL_CONTAINER, LABEL_NODE, Running


def show(
    engine: Engine,
    site: str,
    container: str | None,
    node: str | None,
    line: Callable[[str], None],
    *,
    tail: int,
    follow: bool,
) -> None:
    """Hand on the last lines of each container that is meant, and with ``follow`` those that come.

    Raises InputError when there is none.
    """
    found = _meant(engine, site, container, node)
    options = ["--tail", str(tail), *(["--follow"] if follow else [])]
    one = partial(_one, engine, line, options, alone=len(found) == 1)
    if not follow:
        for each in found:
            one(each)
        return
    threads = [Thread(target=one, args=(each,), daemon=True) for each in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _meant(engine: Engine, site: str, container: str | None, node: str | None) -> list[Running]:
    everything = containers(engine, site).values()
    if not everything:
        raise InputError(f"the site {site} has no containers here", "bring it up: stackyard up")
    found = [
        each
        for each in everything
        if node in {None, each.labels.get(LABEL_NODE)} and container in {None, each.labels.get(LABEL_CONTAINER)}
    ]
    if not found:
        raise _nothing(everything, container, node)
    return sorted(found, key=lambda each: each.name)


def _nothing(everything: Iterable[Running], container: str | None, node: str | None) -> InputError:
    """That nothing is meant: the node is wrong, or the container, or one is not on the other."""
    nodes: dict[str, set[str]] = {}
    for each in everything:
        nodes.setdefault(each.labels.get(LABEL_CONTAINER, ""), set()).add(each.labels.get(LABEL_NODE, ""))
    known = sorted(set().union(*nodes.values()))
    if node and node not in known:
        return InputError(f"there is no node {node} here", suggest(node, known, "there are"))
    if container in nodes:
        return InputError(
            f"there is no container {container} on {node}", f"it is on {', '.join(sorted(nodes[container]))}"
        )
    return InputError(f"there is no container {container}", suggest(container or "", sorted(nodes), "there are"))


def _one(engine: Engine, line: Callable[[str], None], options: list[str], running: Running, *, alone: bool) -> None:
    prefix = "" if alone else f"{running.labels.get(LABEL_NODE)}/{running.labels.get(LABEL_CONTAINER)} | "
    engine.stream("logs", *options, running.name, on_line=lambda text: line(prefix + text))
