"""A networking back end: what it adds to services that exist without it."""

from __future__ import annotations

from pydantic import Field

from stackyard.model.layer import Layer


class Sdn(Layer):
    """``sdn.yaml`` of the folder that holds the back end's own services."""

    sdn: str = Field(description="Name that sites select it by.")
    title: str = Field(description="What people call it.")
    encapsulations: tuple[str, ...] = Field(description="Encapsulations that it can do, the usual one first.")
