"""What stands in the way of `up`, found before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network

from stackyard.catalogue import Catalogue
from stackyard.catalogue.problems import Problems
from stackyard.deploy.observe import other_networks
from stackyard.effects.host import Host
from stackyard.errors import InputError
from stackyard.model.reference import registry
from stackyard.plan.decide import Plan, Step
from stackyard.plan.resolved import PlacedNode, ResolvedSite
from stackyard.plan.text import count

_DONE = {"recreate": "made anew", "remove": "removed", "restart": "restarted"}
SHOWN = 3
"""Images that a message names, of those that are missing."""
MAKE = "make them: stackyard build"


def root(host: Host, verb: str) -> None:
    """Whoever runs this may do what it does. Raises InputError."""
    if not host.is_root():
        raise InputError(
            f"`stackyard {verb}` changes networks and files of this host: it needs root", "run it with sudo"
        )


def names(host: Host, site: ResolvedSite, catalogue: Catalogue) -> None:
    """Host names in the site's settings resolve. Raises InputError."""
    problems = Problems(source=site.site.source)
    nodes = {node.name for node in site.nodes}
    hosts = {
        name
        for image in catalogue.images
        for name, variable in catalogue.effective(image).contract.items()
        if variable.type == "host"
    }
    for name, value in site.site.settings.items():
        if name in hosts and value not in nodes and not host.resolves(value):
            problems.at(("settings", name), f"{value} does not resolve", "correct the name, or give an address")
    problems.check()


def keeps_vms(plan: Plan) -> None:
    """No VM ends that nobody said may end. Raises InputError."""
    if plan.ended:
        lines = [f"{count(vms, 'VM')} on {node} would end: {_end(step)}" for node, (vms, step) in plan.ended.items()]
        raise InputError(
            "\n".join(lines), "undo that change, move or delete the VMs, or let them end: add --end-vms to `up`"
        )


def _end(step: Step) -> str:
    """What happens in a step, and why."""
    what = "the node" if step.is_node else step.container
    return f"{what} is {_DONE[step.verb]} ({'; '.join(step.why)})"


def engine_allows(host: Host, site: ResolvedSite, plan: Plan) -> None:
    """The engine has all images, and nothing else has the ports and networks. Raises InputError."""
    problems = Problems(source=site.site.source)
    for message in _missing(plan):
        problems.at((), message, MAKE)
    made = {step.name for step in plan.of("create", "recreate", "start") if step.is_node}
    nodes = [node for node in site.nodes if site.node_container(node.name) in made]
    address = str(site.site.publish.address)
    if nodes and not host.has_address(address):
        remedy = "give an address of this host, 127.0.0.1, or 0.0.0.0 for all of them"
        problems.at(("publish", "address"), f"this host has no address {address}", remedy)
    for message in _ports(host, site, nodes):
        problems.at(("publish",), message, "stop that, or choose other ports: `publish: {offset: 10000}` in the site")
    if any(step.verb == "create" for step in plan.networks):
        for kind, message in _networks(host, site, plan):
            problems.at(("networks", kind), message, "choose another network in the site")
    problems.check()


def _missing(plan: Plan) -> Iterator[str]:
    """Images that the engine does not have and no registry could, in one message."""
    missing = [each for each in plan.missing_images if not registry(each)]
    if missing:
        yield f"{not_there(missing)}: {some(missing)}"


def not_there(images: Sequence[object]) -> str:
    """How many images are missing."""
    return f"{len(images)} of the site's images {'is' if len(images) == 1 else 'are'} not there"


def some(names: Sequence[str]) -> str:
    """The first few names of a list."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _ports(host: Host, site: ResolvedSite, nodes: Iterable[PlacedNode]) -> Iterator[str]:
    """Ports that something else than the node itself has, by who has them."""
    address = str(site.site.publish.address)
    taken: dict[str, list[str]] = {}
    for node in nodes:
        for port in node.published:
            if host.port_is_free(address, port.host_port):
                continue
            holders = host.engine.publishers(port.host_port)
            if site.node_container(node.name) in holders:
                continue
            holder = f"the container {holders[0]}" if holders else host.port_holder(port.host_port)
            taken.setdefault(holder, []).append(f"{port.host_port} ({port.container})")
    for holder, ports in taken.items():
        what, are = ("port", "is") if len(ports) == 1 else ("ports", "are")
        who = f" by {holder}" if holder else ""
        yield f"{what} {', '.join(ports)} of {address} {are} in use{who}"


def _networks(host: Host, site: ResolvedSite, plan: Plan) -> Iterator[tuple[str, str]]:
    """Networks that overlap with one that the engine has."""
    others = other_networks(host.engine, site.name)
    for step in plan.networks:
        wanted = ip_network(step.subnet)
        for name, subnets in others.items():
            for subnet in map(ip_network, subnets):
                if step.verb == "create" and subnet.version == wanted.version and wanted.overlaps(subnet):
                    kind = step.name.removeprefix(f"{site.name}-")
                    yield kind, f"{step.subnet} overlaps {subnet}, which the engine's network {name} has"
