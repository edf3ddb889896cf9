"""The state of every container of a site."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stackyard.deploy.observe import containers, networks, observe
from stackyard.deploy.probes import ready
from stackyard.effects.engine import Engine
from stackyard.effects.host import Host
from stackyard.plan.observed import LABEL_CONTAINER, LABEL_NODE, Running
from stackyard.plan.resolved import ResolvedSite
from stackyard.table import ago

NODE = "(node)"
"""In place of a container's name: the node itself."""


@dataclass(frozen=True)
class Row:
    """One container; ``ready`` is yes, no, done for a job, or unknown; ``lacks`` is what is wrong with it."""

    node: str
    container: str
    state: str
    ready: str
    since: str
    image: str
    lacks: str = ""


def status(host: Host, site: ResolvedSite) -> list[Row]:
    """Nodes, each followed by its containers; those that should be there and are not included."""
    engine = host.engine
    there = containers(engine, site.name)
    answers = ready(engine, site.containers, there, afresh=True)
    cut_off = _cut_off(host, site)
    rows = []
    for node in site.nodes:
        running = there.get(site.node_container(node.name))
        lacks = cut_off if running and running.running and node.public else ""
        word = "yes" if running and running.running and not lacks else "no"
        rows.append(replace(_row(node.name, NODE, running, word, site.node_image), lacks=lacks))
        for each in site.containers:
            if each.node == node.name:
                lacks = answers[each.full_name]
                word = "no" if lacks else "done" if each.definition.job else "yes"
                row = _row(node.name, each.name, there.get(each.full_name), word, each.image)
                rows.append(replace(row, lacks="\n".join(filter(None, (lacks, each.unhealthy))) if lacks else ""))
    return rows


def _cut_off(host: Host, site: ResolvedSite) -> str:
    """What is wrong with the interface that the public network is at, or nothing."""
    wanted = {name: each.interface for name, each in site.networks.items() if each.interface}
    bridges = {each.name: each.interface for each in networks(host.engine)} if wanted else {}
    for name, interface in wanted.items():
        link = host.links().get(interface)
        if link is None:
            return f"the public network is cut off: this host has no interface {interface}"
        if interface not in host.ports(bridges.get(name, "")):
            return f"the public network is cut off: {interface} is not a part of it; `stackyard up` connects it"
        if not link.carrier:
            return f"the public network is cut off: nothing is at the other end of {interface}, or it is switched off"
    return ""


def found(engine: Engine, site: str) -> list[Row]:
    """What the engine has of a site, whatever its file says; so nobody knows whether it is ready."""
    there = observe(engine, site)
    names = {identifier: reference for reference, identifier in there.images.items()}
    rows = [
        _row(
            each.labels.get(LABEL_NODE, ""),
            NODE if each.is_node else each.labels.get(LABEL_CONTAINER, each.name),
            each,
            "unknown",
            names.get(each.image_id, each.image_id),
        )
        for each in there.containers.values()
    ]
    return sorted(rows, key=lambda row: (row.node, row.container != NODE, row.container))


def troubles(host: Host, site: ResolvedSite) -> list[str]:
    """What does not work now, a line for each node or container, with what its own probe sees."""
    late = [row for row in status(host, site) if row.ready == "no"]
    return [
        f"{row.node}/{row.container} is not ready: {'; '.join((row.lacks or row.state).splitlines())}" for row in late
    ]


def _row(node: str, container: str, running: Running | None, ready: str, image: str) -> Row:
    since = ago(running.since) if running and running.status != "created" else ""
    return Row(node, container, _state(running), ready, since, image)


def _state(running: Running | None) -> str:
    if running is None:
        return "not there"
    if running.running:
        return "running"
    return f"{running.status} ({running.exit_code})"
