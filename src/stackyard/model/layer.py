"""A layer: a folder that changes services which are defined below it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from stackyard.model.base import Model


class Layer(Model):
    """``layer.yaml`` of a release, or of a site's own folder. ``sdn.yaml`` has its keys too."""

    extends: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Service -> part of a service.yaml, laid over what is below: mappings are merged, lists appended "
        "to. An item `-NAME` removes the item NAME from a list.",
    )
