"""The state of every container of a site."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from stackyard.deploy.observe import containers
from stackyard.deploy.probes import is_ready
from stackyard.effects.engine import Engine
from stackyard.plan.observed import Running
from stackyard.plan.resolved import ResolvedContainer, ResolvedSite

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Row:
    """One container; ``ready`` is yes, no, or done for a one-shot."""

    node: str
    container: str
    state: str
    ready: str
    since: str
    image: str


def status(engine: Engine, site: ResolvedSite) -> list[Row]:
    """Nodes, each followed by its containers; those that should be there and are not included."""
    found = containers(engine, site.name)
    with ThreadPoolExecutor(8) as pool:
        ready = dict(
            zip(
                site.by_name,
                pool.map(lambda each: is_ready(engine, each, found.get(each.full_name)), site.containers),
                strict=True,
            )
        )
    rows = []
    for node in site.nodes:
        running = found.get(site.node_container(node.name))
        up = running is not None and running.running
        rows.append(Row(node.name, "(node)", _state(running), "yes" if up else "no", _since(running), site.node_image))
        members = [each for each in site.containers if each.node == node.name]
        rows += [_row(each, found.get(each.full_name), ready=ready[each.full_name]) for each in members]
    return rows


def _row(container: ResolvedContainer, running: Running | None, *, ready: bool) -> Row:
    word = "no" if not ready else "done" if container.definition.once else "yes"
    return Row(container.node, container.name, _state(running), word, _since(running), container.image)


def _state(running: Running | None) -> str:
    if running is None:
        return "not there"
    if running.running:
        return "running"
    return f"{running.status} ({running.exit_code})"


def _since(running: Running | None) -> str:
    if running is None or running.status == "created":
        return ""
    seconds = (datetime.now(UTC) - running.since).total_seconds()
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
