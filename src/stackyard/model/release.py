"""A release: the versions that go together, and the structure of its images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stackyard.model.base import Model
from stackyard.model.reference import Tag


class Structure(Model):
    """``structure.yaml``, the seed's form: it selects and names; ``service.yaml`` defines."""

    version: Tag = Field(description="Tag of the images.")
    containers: dict[str, tuple[str, ...] | None] = Field(description="Base image -> its subs, or nothing.")


class Distribution(Model):
    """A Debian suite as images begin with it."""

    suite: str = Field(description="Debian suite.")
    packages: tuple[str, ...] = Field(description="Packages of the base image.")
    python: str = Field(description="Version of Python in the suite, `3.13`.")
    bootstrap: tuple[str, ...] = Field(default=(), description="Options of mmdebstrap, beside those of every suite.")


class Bases(Model):
    """``base.yaml``: the distributions that images of the release begin with."""

    bases: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9]*$")], Distribution] = Field(
        min_length=1, description="Name -> distribution. The first is that of every image that names none."
    )


class Defaults(Model):
    """``catalogue.yaml``: what holds for all sites."""

    sdn: str | None = Field(default=None, description="SDN of a site that names none; default: the first there is.")
    roles: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Role -> groups that a node with it runs: the usual sets."
    )
