"""Expressions of the site: what `site:`, `environment:` and `declares:` of the catalogue may refer to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError

from stackyard.entrypoint.expressions import hostport
from stackyard.entrypoint.render import tojson, urlquote
from stackyard.model.site import Site
from stackyard.plan.resolved import PlacedNode, Published
from stackyard.secrets import Secret


class ExpressionError(Exception):
    """An expression of the catalogue cannot be evaluated for this site."""


def _environment() -> Environment:
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - no HTML is made
    environment.filters.update(hostport=hostport, urlquote=urlquote, tojson=tojson)
    return environment


_ENVIRONMENT = _environment()
_TEMPLATES: dict[str, Template] = {}


def _template(text: str) -> Template:
    if text not in _TEMPLATES:
        _TEMPLATES[text] = _ENVIRONMENT.from_string(text)
    return _TEMPLATES[text]


@dataclass
class Scope:
    """The facts of a site that expressions see. ``runs`` are the containers with the nodes that run them."""

    site: Site
    nodes: tuple[PlacedNode, ...]
    runs: Mapping[str, tuple[PlacedNode, ...]]
    published: Mapping[tuple[str, str], Published]
    host_address: str
    secret: Callable[[str], Secret]
    _told: bool = field(default=False)

    def value(self, text: str, node: PlacedNode | None = None) -> str | Secret:
        """Evaluate an expression; a Secret when one went into it. Raises ExpressionError."""
        if "{" not in text:
            return text
        self._told = False
        try:
            result = _template(text).render(self._facts, node=_node(node) if node else None)
        except TemplateError as error:
            raise ExpressionError(f"`{text}`: {error.message}") from error
        except (TypeError, ValueError) as error:
            raise ExpressionError(f"`{text}`: {error}") from error
        return Secret(result) if self._told else result

    def plain(self, value: Any, node: PlacedNode | None = None) -> Any:
        """Evaluate every string in a value, secrets included as they are."""
        if isinstance(value, str):
            made = self.value(value, node)
            return made.reveal() if isinstance(made, Secret) else made
        if isinstance(value, Mapping):
            return {key: self.plain(item, node) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(item, node) for item in value]
        return value

    @cached_property
    def _facts(self) -> dict[str, Any]:
        site = self.site
        return {
            "site": {
                "name": site.site,
                "region": site.region,
                "release": site.release,
                "sdn": site.sdn,
                "encapsulation": site.encapsulation,
                "management_prefix": site.networks.management.prefixlen,
                "tunnel_prefix": site.networks.tunnel.prefixlen,
                "settings": dict(site.settings),
            },
            "zones": self._zones(),
            "computes": [node.name for node in self.nodes if "compute" in node.roles],
            "runs": lambda container: container in self.runs,
            "address_of": lambda container: self._addresses(container)[0],
            "addresses_of": self._addresses,
            "port_of": lambda container, port: self._port(container, port).port,
            "public": self._public,
            "secret": self._secret,
        }

    def _secret(self, name: str) -> str:
        self._told = True
        return self.secret(name).reveal()

    def _addresses(self, container: str) -> list[str]:
        if container not in self.runs:
            raise ExpressionError(f"no node of the site runs the container {container}")
        return [str(node.management) for node in self.runs[container]]

    def _port(self, container: str, port: str) -> Published:
        self._addresses(container)
        if (container, port) not in self.published:
            raise ExpressionError(f"the container {container} has no port {port}")
        return self.published[container, port]

    def _public(self, container: str, port: str) -> str:
        published = self._port(container, port)
        address = self.site.publish.address
        host = self.host_address if address.is_unspecified else str(address)
        return f"{published.scheme}://{hostport(host, published.host_port)}"

    def _zones(self) -> list[dict[str, Any]]:
        hosts: dict[str, list[str]] = {}
        for node in self.nodes:
            if "compute" in node.roles:
                hosts.setdefault(node.zone, []).append(node.name)
        return [{"name": zone, "hosts": names} for zone, names in sorted(hosts.items())]


def _node(node: PlacedNode) -> dict[str, Any]:
    return {
        "name": node.name,
        "management": str(node.management),
        "tunnel": str(node.tunnel),
        "zone": node.zone,
        "roles": list(node.roles),
    }
