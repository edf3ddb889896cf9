"""The networks that a site file gives, held against themselves and each other."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from stackyard.catalogue.problems import Loc
from stackyard.model.site import PublicNetwork, Site

Found = Iterator[tuple[Loc, str, str]]
_NETWORKS: Loc = ("networks",)
_PUBLIC: Loc = ("public",)
_SMALLEST = 4
"""Addresses of the smallest network that has a gateway and one to give away."""
_RESERVED = 3
"""Addresses of a network that no node can have: its first, its last, and the engine's own."""


def problems(site: Site) -> Found:
    """The networks are apart and large enough."""
    public, needed = site.networks.public, len(site.nodes) + _RESERVED
    networks: dict[Loc, IPv4Network] = {(kind,): each for kind, each in site.networks.ranges.items()}
    for_nodes = dict(networks)
    if public and public.interface:
        del for_nodes[_PUBLIC]
        for_nodes[*_PUBLIC, "nodes"] = site.engine_networks["public"]
    for (first, one), (second, other) in combinations((networks | for_nodes).items(), 2):
        if one.overlaps(other):
            message = f"{other} overlaps {'.'.join(map(str, first))}, {one}"
            yield (*_NETWORKS, *second), message, "choose networks that share no address"
    for loc, network in for_nodes.items():
        if network.num_addresses < needed:
            message = f"{network} is too small for {len(site.nodes)} nodes"
            yield (*_NETWORKS, *loc), message, f"choose one of at least {needed} addresses"
    if public and public.range.num_addresses < _SMALLEST:
        message = f"{public.range} has no room for a gateway and an address to give away"
        yield (*_NETWORKS, *_PUBLIC), message, f"choose one of at least {_SMALLEST} addresses"
    elif public:
        yield from _public(public, needed)


def _public(public: PublicNetwork, needed: int) -> Found:
    """What is said of the public network fits together; ``needed`` is how many addresses nodes need in the engine's."""
    loc: Loc = (*_NETWORKS, *_PUBLIC)
    yield from _given_away(public)
    if public.interface and not public.pool:
        message = f"nothing says which addresses of {public.range} are the cloud's"
        remedy = "give its `pool`, as {start: ADDRESS, end: ADDRESS}: addresses that nothing else on that network has"
        yield loc, message, remedy
    for key, value in () if public.interface else (("vlan", public.vlan), ("nodes", public.nodes)):
        if value is not None:
            yield (*loc, key), f"`{key}` is of a network at an interface", "give its `interface`, or leave this out"
    left = public.range.num_addresses - (int(public.given_away.end) - int(public.given_away.start) + 1)
    if public.pool and not public.interface and left < needed:
        message = f"it leaves no addresses of {public.range} for nodes"
        yield (*loc, "pool"), message, f"leave {needed} addresses out of it"


def _given_away(public: PublicNetwork) -> Found:
    """Gateway and pool are in the range, and the gateway is not in the pool."""
    loc: Loc = (*_NETWORKS, *_PUBLIC)
    pool, first, last = public.given_away, public.range[1], public.range[-2]
    keys: tuple[tuple[Loc, IPv4Address], ...] = (
        (("gateway",), public.router),
        (("pool", "start"), pool.start),
        (("pool", "end"), pool.end),
    )
    for where, address in keys:
        if not first <= address <= last:
            yield (*loc, *where), f"{address} is not one of {public.range}", f"choose one from {first} to {last}"
    if pool.start > pool.end:
        yield (*loc, "pool"), "it ends before it starts", "exchange `start` and `end`"
    elif pool.start <= public.router <= pool.end:
        key = "gateway" if public.gateway else "pool"
        yield (*loc, key), f"{public.router} is the gateway, and in the pool", "leave it out of the pool"
