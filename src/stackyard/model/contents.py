"""What a cloud contains from the beginning: the section ``contents`` of a site file."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from stackyard.model.base import Model, Text
from stackyard.model.publish import as_text

NAME = r"^\S(.{0,253}\S)?$"
Name = Annotated[str, Field(pattern=NAME)]


Address = Annotated[IPv4Address, BeforeValidator(as_text)]
Network = Annotated[IPv4Network, BeforeValidator(as_text)]


class Image(Model):
    """An image for VMs: a file of this machine, or what a URL gives."""

    file: Path | None = Field(default=None, description="File with it; relative to the site file.")
    url: str | None = Field(default=None, pattern="^https?://", description="Where it is fetched from, in place of it.")
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="SHA-256 sum of it; required with a URL."
    )
    format: Literal["qcow2", "raw", "vmdk", "vhd", "vhdx", "vdi", "iso"] = Field(
        default="qcow2", description="Its format."
    )
    properties: dict[str, Text] = Field(
        default_factory=dict, description="Its properties, such as `hw_firmware_type: uefi`."
    )
    visibility: Literal["public", "community", "private"] = Field(default="public", description="Who may use it.")
    min_disk: int = Field(default=0, ge=0, description="GiB of disk that a flavor needs for it.")
    min_ram: int = Field(default=0, ge=0, description="MiB of memory that a flavor needs for it.")


class Flavor(Model):
    """The size of a VM."""

    vcpus: int = Field(default=1, ge=1, description="Processors.")
    ram: int = Field(ge=1, description="MiB of memory.")
    disk: int = Field(
        default=1,
        ge=0,
        description="GiB of disk; 0 is the size of the image, and for administrators and volumes alone.",
    )
    ephemeral: int = Field(default=0, ge=0, description="GiB of a second disk.")
    swap: int = Field(default=0, ge=0, description="MiB of a disk for swapping.")
    properties: dict[str, Text] = Field(default_factory=dict, description="Its extra specs, such as `hw:cpu_policy`.")


class Project(Model):
    """A project."""

    description: str = Field(default="", description="What it is for.")
    quotas: dict[str, dict[str, Annotated[int, Field(ge=-1)]]] = Field(
        default_factory=dict,
        description="API, `compute` or `network` -> what it counts -> how many there may be; -1 is any number. "
        "`{compute: {cores: 8, instances: 10}, network: {floatingip: 4}}`",
    )


class User(Model):
    """A user of the cloud."""

    projects: dict[str, tuple[str, ...]] = Field(description="Project -> roles in it: `{demo: [member]}`.")
    password: str | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description="Default: one is made, and `stackyard env --user NAME` shows it.",
    )


class Pool(Model):
    """A range of addresses."""

    start: Address = Field(description="First address.")
    end: Address = Field(description="Last address.")


class CloudNetwork(Model):
    """A network of the cloud, with one range of addresses."""

    project: str | None = Field(default=None, description="Project that has it; default: the services' own.")
    external: bool = Field(default=False, description="It is the site's public network, for routers and addresses.")
    shared: bool = Field(default=False, description="Every project may use it.")
    cidr: Network | None = Field(default=None, description="Its addresses; of an external one those of the site's.")
    gateway: Address | None = Field(default=None, description="Default: the first address.")
    pool: Pool | None = Field(
        default=None, description="Addresses to give away; default: all, of an external one the upper half."
    )
    dns: tuple[Address, ...] = Field(default=(), description="Name servers that VMs are told.")


class Router(Model):
    """A router of the cloud."""

    project: str | None = Field(default=None, description="Project that has it; default: the services' own.")
    external: str | None = Field(default=None, description="External network that it leads to.")
    networks: tuple[str, ...] = Field(default=(), description="Networks that it connects.")


class SecurityGroup(Model):
    """A security group: what VMs take from outside."""

    project: str = Field(description="Project that has it.")
    allow: tuple[
        Annotated[str, Field(pattern=r"^(icmp|any|(tcp|udp)(/\d{1,5}(-\d{1,5})?)?)( from \d+\.\d+\.\d+\.\d+/\d+)?$")],
        ...,
    ] = Field(
        description="What comes in: `icmp`, `tcp/22`, `udp/5000-5010`, `any`, each from anybody or "
        "`tcp/443 from 192.0.2.0/24`."
    )


class Contents(Model):
    """What the cloud contains, beside what people make in it; and a small image of Linux, `guest`."""

    images: dict[Name, Image] = Field(default_factory=dict, description="Name -> image for VMs.")
    flavors: dict[Name, Flavor] = Field(default_factory=dict, description="Name -> size of VMs.")
    projects: dict[Name, Project] = Field(default_factory=dict, description="Name -> project.")
    users: dict[Name, User] = Field(default_factory=dict, description="Name -> user.")
    networks: dict[Name, CloudNetwork] = Field(default_factory=dict, description="Name -> network of the cloud.")
    routers: dict[Name, Router] = Field(default_factory=dict, description="Name -> router.")
    security_groups: dict[Name, SecurityGroup] = Field(
        default_factory=dict, description="Name -> security group; `default` is the project's own, which gets more."
    )
