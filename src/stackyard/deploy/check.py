"""What stands in the way of `up`, found before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network, ip_network

from stackyard.catalogue import Catalogue
from stackyard.catalogue.problems import Loc, Problems, some, suggest
from stackyard.deploy.desired import Desired
from stackyard.deploy.facts import facts
from stackyard.deploy.observe import Bridge, networks
from stackyard.deploy.state import SiteState
from stackyard.effects.host import Host
from stackyard.errors import InputError
from stackyard.model.reference import registry
from stackyard.plan.decide import NetworkStep, Plan, Port, Step
from stackyard.plan.observed import Observed
from stackyard.plan.requirements import Lack, Taken, for_site, overlapping
from stackyard.plan.resolved import PlacedNode, ResolvedContainer, ResolvedSite
from stackyard.plan.text import count

_DONE = {"recreate": "made anew", "remove": "removed", "restart": "restarted"}
MAKE = "make them: stackyard build"
PACKET = 1500
"""Bytes of the largest packets that VMs send to the public network."""


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


def loaded(state: SiteState) -> None:
    """No load of the site was interrupted. Raises InputError."""
    if state.loading:
        raise InputError(
            f"the load of {state.folder.name} did not end, so its data is not whole",
            "run that `stackyard load` again, or remove what there is: stackyard down --volumes",
        )


def changeable(wanted: Desired, there: Observed, plan: Plan, catalogue: Catalogue) -> None:
    """Nothing differs that cannot change while containers of the site run. Raises InputError."""
    if not any(each.running for each in there.containers.values()):
        return
    site, record, remedy = wanted.site.site, wanted.state.read(), "or take the site down first, which keeps its data"
    problems = Problems(source=site.source)
    for key, after in (("release", site.release), ("sdn", site.sdn)):
        before = record.get(key, after)
        if before != after:
            message = f"the site runs with {before}, which cannot change to {after} while it runs"
            problems.at((key,), message, f"write {before} again, {remedy}: stackyard down")
    for step in plan.networks:
        if step.verb == "recreate":
            network, interface = there.networks[step.name], step.wanted.interface
            before = "an interface of this host" if network.outside else ", ".join(network.subnets)
            after = f"the interface {interface}" if interface else step.wanted.subnet
            message = f"the site runs on {before}, which cannot change to {after} while it runs"
            kind = step.name.removeprefix(f"{site.site}-")
            problems.at(("networks", kind), message, f"write {before} again, {remedy}: stackyard down")
    for loc, message, way_out in _of_vms(wanted, there, catalogue):
        problems.at(loc, message, way_out)
    for moved, (before, left) in _moved(wanted.site, plan).items():
        message = f"{some(left)} would begin without data on {moved}: they stay on {before}"
        remedy = f"leave it with {before}; to begin anew, take the site down with its data first"
        problems.at(("nodes", moved), message, f"{remedy}: stackyard down --volumes")
    problems.check()


def _of_vms(wanted: Desired, there: Observed, catalogue: Catalogue) -> Iterator[tuple[Loc, str, str]]:
    """What VMs that run do not survive: where it is said, what it does, and the way out."""
    zones = wanted.state.read().get("zones", {})
    vms = {node.name: len(wanted.vms(node.name)) for node in wanted.site.nodes}
    for node in wanted.site.nodes:
        before = zones.get(node.name)
        if before and node.zone and before != node.zone and vms[node.name]:
            told = count(vms[node.name], "VM")
            message = f"{told} on {node.name} would go from zone {before} to {node.zone}, which no VM can"
            yield ("nodes", node.name, "zone"), message, f"write {before} again, or shelve or delete the VMs first"
    for container, name, before, after in _kept_by_vms(wanted.site, there, catalogue):
        if vms[container.node]:
            told = count(vms[container.node], "VM")
            message = f"{told} on {container.node} would lose what {name}={before} gave, were it {after}"
            was = there.containers[container.full_name].environment
            back = f"write `{name}: {before}` again" if name in was else f"leave {name} out"
            remedy = f"{back}, or delete the VMs of that node first, those that are off too"
            yield ("services", container.service, "environment", name), message, remedy


def _kept_by_vms(
    site: ResolvedSite, there: Observed, catalogue: Catalogue
) -> Iterator[tuple[ResolvedContainer, str, str, str]]:
    """Variables that VMs keep to and that would change: the container, the name, and the value before and after.

    An image that does not know the variable does what its default says.
    """
    for container in site.containers:
        found = there.containers.get(container.full_name)
        before = found.environment if found else {}
        contracts = [catalogue.effective(image).contract for image in sorted(container.definition.possible)]
        known = {name: each for contract in contracts for name, each in contract.items() if each.kept_by_vms}
        for name, variable in known.items() if found else ():
            usual = str(variable.default or "")
            was, will = before.get(name, usual), container.values.get(name, usual)
            if was != will:
                yield container, name, was, will


def _moved(site: ResolvedSite, plan: Plan) -> dict[str, tuple[str, list[str]]]:
    """Node -> where containers of it were before, and those of them that keep data: a volume stays with its node."""
    gone = {step.container: step.node for step in plan.of("remove") if not step.is_node}
    found: dict[str, tuple[str, list[str]]] = {}
    for step in plan.of("create"):
        if step.is_node or step.container not in gone:
            continue
        there = site.by_name[step.name]
        if there.definition.runs == "one" and not there.definition.job and any(mount.volume for mount in there.mounts):
            found.setdefault(step.node, (gone[step.container], []))[1].append(step.container)
    return found


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
    """The engine has all images, and nothing is missing or in the way. Raises InputError."""
    problems = Problems(source=site.site.source)
    for message in _missing(plan):
        problems.at((), message, MAKE)
    _requirements(host, site, plan, problems)
    problems.check()


def requirements(host: Host, site: ResolvedSite, plan: Plan) -> None:
    """Nothing but images is missing, and nothing in the way. Raises InputError."""
    problems = Problems(source=site.site.source)
    _requirements(host, site, plan, problems)
    problems.check()


def _requirements(host: Host, site: ResolvedSite, plan: Plan, problems: Problems) -> None:
    """Note what keeps the plan from being carried out; nothing is asked when there is nothing to do."""
    made = plan.of("create", "recreate", "start", "restart")
    containers = {step.key: site.by_name[step.name].definition for step in made if not step.is_node}
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(facts, host, containers.values()) if made else None
        bridges = pool.submit(networks, host.engine) if any(_new(step) for step in plan.networks) else None
    if asked:
        started = [step.key for step in made if step.key in containers and step.verb in {"create", "start"}]
        for message, remedy in for_site(*asked.result(), containers, started, len(plan.missing_images)):
            problems.at((), message, remedy)
    nodes = [node for node in site.nodes if site.node_container(node.name) in {step.name for step in made}]
    address = str(site.site.publish.listens)
    if nodes and not host.has_address(address):
        remedy = "give an address of this host, 127.0.0.1, or 0.0.0.0 for all of them"
        problems.at(("publish", site.site.publish.bound_by), f"this host has no address {address}", remedy)
    for message in _ports(host, site, nodes):
        problems.at(("publish",), message, "stop that, or choose other ports: `publish: {offset: 10000}` in the site")
    for loc, message in _flavors(host, site):
        problems.at(loc, message, "make it smaller, or leave it out: no VM of it could run")
    for loc, message in _networks(host, site, plan, bridges.result() if bridges else ()):
        problems.at(("networks", *loc), message, "choose another network in the site")
    for message, remedy in (each for port in plan.ports for each in _interface(host, port)):
        problems.at(("networks", "public", "interface"), message, remedy)


def _flavors(host: Host, site: ResolvedSite) -> Iterator[tuple[Loc, str]]:
    """Flavors that no node can hold: compute nodes share the memory of a machine, and a VM may have all processors."""
    flavors = site.site.contents.flavors if site.site.contents else {}
    processors, memory = host.capacity() if flavors else (0, 0)
    memory //= max(1, sum(bool(node.zone) for node in site.nodes))
    for name, flavor in flavors.items():
        for key, wanted, there, what in (
            ("vcpus", flavor.vcpus, processors, "processors"),
            ("ram", flavor.ram, memory, "MiB of memory"),
        ):
            if wanted > there:
                message = f"{name} has {wanted} {what}, and no node has more than {there}"
                yield ("contents", "flavors", name, key), message


def _missing(plan: Plan) -> Iterator[str]:
    """Images that the engine does not have and no registry could, in one message."""
    missing = [each for each in plan.missing_images if not registry(each)]
    if missing:
        yield f"{not_there(missing)}: {some(missing)}"


def not_there(images: Sequence[object]) -> str:
    """How many images are missing."""
    return f"{len(images)} of the site's images {'is' if len(images) == 1 else 'are'} not there"


def _ports(host: Host, site: ResolvedSite, nodes: Iterable[PlacedNode]) -> Iterator[str]:
    """Ports that something else than the node itself has, by who has them."""
    address = str(site.site.publish.listens)
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


def _new(step: NetworkStep) -> bool:
    return step.verb in {"create", "recreate"}


def _networks(host: Host, site: ResolvedSite, plan: Plan, there: Sequence[Bridge]) -> Iterator[tuple[Loc, str]]:
    """Networks that overlap with one that the engine or the host has; bridges of the site's own do not count."""
    of_engine, of_host = others(host, site.name, there)
    for step in filter(_new, plan.networks):
        kind, alone = step.name.removeprefix(f"{site.name}-"), bool(step.wanted.interface)
        for message in overlapping(IPv4Network(step.wanted.subnet), of_engine if alone else [*of_engine, *of_host]):
            yield (kind, "nodes") if alone else (kind,), message


def _interface(host: Host, port: Port) -> Iterator[Lack]:
    """What keeps an interface of the host from being a part of a network."""
    links, name = host.links(), port.interface
    link = links.get(name)
    if port.verb == "disconnect":
        return
    if not host.can_connect():
        yield "this host has no `ip`, which puts an interface into a network", "install iproute2"
    if link is None:
        fit = [each.name for each in links.values() if not (each.kind or each.master)]
        yield f"this host has no interface {name}", suggest(name, fit, "it has")
        return
    used = sorted(route.network for route in host.routes() if route.interface == name)
    if link.kind:
        kind = {"bridge": "a bridge", "loopback": "this host's loopback", "wireless": "wireless"}[link.kind]
        yield f"{name} is {kind}, which can be no part of a network of the engine", "name an Ethernet interface"
    elif link.master and link.master != port.bridge:
        yield f"{name} is a part of {link.master} already", "take it out of that, or name another one"
    elif used:
        remedy = f"name another one, or a VLAN of it: ip link add link {name} name {name}.120 type vlan id 120"
        yield f"this host reaches {used[0]} through {name}, and would lose that", remedy
    elif link.mtu < PACKET:
        remedy = f"give it one of {PACKET}: ip link set dev {name} mtu {PACKET}"
        yield f"{name} has an MTU of {link.mtu}, and VMs send packets of up to {PACKET} bytes", remedy


def others(host: Host, site: str, there: Sequence[Bridge]) -> tuple[list[Taken], list[Taken]]:
    """Networks that the engine has, but for the site's own, and those that the host reaches otherwise; by whom."""
    of_engine = [
        (network, f"the engine's network {bridge.name} has")
        for bridge in there
        if bridge.site != site
        for network in map(ip_network, bridge.subnets)
        if isinstance(network, IPv4Network)
    ]
    interfaces = {bridge.interface for bridge in there}
    routes = [route for route in host.routes() if route.interface not in interfaces]
    return of_engine, [(route.network, f"this host reaches through {route.interface}") for route in routes]
