"""Reading a site file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from stackyard.catalogue.catalogue import Catalogue
from stackyard.catalogue.load import load, releases, sdns
from stackyard.catalogue.problems import Loc, Problems, near, shown, suggest
from stackyard.catalogue.root import catalogue_root
from stackyard.catalogue.validate import parse
from stackyard.catalogue.yamlsource import Map, locate, read
from stackyard.entrypoint.values import parse as parse_value
from stackyard.errors import InputError
from stackyard.model.sdn import Sdn
from stackyard.model.site import Address, Network, Site

_NODE = re.compile(r"[a-z][a-z0-9-]{0,30}")
_RESERVED = 3
"""Addresses of a network that no node can have: its first, its last, and the engine's own."""


def load_site(path: Path, root: Path | None = None) -> Site:
    """A site file. Raises InputError with all problems."""
    return _read(path, root or catalogue_root())[0]


def open_site(reference: str = "demo", root: Path | None = None) -> tuple[Site, Catalogue]:
    """A site by name or file, with its catalogue, checked against each other.

    Raises InputError with all problems.
    """
    root = root or catalogue_root()
    site, data = _read(site_path(reference, root), root)
    catalogue = load(root, site.release, site.sdn)
    problems = Problems()
    _against(catalogue, site, data, problems)
    problems.check()
    return site, catalogue


def site_path(reference: str, root: Path | None = None) -> Path:
    """File of a site given by NAME (in the catalogue) or FILE. Raises InputError when there is none."""
    folder = (root or catalogue_root()) / "sites"
    if "/" in reference or reference.endswith((".yaml", ".yml")):
        return Path(reference)
    named = folder / f"{reference}.yaml"
    if not named.is_file():
        remedy = suggest(reference, sorted(path.stem for path in folder.glob("*.yaml")), "give a file, or one of")
        raise InputError(f"there is no site {reference} in {folder}", remedy)
    return named


def _read(path: Path, root: Path) -> tuple[Site, Map]:
    """A site and its data, checked in itself."""
    problems = Problems()
    data = read(path, problems)
    site = parse(Site, data, problems) if data is not None else None
    if data is not None and site:
        site = _located(site, path.parent)
        for loc, message, remedy in (*_choices(site, root), *_networks(site), *_nodes(site), *_repositories(site)):
            problems.add(locate(data, loc)[0], loc, message, remedy)
    problems.check()
    assert data is not None and site  # noqa: S101, PT018 - else problems.check() has raised
    return site, data


Found = Iterator[tuple[Loc, str, str]]


def _choices(site: Site, root: Path) -> Found:
    """Release, SDN and encapsulation are ones that there are."""
    if site.release not in releases(root):
        yield ("release",), f"there is no release {site.release}", suggest(site.release, releases(root), "there is")
    known = sdns(root)
    if site.sdn not in known:
        yield ("sdn",), f"there is no SDN {site.sdn}", suggest(site.sdn, known, "there is")
        return
    problems = Problems()
    data = read(known[site.sdn], problems)
    back_end = parse(Sdn, data, problems) if data is not None else None
    problems.check()
    if back_end and site.encapsulation not in back_end.encapsulations:
        remedy = f"it has: {', '.join(back_end.encapsulations)}"
        yield ("encapsulation",), f"{back_end.title} has no {site.encapsulation}", remedy


def _located(site: Site, folder: Path) -> Site:
    """The site with the keys of its repositories where they are."""
    found = {
        name: each.model_copy(update={"key": folder / each.key}) if each.key else each
        for name, each in site.repositories.items()
    }
    return site.model_copy(update={"repositories": found})


def _repositories(site: Site) -> Found:
    """A package repository is signed by a key that is there, or said not to be."""
    for name, repository in site.repositories.items():
        loc: Loc = ("repositories", name)
        if repository.unsigned == bool(repository.key):
            message = "is unsigned and has a key" if repository.key else "has no key"
            yield loc, message, "give `key: FILE`, the public key that signs it, or `unsigned: true`"
        elif repository.key and not repository.key.is_file():
            yield (*loc, "key"), f"there is no file {shown(repository.key)}", "name the public key that signs it"


def _networks(site: Site) -> Found:
    """The networks are apart and large enough."""
    networks = {"management": site.networks.management, "tunnel": site.networks.tunnel}
    if networks["management"].overlaps(networks["tunnel"]):
        message = f"{networks['tunnel']} overlaps management, {networks['management']}"
        yield ("networks", "tunnel"), message, "choose networks that share no address"
    for name, network in networks.items():
        if network.num_addresses < len(site.nodes) + _RESERVED:
            message = f"{network} is too small for {len(site.nodes)} nodes"
            yield ("networks", name), message, f"choose one of at least {len(site.nodes) + _RESERVED} addresses"


def _nodes(site: Site) -> Found:
    """Nodes have names and addresses of their own, and one of them is the controller."""
    seen: dict[Address, str] = {}
    for name, node in site.nodes.items():
        loc: Loc = ("nodes", name)
        if not _NODE.fullmatch(name):
            yield loc, "not a name for a node", "start with a letter; lower-case letters, digits and dashes"
        if not node.roles:
            yield (*loc, "roles"), "a node without a role", "write [controller], [compute] or both"
        for key, network in (("management", site.networks.management), ("tunnel", site.networks.tunnel)):
            address: Address | None = getattr(node, key)
            if address is None:
                continue
            yield from _address((*loc, key), address, network)
            if address in seen:
                yield (*loc, key), f"{address} is the address of {seen[address]} already", "give each its own"
            seen.setdefault(address, f"nodes.{name}.{key}")
    if not any("controller" in node.roles for node in site.nodes.values()):
        yield ("nodes",), "no node has the role controller", "write `roles: [controller]` at one of them"


def _address(loc: Loc, address: Address, network: Network) -> Found:
    """A node's address is one that the network has to give."""
    first, last = network[0] + 2, network[-1] - 1
    if address not in network:
        yield loc, f"{address} is outside the network {network}", f"choose one from {first} to {last}"
    elif not int(first) <= int(address) <= int(last):
        message = f"{address} is not for a node: the first two and the last of {network} have uses of their own"
        yield loc, message, f"choose one from {ip_address(int(first))} to {ip_address(int(last))}"


def _against(catalogue: Catalogue, site: Site, data: Map, problems: Problems) -> None:
    """The site names containers and variables that the catalogue has."""
    containers = {name: each for service in catalogue.services.values() for name, each in service.containers.items()}
    optional = [name for name, each in containers.items() if each.optional]
    for name in site.containers:
        loc: Loc = ("containers", name)
        mark = locate(data, loc)[0]
        if name not in containers:
            problems.add(mark, loc, f"there is no container `{name}`", suggest(name, optional, "optional ones"))
        elif name not in optional:
            problems.add(mark, loc, f"{name} is not optional", suggest(name, optional, "optional ones"))
    for name in site.settings:
        loc = ("settings", name)
        if name not in catalogue.known:
            remedy = near(name, catalogue.known) or "`stackyard explain IMAGE` lists the variables of an image"
            problems.add(locate(data, loc)[0], loc, f"no container knows the variable {name}", remedy)
            continue
        message = _refused(catalogue, name, site.settings[name])
        if message:
            problems.add(locate(data, loc)[0], loc, message, "correct the value")


def _refused(catalogue: Catalogue, name: str, text: str) -> str:
    """Why an image does not take a value of a variable, or nothing."""
    for image in catalogue.images:
        variable = catalogue.effective(image).contract.get(name)
        try:
            parse_value(variable.type if variable else "str", text, variable.values if variable else ())
        except ValueError as error:
            return str(error)
    return ""
