"""A site: the nodes, and what runs on them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from stackyard.model.base import Model
from stackyard.model.service import Role


def _text(value: Any) -> Any:
    """What a number, such as 172.31, would be as an address is not what anybody meant."""
    return str(value) if isinstance(value, int | float) else value


Address = Annotated[IPv4Address | IPv6Address, BeforeValidator(_text)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_text)]


class Node(Model):
    """A place where compose projects run."""

    roles: tuple[Role, ...] = Field(description="What runs there.")
    kind: Literal["virtual"] = Field(default="virtual", description="A network namespace on the local engine.")
    management: Address | None = Field(default=None, description="Default: the next free one of the network.")
    tunnel: Address | None = Field(default=None, description="Default: the same host part in the tunnel network.")
    zone: str | None = Field(default=None, description="Availability zone (compute); default: the node's name.")


class Networks(Model):
    """The two networks of a site."""

    management: Network = Field(description="API, database and message traffic.")
    tunnel: Network = Field(description="Encapsulated traffic between VMs.")


class Publish(Model):
    """Where the ports of virtual nodes appear on the host."""

    address: Address = Field(default=IPv4Address("127.0.0.1"), description="Address of the host that ports appear on.")
    offset: int = Field(default=0, ge=0, description="Added to each port, so that two sites fit on one host.")


class Repository(Model):
    """A repository of Debian packages."""

    url: str = Field(description="Where it is.")
    suite: str = Field(description="Its suite; `./` when it is flat.")
    components: tuple[str, ...] = Field(default=(), description="Its components; none when it is flat.")
    key: Path | None = Field(
        default=None, description="File with the public key that signs it; relative to the site file."
    )
    unsigned: bool = Field(default=False, description="It is not signed, and trusted nevertheless.")


class Site(Model):
    """``<name>.yaml``: everything an operator decides."""

    site: str = Field(pattern=r"^[a-z][a-z0-9-]{0,20}$", description="Name; networks, containers and state carry it.")
    release: str = Field(description="Release of the catalogue that is run.")
    sdn: str = Field(default="ovn", description="Networking back end, one that the catalogue has.")
    encapsulation: Literal["vxlan", "geneve"] = Field(
        default="vxlan", description="How packets between nodes are wrapped; one that the SDN can do."
    )
    region: str = Field(default="RegionOne", description="Region of all endpoints.")
    registry: str = Field(default="localhost:5100", description="Prefix of the image names.")
    networks: Networks = Field(description="Networks that the nodes are on; they must not overlap.")
    publish: Publish = Field(default=Publish(), description="Where the ports of virtual nodes appear on the host.")
    nodes: dict[str, Node] = Field(min_length=1, description="Name -> node; at least one is a controller.")
    containers: dict[str, bool] = Field(default_factory=dict, description="Optional containers, switched on or off.")
    repositories: dict[str, Repository] = Field(
        default_factory=dict, description="Name -> package repository, for images that name it."
    )
    settings: dict[str, str] = Field(
        default_factory=dict, description="Contract variables for every container that knows them."
    )
