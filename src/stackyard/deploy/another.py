"""A site file made into that of another site: with a name, networks and ports of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, ip_address
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from stackyard.catalogue import open_site
from stackyard.deploy.check import others
from stackyard.deploy.desired import Desired
from stackyard.deploy.observe import networks
from stackyard.effects.host import Host
from stackyard.errors import InputError
from stackyard.plan.requirements import overlapping

STEP, STEPS = 2500, 12
"""What is added to the ports of the host, again and again, until all of them are free."""
TRIES = 1024
"""Networks that are looked at, one after the other, for one that is free."""
_PUBLIC = "public"
_AT_INTERFACE = ("interface", "vlan", "nodes")
"""What is said of a public network that is at an interface."""
_TESTS = IPv4Network("198.18.0.0/15")
"""Addresses for tests of networks, RFC 2544: nobody's."""


def another(host: Host, file: Path, name: str) -> None:
    """Write the file of the site anew, as of that name. Raises InputError when nothing is free, or the name unfit."""
    text = file.read_text()
    document: dict[str, Any] = yaml.safe_load(text)
    document["site"] = name
    _networks(host, document, name)
    publish = document["publish"] = document.get("publish") or {}
    offset = publish.get("offset", 0)
    for more in range(STEP, STEP * STEPS, STEP):
        publish["offset"] = offset + more
        lead = "# Of a saved site; its networks and ports were free when it was loaded.\n"
        file.write_text(lead + yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
        if not (taken := _taken_ports(host, file)):
            return
    raise InputError(f"no ports of this host are free for {name}: {taken} is the last one tried", "free some of them")


def _networks(host: Host, document: dict[str, Any], name: str) -> None:
    """Networks of the same sizes that are free; addresses in them that the site file gives are at the same places."""
    bridges = networks(host.engine)
    _let_go(document)
    before = {kind: IPv4Network(_range(each)) for kind, each in document["networks"].items() if each is not None}
    taken = [*chain(*others(host, name, bridges)), *((each, "the saved site has") for each in before.values())]
    for kind, network in before.items():
        for candidate in _following(network):
            if not any(overlapping(candidate, taken)):
                break
        else:
            raise InputError(f"no network after {network} is free for `{kind}`", "remove networks of the engine")
        taken.append((candidate, "it has itself"))
        for where, key in _places(document, kind):
            where[key] = _moved(where[key], network, candidate)


def _let_go(document: dict[str, Any]) -> None:
    """The interface of the public network stays that of the saved site; this one has a network of the engine.

    Raises InputError when it is a VLAN: what the cloud knows of it cannot change.
    """
    public = document["networks"].get("public")
    if isinstance(public, dict):
        if public.get("vlan") is not None:
            message = (
                f"its public network is VLAN {public['vlan']} of {public.get('interface')}, and there is one of that"
            )
            raise InputError(message, "load it under its own name")
        document["networks"]["public"] = {key: public[key] for key in public if key not in _AT_INTERFACE}


def _range(network: Any) -> str:
    return str(network["range"] if isinstance(network, dict) else network)


def _places(document: dict[str, Any], kind: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Where the site file has a range, or addresses in it: what has them, and under which key."""
    network = document["networks"][kind]
    if not isinstance(network, dict):
        yield document["networks"], kind
    said = [each for each in (network, *_outside(document)) if isinstance(each, dict)] if kind == _PUBLIC else []
    pools = [each["pool"] for each in said if each.get("pool")]
    for key in ("range", "cidr", "gateway", "start", "end"):
        yield from ((each, key) for each in (*said, *pools) if each.get(key) is not None)
    yield from ((node, kind) for node in document["nodes"].values() if node.get(kind))


def _outside(document: dict[str, Any]) -> Iterable[Any]:
    """What the site file says of networks of the cloud that are the public one."""
    networks = (document.get("contents") or {}).get("networks") or {}
    return [each for each in networks.values() if each and each.get("external")]


def _moved(value: Any, network: IPv4Network, other: IPv4Network) -> str:
    """A range, or an address in it, as it is in another of the same size."""
    text = str(value)
    return str(other) if "/" in text else str(other[int(ip_address(text)) - int(network.network_address)])


def _following(network: IPv4Network) -> Iterator[IPv4Network]:
    """Networks of the same size that are no public ones: those after it, then those for tests of networks."""
    for first in (network, _TESTS):
        for number in range(1, TRIES):
            address = int(first.network_address) + number * network.num_addresses
            candidate = IPv4Network((address, network.prefixlen))
            if candidate.is_private and not candidate.is_loopback:
                yield candidate


def _taken_ports(host: Host, file: Path) -> Sequence[int]:
    """Ports of the host that the site would have and others do."""
    site, catalogue = open_site(str(file))
    resolved = Desired.of(host, site, catalogue).site
    address = str(resolved.site.publish.listens)
    ports = [port.host_port for node in resolved.nodes for port in node.published]
    return [port for port in ports if not host.port_is_free(address, port)]
