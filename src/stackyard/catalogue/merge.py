"""Laying one mapping over another: fragments of contracts, and what layers change of a service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stackyard.catalogue.problems import Loc, Mark, Problems, suggest
from stackyard.catalogue.yamlsource import List, Map

REPLACED = {"command", "arguments", "bootstrap", "exec", "health", "values"}
"""Keys whose value is replaced as a whole; other mappings are merged and other lists appended to."""

REMOVED = "removed"
"""Key of a fragment, beside its variables, with variables of old and what became of them."""

REMOVES = "-"
"""Begin of an item that removes one from the list below."""

_SERVICE = re.compile(r"(?<!\{)\{service\}(?!\})")


def overlay(below: Map, above: Map, problems: Problems | None = None, loc: Loc = ()) -> Map:
    """``above``, which is at ``loc``, over ``below``; both stay as they are, and marks go along.

    With ``problems``, items of ``above`` may remove items; that one is not there is a problem.
    """
    made = _copy(below)
    for key, value in above.items():
        under, mark = below.marks.get(key), above.marks[key]
        alone = key in REPLACED or (under is None and problems is None)
        joined = value if alone else _joined(below.get(key), value, problems, (*loc, key))
        if under:
            mark = under if joined is not value else mark._replace(below=under)
        made.put(key, joined, mark)
    return made


def _joined(below: Any, above: Any, problems: Problems | None, loc: Loc) -> Any:
    """Both sides in one where they are mappings or lists, or one side is and the other is not there; else ``above``."""
    if isinstance(above, Map) and isinstance(below, Map | None):
        return overlay(Map(above.mark) if below is None else below, above, problems, loc)
    if isinstance(above, List) and isinstance(below, List | None):
        return _appended(List(above.mark) if below is None else below, above, problems, loc)
    return above


def _appended(below: List, above: List, problems: Problems | None, loc: Loc) -> List:
    """The items of both, without those that ``above`` removes."""
    made = List(below.mark)
    for value, mark in zip(below, below.marks, strict=True):
        made.put(value, mark)
    made.removed += below.removed
    for index, (value, mark) in enumerate(zip(above, above.marks, strict=True)):
        if problems is None or not (isinstance(value, str) and value.startswith(REMOVES)):
            made.put(value, mark)
        elif (name := value.removeprefix(REMOVES)) in made:
            at = made.index(name)
            made.removed.append((made.pop(at), mark._replace(below=made.marks.pop(at))))
        else:
            remedy = suggest(name, [str(each) for each in made], "the list has")
            problems.add(mark, (*loc, index), f"there is no `{name}` to remove", remedy)
    return made


def _copy(source: Map) -> Map:
    made = Map(source.mark)
    made.update(source)
    made.marks.update(source.marks)
    return made


def with_fragments(service: Map, name: str, fragments: dict[str, Map], problems: Problems) -> Map:
    """The service with the fragments that it and its images use laid below their contracts, and below `removed`."""
    made = _contract(service, name, fragments, problems)
    images = made.get("images")
    if isinstance(images, Map):
        filled = _copy(images)
        for image, level in images.items():
            if isinstance(level, Map):
                filled[image] = _contract(level, name, fragments, problems)
        made["images"] = filled
    return made


def _contract(level: Map, name: str, fragments: dict[str, Map], problems: Problems) -> Map:
    """One level with its fragments; its own contract wins."""
    made, uses = _copy(level), level.get("uses")
    if not isinstance(uses, List):
        return made
    contract, removed = Map(uses.mark), Map(uses.mark)
    for use, mark in zip(uses, uses.marks, strict=True):
        if use not in fragments:
            problems.add(mark, ("uses",), f"there is no fragment `{use}`", suggest(str(use), fragments, "fragments"))
            continue
        variables, gone = _split(_named(fragments[use], name))
        contract, removed = overlay(contract, variables), overlay(removed, gone)
    for key, below in (("contract", contract), (REMOVED, removed)):
        own = level.get(key)
        if (below or own) and (own is None or isinstance(own, Map)):
            made.put(key, overlay(below, own) if own else below, level.marks.get(key, uses.mark))
    return made


def _split(fragment: Map) -> tuple[Map, Map]:
    """The variables of a fragment, and those of old."""
    variables, gone = Map(fragment.mark), fragment.get(REMOVED)
    for key, value in fragment.items():
        if key != REMOVED:
            variables.put(key, value, fragment.marks[key])
    return variables, gone if isinstance(gone, Map) else Map(fragment.mark)


def _named(value: Any, service: str) -> Any:
    """A copy with ``{service}`` in its strings replaced."""
    if isinstance(value, str):
        return _SERVICE.sub(service, value)
    if isinstance(value, Map):
        made = Map(value.mark)
        for key, item in value.items():
            made.put(key, _named(item, service), value.marks[key])
        return made
    if isinstance(value, List):
        items = List(value.mark)
        for item, mark in zip(value, value.marks, strict=True):
            items.put(_named(item, service), mark)
        return items
    return value


def names_in(service: Map) -> Iterator[tuple[str, Mark]]:
    """Variables of a service and its images, those of old included, with their places; for data not validated."""
    images = service.get("images")
    levels = [service, *(images.values() if isinstance(images, Map) else ())]
    tables = (level.get(key) for level in levels if isinstance(level, Map) for key in ("contract", "removed"))
    for table in tables:
        yield from table.marks.items() if isinstance(table, Map) else ()
