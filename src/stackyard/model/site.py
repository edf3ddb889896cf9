"""A site: the nodes, and what runs on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal
from zlib import crc32

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr
from pydantic_core import PydanticCustomError

from stackyard.model.base import Model, Text
from stackyard.model.contents import Address as Ipv4
from stackyard.model.contents import Contents, Pool
from stackyard.model.publish import Address, Publish, as_text
from stackyard.model.reference import Registry, Tag
from stackyard.model.service import DIGEST

_METADATA = 169
"""Third number of 169.254.169.254, where VMs ask for what concerns them."""


def _ipv4(value: Any) -> Any:
    if ":" in str(value):
        raise PydanticCustomError("ipv6", "IPv6 networks do not work yet; write one of IPv4, as 198.18.82.0/24")
    return as_text(value)


def _items(value: Any) -> Any:
    """Items of a list are written with commas between them, and read without blanks at their ends."""
    for item in value if isinstance(value, tuple) else ():
        if isinstance(item, str) and ("," in item or item != item.strip()):
            text = (
                "`{item}` cannot be an item of a list: it has a comma, or a blank at an end; write the list as one text"
            )
            raise PydanticCustomError("item", text, {"item": item})
    return value


Option = Annotated[str | bool | int | float | tuple[str | bool | int | float, ...], AfterValidator(_items)]
Network = Annotated[IPv4Network, BeforeValidator(_ipv4)]


class Overrides(Model):
    """What an operator says beyond the catalogue."""

    environment: dict[str, Text] = Field(
        default_factory=dict,
        repr=False,
        description="Variable of the contract -> value; of a secret, `NAME_FILE` -> file that holds it, relative to "
        "this one; a keyring with one key will do, too.",
    )
    options: dict[str, dict[str, Option]] = Field(
        default_factory=dict,
        description="Group -> option -> value, of the service's own configuration, as oslo.config reads it: `$name` is "
        "the value of another option, and `$$` a dollar.",
    )


class ContainerOverrides(Overrides):
    """What an operator says of one container."""

    enabled: bool | None = Field(default=None, description="Whether it runs, where it is optional.")


class Node(Overrides):
    """A place where compose projects run."""

    roles: tuple[str, ...] = Field(description="What runs there: roles, groups or services of the catalogue.")
    kind: Literal["virtual"] = Field(default="virtual", description="A network namespace on the local engine.")
    management: Address | None = Field(default=None, description="Default: the next free one of the network.")
    tunnel: Address | None = Field(default=None, description="Default: the same host part in the tunnel network.")
    zone: str | None = Field(default=None, description="Availability zone of its VMs; default: the node's name.")
    services: dict[str, Overrides] = Field(
        default_factory=dict, description="Service -> what holds for its containers on this node."
    )


def _range(value: Any) -> Any:
    """The range alone says all of a network that ends at this host."""
    return value if isinstance(value, Mapping | Model) else {"range": value}


class PublicNetwork(Model):
    """The network outside the cloud: its range, what of it is whose, and the interface that leads to it."""

    range: Network = Field(description="Its addresses, as 203.0.113.0/24.")
    gateway: Ipv4 | None = Field(
        default=None,
        description="Router of the network: this host; with an `interface` a machine of that network. Default: the "
        "first address.",
    )
    pool: Pool | None = Field(
        default=None,
        description="Addresses for the cloud to give away, to routers and as floating ones. Default: the upper half; "
        "with an `interface` it has to be said.",
    )
    interface: str | None = Field(
        default=None,
        pattern=r"^[^\s/:]{1,15}$",
        description="Interface of this host that the network is at. It is the cloud's then: the host has no address "
        "there.",
    )
    vlan: int | None = Field(
        default=None, ge=1, le=4094, description="VLAN of that interface, if frames of the network have a tag."
    )
    nodes: Network | None = Field(
        default=None,
        description="With an `interface`: addresses by which nodes find their own; nobody else sees them. Default: "
        "link-local ones, by the site's name.",
    )

    @property
    def router(self) -> IPv4Address:
        """Where packets to elsewhere go."""
        return self.gateway or self.range[1]

    @property
    def given_away(self) -> Pool:
        """Addresses that the cloud gives away."""
        size = self.range.num_addresses
        return self.pool or Pool(start=self.range[size // 2], end=self.range[-2])


Public = Annotated[PublicNetwork, BeforeValidator(_range, json_schema_input_type=str | PublicNetwork)]


class Networks(Model):
    """The networks that the nodes of a site are on."""

    management: Network = Field(description="API, database and message traffic.")
    tunnel: Network = Field(description="Encapsulated traffic between VMs.")
    public: Public | None = Field(
        default=None,
        description="Addresses outside the cloud, floating ones and those of routers; a range alone, as "
        "`198.18.82.0/24`, or more of it. Through it VMs reach what the host does, but not the host, and are reached. "
        "Without it VMs reach each other only.",
    )

    @property
    def ranges(self) -> dict[str, IPv4Network]:
        """Range of each that the site has, by key."""
        public = {"public": self.public.range} if self.public else {}
        return {"management": self.management, "tunnel": self.tunnel, **public}


class Repository(Model):
    """A repository of Debian packages."""

    url: str = Field(description="Where it is.")
    suite: str = Field(description="Its suite; `./` when it is flat.")
    components: tuple[str, ...] = Field(default=(), description="Its components; none when it is flat.")
    key: Path | None = Field(
        default=None, description="File with the public key that signs it; relative to the site file."
    )
    unsigned: bool = Field(default=False, description="It is not signed, and trusted nevertheless.")


class Packages(Repository):
    """A repository of Debian's or of RPM packages, on top of the distribution that they are for."""

    suite: str = Field(default="", description="Its suite; `./` when it is flat; none when its packages are RPM.")
    image: str | None = Field(
        default=None,
        pattern=r"^[^@\s]+[:@][^@\s/]+$",
        description="Published image of the distribution that its RPM packages are for, with a tag or a digest: "
        "`rockylinux:9`. Without it they are for the release's own.",
    )


class Source(Model):
    """Where programs come from that the catalogue has not: published images, or a package repository."""

    images: Registry | None = Field(default=None, description="Registry and path of published images.")
    prefix: str | None = Field(default=None, description="What their names begin with, when it is not the usual.")
    tag: Tag | None = Field(default=None, description="Their tag.")
    digests: dict[str, Annotated[str, Field(pattern=DIGEST)]] = Field(
        default_factory=dict, description="Name without the prefix -> digest, in place of the tag."
    )
    packages: Packages | None = Field(default=None, description="Repository of packages, in place of images.")

    @property
    def kind(self) -> Literal["images", "packages"]:
        """Which of the two it is."""
        return "packages" if self.packages else "images"


def _link_local(site: str) -> IPv4Network:
    """Link-local addresses (RFC 3927) for a site, the same each time; those of the metadata service are left out."""
    numbers = [number for number in range(1, 255) if number != _METADATA]
    return IPv4Network(f"169.254.{numbers[crc32(site.encode()) % len(numbers)]}.0/24")


class Site(Model):
    """``<name>.yaml``: everything an operator decides."""

    site: str = Field(pattern=r"^[a-z][a-z0-9-]{0,20}$", description="Name; networks, containers and state carry it.")
    release: str = Field(description="Release of the catalogue that is run.")
    sdn: str = Field(default="", description="Networking back end; default: the catalogue's usual one.")
    catalogue: str | None = Field(
        default=None, description="Folder of its own layer of the catalogue, relative to this file."
    )
    structure: str | None = Field(
        default=None,
        description="File with the version and the images that it runs, relative to this file; default: the release's.",
    )
    encapsulation: str = Field(
        default="", description="How packets between nodes are wrapped, as the SDN can; default: its usual way."
    )
    region: str = Field(default="RegionOne", description="Region of all endpoints.")
    registry: Registry = Field(
        default="localhost:5100", description="Prefix of the image names: `host:port`, `host:port/path`, or nothing."
    )
    networks: Networks = Field(description="Networks that the nodes are on; they must not overlap.")
    publish: Publish = Field(
        default=Publish(), description="Where the ports of virtual nodes appear on the host, and what URLs say."
    )
    nodes: dict[str, Node] = Field(min_length=1, description="Name -> node.")
    containers: dict[str, bool | ContainerOverrides] = Field(
        default_factory=dict,
        description="Container -> switched on or off, where it is optional, or what holds for it. A service -> all of "
        "its optional containers, switched on or off.",
    )
    services: dict[str, Overrides] = Field(
        default_factory=dict, description="Service -> what holds for all of its containers."
    )
    repositories: dict[str, Repository] = Field(
        default_factory=dict, description="Name -> package repository, for images that name it."
    )
    sources: dict[str, Source] = Field(
        default_factory=dict, description="Name -> where programs come from that the SDN leaves to the site."
    )
    settings: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="Contract variables for every container that takes them. A password is given to its account, too, "
        "and `NAME_FILE` names a file that holds it; what a key of the site or an endpoint decides is refused.",
    )
    contents: Contents | None = Field(
        default=None,
        description="What the cloud contains, beside what people make in it: `up` makes it and keeps it so. Without "
        "this key it is empty.",
    )
    _source: Any = PrivateAttr(default=None)
    _named: tuple[Path, ...] = PrivateAttr(default=())

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """Files that hold secrets, and that it names in place of them."""
        return self._named

    def names_too(self, files: Iterable[Path]) -> Site:
        """Remember the files that hold its secrets."""
        object.__setattr__(self, "_named", tuple(files))
        return self

    @property
    def source(self) -> Any:
        """The data that it was read from, which knows the lines; None for one that was not read from a file."""
        return self._source

    def read_from(self, source: Any) -> Site:
        """Remember the data that it was read from."""
        object.__setattr__(self, "_source", source)
        return self

    @property
    def engine_networks(self) -> dict[str, IPv4Network]:
        """Kind -> range of the engine's network: that of the site, but for a public one at an interface."""
        public = self.networks.public
        own = {"public": public.nodes or _link_local(self.site)} if public and public.interface else {}
        return self.networks.ranges | own

    @property
    def packages(self) -> dict[str, Repository]:
        """Name -> package repository, those of its sources among them."""
        return {**self.repositories, **{name: each.packages for name, each in self.sources.items() if each.packages}}

    def container(self, name: str) -> ContainerOverrides | None:
        """What it says of a container, beyond whether it runs."""
        said = self.containers.get(name)
        return said if isinstance(said, ContainerOverrides) else None

    def runs(self, container: str, *, default: bool) -> bool:
        """Whether a container is switched on."""
        said = self.containers.get(container)
        enabled = said.enabled if isinstance(said, ContainerOverrides) else said
        return default if enabled is None else enabled
