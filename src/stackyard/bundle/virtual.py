"""All that makes a node a virtual one: its container, and how others join it. A machine needs neither."""

from __future__ import annotations

from typing import Any

from stackyard.bundle import compose
from stackyard.bundle.compose import Service
from stackyard.model.publish import Address
from stackyard.plan.observed import NODE
from stackyard.plan.resolved import PlacedNode, ResolvedContainer, ResolvedSite


def node_service(site: ResolvedSite, node: PlacedNode) -> Service:
    """The container that is a virtual node: it owns the network namespace and publishes the ports.

    It names no other node: nodes find each other through the engine's name server, so one that comes or goes
    changes nothing here.
    """
    return {
        "image": site.node_image,
        "container_name": site.node_container(node.name),
        "hostname": node.name,
        "networks": {kind: _attached(node, kind, address) for kind, address in node.addresses.items()},
        **({"ports": _ports(site, node)} if node.published else {}),
        "environment": compose.NO_PROXIES,
        **compose.confined(),
        "read_only": True,
        "tmpfs": ["/tmp:mode=1777", f"/run/stackyard:{compose.owned(site.node_user)}"],  # noqa: S108 - in the container
        "restart": "unless-stopped",
        "stop_grace_period": "5s",
        "logging": compose.LOGGING,
        "labels": compose.labels(site.name, node.name, NODE, job=False),
    }


def _attached(node: PlacedNode, kind: str, address: Address) -> dict[str, Any]:
    """A node's place in a network. Others find it by its name in the one of management."""
    return {f"ipv{address.version}_address": str(address), **({"aliases": [node.name]} if kind == "management" else {})}


def _ports(site: ResolvedSite, node: PlacedNode) -> list[dict[str, Any]]:
    return [
        {
            "target": port.port,
            "published": str(port.host_port),
            "host_ip": str(site.site.publish.listens),
            "protocol": "tcp",
            "mode": "host",
        }
        for port in sorted(node.published, key=lambda port: port.port)
    ]


def joined(site: ResolvedSite, container: ResolvedContainer) -> Service:
    """What puts a container into the namespaces of its node."""
    node = f"container:{site.node_container(container.node)}"
    definition = container.definition
    return {
        "network_mode": node,
        **({"pid": node} if definition.node_pid else {}),
        **({"cgroup": "host"} if definition.node_cgroup else {}),
    }
