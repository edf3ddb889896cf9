"""A resolved site: every container, address and value decided; nothing observed on the engine is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from stackyard.model.publish import Address
from stackyard.model.service import Container
from stackyard.model.site import Site
from stackyard.secrets import Secret


@dataclass(frozen=True)
class Published:
    """The port of an endpoint that appears on the host."""

    container: str
    endpoint: str
    port: int
    host_port: int


@dataclass(frozen=True)
class PublicUrl:
    """Where an endpoint is known from outside, and where the same answers on this host.

    ``base`` and ``local`` are without the path that the API itself has. ``registered`` are those of the cloud's own
    catalogue, which programs call; others are pages. ``direct`` says that nothing has to forward what comes there, if
    the name in it leads to this host.
    """

    endpoint: str
    title: str
    base: str
    path: str
    local: str
    registered: bool
    direct: bool

    @property
    def url(self) -> str:
        """As it is told to people and programs."""
        return f"{self.base}{self.path}"


@dataclass(frozen=True)
class PlacedNode:
    """A node with its addresses; ``groups`` and ``services`` are what its roles come to.

    A word that is both means the group. ``public`` is None where it is not on the public network. ``zone`` is the
    availability zone of one that runs VMs.
    """

    name: str
    roles: tuple[str, ...]
    groups: frozenset[str]
    services: frozenset[str]
    management: Address
    tunnel: Address
    zone: str = ""
    published: tuple[Published, ...] = ()
    public: Address | None = None

    @property
    def addresses(self) -> dict[str, Address]:
        """Its addresses, by kind of network."""
        public = {"public": self.public} if self.public else {}
        return {"management": self.management, "tunnel": self.tunnel, **public}


@dataclass(frozen=True)
class EngineNetwork:
    """A network of the engine. An ``internal`` one is cut off from the host's routes.

    ``gateway`` is the host's address in it, if it is not the first. An ``interface`` of the host is a part of it; then
    the host has no address in it.
    """

    subnet: str
    internal: bool = False
    gateway: str = ""
    interface: str = ""


@dataclass(frozen=True)
class Ask:
    """A question that the tool asks by itself, from outside: ``host:port`` accepts, or a URL answers.

    What the URL answers is held against ``says``, and ``reason`` finds in it what is wrong, if they are given.

    With neither address, it can only be asked inside the container. ``through`` are the containers, by their names
    on the engine, by one of which its yes comes: one from before all their starts does not count.
    """

    tcp: str | None = None
    http: str | None = None
    says: str | None = None
    reason: str | None = None
    through: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """What a container waits for, in words, and the containers of the site that provide it.

    When none does, ``probe`` is how to ask for it, if that can be asked over the network.
    """

    name: str
    providers: tuple[str, ...] = ()
    probe: Ask | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Mount:
    """A mount: ``volume`` names one of the node's, else ``source`` is a path on the host."""

    path: str
    volume: str | None = None
    source: str | None = None
    read_only: bool = False
    create: bool = True


@dataclass(frozen=True)
class ResolvedContainer:
    """One container on one node.

    ``values`` go into its environment, ``secrets`` into files, both by variable. ``knows`` are the variables of
    its contract. ``health`` is None for one that has no probe; ``unhealthy`` tells people what its no means.
    ``awaited`` says that others wait for it, ``serves`` that it is a member of an endpoint.
    """

    site: str
    node: str
    name: str
    service: str
    image: str
    user: int
    definition: Container
    knows: frozenset[str]
    values: Mapping[str, str]
    secrets: Mapping[str, Secret]
    mounts: tuple[Mount, ...] = ()
    devices: tuple[str, ...] = ()
    health: Ask | None = None
    waits: tuple[Waiting, ...] = ()
    awaited: bool = False
    serves: bool = False
    unhealthy: str = ""

    @property
    def key(self) -> str:
        """How people name it: ``node/container``."""
        return f"{self.node}/{self.name}"

    @property
    def full_name(self) -> str:
        """Name on the engine."""
        return f"{self.site}-{self.node}-{self.name}"


@dataclass(frozen=True)
class ResolvedSite:
    """All of a site. ``containers`` are in an order that respects what waits for what.

    ``declarations`` may hold secrets as they are, so they are not shown.
    """

    site: Site
    version: str
    node_image: str
    node_user: int
    nodes: tuple[PlacedNode, ...]
    containers: tuple[ResolvedContainer, ...]
    declarations: Mapping[str, tuple[Any, ...]] = field(repr=False)
    urls: tuple[PublicUrl, ...] = ()

    @property
    def name(self) -> str:
        """Name of the site."""
        return self.site.site

    @cached_property
    def by_name(self) -> dict[str, ResolvedContainer]:
        """Containers by name on the engine."""
        return {container.full_name: container for container in self.containers}

    def node(self, name: str) -> PlacedNode:
        """The node of that name."""
        return next(node for node in self.nodes if node.name == name)

    def node_container(self, node: str) -> str:
        """Name on the engine of the container that is a virtual node."""
        return f"{self.name}-{node}"

    @property
    def images(self) -> tuple[str, ...]:
        """References of all images that are run."""
        return tuple(dict.fromkeys((self.node_image, *(container.image for container in self.containers))))

    @property
    def networks(self) -> dict[str, EngineNetwork]:
        """Those of the engine by name."""
        public = self.site.networks.public
        made = {kind: EngineNetwork(str(each), kind == "tunnel") for kind, each in self.site.engine_networks.items()}
        if public:
            gateway = "" if public.interface else str(public.gateway or "")
            made["public"] = replace(made["public"], gateway=gateway, interface=public.interface or "")
        return {f"{self.name}-{kind}": each for kind, each in made.items()}
