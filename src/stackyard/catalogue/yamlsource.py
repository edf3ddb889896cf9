"""YAML with the line of each value, for messages that say where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from stackyard.catalogue.problems import Loc, Mark, Problems

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"
_TEXT = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp")


class Map(dict[str, Any]):
    """A mapping that knows where its entries stand."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.marks: dict[str, Mark] = {}

    def put(self, key: str, value: Any, mark: Mark) -> None:
        """Set an entry with its place."""
        self[key] = value
        self.marks[key] = mark


class List(list[Any]):
    """A list that knows where its items stand, and which ones were removed from it, and where."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.marks: list[Mark] = []
        self.removed: list[tuple[Any, Mark]] = []

    def put(self, value: Any, mark: Mark) -> None:
        """Append an item with its place."""
        self.append(value)
        self.marks.append(mark)


def read(file: Path, problems: Problems) -> Map | None:
    """Mapping of a YAML file; None, with the reason in ``problems``, when there is none."""
    text = _text(file, problems)
    if text is None:
        return None
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            problems.add(Mark(file, 1), (), "the file is empty", "write a mapping, `key: value`")
            return None
        data = _Builder(file, loader, problems).value(node, ())
    except yaml.MarkedYAMLError as error:
        _syntax(file, text, error, problems)
        return None
    except yaml.YAMLError as error:
        problems.add(Mark(file, 1), (), f"not YAML: {' '.join(str(error).split())}", "correct the file")
        return None
    finally:
        loader.dispose()
    if not isinstance(data, Map):
        problems.add(Mark(file, 1), (), "not a mapping", "write `key: value` lines")
        return None
    return data


def _text(file: Path, problems: Problems) -> str | None:
    """Content of a file, or None with a problem."""
    try:
        return file.read_bytes().decode()
    except FileNotFoundError:
        problems.add(Mark(file, 0), (), "the file does not exist", "make it, or correct the name")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problems.add(Mark(file, line), (), "not UTF-8 text", "save the file as UTF-8")
    except OSError as error:
        problems.add(Mark(file, 0), (), f"cannot be read: {error.strerror}", "correct the name or its permissions")
    return None


def _syntax(file: Path, text: str, error: yaml.MarkedYAMLError, problems: Problems) -> None:
    """Note a syntax error in words that help."""
    place = error.problem_mark or error.context_mark
    line = place.line + 1 if place else 1
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        problems.add(Mark(file, line), (), "a tab in the indentation", "YAML wants spaces: replace it")
        return
    reason = ", ".join(part for part in (error.context, error.problem) if part)
    problems.add(Mark(file, line), (), f"not YAML: {reason}", "correct the line, or the one above it")


def _text_of(node: yaml.Node) -> str | None:
    """How a scalar is written."""
    return node.value if isinstance(node, yaml.ScalarNode) else None


class _Builder:
    """Makes Maps and Lists of composed nodes."""

    def __init__(self, file: Path, loader: Any, problems: Problems) -> None:
        self.file = file
        self.loader = loader
        self.problems = problems
        self.open: set[int] = set()

    def mark(self, node: yaml.Node) -> Mark:
        return Mark(self.file, node.start_mark.line + 1, _text_of(node))

    def value(self, node: yaml.Node, loc: Loc) -> Any:
        """Python value of a node."""
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if id(node) in self.open:
            raise yaml.MarkedYAMLError(None, None, "an alias to what it is part of", node.start_mark)
        self.open.add(id(node))
        made = self.mapping(node, loc) if isinstance(node, yaml.MappingNode) else self.sequence(node, loc)
        self.open.discard(id(node))
        return made

    def scalar(self, node: yaml.ScalarNode) -> Any:
        """Value of a scalar; dates stay text."""
        return node.value if node.tag in _TEXT else self.loader.construct_object(node)

    def sequence(self, node: yaml.Node, loc: Loc) -> List:
        made = List(self.mark(node))
        for index, item in enumerate(node.value):
            made.put(self.value(item, (*loc, index)), self.mark(item))
        return made

    def mapping(self, node: yaml.MappingNode, loc: Loc) -> Map:
        """Keys are taken as they are written, so that `on` and `2026.2` are names."""
        made = Map(self.mark(node))
        inherited = Map(made.mark)
        for key, item in node.value:
            if key.tag == _MERGE:
                for name, value, mark in self.merged(item, loc):
                    inherited.setdefault(name, value)
                    inherited.marks.setdefault(name, mark)
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(None, None, "a key that is not a word", key.start_mark)
            name = str(key.value)
            mark = Mark(self.file, key.start_mark.line + 1, _text_of(item))
            if name in made:
                self.problems.add(
                    mark, (*loc, name), f"given twice, first in line {made.marks[name].line}", "leave one of them out"
                )
                continue
            made.put(name, self.value(item, (*loc, name)), mark)
        for name, value in inherited.items():
            if name not in made:
                made.put(name, value, inherited.marks[name])
        return made

    def merged(self, node: yaml.Node, loc: Loc) -> Iterator[tuple[str, Any, Mark]]:
        """Entries that a merge key (`<<`) brings."""
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            value = self.value(part, loc)
            if not isinstance(value, Map):
                raise yaml.MarkedYAMLError(None, None, "`<<` wants a mapping", part.start_mark)
            for name, entry in value.items():
                yield name, entry, value.marks[name]
