"""What a cloud contains, decided: all that the site file leaves out is filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from stackyard.catalogue.contents import GUEST, cidr
from stackyard.model.contents import CloudNetwork
from stackyard.model.site import Site

FOLDER = "/run/images"
"""Where the container that makes it all finds the files of images."""
USER = "users/{}"
"""Name of the secret that is a user's password."""


@dataclass(frozen=True)
class ImageFile:
    """The file of an image on the host: where it is or will be, and what its contents are known by."""

    path: str
    revision: str


def mounted(name: str, files: Mapping[str, ImageFile]) -> str:
    """Where the file of an image is in the container."""
    return f"{FOLDER}/{files[name].revision}"


def described(site: Site, files: Mapping[str, ImageFile]) -> dict[str, Any]:
    """All of it as plain data, each a list in the order of the site file."""
    contents = site.contents
    if contents is None:
        return {}
    owned = ("networks", "routers", "security_groups")
    made = {
        key: [{"name": name, **each.model_dump(mode="json")} for name, each in getattr(contents, key).items()]
        for key in ("flavors", "projects", *owned)
    }
    made["users"] = [{"name": name, "projects": dict(user.projects)} for name, user in contents.users.items()]
    made["images"] = [
        {"name": name, "file": mounted(name, files), "revision": files[name].revision, **rest}
        for name, rest in _images(site).items()
        if name in files
    ]
    made["networks"] = [{**each, **_addresses(site, contents.networks[each["name"]])} for each in made["networks"]]
    return made


def _images(site: Site) -> dict[str, dict[str, Any]]:
    """Name -> what is said of each image, beside its contents."""
    assert site.contents  # noqa: S101 - asked before
    keys = {"format", "properties", "visibility", "min_disk", "min_ram"}
    guest = {"format": "raw", "properties": {}, "visibility": "public", "min_disk": 0, "min_ram": 0}
    return {GUEST: guest, **{name: each.model_dump(include=keys) for name, each in site.contents.images.items()}}


def _addresses(site: Site, network: CloudNetwork) -> dict[str, Any]:
    """The range of a network, its gateway, what of it is given away, and the VLAN it is, of an external one."""
    addresses = cidr(site, network)
    assert isinstance(addresses, IPv4Network)  # noqa: S101 - checked with the site file
    outside = site.networks.public if network.external else None
    gateway = network.gateway or (outside.router if outside else addresses[1])
    pool = network.pool or (outside.given_away if outside else None)
    made = {"cidr": str(addresses), "gateway": str(gateway), "pool": pool and pool.model_dump(mode="json")}
    return {**made, "vlan": outside.vlan if outside else None}
