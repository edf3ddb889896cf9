"""A release: the versions that go together, and the structure of its images."""

from __future__ import annotations

from pydantic import Field

from stackyard.model.base import Model
from stackyard.model.reference import TAG


class Structure(Model):
    """``structure.yaml``, the seed's form: it selects and names; ``service.yaml`` defines."""

    version: str = Field(pattern=TAG, description="Tag of the images: letters, digits, `_`, `.` and `-`.")
    containers: dict[str, tuple[str, ...] | None] = Field(description="Base image -> its subs, or nothing.")


class Base(Model):
    """``base.yaml``: the distribution below every image."""

    suite: str = Field(description="Debian suite.")
    packages: tuple[str, ...] = Field(description="Packages of the base image.")
    python: str = Field(description="Version of Python in the suite, `3.13`.")


class Defaults(Model):
    """``catalogue.yaml``: what holds for all sites."""

    sdn: str | None = Field(default=None, description="SDN of a site that names none; default: the first there is.")
    roles: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Role -> groups that a node with it runs: the usual sets."
    )
