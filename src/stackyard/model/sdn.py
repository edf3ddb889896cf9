"""A networking back end: what it adds to services that exist without it."""

from __future__ import annotations

from pydantic import Field

from stackyard.model.base import Model
from stackyard.model.layer import Layer


class Programs(Model):
    """Programs that the catalogue has not, and a site names a source of."""

    title: str = Field(description="What people call them, in messages: `OpenSDN's programs`.")
    prefix: str = Field(default="", description="What the names of their published images begin with, usually.")


class Sdn(Layer):
    """``sdn.yaml`` of the folder that holds the back end's own services."""

    sdn: str = Field(description="Name that sites select it by.")
    title: str = Field(description="What people call it.")
    encapsulations: tuple[str, ...] = Field(description="Encapsulations that it can do, the usual one first.")
    sources: dict[str, Programs] = Field(
        default_factory=dict,
        description="Name -> programs that a site with it names a source of. What images take from one stands in "
        "`sources/<name>/images/layer.yaml`, and in `sources/<name>/packages/layer.yaml`, of the folder.",
    )
