"""A loaded catalogue: what one release with one SDN can build and run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from stackyard.catalogue import programs
from stackyard.catalogue.layers import files_in
from stackyard.catalogue.problems import near, suggest
from stackyard.catalogue.yamlsource import Map
from stackyard.errors import InputError
from stackyard.model.foreign import Foreign
from stackyard.model.release import Distribution, Structure
from stackyard.model.sdn import Sdn
from stackyard.model.service import Container, Endpoint, Image, Runtime, Service

COMMON = "common"
"""Lock of the packages that all images with Python have."""
LOCKS = ("entrypoint", COMMON)
"""Locks that every release has, because images share them as layers."""

_TABLES = ("contract", "templates", "files", "removed", "environment")
CONCATENATED = ("uses", "pre_start", "post_start", "wait_for")
T = TypeVar("T")
_LAST = ("command", "health", "unhealthy", "ends_vms", "bootstrap", "overrides", "system", "plain_environment")


@dataclass(frozen=True)
class Catalogue:
    """Everything that is known before the site is.

    ``images`` are those of the structure, in its order, without those of another SDN, and then what the site's own
    folder adds. ``services`` have fragments and all layers merged in; a service with no image is left out, and stands
    in ``defined`` alone, for what others wait for. ``written`` are services as data, each value with its place.
    ``layers`` are folders, the lowest first: the release's, the SDN's, those of the site's sources, and ``own``, the
    site's own if it has one. ``folders`` of
    a service hold its files; those of the last win. ``known`` are the variables of all services of all SDNs, ``added``
    those of them that only the site's own folder has: images that it does not change need not know them. ``roles`` are
    the usual sets of groups that a node may name. ``foreign`` are names that people bring from elsewhere, ``notes``
    what of the structure is left out, and why.
    """

    root: Path
    release: str
    sdn: str
    back_end: Sdn
    structure: Structure
    bases: dict[str, Distribution]
    services: dict[str, Service]
    defined: dict[str, Service]
    written: dict[str, Map]
    layers: tuple[Path, ...]
    own: Path | None
    folders: dict[str, tuple[Path, ...]]
    images: dict[str, tuple[Service, Image]]
    known: tuple[str, ...]
    added: frozenset[str]
    roles: dict[str, tuple[str, ...]]
    foreign: Foreign
    notes: tuple[str, ...] = ()
    _remembered: dict[tuple[str, str], Any] = field(default_factory=dict, compare=False, repr=False)

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

    def template_folders(self, service: str) -> list[str]:
        """Where the templates of a service are looked for, in this order."""
        return [str(folder) for folder in (*reversed(self.folders[service]), self.fragment_templates)]

    @property
    def release_folder(self) -> Path:
        """Folder of structure, base and locks."""
        return self.root / "releases" / self.release

    def is_own(self, file: Path) -> bool:
        """Whether a file is in the site's own folder."""
        return self.own is not None and file.is_relative_to(self.own)

    def files(self, service: str) -> dict[str, Path]:
        """Path in a service's folder -> file, that of the highest layer."""
        folders = self.folders[service]
        return self.remembered(
            "files", service, lambda: {name: file for each in folders for name, file in files_in(each).items()}
        )

    def versions(self, service: str) -> dict[str, list[Path]]:
        """File of a service, or lock of its images -> the files of all layers, the one that counts last."""
        found: dict[str, list[Path]] = {}
        for folder in (self.fragment_templates, *self.folders[service]):
            for name, file in files_in(folder).items():
                found.setdefault(name, []).append(file)
        images = self.services[service].images.values()
        locks = {f"python/{name}.txt" for name in (*LOCKS, *(lock for image in images for lock in image.locks))}
        locks |= {f"maven/{name}.txt" for image in images for name in image.maven}
        return found | {lock: self._locks(lock) for lock in sorted(locks)}

    def lock(self, name: str, kind: str = "python") -> Path:
        """Lock of Python packages or Maven artefacts, that of the highest layer which has it; else the release's."""
        path = f"{kind}/{name}.txt"
        return [self.release_folder / path, *self._locks(path)][-1]

    def _locks(self, path: str) -> list[Path]:
        return [file for folder in self.layers if (file := folder / path).is_file()]

    def owner(self, name: str) -> str:
        """The service of that name, or the one with an image or a container of it. Raises InputError."""
        owners = {
            each: key for key, service in self.services.items() for each in (*service.images, *service.containers)
        }
        owners |= {key: key for key in self.services}
        if name not in owners:
            remedy = self.foreign.explained(name) or near(name, owners) or f"services: {', '.join(self.services)}"
            raise InputError(f"there is no service, image or container {name}", remedy)
        return owners[name]

    def origin(self, file: Path) -> str:
        """A file's name that is the same on every machine: below the catalogue, or `site/` and below the own folder."""
        return (
            str("site" / file.relative_to(self.own))
            if self.own and self.is_own(file)
            else str(file.relative_to(self.root))
        )

    def image(self, name: str) -> tuple[Service, Image]:
        """An image of the structure with its service. Raises InputError when there is none."""
        if name not in self.images:
            raise InputError(
                f"{name} is not in the structure of release {self.release} with {self.sdn}",
                self.foreign.explained(name) or suggest(name, self.images, "it has"),
            )
        return self.images[name]

    def reference(self, image: str, registry: str) -> str:
        """Name of an image on the engine; the SDN is part of the tag where the image differs by it."""
        entry = self.images.get(image)
        tag = self.structure.version + (f"-{self.sdn}" if entry and entry[1].variant else "")
        return f"{registry}/{image}:{tag}" if registry else f"{image}:{tag}"

    def distribution(self, service: Service, image: Image) -> str:
        """Name of the distribution that an image begins with; the first, for what is put on a published image."""
        below = service.below(image)
        return self.first if below.published else below.distribution or service.distribution or self.first

    @property
    def published(self) -> list[str]:
        """References of the published images that images begin with."""
        images = [each for service, image in self.images.values() for each in (service.below(image), image)]
        found = {each.published for each in images} | {copy.published for each in images for copy in each.copies}
        return sorted({each.reference for each in found if each and each.image})

    def unnamed(self, image: str) -> tuple[str, str] | None:
        """What keeps an image from being made while the site names no source of its programs, and the remedy."""
        service, own = self.find(image)
        lack = programs.unnamed(own, self.back_end) or programs.unnamed(service.below(own), self.back_end)
        return lack or programs.empty(image, service, self.back_end)

    @property
    def buildable(self) -> list[str]:
        """The images but those for which the sources of the site have nothing."""
        return [name for name, (service, _) in self.images.items() if not programs.empty(name, service, self.back_end)]

    def effective(self, image: str) -> Runtime:
        """What the image's entrypoint does: its service's part and its own.

        A base gives its subs a file system, not its contract: what bootstraps a database needs
        credentials that a compute node never sees.
        """
        return self.remembered("effective", image, lambda: merged(list(self.find(image))))

    def remembered(self, what: str, name: str, make: Callable[[], T]) -> T:
        """What is asked for often; it is made once, because a catalogue does not change."""
        if (what, name) not in self._remembered:
            self._remembered[what, name] = make()
        made: T = self._remembered[what, name]
        return made

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
