"""A loaded catalogue: what one release with one SDN can build and run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackyard.catalogue.problems import suggest
from stackyard.errors import InputError
from stackyard.model.release import Distribution, Structure
from stackyard.model.sdn import Sdn
from stackyard.model.service import Image, Runtime, Service

_TABLES = ("contract", "templates", "files", "retired")
CONCATENATED = ("uses", "prepare", "afterwards", "needs")
_LAST = ("command", "health", "bootstrap", "overrides", "plain_environment")
_CONTRACT_KEYS = {"type", "help", "required", "default", "example", "values", "sets", "secret"}


@dataclass(frozen=True)
class Catalogue:
    """Everything that is known before the site is.

    ``images`` are those of the structure, in its order, without those of another SDN. ``services`` have
    fragments and the SDN's extensions merged in; a service with no image in the structure is left out.
    ``folders`` of a service hold its files, the SDN's extension last. ``known`` are the variables of all
    services of all SDNs.
    """

    root: Path
    release: str
    sdn: str
    back_end: Sdn
    structure: Structure
    bases: dict[str, Distribution]
    services: dict[str, Service]
    folders: dict[str, tuple[Path, ...]]
    images: dict[str, tuple[Service, Image]]
    known: tuple[str, ...]

    @property
    def first(self) -> str:
        """Name of the distribution of images that name none."""
        return next(iter(self.bases))

    @property
    def base(self) -> Distribution:
        """The distribution of images that name none."""
        return self.bases[self.first]

    @property
    def fragment_templates(self) -> Path:
        """Folder of the templates that all services share."""
        return self.root / "common" / "templates"

    @property
    def release_folder(self) -> Path:
        """Folder of structure, base and locks."""
        return self.root / "releases" / self.release

    def image(self, name: str) -> tuple[Service, Image]:
        """An image of the structure with its service. Raises InputError when there is none."""
        if name not in self.images:
            raise InputError(
                f"{name} is not in the structure of release {self.release} with {self.sdn}",
                suggest(name, self.images, "it has"),
            )
        return self.images[name]

    def distribution(self, service: Service, image: Image) -> str:
        """Name of the distribution that an image of a service begins with, unless that is a published image."""
        return service.below(image).distribution or service.distribution or self.first

    @property
    def published(self) -> list[str]:
        """References of the published images that images begin with."""
        found = (service.below(image).published for service, image in self.images.values())
        return sorted({each.reference for each in found if each})

    def effective(self, image: str) -> Runtime:
        """What the image's entrypoint does: its service's part and its own.

        A base gives its subs a file system, not its contract: what bootstraps a database needs
        credentials that a compute node never sees.
        """
        return merged(list(self.image(image)))

    def container_json(self, image: str, identity: str) -> dict[str, Any]:
        """Content of the image's ``container.json``."""
        service, own = self.image(image)
        runtime = self.effective(image)
        data = runtime.model_dump(mode="json", exclude={"uses", "files", "contract"})
        return {
            "version": 1,
            "image": image,
            "service": service.service,
            "release": self.release,
            "title": own.description,
            "contract": {
                name: variable.model_dump(mode="json", include=_CONTRACT_KEYS)
                for name, variable in runtime.contract.items()
            },
            "known": list(self.known),
            "identity": identity,
            **data,
            "needs": [need.model_dump(mode="json", exclude_none=True) for need in runtime.needs],
            "health": runtime.health.model_dump(mode="json", exclude_none=True) if runtime.health else None,
        }


def merged(levels: Sequence[Runtime]) -> Runtime:
    """One runtime of several: tables merged, lists of work concatenated, of the rest the last given."""
    values: dict[str, Any] = {}
    for key in _TABLES:
        values[key] = {name: value for level in levels for name, value in getattr(level, key).items()}
    for key in CONCATENATED:
        values[key] = tuple(value for level in levels for value in getattr(level, key))
    for key in _LAST:
        given = [getattr(level, key) for level in levels if key in level.model_fields_set]
        values.update({key: given[-1]} if given else {})
    return Runtime.model_construct(**values)
