"""What a site file says that its cloud contains, held against itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path

from stackyard.catalogue.problems import Loc, suggest
from stackyard.model.contents import CloudNetwork, Contents, Image, Router, SecurityGroup
from stackyard.model.site import Site

GUEST = "guest"
"""Name of the image that is always there."""

LONGEST = 29
"""Prefix length of the smallest network: of eight addresses, VMs have four."""

Found = Iterator[tuple[Loc, str, str]]


def located(contents: Contents, folder: Path) -> Contents:
    """The same with the files of images where they are: ``folder`` is that of the site file."""
    images = {
        name: each.model_copy(update={"file": folder / each.file}) if each.file else each
        for name, each in contents.images.items()
    }
    return contents.model_copy(update={"images": images})


def cidr(site: Site, network: CloudNetwork) -> IPv4Network | None:
    """The addresses of a network: its own, or those of the site's public one; None when nothing says them."""
    return network.cidr or (site.networks.ranges.get("public") if network.external else None)


def problems(site: Site) -> Found:
    """All that is wrong, where it stands, and what to do."""
    if site.contents is None:
        return
    for name, image in site.contents.images.items():
        yield from _image(name, image)
    yield from _projects(site.contents)
    external = next((name for name, each in site.contents.networks.items() if each.external), "")
    for name, network in site.contents.networks.items():
        yield from _network(site, name, network, external)
    yield from _routers(site, site.contents)


def _image(name: str, image: Image) -> Found:
    loc: Loc = ("contents", "images", name)
    if name == GUEST:
        yield loc, f"`{GUEST}` is the image that is always there", "choose another name"
    if bool(image.file) == bool(image.url):
        yield loc, "an image is a file or what a URL gives", "give one of `file` and `url`"
    elif image.url and not image.sha256:
        yield loc, "an image from a URL needs its checksum", "give its `sha256`, as whoever offers it publishes it"


def _projects(contents: Contents) -> Found:
    """Whoever names a project names one of the section, and a user has one."""
    named: list[tuple[Loc, str]] = []
    for name, user in contents.users.items():
        loc: Loc = ("contents", "users", name, "projects")
        if not user.projects:
            yield loc, f"the user {name} has no project, and could do nothing", "give one: `projects: {demo: [member]}`"
        for project, roles in user.projects.items():
            named.append(((*loc, project), project))
            if not roles:
                yield (*loc, project), f"the user {name} has no role in {project}", "give one: `[member]`"
    owned: dict[str, Mapping[str, CloudNetwork | Router | SecurityGroup]] = {
        "networks": contents.networks,
        "routers": contents.routers,
        "security_groups": contents.security_groups,
    }
    named += [
        (("contents", kind, name, "project"), each.project)
        for kind, all_ in owned.items()
        for name, each in all_.items()
        if each.project is not None
    ]
    for loc, project in named:
        if project not in contents.projects:
            remedy = suggest(project, contents.projects, "add it below `contents.projects`, which has")
            yield loc, f"there is no project {project}", remedy


def _network(site: Site, name: str, network: CloudNetwork, external: str) -> Found:
    """A network has addresses, and gives away its own; ``external`` is the one that is the site's public network."""
    loc: Loc = ("contents", "networks", name)
    addresses = cidr(site, network)
    if network.external and not site.networks.public:
        yield loc, f"{name} is external, and the site has no public network", "give one: `networks: {public: …}`"
    elif network.external and network.cidr and network.cidr != site.networks.ranges["public"]:
        remedy = "leave it out"
        yield (*loc, "cidr"), f"the site's public network is {site.networks.ranges['public']}", remedy
    elif addresses is None:
        yield loc, f"{name} has no addresses", "give its `cidr`, as 10.0.0.0/24"
    if network.external and name != external:
        yield loc, f"{external} is the site's public network already", "there can be one external network"
    if addresses is None:
        return
    if addresses.prefixlen > LONGEST and not network.external:
        yield (*loc, "cidr"), f"{addresses} is too small", f"choose one of at least {2 ** (32 - LONGEST)} addresses"
    ends = [("gateway", network.gateway)]
    ends += [("pool", each) for each in (network.pool.start, network.pool.end)] if network.pool else []
    for key, address in ends:
        if address is not None and address not in addresses:
            yield (*loc, key), f"{address} is outside {addresses}", "choose one inside"
    if network.pool and network.pool.start > network.pool.end:
        yield (*loc, "pool"), "it ends before it starts", "exchange `start` and `end`"


def _routers(site: Site, contents: Contents) -> Found:
    """A router connects networks of the section whose addresses differ."""
    networks = contents.networks
    for name, router in contents.routers.items():
        loc: Loc = ("contents", "routers", name)
        named = [("external", router.external)] if router.external is not None else []
        named += [("networks", each) for each in router.networks]
        for key, network in named:
            if network not in networks:
                yield (*loc, key), f"there is no network {network}", suggest(network, networks, "there are")
            elif (key == "external") != networks[network].external:
                is_not = "is not external" if key == "external" else "is external"
                yield (*loc, key), f"{network} {is_not}", "`external` names that one, `networks` the others"
        ranges = [(each, cidr(site, networks[each])) for _, each in named if each in networks]
        for (one, first), (other, second) in combinations(ranges, 2):
            if first and second and first.overlaps(second):
                message = f"{other}, {second}, overlaps {one}, {first}: one router cannot tell them apart"
                yield (*loc, "networks"), message, "give them addresses of their own"
