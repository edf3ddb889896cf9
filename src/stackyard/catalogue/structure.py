"""Structures as people bring them: earlier forms, short names of subs, and images that there are not any more.

The result is data in today's form, each name with the place that it has in the file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from stackyard.catalogue.problems import Mark, shown
from stackyard.catalogue.yamlsource import List, Map
from stackyard.model.foreign import Foreign

VERSION = "version"
CONTAINERS = "containers"


def unfolded(data: Map, foreign: Foreign, version: str) -> tuple[Map, list[str]]:
    """A structure without groups of bases and without keys of earlier forms, and a note of each of these.

    One that has such keys and no tag gets ``version``.
    """
    made = Map(data.mark)
    earlier: dict[str, list[tuple[Mark, str]]] = {}
    for key, value in data.items():
        if key in foreign.structure:
            earlier.setdefault(foreign.structure[key], []).append((data.marks[key], key))
        elif key == CONTAINERS and isinstance(value, Map):
            made.put(key, _bases(value), data.marks[key])
        else:
            made.put(key, value, data.marks[key])
    if earlier and VERSION not in made:
        made.put(VERSION, version, data.mark)
        earlier[f"is not given; the images get the release's own tag, {version}"] = [(data.mark, VERSION)]
    return made, _notes(earlier)


def _bases(containers: Map) -> Map:
    """Base images with their subs, those of groups among them."""
    found = Map(containers.mark)
    for key, value in containers.items():
        for base, subs in value.items() if isinstance(value, Map) else ((key, value),):
            _add(found, base, subs, (value if isinstance(value, Map) else containers).marks[base])
    return found


def _add(found: Map, base: str, subs: object, mark: Mark) -> None:
    """Put a base with its subs; they are appended where it is there already."""
    there = found.get(base)
    if isinstance(there, List) and isinstance(subs, List):
        for sub, at in zip(subs, subs.marks, strict=True):
            there.put(sub, at)
    elif base not in found or subs is not None:
        found.put(base, subs, mark)


def named(
    data: Map, bases: Mapping[str, str | None], elsewhere: Mapping[str, str], foreign: Foreign
) -> tuple[Map, list[str]]:
    """A structure with the full names of subs, each below its base, without images of the past, and a note of these.

    ``bases`` are image -> the base that it is a sub of. `nova: [api]` means nova-api; a sub that stands alone is put
    below its base, and images that have no base stand alone: `config: [api]` means config-api. ``elsewhere`` are images
    that other SDNs have, with the SDN; they are left out.
    """
    left_out: dict[str, list[tuple[Mark, str]]] = {}
    containers = data[CONTAINERS]
    found = Map(containers.mark)

    def kept(name: str, mark: Mark) -> bool:
        other = f"only with `sdn: {elsewhere[name]}`" if name in elsewhere else ""
        why = "" if name in bases else other or foreign.explained(name)
        left_out.setdefault(why, []).append((mark, name))
        return not why

    for base, subs in containers.items():
        mark = containers.marks[base]
        names = List(subs.mark if isinstance(subs, List) else mark)
        for sub, at in zip(subs, subs.marks, strict=True) if isinstance(subs, List) else ():
            full = _full(base, sub, {*bases, *elsewhere}, foreign)
            if kept(full, at):
                names.put(full, at)
        above = bases.get(base)
        if above and not subs:
            names.put(base, mark)
            _add(found, above, names, mark)
        elif subs and base not in bases and all(full in {*bases, *elsewhere} for full in names):
            for full, at in zip(names, names.marks, strict=True):
                _add(found, full, None, at)
        elif kept(base, mark):
            _add(found, base, names or None, mark)
    made = Map(data.mark)
    for key, value in data.items():
        made.put(key, found if key == CONTAINERS else value, data.marks[key])
    left_out.pop("", None)
    return made, _notes(left_out)


def _full(base: str, sub: str, bases: Collection[str], foreign: Foreign) -> str:
    """The name that is meant by a sub: its own if there is such an image, else that with its base's before it."""
    long = f"{base}-{sub}"
    return long if sub not in bases and (long in bases or foreign.explained(long)) else sub


def _notes(found: Mapping[str, list[tuple[Mark, str]]]) -> list[str]:
    """What is told once of several names, with the place of the first."""
    return [
        f"{shown(each[0][0].file)}:{each[0][0].line}: {', '.join(name for _, name in each)}: {text}"
        for text, each in found.items()
    ]
