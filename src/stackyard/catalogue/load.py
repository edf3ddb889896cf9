"""Reading the catalogue: files into one Catalogue, or all that is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from stackyard.catalogue import check
from stackyard.catalogue.catalogue import Catalogue
from stackyard.catalogue.merge import names_in, overlay, with_fragments
from stackyard.catalogue.problems import Mark, Problems, shown, suggest
from stackyard.catalogue.validate import parse
from stackyard.catalogue.yamlsource import Map, locate, read
from stackyard.errors import InputError
from stackyard.model.base import Model
from stackyard.model.release import Bases, Structure
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
    bases: Bases
    structure: Structure
    structure_data: Map
    entries: dict[str, _Entry]
    known: tuple[str, ...]


def load(root: Path, release: str, sdn: str, structure: Path | None = None) -> Catalogue:
    """The catalogue of a release with an SDN.

    Another ``structure`` than the release's own selects what is built. Raises InputError with all problems.
    """
    folder = root / "releases" / _known(release, releases(root), "release")
    _known(sdn, sdns(root), "SDN")
    problems = Problems()
    files = _files(root, sdn, folder, structure or folder / "structure.yaml", problems)
    everything = _images(files.entries, problems)
    check.against_structure(files.structure_data, everything, problems)
    problems.check()
    catalogue = _select(root, release, files, everything)
    data = {name: files.entries[name].data for name in catalogue.services}
    for name, service in catalogue.services.items():
        check.service(catalogue, data[name], service, problems, strict=structure is None)
    check.containers_once(data, problems)
    check.locks(catalogue, files.structure_data, data, problems)
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


def _files(root: Path, sdn: str, folder: Path, structure: Path, problems: Problems) -> _Files:
    """All files, each checked in itself."""
    area = sdns(root)[sdn].parent
    back_end = _file(Sdn, area / "sdn.yaml", problems)
    bases = _file(Bases, folder / "base.yaml", problems)
    structure_data = read(structure, problems)
    structure_model = _structure(structure_data, problems)
    entries, known = _services(root, area, back_end[1] if back_end else None, problems)
    problems.check()
    assert back_end  # noqa: S101 - else problems.check() has raised; the same below
    assert bases  # noqa: S101
    assert structure_data is not None  # noqa: S101
    assert structure_model  # noqa: S101
    return _Files(back_end[0], bases[0], structure_model, structure_data, entries, known)


def _select(root: Path, release: str, files: _Files, everything: dict[str, tuple[Service, Image]]) -> Catalogue:
    """The catalogue of what the structure names and the SDN has."""
    sdn = files.back_end.sdn
    names = [name for base, subs in files.structure.containers.items() for name in (base, *(subs or ()))]
    images = {name: everything[name] for name in names if everything[name][0].sdn in (None, sdn)}
    selected = {service.service for service, _ in images.values()}
    entries = {name: entry for name, entry in files.entries.items() if name in selected}
    return Catalogue(
        root=root,
        release=release,
        sdn=sdn,
        back_end=files.back_end,
        structure=files.structure,
        bases=files.bases.bases,
        services={name: entry.service for name, entry in entries.items()},
        folders={name: entry.folders for name, entry in entries.items()},
        images=images,
        known=files.known,
    )


def _services(
    root: Path, area: Path, back_end: Map | None, problems: Problems
) -> tuple[dict[str, _Entry], tuple[str, ...]]:
    """All services with fragments and the SDN's extensions, and the names of all variables."""
    fragments = {path.stem: data for path in _sorted(root, "common/contract/*.yaml") if (data := read(path, problems))}
    found = _found(root, problems)
    extends = _extensions(back_end, found, problems)
    known = _extension_names(root)
    entries: dict[str, _Entry] = {}
    for name, path in found.items():
        data = read(path, problems)
        if data is None:
            continue
        data = overlay(data, extends[name]) if name in extends else data
        before = len(problems.found)
        data = with_fragments(data, name, fragments, problems)
        known |= names_in(data)
        service = parse(Service, data, problems) if len(problems.found) == before else None
        if service:
            check.names(data, service, name, problems)
            added = area / name
            folders = (path.parent, added) if added != path.parent and added.is_dir() else (path.parent,)
            entries[name] = _Entry(service, data, folders)
    return entries, tuple(sorted(known))


def _found(root: Path, problems: Problems) -> dict[str, Path]:
    """Service -> its service.yaml."""
    found: dict[str, Path] = {}
    for path in _sorted(root, "*/*/service.yaml"):
        name = path.parent.name
        if name in found:
            message = f"{shown(found[name])} is service {name} already"
            problems.add(Mark(path, 1), (), message, "give one of the folders another name")
        found.setdefault(name, path)
    return found


def _extensions(back_end: Map | None, services: dict[str, Path], problems: Problems) -> dict[str, Map]:
    """Service -> what the SDN adds to it."""
    extends = back_end.get("extends") if back_end else None
    if not isinstance(extends, Map):
        return {}
    for name in extends.keys() - services.keys():
        remedy = suggest(name, services, "services")
        problems.add(extends.marks[name], ("extends", name), f"there is no service `{name}`", remedy)
    return {name: part for name, part in extends.items() if isinstance(part, Map)}


def _extension_names(root: Path) -> set[str]:
    """Variables that any SDN adds to any service."""
    unheard = Problems()  # another SDN's mistakes are for those who use it
    files = [data for path in sdns(root).values() if (data := read(path, unheard))]
    tables = [data.get("extends") for data in files]
    parts = [part for table in tables if isinstance(table, Map) for part in table.values()]
    return {name for part in parts if isinstance(part, Map) for name in names_in(part)}


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


def _sorted(root: Path, pattern: str) -> list[Path]:
    return sorted(root.glob(pattern))
