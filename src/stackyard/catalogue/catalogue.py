"""A loaded catalogue: what one release with one SDN can build and run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from stackyard.catalogue.problems import suggest
from stackyard.errors import InputError
from stackyard.model.release import Base, Structure
from stackyard.model.sdn import Sdn
from stackyard.model.service import Container, Endpoint, Image, Runtime, Service

_TABLES = ("contract", "templates", "files", "retired")
CONCATENATED = ("uses", "prepare", "afterwards", "wait_for")
_LAST = ("command", "health", "bootstrap", "overrides")


@dataclass(frozen=True)
class Catalogue:
    """Everything that is known before the site is.

    ``images`` are those of the structure, in its order, without those of another SDN. ``services`` have
    fragments and the SDN's extensions merged in; a service with no image in the structure is left out, and stands in
    ``defined`` alone, for what others wait for. ``folders`` of a service hold its files, the SDN's extension last.
    ``known`` are the variables of all services of all SDNs, ``roles`` the usual sets of groups that a node may name.
    """

    root: Path
    release: str
    sdn: str
    back_end: Sdn
    structure: Structure
    base: Base
    services: dict[str, Service]
    defined: dict[str, Service]
    folders: dict[str, tuple[Path, ...]]
    images: dict[str, tuple[Service, Image]]
    known: tuple[str, ...]
    roles: dict[str, tuple[str, ...]]
    _effective: dict[str, Runtime] = field(default_factory=dict, compare=False, repr=False)

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

    def effective(self, image: str) -> Runtime:
        """What the image's entrypoint does: its service's part and its own.

        A base gives its subs a file system, not its contract: what bootstraps a database needs
        credentials that a compute node never sees.
        """
        if image not in self._effective:
            self._effective[image] = merged(list(self.find(image)))
        return self._effective[image]

    def find(self, image: str) -> tuple[Service, Image]:
        """An image of the structure, or of any service. Raises InputError when there is none."""
        for service in self.defined.values():
            if image in service.images:
                return service, service.images[image]
        return self.image(image)

    @cached_property
    def endpoints(self) -> dict[str, Endpoint]:
        """Endpoints of all services, by name."""
        return {name: each for service in self.defined.values() for name, each in service.endpoints.items()}

    @cached_property
    def containers(self) -> dict[str, Container]:
        """Containers of all services, by name."""
        return {name: each for service in self.defined.values() for name, each in service.containers.items()}

    def file(self, service: str, name: str) -> Path | None:
        """A file of a service's folders, the last of that name; None when there is none."""
        found = [folder / name for folder in self.folders[service] if (folder / name).is_file()]
        return found[-1] if found else None

    def lock(self, name: str) -> Path:
        """A lock of Python packages."""
        return self.release_folder / "python" / f"{name}.txt"


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
