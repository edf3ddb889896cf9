"""The value of every variable of every container: what the site says, and the expressions of the catalogue."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stackyard.catalogue import Catalogue
from stackyard.catalogue.container import held
from stackyard.catalogue.problems import Loc, Problems, dotted
from stackyard.entrypoint.contract import FILE, OSLO, override_of
from stackyard.entrypoint.endpoints import Endpoint
from stackyard.entrypoint.expressions import ExpressionError, evaluate, hostport, is_expression
from stackyard.entrypoint.values import mask_credentials, parse
from stackyard.model.service import Runtime, Variable
from stackyard.model.site import Site
from stackyard.plan.placement import Choice, Placement
from stackyard.plan.resolved import PlacedNode
from stackyard.plan.said import DECIDED, Said, fits, said, taken
from stackyard.secrets import Holder, Kind, Secret, Secrets

Value = str | Secret
_SETS = re.compile(r"\[(\S+)\] (\S+)$")
"""Group and option of what a variable sets."""
UNSERVED = "no node of the site runs the container"
LEAVE = "leave it out"
PUBLISHED: Loc = ("publish", "address")
"""Where public URLs come from."""


# ---------------------------------------------------------------- expressions


@dataclass
class Scope:
    """What expressions see: ``site``, ``host``, ``node``, ``zones``, and functions.

    These are ``runs()``, ``nodes()``, ``endpoint()`` and ``secret()``.
    """

    site: Site
    placement: Placement
    secrets: Secrets
    kinds: Mapping[str, Kind]
    contents: Mapping[str, Any] = field(default_factory=dict)
    resolvers: Sequence[str] = ()
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
        running = {choice.name: [_node(node) for node in choice.nodes] for choice in self.placement.choices}
        return {
            "site": {
                "name": site.site,
                "region": site.region,
                "release": site.release,
                "sdn": site.sdn,
                "encapsulation": site.encapsulation,
                "management_prefix": site.networks.management.prefixlen,
                "tunnel_prefix": site.networks.tunnel.prefixlen,
                **{kind: str(site.networks.ranges.get(kind, "")) for kind in ("management", "tunnel", "public")},
                "public_interface": (site.networks.public and site.networks.public.interface) or "",
                "contents": self.contents,
                "origins": list(site.publish.allowed),
                "memory": sum(each.container.memory * len(each.nodes) for each in self.placement.choices),
                "ports": sorted(port.host_port for node in self.placement.nodes for port in node.published),
            },
            "host": {"resolvers": list(self.resolvers)},
            "zones": self._zones(),
            "runs": lambda container: container in running,
            "nodes": lambda container: running.get(container, []),
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
        "public": str(node.public or ""),
        "zone": node.zone,
        "roles": list(node.roles),
    }


KEYS: dict[str, Loc] = {
    "site.name": ("site",),
    "site.management_prefix": ("networks", "management"),
    "site.tunnel_prefix": ("networks", "tunnel"),
    "site.management": ("networks", "management"),
    "site.tunnel": ("networks", "tunnel"),
    "site.public": ("networks", "public"),
    "site.public_interface": ("networks", "public"),
    "site.origins": ("publish", "origins"),
    "site.ports": ("publish",),
    "site.contents": ("contents",),
    "site.memory": ("nodes",),
    "node.public": ("networks", "public"),
    "zones": ("nodes",),
}
"""Facts that expressions see -> key of the site file that says them, where it has another name."""


def key_of(expression: str, node: str) -> Loc | None:
    """Where the site file says the first of its facts that an expression uses."""
    found = re.search(r"\b(?:(site|node)\.(\w+)|zones\b)", expression)
    if not found:
        return None
    if found[0] in KEYS or found[1] != "node":
        return KEYS.get(found[0], (found[2],))
    return ("nodes", node) if found[2] == "name" else ("nodes", node, found[2])


# ---------------------------------------------------------------- values


@dataclass(frozen=True)
class Given:
    """The values that one container is given, by variable, and where in the site file they come from."""

    plain: dict[str, str]
    secret: dict[str, Secret]
    origins: Mapping[str, Loc]

    def as_environment(self) -> tuple[dict[str, str], Callable[[str], str]]:
        """The environment of the container, and how to read the files that it names: its secrets, by variable."""
        files = {f"{name}{FILE}": name for name in self.secret}
        return {**self.plain, **files}, lambda name: self.secret[name].reveal()


@dataclass(frozen=True)
class Slot:
    """A variable of a container on a node."""

    choice: Choice
    node: PlacedNode
    runtime: Runtime
    name: str
    variable: Variable


@dataclass(frozen=True)
class Decided:
    """A value that is decided elsewhere for all who share it, in words for who says another, and what to do then.

    ``origin`` is where in the site file it comes from.
    """

    value: str
    words: str
    remedy: str
    origin: Loc | None = None


@dataclass(frozen=True)
class Values:
    """Evaluates variables for containers; ``declarations`` by kind are what `collects` gathers."""

    catalogue: Catalogue
    scope: Scope
    declarations: Mapping[str, tuple[Any, ...]]
    problems: Problems
    _told: set[Loc] = field(default_factory=set)

    def given(self, choice: Choice, runtime: Runtime, node: PlacedNode) -> Given:
        """The values of a container: what the site says wins over what the catalogue says, but contradicts no fact."""
        words = said(self.catalogue, self.scope.site, choice, node.name)
        plain: dict[str, str] = {name: word.text for name, word in words.items() if word.option}
        secret: dict[str, Secret] = {}
        origins: dict[str, Loc] = {}
        for name, variable in sorted(taken(runtime, choice.container).items()):
            value, origin = self._given(Slot(choice, node, runtime, name, variable), words.get(name))
            if value is None or value == "":
                continue
            if origin:
                origins[name] = origin
            if isinstance(value, Secret):
                secret[name] = value
            elif variable.type == "secret" or mask_credentials(value) != value:
                secret[name] = Secret(value)
            else:
                plain[name] = value
        if any(word.option for word in words.values()):
            self._options(choice, runtime, node, words)
        return Given(plain, secret, origins)

    def _options(self, choice: Choice, runtime: Runtime, node: PlacedNode, words: Mapping[str, Said]) -> None:
        """An option of a service is not one that a decided variable sets."""
        for name, variable in runtime.contract.items():
            for match in filter(None, map(_SETS.search, variable.sets)):
                group, option = match.groups()
                word = words.get(override_of(group, option, runtime.overrides or OSLO))
                decided = variable.secret or self._decided(Slot(choice, node, runtime, name, variable), None)
                if word and decided and word.loc not in self._told:
                    self._told.add(word.loc)
                    self.problems.at(word.loc, f"the site decides it: {name} sets it", LEAVE)

    def _given(self, slot: Slot, word: Said | None) -> tuple[Value | None, Loc | None]:
        """The value of a variable, and where in the site file it comes from."""
        if slot.variable.secret:
            return self._value(slot), None
        decided = self._decided(slot, word)
        if word and (not decided or (word.text and not fits(slot.variable, word))):
            return word.text, word.loc  # one that does not fit is told with the contract
        if word and decided and not self._agrees(slot.variable, word, decided) and word.loc not in self._told:
            self._told.add(word.loc)
            self.problems.at(word.loc, decided.words, decided.remedy)
        return self._value(slot), decided.origin if decided else None

    def _agrees(self, variable: Variable, word: Said, decided: Decided) -> bool:
        """Whether a word is what is decided; the name of a node is as good as its address."""
        addresses = {node.name: str(node.management) for node in self.scope.placement.nodes}
        hosts = variable.type == "hosts"
        text = ",".join(addresses.get(each, each) for each in word.text.split(",")) if hosts else word.text
        said_, made = (parse(variable.type, each, variable.values) if each else None for each in (text, decided.value))
        return said_ == made

    def _decided(self, slot: Slot, word: Said | None) -> Decided | None:
        """What decides a variable for all who share it: a key of the site, declarations, an endpoint that it serves."""
        text = slot.choice.container.environment.get(slot.name, slot.variable.site)
        if text is not None:
            return self._of_key(slot, text, word) if is_expression(text) else None
        if slot.variable.collects:
            return Decided("", "the declarations of the site's services make it", LEAVE)
        name, part = held(slot.variable)
        endpoint = self.scope.placement.endpoints.get(name)
        if endpoint and endpoint.hosts and part in {"hosts", "url"}:
            there = endpoint.url if part == "url" else ",".join(endpoint.hosts)
            remedy = f"{LEAVE}, or let no node run {self.catalogue.endpoints[name].container}"
            return Decided(there, f"{endpoint.title} runs in the site, at {there}", remedy)
        if endpoint and endpoint.hosts and part in DECIDED:
            return self._of_server(endpoint, part, word)
        fixed = self.scope.placement.endpoints.get(slot.variable.fixed_by or "")
        if fixed and fixed.hosts:
            default = str(slot.variable.default)
            return Decided(default, f"the site makes it by itself and calls it `{default}`", LEAVE)
        return None

    def _of_key(self, slot: Slot, expression: str, word: Said | None) -> Decided:
        """A value that the catalogue makes of keys of the site; it is not evaluated when nobody says another."""
        made = self._expression(slot, expression) if word else None
        value = "" if isinstance(made, Secret) else made or ""
        key = key_of(expression, slot.node.name)
        if not key:
            return Decided(value, f"the catalogue makes it: {value}", LEAVE)
        *above, last = key
        remedy = f"change `{dotted(key)}`"
        if word and word.text and re.search(rf"\b(site|node)\.{last}\b", expression):
            remedy = f"write `{last}: {word.text}`" + (f" below `{dotted(tuple(above))}`" if above else "")
        words = f"`{dotted(key)}` decides it{f': {value}' if value else ''}"
        return Decided(value, words, f"{LEAVE}, and {remedy}", key)

    def _of_server(self, endpoint: Endpoint, part: str, word: Said | None) -> Decided:
        """A port or a public URL: it is said to the container that serves the endpoint."""
        container = self.catalogue.endpoints[endpoint.name].container
        contract = self.catalogue.effective(self.catalogue.containers[container].image).contract
        names = [name for name, each in contract.items() if held(each) == (endpoint.name, part)]
        where = f"`containers: {{{container}: {{environment: {{{names[0]}: {word.text}}}}}}}`" if names and word else ""
        changed = self.scope.placement.changed.get((endpoint.name, part))
        value = str(endpoint.port) if part == "port" else endpoint.public or ""
        words = f"{endpoint.title} runs in the site, at {'port ' if part == 'port' else ''}{value}"
        remedy = f"change it for all: {where}" if where else LEAVE
        published = ("publish", "urls", endpoint.name) if endpoint.name in self.scope.site.publish.urls else PUBLISHED
        return Decided(value, words, remedy, changed.loc if changed else published if part == "public" else None)

    def _value(self, slot: Slot) -> Value | None:
        """What the catalogue says of a variable."""
        variable, environment = slot.variable, slot.choice.container.environment
        if slot.name in environment:
            return self._expression(slot, environment[slot.name])
        if variable.collects:
            return Secret(json.dumps(self.declarations.get(variable.collects, ()), sort_keys=True))
        if variable.secret and variable.generate == "certificate":
            holder = Holder(self.scope.site.site, slot.node.name, slot.node.management)
            return self.scope.secrets.certificate(variable.secret, holder)
        if variable.secret:
            return self.scope.secrets.get(variable.secret, variable.generate)
        if variable.site:
            return self._expression(slot, variable.site)
        endpoint = self.scope.placement.endpoints.get(held(variable)[0])
        return self._of_endpoint(slot, endpoint) if endpoint else None

    def _of_endpoint(self, slot: Slot, endpoint: Endpoint) -> str | None:
        """The part of an endpoint that a variable holds, where the image cannot know it by itself."""
        definition, part = self.catalogue.endpoints[endpoint.name], held(slot.variable)[1]
        if part == "hosts":
            if not endpoint.hosts and slot.variable.required:
                message = (
                    f"{UNSERVED} {definition.container}, which serves {endpoint.name}; {slot.choice.name} needs it"
                )
                self.problems.at(("nodes",), message, "name its group, or its service, at a node")
            return ",".join(endpoint.hosts)
        if part == "public":
            return endpoint.public if endpoint.hosts else None
        changed = endpoint.port != definition.port
        if part == "port":
            return str(endpoint.port) if changed else None
        parts = {held(each)[1] for each in slot.runtime.contract.values() if held(each)[0] == endpoint.name}
        return endpoint.url if part == "url" and changed and endpoint.hosts and "port" not in parts else None

    def _expression(self, slot: Slot, text: str) -> Value | None:
        try:
            return self.scope.value(text, slot.node)
        except ExpressionError as error:
            message = f"{slot.choice.name} on {slot.node.name}: {slot.name}: {error}"
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
            for type_, service in {entry.type: entry.name, **entry.also}.items():
                found.setdefault(REGISTERED, []).append({"type": type_, "service": service, **urls})
    return {kind: tuple(items) for kind, items in found.items()}


def unreachable_ports(catalogue: Catalogue, placement: Placement, problems: Problems) -> None:
    """A changed port reaches everybody who calls the endpoint, or is refused."""
    ports = {name: word for (name, part), word in placement.changed.items() if part == "port"}
    for choice in placement.choices:
        variables = [held(each) for each in catalogue.effective(choice.container.image).contract.values()]
        for name, word in ports.items():
            parts, usual = {part for endpoint, part in variables if endpoint == name}, catalogue.endpoints[name].port
            if "hosts" in parts and not parts & {"port", "url"} and int(word.text) != usual:
                message = f"{choice.name} calls {hostport(name)} and cannot be told of port {word.text}"
                problems.at(word.loc, message, f"leave it at {usual}")
