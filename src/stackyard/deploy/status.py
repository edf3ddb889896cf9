"""The state of every container of a site."""

from __future__ import annotations

from dataclasses import dataclass

from stackyard.bundle.compose import LABEL_CONTAINER, LABEL_NODE
from stackyard.deploy.observe import containers, is_node, observe
from stackyard.deploy.probes import ready
from stackyard.effects.engine import Engine
from stackyard.plan.observed import Running
from stackyard.plan.resolved import ResolvedContainer, ResolvedSite
from stackyard.table import ago


@dataclass(frozen=True)
class Row:
    """One container; ``ready`` is yes, no, done for a one-shot, or unknown."""

    node: str
    container: str
    state: str
    ready: str
    since: str
    image: str


def status(engine: Engine, site: ResolvedSite) -> list[Row]:
    """Nodes, each followed by its containers; those that should be there and are not included."""
    there = containers(engine, site.name)
    answers = ready(engine, site.containers, there)
    rows = []
    for node in site.nodes:
        running = there.get(site.node_container(node.name))
        up = running is not None and running.running
        rows.append(Row(node.name, "(node)", _state(running), "yes" if up else "no", _since(running), site.node_image))
        members = [each for each in site.containers if each.node == node.name]
        rows += [_row(each, there.get(each.full_name), ready=answers[each.full_name]) for each in members]
    return rows


def found(engine: Engine, site: str) -> list[Row]:
    """What the engine has of a site, whatever its file says; so nobody knows whether it is ready."""
    there = observe(engine, site)
    names = {identifier: reference for reference, identifier in there.images.items()}
    rows = [
        Row(
            node=each.labels.get(LABEL_NODE, ""),
            container="(node)" if is_node(each) else each.labels.get(LABEL_CONTAINER, each.name),
            state=_state(each),
            ready="unknown",
            since=_since(each),
            image=names.get(each.image_id, each.image_id),
        )
        for each in there.containers.values()
    ]
    return sorted(rows, key=lambda row: (row.node, row.container != "(node)", row.container))


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
    return ago(running.since)
