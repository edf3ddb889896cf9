"""The value of every variable of every container: what the site says, and the expressions of the catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stackyard.catalogue import Catalogue
from stackyard.catalogue.container import held
from stackyard.catalogue.problems import Loc, Problems
from stackyard.entrypoint.contract import FILE, override_of
from stackyard.entrypoint.endpoints import Endpoint
from stackyard.entrypoint.expressions import ExpressionError, evaluate, hostport, is_expression
from stackyard.model.service import Runtime, Variable
from stackyard.model.site import Overrides, Site
from stackyard.plan.placement import Choice, Placement
from stackyard.plan.resolved import PlacedNode
from stackyard.secrets import Kind, Secret, Secrets

Value = str | Secret
UNSERVED = "no node of the site runs the container"


# ---------------------------------------------------------------- what the site says


@dataclass(frozen=True)
class Said:
    """A value that the site file gives, and where it stands there."""

    text: str
    loc: Loc


def said(site: Site, service: str, container: str, node: str, runtime: Runtime) -> dict[str, Said]:
    """What the site says for one container: settings for all, then its service, itself, its node."""
    found = {name: Said(text, ("settings", name)) for name, text in site.settings.items() if name in runtime.contract}
    on_node = site.nodes[node]
    levels: list[tuple[Loc, Overrides | None, bool]] = [
        (("services", service), site.services.get(service), True),
        (("containers", container), site.container(container), True),
        (("nodes", node), on_node, False),
        (("nodes", node, "services", service), on_node.services.get(service), True),
    ]
    for loc, level, own in levels:
        if level:
            for name, text, where in _of(level, loc):
                if own or name in runtime.contract:
                    found[name] = Said(text, where)
    return found


def _of(level: Overrides, loc: Loc) -> Iterator[tuple[str, str, Loc]]:
    """Variables of one level, its options among them."""
    for name, text in level.environment.items():
        yield name, text, (*loc, "environment", name)
    for group, options in level.options.items():
        for option, value in options.items():
            yield override_of(group, option), _text(value), (*loc, "options", group, option)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(_text(each) for each in value) if isinstance(value, (list, tuple)) else str(value)


def changed_ports(catalogue: Catalogue, site: Site) -> dict[str, tuple[int, Loc]]:
    """Endpoints whose port the site changes, at the container that serves them, and where it says so."""
    found = {}
    for name, endpoint in catalogue.endpoints.items():
        container = catalogue.containers.get(endpoint.container)
        if container is None:
            continue
        runtime = catalogue.effective(container.image)
        service = catalogue.find(container.image)[0].service
        for node in site.nodes:
            words = said(site, service, endpoint.container, node, runtime)
            for variable, word in words.items():
                if variable in runtime.contract and held(runtime.contract[variable]) == (name, "port"):
                    found[name] = (int(word.text) if word.text.isdigit() else endpoint.port, word.loc)
    return {name: (port, loc) for name, (port, loc) in found.items() if port != catalogue.endpoints[name].port}


# ---------------------------------------------------------------- expressions


@dataclass
class Scope:
    """What expressions of a site see: ``site``, ``node``, ``zones``, ``runs()``, ``endpoint()``, ``secret()``."""

    site: Site
    placement: Placement
    secrets: Secrets
    kinds: Mapping[str, Kind]
    _told: bool = field(default=False)

    def value(self, text: str, node: PlacedNode | None = None) -> Value:
        """Evaluate an expression; a Secret when one went into it. Raises ExpressionError."""
        if not is_expression(text):
            return text
        self._told = False
        result = evaluate(text, {**self._facts, "node": _node(node) if node else None})
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
        running = {choice.name for choice in self.placement.choices}
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
            "runs": lambda container: container in running,
            "endpoint": self._endpoint,
            "secret": self._secret,
        }

    def _secret(self, name: str) -> str:
        self._told = True
        return self.secrets.get(name, self.kinds.get(name, "password")).reveal()

    def _endpoint(self, name: str) -> Endpoint:
        if name not in self.placement.endpoints:
            raise ExpressionError(f"there is no endpoint {name}")
        return self.placement.endpoints[name]

    def _zones(self) -> list[dict[str, Any]]:
        hosts: dict[str, list[str]] = {}
        for node in self.placement.nodes:
            if node.zone:
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


# ---------------------------------------------------------------- values


@dataclass(frozen=True)
class Given:
    """The values that one container is given, by variable, and those of them that the site file says."""

    plain: dict[str, str]
    secret: dict[str, Secret]
    said: Mapping[str, Said]

    def as_environment(self) -> tuple[dict[str, str], Callable[[str], str]]:
        """The environment of the container, and how to read the files that it names: its secrets, by variable."""
        files = {f"{name}{FILE}": name for name in self.secret}
        return {**self.plain, **files}, lambda name: self.secret[name].reveal()


@dataclass(frozen=True)
class Values:
    """Evaluates variables for containers; ``declarations`` by kind are what `collects` gathers."""

    catalogue: Catalogue
    scope: Scope
    declarations: Mapping[str, tuple[Any, ...]]
    problems: Problems

    def given(self, choice: Choice, runtime: Runtime, node: PlacedNode) -> Given:
        """The values of a container: what the site says wins over the container's own, that over the contract's."""
        words = said(self.scope.site, choice.service.service, choice.name, node.name, runtime)
        plain: dict[str, str] = {name: word.text for name, word in words.items() if name not in runtime.contract}
        secret: dict[str, Secret] = {}
        for name, variable in sorted(runtime.contract.items()):
            if variable.opt_in and name not in choice.container.opt_in:
                continue
            value = words[name].text if name in words else self._value(choice, runtime, name, variable, node)
            if value is None or value == "":
                continue
            if isinstance(value, Secret):
                secret[name] = value
            elif variable.type == "secret":
                secret[name] = Secret(value)
            else:
                plain[name] = value
        return Given(plain, secret, words)

    def _value(self, choice: Choice, runtime: Runtime, name: str, variable: Variable, node: PlacedNode) -> Value | None:
        """What the catalogue says of a variable."""
        if name in choice.container.environment:
            return self._expression(choice, name, choice.container.environment[name], node)
        if variable.collects:
            return Secret(json.dumps(self.declarations.get(variable.collects, ()), sort_keys=True))
        if variable.secret:
            return self.scope.secrets.get(variable.secret, variable.generate)
        if variable.site:
            return self._expression(choice, name, variable.site, node)
        endpoint = self.scope.placement.endpoints.get(held(variable)[0])
        return self._of_endpoint(choice, runtime, variable, endpoint) if endpoint else None

    def _of_endpoint(self, choice: Choice, runtime: Runtime, variable: Variable, endpoint: Endpoint) -> str | None:
        """The part of an endpoint that a variable holds, where the image cannot know it by itself."""
        definition, part = self.catalogue.endpoints[endpoint.name], held(variable)[1]
        if part == "hosts":
            if not endpoint.hosts and variable.required:
                message = f"{UNSERVED} {definition.container}, which serves {endpoint.name}; {choice.name} needs it"
                self.problems.at(("nodes",), message, "name its group, or its service, at a node")
            return ",".join(endpoint.hosts)
        if part == "public":
            return endpoint.public
        changed = endpoint.port != definition.port
        if part == "port":
            return str(endpoint.port) if changed else None
        parts = {held(each)[1] for each in runtime.contract.values() if held(each)[0] == endpoint.name}
        return endpoint.url if part == "url" and changed and endpoint.hosts and "port" not in parts else None

    def _expression(self, choice: Choice, name: str, text: str, node: PlacedNode) -> Value | None:
        try:
            return self.scope.value(text, node)
        except ExpressionError as error:
            message = f"{choice.name} on {node.name}: {name}: {error}"
            self.problems.at((), message, "correct the catalogue or the site")
            return None


def secret_kinds(runtimes: Iterable[Runtime]) -> dict[str, Kind]:
    """How each secret is made, by name."""
    return {
        variable.secret: variable.generate
        for runtime in runtimes
        for variable in runtime.contract.values()
        if variable.secret
    }


REGISTERED = "endpoint"
"""Kind of the declarations that endpoints make by themselves: their entries in the cloud's catalogue of services."""


def declared(catalogue: Catalogue, scope: Scope, problems: Problems) -> dict[str, tuple[Any, ...]]:
    """Declarations of all services that run, by kind, evaluated, and those that their endpoints make."""
    found: dict[str, list[Any]] = {}
    first = {choice.service.service: choice for choice in reversed(scope.placement.choices)}
    for choice in reversed(first.values()):
        for kind, items in choice.service.declares.items():
            for item in items:
                try:
                    found.setdefault(kind, []).append(scope.plain(item, choice.nodes[0]))
                except ExpressionError as error:
                    message = f"{choice.service.service}: declares.{kind}: {error}"
                    problems.at((), message, "correct the catalogue, or switch on what it names")
    for name, endpoint in scope.placement.endpoints.items():
        entry = catalogue.endpoints[name].registered
        if entry and endpoint.hosts:
            urls = {"internal": endpoint.url, **({"public": endpoint.public} if endpoint.public else {})}
            found.setdefault(REGISTERED, []).append({"type": entry.type, "service": entry.name, **urls})
    return {kind: tuple(items) for kind, items in found.items()}


def unreachable_ports(
    catalogue: Catalogue, placement: Placement, ports: Mapping[str, tuple[int, Loc]], problems: Problems
) -> None:
    """A changed port reaches everybody who calls the endpoint, or is refused."""
    for choice in placement.choices:
        variables = [held(each) for each in catalogue.effective(choice.container.image).contract.values()]
        for name, (port, loc) in ports.items():
            parts = {part for endpoint, part in variables if endpoint == name}
            if "hosts" in parts and not parts & {"port", "url"}:
                message = f"{choice.name} calls {hostport(name)} and cannot be told of port {port}"
                problems.at(loc, message, f"leave it at {catalogue.endpoints[name].port}")
