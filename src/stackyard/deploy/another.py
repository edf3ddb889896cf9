"""A site file made into that of another site: with a name, networks and ports of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, ip_address
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
    """Networks of the same sizes that are free; addresses that nodes were given are the same ones in them."""
    bridges = networks(host.engine)
    before = {kind: IPv4Network(each) for kind, each in document["networks"].items()}
    taken = [*others(host, name, bridges), *((each, "the saved site has") for each in before.values())]
    for kind, network in before.items():
        for candidate in _following(network):
            if not any(overlapping(candidate, taken)):
                break
        else:
            raise InputError(f"no network after {network} is free for `{kind}`", "remove networks of the engine")
        taken.append((candidate, "it has itself"))
        document["networks"][kind] = str(candidate)
        for node in document["nodes"].values():
            if node.get(kind):
                place = int(ip_address(node[kind])) - int(network.network_address)
                node[kind] = str(candidate[place])


def _following(network: IPv4Network) -> Iterator[IPv4Network]:
    """Networks of the same size after it, as long as they are no public ones."""
    for number in range(1, TRIES):
        first = int(network.network_address) + number * network.num_addresses
        candidate = IPv4Network((first, network.prefixlen))
        if candidate.is_private and not candidate.is_loopback:
            yield candidate


def _taken_ports(host: Host, file: Path) -> Sequence[int]:
    """Ports of the host that the site would have and others do."""
    site, catalogue = open_site(str(file))
    resolved = Desired.of(host, site, catalogue).site
    address = str(resolved.site.publish.listens)
    ports = [port.host_port for node in resolved.nodes for port in node.published]
    return [port for port in ports if not host.port_is_free(address, port)]
