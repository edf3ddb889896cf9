"""The entrypoint's validation, applied before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stackyard.entrypoint.contract import Outcome, read_environment
from stackyard.model.service import Runtime

_KEYS = {"type", "help", "required", "default", "example", "values", "secret"}


def as_data(runtime: Runtime) -> dict[str, dict[str, Any]]:
    """A contract as the entrypoint reads it in container.json."""
    return {name: variable.model_dump(mode="json", include=_KEYS) for name, variable in runtime.contract.items()}


def check(contract: Mapping[str, Mapping[str, Any]], given: Mapping[str, str]) -> Outcome:
    """What the container will make of the values that it is given: their types, and all that is wrong."""
    return read_environment(contract, given)
