"""The stack of layers: areas define services; a release, an SDN and a site's own folder change what is below them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stackyard.catalogue.merge import overlay
from stackyard.catalogue.problems import Mark, Problems, near, shown, suggest
from stackyard.catalogue.yamlsource import Map
from stackyard.model.base import Model
from stackyard.model.service import Container, Endpoint, Image, Variable

LAYER = "layer.yaml"
SERVICE = "service.yaml"
NO_SERVICES = {"python", "maven", "sources"}
"""Folders of a layer that are no service's: locks, and layers of sources."""


@dataclass(frozen=True)
class Layer:
    """A folder with parts of services (``extends``), and folders of services with files."""

    folder: Path
    extends: Map

    @classmethod
    def of(cls, folder: Path, data: Map | None) -> Layer:
        """The layer whose YAML file, if it has one, says ``data``."""
        given = data.get("extends") if data is not None else None
        return cls(folder, given if isinstance(given, Map) else Map(Mark(folder, 0)))

    def folders(self) -> Iterator[Path]:
        """Its folders of services."""
        for path in sorted(self.folder.iterdir()):
            if path.is_dir() and path.name not in NO_SERVICES and path.name[0] not in "._":
                yield path


@dataclass(frozen=True)
class Stack:
    """The layers above the areas, the lowest first, and the files that define services: service -> service.yaml."""

    layers: tuple[Layer, ...]
    services: Mapping[str, Path]

    @classmethod
    def of(cls, root: Path, layers: tuple[Layer, ...], problems: Problems) -> Stack:
        """The stack on the areas of ``root``; what does not fit together is a problem."""
        files = [*sorted(root.glob(f"*/*/{SERVICE}"))]
        files += [file for layer in layers for folder in layer.folders() if (file := folder / SERVICE).is_file()]
        services: dict[str, Path] = {}
        for file in dict.fromkeys(files):
            name = file.parent.name
            if name in services:
                of_layer = f"give it another name, or write what it changes into {LAYER}, below `extends:`"
                remedy = "give one of the folders another name" if file.parents[2] == root else of_layer
                problems.add(Mark(file, 1), (), f"{shown(services[name])} is service {name} already", remedy)
            services.setdefault(name, file)
        made = cls(layers, services)
        for layer in layers:
            made._known(layer, problems)
        return made

    def _known(self, layer: Layer, problems: Problems) -> None:
        """The layer changes services that exist."""
        for name in layer.extends.keys() - self.services.keys():
            remedy = suggest(name, self.services, "services")
            problems.add(layer.extends.marks[name], ("extends", name), f"there is no service `{name}`", remedy)
        for folder in layer.folders():
            if folder.name not in self.services:
                remedy = near(folder.name, self.services) or f"a service that is added has a {SERVICE}"
                problems.add(Mark(folder, 0), (), f"there is no service `{folder.name}`", remedy)

    def laid(self, name: str, data: Map, shared: set[str], problems: Problems) -> Map:
        """What a service's own file says, with all that layers change of it; ``shared`` are variables of fragments."""
        for layer in self.layers:
            part = layer.extends.get(name)
            if isinstance(part, Map):
                _additions(name, data, part, shared, problems)
                data = overlay(data, part, problems, ("extends", name))
        return data

    def folders(self, name: str) -> tuple[Path, ...]:
        """Folders with files of a service: the one that defines it, then those of layers."""
        layers = (layer.folder / name for layer in self.layers)
        return tuple(dict.fromkeys([self.services[name].parent, *(each for each in layers if each.is_dir())]))


_PARTS: dict[str, tuple[str, type[Model]]] = {
    "images": ("image", Image),
    "containers": ("container", Container),
    "endpoints": ("endpoint", Endpoint),
    "contract": ("variable", Variable),
}


def _additions(name: str, below: Map, part: Map, shared: set[str], problems: Problems) -> None:
    """What a layer adds to a service is complete; else it was to change something that exists.

    ``shared`` are the variables of fragments, which are laid below later.
    """
    tables: list[tuple[str, ...]] = [(key,) for key in _PARTS]
    tables += [("images", each, "contract") for each in _table(part, ("images",))]
    for loc in tables:
        what, model = _PARTS[loc[-1]]
        required = {key for key, field in model.model_fields.items() if field.is_required()}
        there = _table(below, loc).keys() | (shared if loc[-1] == "contract" else set())
        given = _table(part, loc)
        for each, value in given.items():
            missing = required - value.keys() if isinstance(value, Map) and each not in there else ()
            if missing:
                wanted = " and ".join(f"`{key}:`" for key in sorted(missing))
                remedy = near(each, sorted(there)) or f"to add one, give {wanted}"
                owner = loc[1] if loc[1:] else name
                message = f"{owner} has no {what} `{each}`"
                problems.add(given.marks[each], ("extends", name, *loc, each), message, remedy)


def _table(data: Map, loc: tuple[str, ...]) -> Map:
    """The mapping at a path; an empty one when there is none."""
    for key in loc:
        found = data.get(key)
        data = found if isinstance(found, Map) else Map(data.mark)
    return data


def files_in(folder: Path) -> dict[str, Path]:
    """Path in a folder of a service -> file, without service.yaml."""
    return {
        str(path.relative_to(folder)): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != SERVICE and "__pycache__" not in path.parts
    }


def check_files(folders: tuple[Path, ...], data: Map, shared: Path, problems: Problems) -> None:
    """A file that a layer has for a service takes the place of one below, or something refers to it.

    ``data`` is the service as it is in the end, ``shared`` the folder of templates for all services.
    """
    first, *layers = folders
    if not layers:
        return
    below, text = {**files_in(shared), **files_in(first)}, str(data).replace("\\n", "\n")
    for folder in layers:
        added = files_in(folder)
        for name, file in added.items():
            if name not in below and not _referred(name, text, [*below.values(), *added.values()]):
                remedy = near(name, below) or f"name it in `templates:` or `files:` of the service in {LAYER}"
                message = "takes the place of no file of the service, and nothing refers to it"
                problems.add(Mark(file, 0), (), message, remedy)
        below |= added


def _referred(name: str, data: str, files: list[Path]) -> bool:
    """Whether what a service's YAML says, or another of its files, has the name of a file."""
    word = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])")
    texts = (file.read_text(encoding="utf-8", errors="replace") for file in files if file.name != Path(name).name)
    return any(name in text and word.search(text) for text in itertools.chain([data], texts))
