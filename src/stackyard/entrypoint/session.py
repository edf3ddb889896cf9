"""What every command starts from: the container, and the environment read and found valid."""

# ruff: noqa: PTH118
# pathlib would be one more import, and start-up time counts

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from . import container as containers
from .contract import FILE, Outcome, Problem, masked, read_environment, secrets
from .endpoints import Endpoint, from_environment
from .expressions import evaluate
from .failure import BAD_INPUT, Failure
from .foreign import origin, owner
from .log import hide, say


class Session:
    """A container with the values of its contract."""

    def __init__(self, container: containers.Container, values: dict[str, Any], root: str) -> None:
        self.container = container
        self.values = values
        self.root = root

    def masked(self) -> Session:
        """The same with secrets that can be shown."""
        return Session(self.container, masked(self.container.contract, self.values), self.root)

    @property
    def context(self) -> dict[str, Any]:
        """What expressions and templates see."""
        return {**self.values, "endpoint": self.endpoint}

    def endpoint(self, name: str) -> Endpoint:
        """An endpoint that the image knows."""
        return from_environment(self.container.endpoints, name, self.values)

    def environment(self, env: Mapping[str, str]) -> Mapping[str, str]:
        """What the image's processes are given: this environment without variables of other systems.

        With what the image adds, and with the contract in plain text if it asks for it.
        """
        others, own = self.container.environments, {"", self.container.system}
        env = {
            name: text
            for name, text in env.items()
            if name.removesuffix(FILE) in self.values or owner(name, others) in own
        }
        more = {name: evaluate(text, self.context) for name, text in self.container.environment.items()}
        if not self.container.plain_environment:
            return {**env, **more}
        given = {name: text for name, text in env.items() if not origin(name, text, others)}
        plain = {
            name: given.get(name) or _text(self.container.contract[name].get("type", "str"), value)
            for name, value in self.values.items()
            if value is not None
        }
        files = {name + FILE for name in plain}
        return {**{name: value for name, value in env.items() if name not in files}, **plain, **more}

    def path(self, target: str) -> str:
        """Where the file of that name is rendered."""
        return os.path.join(self.root, target.lstrip("/"))


def _text(kind: str, value: Any) -> str:
    """A value of a contract as a variable of the environment."""
    if kind == "json":
        import json  # noqa: PLC0415 - start-up time

        return json.dumps(value)
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def load(env: Mapping[str, str]) -> containers.Container:
    """The container that this image is."""
    return containers.load(env.get("STACKYARD_CONTAINER") or containers.DEFAULT_FOLDER)


def read(container: containers.Container, env: Mapping[str, str]) -> Outcome:
    """Hold the environment against the container's contract."""
    return read_environment(
        container.contract,
        env,
        known=container.known,
        removed=container.removed,
        overrides=container.overrides,
        environments=container.environments,
    )


def begin(env: Mapping[str, str], *, quiet: bool = False) -> Session:
    """Load and validate everything; Failure with all problems at once when something is wrong."""
    container = load(env)
    outcome = read(container, env)
    hide(secrets(container.contract, outcome.values))
    if not quiet:
        say(*outcome.notes)
    if outcome.errors:
        raise Failure(*report(container.image, outcome.errors), code=BAD_INPUT)
    return Session(container, outcome.values, env.get("STACKYARD_ROOT") or containers.DEFAULT_ROOT)


def report(image: str, problems: Sequence[Problem]) -> list[str]:
    """All that is wrong, as aligned lines."""
    count = len(problems)
    width = max(len(problem.variable) for problem in problems)
    return [
        f"{image} cannot start: {count} {'problems' if count > 1 else 'problem'} with its environment",
        *(f"  {problem.variable:<{width}}  {problem.text}" for problem in problems),
        "to list all variables of this image, run it with the argument: explain",
    ]
