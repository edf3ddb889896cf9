"""Laying one mapping over another: fragments of contracts, and what an SDN adds to a service."""

from __future__ import annotations

import re
from typing import Any

from stackyard.catalogue.problems import Problems, suggest
from stackyard.catalogue.yamlsource import List, Map

REPLACED = {"command", "arguments", "bootstrap", "health", "values"}
"""Keys whose value is replaced as a whole; other mappings are merged and other lists appended to."""

_SERVICE = re.compile(r"(?<!\{)\{service\}(?!\})")


def overlay(below: Map, above: Map) -> Map:
    """``above`` over ``below``; both stay as they are, and marks go along."""
    made = _copy(below)
    for key, value in above.items():
        made.put(key, _joined(key, below.get(key), value), above.marks[key])
    return made


def _joined(key: str, below: Any, above: Any) -> Any:
    """The value of ``key`` when both sides may have one."""
    if key not in REPLACED and isinstance(below, Map) and isinstance(above, Map):
        return overlay(below, above)
    if key not in REPLACED and isinstance(below, List) and isinstance(above, List):
        made = List(below.mark)
        for part in (below, above):
            for value, mark in zip(part, part.marks, strict=True):
                made.put(value, mark)
        return made
    return above


def _copy(source: Map) -> Map:
    made = Map(source.mark)
    made.update(source)
    made.marks.update(source.marks)
    return made


def with_fragments(service: Map, name: str, fragments: dict[str, Map], problems: Problems) -> Map:
    """The service with the fragments that it and its images use laid below their contracts."""
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
    contract = Map(uses.mark)
    for use, mark in zip(uses, uses.marks, strict=True):
        if use not in fragments:
            problems.add(mark, ("uses",), f"there is no fragment `{use}`", suggest(str(use), fragments, "fragments"))
            continue
        contract = overlay(contract, _named(fragments[use], name))
    own = level.get("contract")
    if own is None or isinstance(own, Map):
        contract = overlay(contract, own) if own else contract
        made.put("contract", contract, level.marks.get("contract", uses.mark))
    return made


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


def names_in(service: Map) -> set[str]:
    """Variables of a service and its images, those of old included; for data not validated."""
    images = service.get("images")
    levels = [service, *(images.values() if isinstance(images, Map) else ())]
    tables = (level.get(key) for level in levels if isinstance(level, Map) for key in ("contract", "retired"))
    return {name for table in tables if isinstance(table, Map) for name in table}
