"""Where things are: nodes with addresses, containers on the nodes of their groups, endpoints with their members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import chain

from stackyard.catalogue import Catalogue
from stackyard.catalogue.problems import Problems, some
from stackyard.entrypoint.endpoints import Endpoint
from stackyard.model.publish import Address
from stackyard.model.service import Container, Service
from stackyard.model.site import Network, PublicNetwork, Site
from stackyard.plan.facts import HostFacts
from stackyard.plan.public import contradictions, public_urls
from stackyard.plan.resolved import PlacedNode, PublicUrl, Published
from stackyard.plan.said import Said, of_endpoints

FIRST = 10
"""Host part of the first address given, where the network has room for it."""
HIGHEST_PORT = 65535
_PUBLIC = 2
"""Place of the public address among those that a node has."""


@dataclass(frozen=True)
class Choice:
    """A container that the site runs, with the nodes that run it."""

    service: Service
    name: str
    container: Container
    nodes: tuple[PlacedNode, ...]


@dataclass(frozen=True)
class Placement:
    """All nodes, what runs on them, and the endpoints that this makes.

    ``changed`` are parts of endpoints that the site says, by endpoint and part.
    """

    nodes: tuple[PlacedNode, ...]
    choices: tuple[Choice, ...]
    endpoints: Mapping[str, Endpoint]
    changed: Mapping[tuple[str, str], Said]
    urls: tuple[PublicUrl, ...]


def place(catalogue: Catalogue, site: Site, host: HostFacts, problems: Problems) -> Placement:
    """Decide where everything is, and what the endpoints are."""
    nodes = addressed(catalogue, site, host.nodes)
    choices = _select(catalogue, site, nodes, problems)
    nodes = _zoned(site, _outside(nodes, choices), choices)
    if site.networks.public and not any(node.public for node in nodes):
        message = "nothing that the site runs leads VMs to a public network"
        problems.at(("networks", "public"), message, f"leave it out; {site.sdn} has none, or no node runs VMs")
    changed = of_endpoints(catalogue, site, choices)
    ports = {name: int(word.text) for (name, part), word in changed.items() if part == "port"}
    _collisions(catalogue, choices, changed, problems)
    published = _published(catalogue, site, choices, ports, problems)
    nodes = tuple(
        replace(node, published=tuple(port for first, port in published.values() if first == node.name))
        for node in nodes
    )
    by_name = {node.name: node for node in nodes}
    choices = tuple(replace(each, nodes=tuple(by_name[node.name] for node in each.nodes)) for each in choices)
    made = _endpoints(catalogue, choices, ports)
    urls = public_urls(catalogue.endpoints, site, made, changed, host.address)
    contradictions(site, urls, published, changed, problems)
    for name, url in urls.items():
        made[name].public = url.url
    return Placement(nodes, choices, made, changed, tuple(url for name, url in urls.items() if name in published))


# ---------------------------------------------------------------- nodes


def addressed(catalogue: Catalogue, site: Site, kept: Mapping[str, Sequence[str]]) -> tuple[PlacedNode, ...]:
    """Nodes with the addresses that the site gives, that they have already, or the next free ones, in its order.

    ``kept`` are those that they have, management, tunnel and perhaps public: a node that goes moves no other.
    """
    had = {name: tuple(map(ip_address, kept[name])) for name in site.nodes if name in kept}
    wanted = {name: node.management for name, node in site.nodes.items()}
    management = _assign(site.networks.management, wanted, {name: each[0] for name, each in had.items()})
    tunnels = {name: node.tunnel for name, node in site.nodes.items()}
    tunnel = _beside(management, site, site.networks.tunnel, tunnels, {name: each[1] for name, each in had.items()})
    public: Mapping[str, Address] = {}
    if site.networks.public:
        last = {name: each[_PUBLIC] for name, each in had.items() if len(each) > _PUBLIC}
        network, others = site.engine_networks["public"], _of_others(site.networks.public)
        public = _beside(management, site, network, dict.fromkeys(site.nodes), last, others=others)
    groups = {each.group for each in catalogue.containers.values()}
    placed = []
    for name, node in site.nodes.items():
        words = frozenset(word for role in node.roles for word in catalogue.roles.get(role, (role,)))
        place = (name, node.roles, words & groups, words - groups, management[name], tunnel[name])
        placed.append(PlacedNode(*place, public=public.get(name)))
    return tuple(placed)


def _of_others(public: PublicNetwork) -> frozenset[Address]:
    """Addresses of it that are not for nodes, where the site says so."""
    if public.interface or not (public.pool or public.gateway):
        return frozenset()
    first, last = int(public.given_away.start), int(public.given_away.end)
    return frozenset({public.router, *map(ip_address, range(first, last + 1))})


def _assign(
    network: Network,
    wanted: Mapping[str, Address | None],
    kept: Mapping[str, Address],
    others: frozenset[Address] = frozenset(),
) -> dict[str, Address]:
    """The wanted addresses; for those that want none the ones that they have, or the next free ones."""
    given = {address for address in wanted.values() if address}
    had = {name: each for name, each in kept.items() if each in network and each not in given | others}
    wanted = {name: address or had.get(name) for name, address in wanted.items()}
    taken = {address for address in wanted.values() if address} | others
    free = (address for address in _usable(network, len(wanted)) if address not in taken)
    return {name: address or next(free) for name, address in wanted.items()}


def _usable(network: Network, count: int) -> Iterable[Address]:
    """Addresses that nodes may have, in order; the first of the network is the engine's own."""
    first = FIRST if network.num_addresses > FIRST + count + 1 else 2
    parts = chain(range(first, network.num_addresses - 1), range(2, first))
    return (ip_address(int(network[0]) + part) for part in parts)


def _beside(
    management: Mapping[str, Address],
    site: Site,
    network: Network,
    wanted: Mapping[str, Address | None],
    kept: Mapping[str, Address],
    *,
    others: frozenset[Address] = frozenset(),
) -> dict[str, Address]:
    """Addresses in another network: wanted, or with the host part of the management address where that is free."""
    wanted = dict(wanted)
    for name in site.nodes:
        part = int(management[name]) - int(site.networks.management[0])
        same = ip_address(int(network[0]) + part)
        if (
            wanted[name] is None
            and name not in kept
            and same in network
            and same not in {*wanted.values(), *kept.values(), *others}
        ):
            wanted[name] = same
    return _assign(network, wanted, kept, others)


def _outside(nodes: Iterable[PlacedNode], choices: Iterable[Choice]) -> tuple[PlacedNode, ...]:
    """Nodes, of which those alone are on the public network that run what needs it."""
    there = {node.name for choice in choices if choice.container.public for node in choice.nodes}
    return tuple(node if node.name in there else replace(node, public=None) for node in nodes)


def _zoned(site: Site, nodes: Iterable[PlacedNode], choices: Iterable[Choice]) -> tuple[PlacedNode, ...]:
    """Nodes that run VMs are in an availability zone: the site's word, or one of their own."""
    hypervisors = {node.name for choice in choices if choice.container.hypervisor for node in choice.nodes}
    return tuple(
        replace(node, zone=site.nodes[node.name].zone or node.name) if node.name in hypervisors else node
        for node in nodes
    )


# ---------------------------------------------------------------- containers


def _select(catalogue: Catalogue, site: Site, nodes: tuple[PlacedNode, ...], problems: Problems) -> tuple[Choice, ...]:
    """Containers of images in the structure that are switched on and have a node of their group."""
    choices = []
    for service in catalogue.services.values():
        for name, container in service.containers.items():
            where = tuple(node for node in nodes if container.group in node.groups or service.service in node.services)
            if (container.public and not site.networks.public) or (container.contents and site.contents is None):
                continue
            if where and site.runs(name, default=not container.optional) and container.image in catalogue.images:
                choices.append(Choice(service, name, container, where))
    _single(choices, problems)
    _on_hosts(site, choices, problems)
    return tuple(choices)


def _on_hosts(site: Site, choices: Iterable[Choice], problems: Problems) -> None:
    """What needs a host's own network runs on none that has one of its own."""
    for choice in choices:
        virtual = [node.name for node in choice.nodes if site.nodes[node.name].kind == "virtual"]
        if choice.container.host_network and virtual:
            message = f"{choice.name} needs the network of a host itself, and {some(virtual)} would be virtual"
            remedy = f"a site has virtual nodes only, today: name groups and services without {choice.name}"
            problems.at(("nodes", virtual[0], "roles"), message, remedy)


def _single(choices: Iterable[Choice], problems: Problems) -> None:
    """What runs on one node of its group has one."""
    twice: dict[tuple[str, ...], list[str]] = {}
    for choice in choices:
        if choice.container.runs == "one" and len(choice.nodes) > 1:
            twice.setdefault(tuple(node.name for node in choice.nodes), []).append(choice.name)
    for nodes, containers in twice.items():
        message = f"{' and '.join(nodes)} would both run {some(containers)}, which cannot be a cluster"
        problems.at(("nodes", nodes[1], "roles"), message, "name other groups or services for one of them")


# ---------------------------------------------------------------- endpoints


def _published(
    catalogue: Catalogue, site: Site, choices: Iterable[Choice], ports: Mapping[str, int], problems: Problems
) -> dict[str, tuple[str, Published]]:
    """Endpoint -> node and port of those that appear on the host; of several members the first publishes it."""
    by_name = {choice.name: choice for choice in choices}
    found = {}
    for name, endpoint in catalogue.endpoints.items():
        choice = by_name.get(endpoint.container)
        if choice and endpoint.public:
            port = ports.get(name, endpoint.port)
            found[name] = (choice.nodes[0].name, Published(choice.name, name, port, port + site.publish.offset))
    highest = max((port for _, port in found.values()), key=lambda port: port.host_port, default=None)
    if highest and highest.host_port > HIGHEST_PORT:
        what = f"{highest.port}, the port of {highest.container}, would be {highest.host_port}"
        remedy = f"choose one of at most {HIGHEST_PORT - highest.port}"
        problems.at(("publish", "offset"), f"{site.publish.offset} is too much: {what}", remedy)
    return found


def _collisions(
    catalogue: Catalogue, choices: Iterable[Choice], changed: Mapping[tuple[str, str], Said], problems: Problems
) -> None:
    """A port that the site changes is not that of another container on the same node, or on the host."""
    nodes = {choice.name: [node.name for node in choice.nodes] for choice in choices}
    taken: dict[tuple[str, int], str] = {}
    told = set()
    for name, endpoint in sorted(catalogue.endpoints.items(), key=lambda each: (each[0], "port") in changed):
        word, container = changed.get((name, "port")), endpoint.container
        port = int(word.text) if word else endpoint.port
        everywhere = nodes.get(container, [])
        for where in (*everywhere, *(["the host"] if everywhere and endpoint.public else [])):
            other = taken.setdefault((where, port), container)
            if other != container and word and word.loc not in told:
                told.add(word.loc)
                message = f"{other} and {container} would both have port {port} of {where}"
                problems.at(word.loc, message, "give each its own, below `containers: {NAME: {environment: …}}`")


def _endpoints(catalogue: Catalogue, choices: Iterable[Choice], ports: Mapping[str, int]) -> dict[str, Endpoint]:
    """Every endpoint that the catalogue knows, with the hosts of its members; none where no node serves it."""
    hosts = {choice.name: [str(node.management) for node in choice.nodes] for choice in choices}
    return {
        name: Endpoint(
            name,
            endpoint.model_dump(),
            hosts.get(endpoint.container, []),
            port=ports.get(name, endpoint.port),
        )
        for name, endpoint in catalogue.endpoints.items()
    }
