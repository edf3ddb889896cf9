"""Which containers run on which node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from stackyard.catalogue import Catalogue
from stackyard.model.service import Container, Service
from stackyard.model.site import Site
from stackyard.plan.resolved import PlacedNode, Published


@dataclass(frozen=True)
class Choice:
    """A container that the site runs, with the nodes that run it."""

    service: Service
    name: str
    container: Container
    nodes: tuple[PlacedNode, ...]


def select(catalogue: Catalogue, site: Site, nodes: tuple[PlacedNode, ...]) -> tuple[Choice, ...]:
    """Containers of images in the structure that are switched on and have a node of their role."""
    choices = []
    for service in catalogue.services.values():
        for name, container in service.containers.items():
            on = site.containers.get(name, not container.optional)
            where = tuple(node for node in nodes if container.node in node.roles)
            if on and where and container.image in catalogue.images:
                choices.append(Choice(service, name, container, where))
    return tuple(choices)


def published(site: Site, choices: tuple[Choice, ...]) -> dict[tuple[str, str], Published]:
    """Ports on the host by container and port; of several nodes that run one, the first publishes it."""
    return {
        (choice.name, port.name): Published(
            container=choice.name,
            name=port.name,
            scheme=port.scheme,
            port=port.port,
            host_port=port.port + site.publish.offset,
        )
        for choice in choices
        for port in choice.container.ports
    }


def with_ports(
    nodes: tuple[PlacedNode, ...], choices: tuple[Choice, ...], ports: Mapping[tuple[str, str], Published]
) -> tuple[PlacedNode, ...]:
    """Nodes with the ports that they publish."""
    first = {choice.name: choice.nodes[0].name for choice in choices}
    return tuple(
        replace(node, published=tuple(port for port in ports.values() if first[port.container] == node.name))
        for node in nodes
    )
