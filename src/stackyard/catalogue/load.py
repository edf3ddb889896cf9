"""Reading the catalogue: files into one Catalogue, or all that is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from stackyard.catalogue import check
from stackyard.catalogue.catalogue import LOCKS, Catalogue
from stackyard.catalogue.layers import LAYER, SITE, Layer, Stack, check_files
from stackyard.catalogue.merge import names_in, with_fragments
from stackyard.catalogue.problems import Mark, Problems, near, suggest
from stackyard.catalogue.validate import parse
from stackyard.catalogue.yamlsource import Map, locate, read
from stackyard.errors import InputError
from stackyard.model import layer as model
from stackyard.model.base import Model
from stackyard.model.release import Base, Structure
from stackyard.model.sdn import Sdn
from stackyard.model.service import Image, Service

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class _Entry:
    """A service with its data and its folders."""

    service: Service
    data: Map
    folders: tuple[Path, ...]


@dataclass(frozen=True)
class _Files:
    """What the files say, before anything is selected."""

    back_end: Sdn
    base: Base
    structure: Structure
    structure_data: Map
    stack: Stack
    entries: dict[str, _Entry]
    known: tuple[str, ...]


def load(root: Path, release: str, sdn: str, structure: Path | None = None, own: Path | None = None) -> Catalogue:
    """The catalogue of a release with an SDN.

    ``own`` is the site's own folder. Another ``structure`` than the release's selects what is built, alone. Raises
    InputError with all problems.
    """
    folder = root / "releases" / _known(release, releases(root), "release")
    _known(sdn, sdns(root), "SDN")
    problems = Problems()
    files = _files(root, sdn, folder, structure or folder / "structure.yaml", problems, own=own)
    everything = _images(files.entries, problems)
    check.against_structure(files.structure_data, everything, problems)
    problems.check()
    catalogue = _select(root, release, files, everything, whole=structure is None)
    for name, service in catalogue.services.items():
        check.service(catalogue, catalogue.written[name], service, problems, strict=structure is None)
        check_files(catalogue.folders[name], catalogue.written[name], catalogue.fragment_templates, problems)
    check.containers_once(catalogue.written, problems)
    _spare_locks(files, catalogue.own, problems)
    check.locks(catalogue, files.structure_data, catalogue.written, problems)
    problems.check()
    return catalogue


def load_structure(path: Path) -> Structure:
    """A structure file. Raises InputError with all problems."""
    problems = Problems()
    made = _structure(read(path, problems), problems)
    problems.check()
    assert made  # noqa: S101 - else problems.check() has raised
    return made


def releases(root: Path) -> list[str]:
    """Releases of the catalogue."""
    return sorted(path.parent.name for path in root.glob("releases/*/structure.yaml"))


def sdns(root: Path) -> dict[str, Path]:
    """SDN of the catalogue -> its sdn.yaml; the folder has the SDN's name."""
    return {path.parent.name: path for path in sorted(root.glob("*/sdn.yaml"))}


def _known(name: str, names: list[str] | dict[str, Path], what: str) -> str:
    """``name`` if there is such a thing; else InputError with those that there are."""
    if name not in names:
        raise InputError(f"there is no {what} {name} in the catalogue", suggest(name, names, "there is"))
    return name


def _file(model: type[M], path: Path, problems: Problems) -> tuple[M, Map] | None:
    """A file's model and data."""
    data = read(path, problems)
    made = data and parse(model, data, problems)
    return (made, data) if made and data else None


def _structure(data: Map | None, problems: Problems) -> Structure | None:
    """The structure, checked in itself."""
    made = parse(Structure, data, problems) if data is not None else None
    if data is not None and made:
        check.structure(data, made, problems)
    return made


def _files(root: Path, sdn: str, folder: Path, structure: Path, problems: Problems, *, own: Path | None) -> _Files:
    """All files, each checked in itself. ``folder`` is the release's, ``own`` the site's."""
    area = sdns(root)[sdn].parent
    back_end = _file(Sdn, area / "sdn.yaml", problems)
    base = _file(Base, folder / "base.yaml", problems)
    structure_data = read(structure, problems)
    structure_model = _structure(structure_data, problems)
    layers = (_layer(folder, problems), Layer.of(area, back_end[1] if back_end else None))
    stack = Stack.of(root, (*layers, _own_layer(own, problems)) if own else layers, problems)
    entries = _services(root, stack, problems)
    known = _other_names(root, sdn) | {name for entry in entries.values() for name in names_in(entry.data)}
    problems.check()
    assert back_end  # noqa: S101 - else problems.check() has raised; the same below
    assert base  # noqa: S101
    assert structure_data is not None  # noqa: S101
    assert structure_model  # noqa: S101
    return _Files(back_end[0], base[0], structure_model, structure_data, stack, entries, tuple(sorted(known)))


def _layer(folder: Path, problems: Problems) -> Layer:
    """The layer of a folder."""
    found = _file(model.Layer, folder / LAYER, problems) if (folder / LAYER).is_file() else None
    return Layer.of(folder, found[1] if found else None)


def _own_layer(folder: Path, problems: Problems) -> Layer:
    """A site's own layer; beside its YAML file there are only documents."""
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.name != LAYER and file.suffix != ".md" and not file.name.startswith("."):
            remedy = near(file.name, [LAYER]) or "put it into the folder of its service"
            problems.add(Mark(file, 0), (), "nothing reads it", remedy)
    return _layer(folder, problems)


def _services(root: Path, stack: Stack, problems: Problems) -> dict[str, _Entry]:
    """All services, with what layers change and with their fragments."""
    files = sorted(root.glob("common/contract/*.yaml"))
    fragments = {path.stem: data for path in files if (data := read(path, problems))}
    shared = {name for fragment in fragments.values() for name in fragment}
    entries: dict[str, _Entry] = {}
    for name, path in stack.services.items():
        data = read(path, problems)
        if data is None:
            continue
        before = len(problems.found)
        data = with_fragments(stack.laid(name, data, shared, problems), name, fragments, problems)
        service = parse(Service, data, problems) if len(problems.found) == before else None
        if service:
            check.names(data, service, name, problems)
            entries[name] = _Entry(service, data, stack.folders(name))
    return entries


def _spare_locks(files: _Files, own: Path | None, problems: Problems) -> None:
    """Each lock in the site's own folder is one that images have."""
    known = [*LOCKS, *(image.python for each in files.entries.values() for image in each.service.images.values())]
    for file in sorted(own.glob("python/*.txt")) if own else ():
        if file.stem not in known:
            remedy = suggest(file.stem, sorted({name for name in known if name}), "locks")
            problems.add(Mark(file, 0), (), "no image has this lock", remedy)


def _other_names(root: Path, sdn: str) -> set[str]:
    """Variables that other SDNs add to services."""
    unheard = Problems()  # another SDN's mistakes are for those who use it
    layers = [Layer.of(path.parent, read(path, unheard)) for name, path in sdns(root).items() if name != sdn]
    parts = [part for layer in layers for part in layer.extends.values() if isinstance(part, Map)]
    return {name for part in parts for name in names_in(part)}


def _added(files: _Files) -> list[str]:
    """Images that the site's own folder adds."""
    return [
        name
        for layer in files.stack.layers[SITE:]
        for entry in files.entries.values()
        for name in entry.service.images
        if locate(entry.data, ("images", name))[0].file.is_relative_to(layer.folder)
    ]


def _select(
    root: Path, release: str, files: _Files, everything: dict[str, tuple[Service, Image]], *, whole: bool
) -> Catalogue:
    """The catalogue of what the structure names and the SDN has; ``whole``: with what the site's own folder adds."""
    sdn = files.back_end.sdn
    names = [name for base, subs in files.structure.containers.items() for name in (base, *(subs or ()))]
    names += [name for name in _added(files) if whole and name not in names]
    images = {name: everything[name] for name in names if everything[name][0].sdn in (None, sdn)}
    selected = {service.service for service, _ in images.values()}
    entries = {name: entry for name, entry in files.entries.items() if name in selected}
    return Catalogue(
        root=root,
        release=release,
        sdn=sdn,
        back_end=files.back_end,
        structure=files.structure,
        base=files.base,
        services={name: entry.service for name, entry in entries.items()},
        written={name: entry.data for name, entry in entries.items()},
        layers=tuple(layer.folder for layer in files.stack.layers),
        folders={name: entry.folders for name, entry in entries.items()},
        images=images,
        known=files.known,
    )


def _images(entries: dict[str, _Entry], problems: Problems) -> dict[str, tuple[Service, Image]]:
    """Image -> its service and itself, of all SDNs."""
    images: dict[str, tuple[Service, Image]] = {}
    for entry in entries.values():
        for name, image in entry.service.images.items():
            if name in images:
                message = f"service {images[name][0].service} has an image of this name already"
                problems.add(locate(entry.data, ("images", name))[0], ("images", name), message, "choose another name")
            images.setdefault(name, (entry.service, image))
    return images
