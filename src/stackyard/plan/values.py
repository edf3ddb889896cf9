"""The value of every variable of every container, and whether the contract holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stackyard.model.service import Runtime, Variable
from stackyard.plan.expressions import ExpressionError, Scope
from stackyard.plan.problems import Problems
from stackyard.plan.resolved import PlacedNode
from stackyard.plan.select import Choice
from stackyard.secrets import Kind, Secret, Secrets

Value = str | Secret


@dataclass(frozen=True)
class Given:
    """The values that one container is given, by variable."""

    plain: dict[str, str]
    secret: dict[str, Secret]

    def everything(self) -> dict[str, str]:
        """All values as they are, for the contract and the renderer."""
        return {**self.plain, **{name: secret.reveal() for name, secret in self.secret.items()}}


@dataclass(frozen=True)
class Values:
    """Evaluates variables for containers; ``declarations`` by kind are what `collects` gathers."""

    scope: Scope
    secrets: Secrets
    kinds: Mapping[str, Kind]
    declarations: Mapping[str, tuple[Any, ...]]
    problems: Problems

    def given(self, choice: Choice, runtime: Runtime, node: PlacedNode) -> Given:
        """The values of a container: the site's settings win over the container's own, those over the contract's."""
        plain: dict[str, str] = {}
        secret: dict[str, Secret] = {}
        for name, variable in sorted(runtime.contract.items()):
            if variable.private and name not in choice.container.private:
                continue
            value = self._value(choice, name, variable, node)
            if value is None or value == "":
                continue
            if isinstance(value, Secret):
                secret[name] = value
            elif variable.type == "secret":
                secret[name] = Secret(value)
            else:
                plain[name] = value
        return Given(plain, secret)

    def _value(self, choice: Choice, name: str, variable: Variable, node: PlacedNode) -> Value | None:
        settings = self.scope.site.settings
        if name in settings:
            return settings[name]
        if name in choice.container.environment:
            return self._expression(choice, name, choice.container.environment[name], node)
        if variable.collects:
            return Secret(json.dumps(self.declarations.get(variable.collects, ()), sort_keys=True))
        if variable.secret:
            return self.secrets.get(variable.secret, variable.generate)
        if variable.site:
            return self._expression(choice, name, variable.site, node)
        return None

    def _expression(self, choice: Choice, name: str, text: str, node: PlacedNode) -> Value | None:
        try:
            return self.scope.value(text, node)
        except ExpressionError as error:
            self.problems.add((), f"{choice.name} on {node.name}: {name}: {error}", "correct the catalogue or the site")
            return None


def secret_kinds(runtimes: Iterable[Runtime]) -> dict[str, Kind]:
    """How each secret is made, by name."""
    return {
        variable.secret: variable.generate
        for runtime in runtimes
        for variable in runtime.contract.values()
        if variable.secret
    }


def declared(scope: Scope, choices: Iterable[Choice], problems: Problems) -> dict[str, tuple[Any, ...]]:
    """Declarations of all services that run, by kind, evaluated."""
    found: dict[str, list[Any]] = {}
    seen: set[str] = set()
    for choice in choices:
        service = choice.service
        if service.service in seen:
            continue
        seen.add(service.service)
        for kind, items in service.declares.items():
            for item in items:
                try:
                    found.setdefault(kind, []).append(scope.plain(item, choice.nodes[0]))
                except ExpressionError as error:
                    message = f"{service.service}: declares.{kind}: {error}"
                    problems.add((), message, "correct the catalogue, or switch on what it names")
    return {kind: tuple(items) for kind, items in found.items()}
