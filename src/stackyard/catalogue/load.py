"""Reading the catalogue: files into one Catalogue, or all that is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from stackyard.catalogue import check, programs
from stackyard.catalogue import structure as forms
from stackyard.catalogue.catalogue import LOCKS, Catalogue
from stackyard.catalogue.layers import LAYER, Layer, Stack, check_files
from stackyard.catalogue.merge import REMOVED, names_in, with_fragments
from stackyard.catalogue.problems import Mark, Problems, locate, near, suggest
from stackyard.catalogue.validate import parse
from stackyard.catalogue.yamlsource import Map, read
from stackyard.errors import InputError
from stackyard.model import layer as model
from stackyard.model.base import Model
from stackyard.model.foreign import Foreign
from stackyard.model.release import Bases, Defaults, Structure
from stackyard.model.sdn import Sdn
from stackyard.model.service import Image, Service
from stackyard.model.site import Source

M = TypeVar("M", bound=Model)


def load(
    root: Path,
    release: str,
    sdn: str,
    structure: Path | None = None,
    own: Path | None = None,
    *,
    sources: Mapping[str, Source] | None = None,
    partial: bool = False,
) -> Catalogue:
    """The catalogue of a release with an SDN.

    ``own`` is the site's own folder, ``structure`` another one than the release's, ``sources`` are the site's. When it
    is ``partial``, only what it names is selected, whether a site can run that or not. Raises InputError with all
    problems.
    """
    folder = root / "releases" / _known(release, releases(root), "release")
    area = sdns(root)[_known(sdn, sdns(root), "SDN")].parent
    problems = Problems()
    data = read(structure or folder / "structure.yaml", problems)
    foreign = _foreign(root, problems)
    notes: list[str] = []
    if structure and data is not None:
        data, notes = forms.unfolded(data, foreign, _tag(folder))
    whole = _whole((folder, area, own), sources or {}, foreign, _structure(data, problems), problems)
    assert data is not None  # noqa: S101 - else there were problems
    everything = _images(whole, problems)
    bases = {name: image.base for name, (each, image) in everything.items() if each.sdn in (None, sdn)}
    data, more = forms.named(data, bases, _of_others(root, area, everything), foreign)
    check.structure(data, problems)
    problems.check()
    check.against_structure(data, everything, problems)
    _spare_locks(whole, problems)
    problems.check()
    made = Structure.model_validate(data)
    catalogue = _select(
        replace(whole, structure=made, notes=(*notes, *more) if structure else ()), everything, own=not partial
    )
    for name, service in catalogue.services.items():
        check.service(catalogue, catalogue.written[name], service, problems, strict=not partial)
        check_files(catalogue.folders[name], catalogue.written[name], catalogue.fragment_templates, problems)
    check.containers_once(catalogue.written, problems)
    check.locks(catalogue, data, catalogue.written, problems)
    problems.check()
    return catalogue


def load_structure(path: Path) -> Structure:
    """A structure file in today's form. Raises InputError with all problems."""
    problems = Problems()
    data = read(path, problems)
    made = _structure(data, problems)
    if data is not None and made:
        check.structure(data, problems)
    problems.check()
    assert made  # noqa: S101 - else problems.check() has raised
    return made


def releases(root: Path) -> list[str]:
    """Releases of the catalogue."""
    return sorted(path.parent.name for path in root.glob("releases/*/structure.yaml"))


def sdns(root: Path) -> dict[str, Path]:
    """SDN of the catalogue -> its sdn.yaml; the folder has the SDN's name."""
    return {path.parent.name: path for path in sorted(root.glob("*/sdn.yaml"))}


def _of_others(root: Path, area: Path, everything: Mapping[str, tuple[Service, Image]]) -> dict[str, str]:
    """Images that only other SDNs than that of ``area`` have, with the SDN."""
    found = {name: each.sdn for name, (each, _) in everything.items() if each.sdn not in (None, area.name)}
    unheard = Problems()  # mistakes in the files of other SDNs are told where those are used
    for sdn, path in sdns(root).items():
        parts = Layer.of(path.parent, read(path, unheard)).extends.values() if path.parent != area else ()
        images = [part["images"] for part in parts if isinstance(part, Map) and isinstance(part.get("images"), Map)]
        found |= {name: sdn for each in images for name in each if name not in everything}
    return found


def defaults(root: Path, problems: Problems) -> Defaults:
    """What holds for all sites of a catalogue."""
    path = root / "catalogue.yaml"
    made = _file(Defaults, path, problems) if path.exists() else None
    return made[0] if made else Defaults()


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
    """The structure, as far as its form goes."""
    return parse(Structure, data, problems) if data is not None else None


def _foreign(root: Path, problems: Problems) -> Foreign:
    """Names that people bring from elsewhere."""
    path = root / "common" / "foreign.yaml"
    made = _file(Foreign, path, problems) if path.exists() else None
    return made[0] if made else Foreign()


def _tag(folder: Path) -> str:
    """Tag of a release's own images."""
    unheard = Problems()  # its own mistakes are told where it is used
    data = read(folder / "structure.yaml", unheard)
    return str(data.get(forms.VERSION)) if data is not None else ""


def _whole(
    folders: tuple[Path, Path, Path | None],
    sources: Mapping[str, Source],
    foreign: Foreign,
    structure: Structure | None,
    problems: Problems,
) -> Catalogue:
    """All services, with what layers change and with their fragments, each checked in itself; of other SDNs an outline.

    ``folders`` are those of release, SDN and site. Raises InputError with all problems.
    """
    release, area, own = folders
    root = area.parent
    bases = _file(Bases, release / "base.yaml", problems)
    back_end = _file(Sdn, area / "sdn.yaml", problems)
    usual = defaults(root, problems)
    layers = [_layer(release, problems), Layer.of(area, back_end[1] if back_end else None)]
    layers += [_layer(each, problems) for each in programs.folders(area, back_end[0], sources)] if back_end else []
    stack = Stack.of(root, (*layers, *([_own_layer(own, problems)] if own else [])), problems)
    fragments = _fragments(root, problems)
    written = _written(area.name, stack, fragments, problems)
    services = {}
    for name, data in written.items():
        if data.get("sdn", area.name) != area.name:
            services[name] = _outline(name, data)
            continue
        service = parse(Service, data, problems)
        if service:
            check.names(data, service, name, problems)
            services[name] = programs.named(service, data, back_end[0], sources) if back_end else service
    marks = [each for data in written.values() for each in names_in(data)]
    names = {name for name, _ in marks}
    shared = {name for each in fragments.values() for name in (*each, *each.get(REMOVED, ()))} - {REMOVED}
    others = _other_names(root, area) | shared
    others |= {name for name, mark in marks if not (own and mark.file.is_relative_to(own))}
    problems.check()
    assert bases and back_end and structure  # noqa: S101, PT018 - else there were problems
    return Catalogue(
        root=root,
        release=release.name,
        sdn=back_end[0].sdn,
        back_end=back_end[0],
        structure=structure,
        bases=bases[0].bases,
        services=services,
        defined={name: each for name, each in services.items() if each.sdn in (None, back_end[0].sdn)},
        written=written,
        layers=tuple(layer.folder for layer in stack.layers),
        own=own,
        folders={name: stack.folders(name) for name in services},
        images={},
        known=tuple(sorted(names | others)),
        added=frozenset(names - others),
        roles=usual.roles,
        foreign=foreign,
    )


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


def _outline(name: str, data: Map) -> Service:
    """A service of another SDN: its images, each with its base. Its own mistakes are for those who use it."""
    table = data.get("images")
    images = {
        each: Image.model_construct(base=part.get("base") if isinstance(part, Map) else None)
        for each, part in (table.items() if isinstance(table, Map) else ())
    }
    return Service.model_construct(service=name, sdn=data["sdn"], images=images)


def _fragments(root: Path, problems: Problems) -> dict[str, Map]:
    """Name -> fragment of contracts."""
    files = sorted(root.glob("common/contract/*.yaml"))
    return {path.stem: data for path in files if (data := read(path, problems))}


def _written(sdn: str, stack: Stack, fragments: dict[str, Map], problems: Problems) -> dict[str, Map]:
    """Data of the services in which nothing is wrong with what layers change, or with fragments.

    Those of other SDNs than ``sdn`` are as their own file says them.
    """
    shared = {name for fragment in fragments.values() for name in fragment if name != REMOVED}
    written = {}
    for name, path in stack.services.items():
        before, data = len(problems.found), read(path, problems)
        if data is not None and data.get("sdn", sdn) == sdn:
            data = with_fragments(stack.laid(name, data, shared, problems), name, fragments, problems)
        if data is not None and len(problems.found) == before:
            written[name] = data
    return written


def _other_names(root: Path, area: Path) -> set[str]:
    """Variables that other SDNs add to services, and layers of sources, whichever a site names."""
    unheard = Problems()  # another SDN's mistakes are for those who use it
    paths = [path for path in sdns(root).values() if path.parent != area]
    paths += sorted(root.glob(f"*/{programs.FOLDER}/*/*/{LAYER}"))
    layers = [Layer.of(path.parent, read(path, unheard)) for path in paths]
    parts = [part for layer in layers for part in layer.extends.values() if isinstance(part, Map)]
    return {name for part in parts for name, _ in names_in(part)}


def _images(whole: Catalogue, problems: Problems) -> dict[str, tuple[Service, Image]]:
    """Image -> its service and itself, of all SDNs."""
    images: dict[str, tuple[Service, Image]] = {}
    for service in whole.services.values():
        for name, image in service.images.items():
            if name in images:
                message = f"service {images[name][0].service} has an image of this name already"
                mark = locate(whole.written[service.service], ("images", name))[0]
                problems.add(mark, ("images", name), message, "choose another name")
            images.setdefault(name, (service, image))
    return images


def _spare_locks(whole: Catalogue, problems: Problems) -> None:
    """Each lock in the site's own folder is one that images have."""
    images = [image for each in whole.services.values() for image in each.images.values()]
    known = {"python": {*LOCKS, *(lock for image in images for lock in image.locks)}}
    known["maven"] = {lock for image in images for lock in image.maven}
    for kind, locks in known.items():
        for file in sorted(whole.own.glob(f"{kind}/*.txt")) if whole.own else ():
            if file.stem not in locks:
                problems.add(Mark(file, 0), (), "no image has this lock", suggest(file.stem, sorted(locks), "locks"))


def _select(whole: Catalogue, everything: dict[str, tuple[Service, Image]], *, own: bool) -> Catalogue:
    """The part that the structure names and the SDN has; with ``own`` also what the site's own folder adds."""
    names = [name for base, subs in whole.structure.containers.items() for name in (base, *(subs or ()))]
    for name, (service, _) in everything.items() if own else ():
        if name not in names and whole.is_own(locate(whole.written[service.service], ("images", name))[0].file):
            names.append(name)
    images = {name: everything[name] for name in names if everything[name][0].sdn in (None, whole.sdn)}
    selected = {service.service for service, _ in images.values()}
    return replace(
        whole,
        images=images,
        services={name: whole.services[name] for name in whole.services if name in selected},
        written={name: whole.written[name] for name in whole.written if name in selected},
    )
