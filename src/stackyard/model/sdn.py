"""A networking back end: what it adds to services that exist without it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from stackyard.model.base import Model


class Sdn(Model):
    """``sdn.yaml`` of the folder that holds the back end's own services."""

    sdn: str = Field(description="Name that sites select it by.")
    title: str = Field(description="What people call it.")
    encapsulations: tuple[str, ...] = Field(description="Encapsulations that it can do, the usual one first.")
    extends: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Service -> part of a service.yaml, laid over that service's own."
    )
