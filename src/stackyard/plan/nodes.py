"""Nodes get their addresses and zones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from stackyard.model.site import Address, Network, Site
from stackyard.plan.resolved import PlacedNode

FIRST = 10
"""Host part of the first address given, where the network has room for it."""


def place(site: Site) -> tuple[PlacedNode, ...]:
    """Nodes with the addresses that the site gives, or the next free ones, in the site's order."""
    management = _assign(site.networks.management, {name: node.management for name, node in site.nodes.items()})
    tunnel = _tunnels(site, management)
    return tuple(
        PlacedNode(
            name=name,
            roles=node.roles,
            management=management[name],
            tunnel=tunnel[name],
            zone=node.zone or (name if "compute" in node.roles else ""),
        )
        for name, node in site.nodes.items()
    )


def _assign(network: Network, wanted: Mapping[str, Address | None]) -> dict[str, Address]:
    """The wanted addresses, and the next free ones for those that want none."""
    taken = {address for address in wanted.values() if address}
    free = (address for address in _usable(network, len(wanted)) if address not in taken)
    return {name: address or next(free) for name, address in wanted.items()}


def _usable(network: Network, count: int) -> Iterable[Address]:
    """Addresses that nodes may have, in order; the first of the network is the engine's own."""
    first = FIRST if network.num_addresses > FIRST + count + 1 else 2
    return (ip_address(int(network[0]) + part) for part in range(first, network.num_addresses - 1))


def _tunnels(site: Site, management: Mapping[str, Address]) -> dict[str, Address]:
    """Tunnel addresses: given, or with the host part of the management address where that is free."""
    network = site.networks.tunnel
    wanted: dict[str, Address | None] = {name: node.tunnel for name, node in site.nodes.items()}
    for name in site.nodes:
        same = _same_host_part(site, management[name])
        if wanted[name] is None and same in network and same not in wanted.values():
            wanted[name] = same
    return _assign(network, wanted)


def _same_host_part(site: Site, address: Address) -> Address:
    """The address of the tunnel network with the same host part."""
    part = int(address) - int(site.networks.management[0])
    return ip_address(int(site.networks.tunnel[0]) + part)
