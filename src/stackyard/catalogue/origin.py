"""A merged service as lines of YAML, each with the place that it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from stackyard.catalogue.problems import Loc, Mark
from stackyard.catalogue.yamlsource import List, Map

WIDTH = 88
"""Columns that a mapping or a list may have in one line."""


@dataclass(frozen=True)
class Line:
    """A line of YAML and the path that it begins; without a mark when it continues the text above it.

    ``removed``: it is a comment, about an item that a layer removed.
    """

    text: str
    loc: Loc
    mark: Mark | None
    removed: bool = False


class _Dumper(yaml.SafeDumper):
    """Writes Maps and Lists as what they are, and text with quotes in it legibly."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """No anchors."""
        return True

    def text(self, text: str) -> yaml.Node:
        """Text, in double quotes where single ones would have to be doubled, or lines broken."""
        style = '"' if not text.isprintable() or ("{{" in text and "'" in text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_multi_representer(dict, lambda dumper, data: dumper.represent_dict(data.items()))
_Dumper.add_multi_representer(list, lambda dumper, data: dumper.represent_list(data))
_Dumper.add_representer(str, _Dumper.text)


def places(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, Mark]]:
    """Path and place of each value in a mapping or list, from above."""
    if isinstance(value, Map | List):
        marks: Any = value.marks
        for key, item in value.items() if isinstance(value, Map) else enumerate(value):
            yield (*loc, key), marks[key]
            yield from places(item, (*loc, key))


def lines(data: Map, loc: Loc = (), indent: str = "") -> Iterator[Line]:
    """Lines of YAML that give ``data`` when they are read."""
    for key, value in data.items():
        yield from _entry(Line(f"{indent}{_flow(key)}:", (*loc, key), data.marks[key]), value, f"{indent}  ")


def _entry(head: Line, value: Any, indent: str) -> Iterator[Line]:
    """A value after ``head``, on its line, or on those below it."""
    if isinstance(value, str) and _is_block(value):
        yield replace(head, text=f"{head.text} |{'' if value.endswith(chr(10)) else '-'}")
        yield from (Line(f"{indent}{each}", head.loc, None) for each in value.removesuffix("\n").split("\n"))
    elif _is_short(head, value):
        yield replace(head, text=f"{head.text} {_flow(value)}")
    elif isinstance(value, Map) and head.text.endswith("-"):
        first, *rest = lines(value, head.loc, indent)
        yield from (replace(first, text=f"{head.text} {first.text.strip()}"), *rest)
    else:
        yield head if value else replace(head, text=f"{head.text} {_flow(value)}")
        yield from lines(value, head.loc, indent) if isinstance(value, Map) else _items(value, head.loc, indent)


def _items(items: List, loc: Loc, indent: str) -> Iterator[Line]:
    for index, (value, mark) in enumerate(zip(items, items.marks, strict=True)):
        yield from _entry(Line(f"{indent}-", (*loc, index), mark), value, f"{indent}  ")
    for value, mark in items.removed:
        yield Line(f"{indent}# - {_flow(value)}", (*loc, f"-{value}"), mark, removed=True)


def _is_block(text: str) -> bool:
    """Whether a text is lines that may stand below each other as they are."""
    return "\n" in text[:-1] and text[0] not in " \n" and text[-2:] != "\n\n" and text.replace("\n", "").isprintable()


def _is_short(head: Line, value: Any) -> bool:
    """Whether a value stands in one line: it is not large, and all of it comes from one file."""
    if not isinstance(value, Map | List):
        return True
    if (isinstance(value, List) and value.removed) or len(f"{head.text} {_flow(value)}") > WIDTH:
        return False
    parts = value.values() if isinstance(value, Map) else value
    whole = all(head.mark and each.file == head.mark.file and not each.below for _, each in places(value))
    return whole and not any(isinstance(each, Map) for each in parts)


def _flow(value: Any) -> str:
    """A value in one line."""
    options: dict[str, Any] = {"Dumper": _Dumper, "default_flow_style": True, "sort_keys": False, "allow_unicode": True}
    text: str = yaml.dump(value, width=float("inf"), **options)
    return text.removesuffix("...\n").strip()
