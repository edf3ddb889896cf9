"""What is wrong with files that people write: collected, then told all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from stackyard.entrypoint.suggest import closest
from stackyard.errors import InputError

Loc = tuple[str | int, ...]
_SOME = 3


class Mark(NamedTuple):
    """Where a value stands, how it is written there if it is a scalar, and what it took the place of."""

    file: Path
    line: int
    text: str | None = None
    below: Mark | None = None


@dataclass(frozen=True)
class Problem:
    """One thing to put right, with its remedy."""

    mark: Mark | None
    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        """``file:line: path: message``; without what is not known."""
        line = f":{self.mark.line}" if self.mark and self.mark.line else ""
        place = [f"{shown(self.mark.file)}{line}:"] if self.mark else []
        return " ".join([*place, *([f"{self.path}:"] if self.path else []), self.message])


@dataclass
class Problems:
    """A list of problems that ends in one InputError. ``source`` is the data of the file that they are about."""

    found: list[Problem] = field(default_factory=list)
    source: Any = None

    def at(self, loc: Loc, message: str, remedy: str) -> None:
        """Note a problem at ``loc`` of the source; no line is named when nothing of the path stands there."""
        mark, found = locate(self.source, loc) if self.source is not None else (None, ())
        if mark and not found:
            mark = mark._replace(line=0) if loc else None
        self.add(mark, loc, message, remedy)

    def add(self, mark: Mark | None, loc: Loc, message: str, remedy: str) -> None:
        """Note a problem at ``mark``; the same one is noted once."""
        problem = Problem(mark, dotted(loc), message, remedy)
        if problem not in self.found:
            self.found.append(problem)

    def check(self) -> None:
        """Raise InputError with all problems, if there are any."""
        if len(self.found) == 1:
            raise InputError(str(self.found[0]), self.found[0].remedy)
        if self.found:
            ordered = sorted(self.found, key=lambda problem: problem.mark[:2] if problem.mark else (Path(), 0))
            lines = (f"  {problem} ({problem.remedy})" for problem in ordered)
            raise InputError("\n".join([f"{len(self.found)} problems", *lines]))


def locate(data: Any, loc: Loc) -> tuple[Mark, Loc]:
    """Mark of the deepest value on the way to ``loc`` that exists, and its path; ``data`` is a Map or a List."""
    mark: Mark = data.mark
    for depth, part in enumerate(loc):
        marks: Any = getattr(data, "marks", ())
        inside = part in marks if isinstance(marks, dict) else isinstance(part, int) and part < len(marks)
        if not inside:
            return mark, loc[:depth]
        mark, data = marks[part], data[part]
    return mark, loc


def dotted(loc: Loc) -> str:
    """Path as people write it: ``nodes.compute1.roles[0]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".")


def shown(file: Path) -> str:
    """File relative to the current directory when it is below it."""
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def some(names: Sequence[str]) -> str:
    """The first few names of a list, and how many more there are."""
    more = f" and {len(names) - _SOME} more" if len(names) > _SOME else ""
    return f"{', '.join(names[:_SOME])}{more}"


def suggest(word: str, known: Iterable[str], what: str) -> str:
    """Remedy for a name that is not known: the close one, else all of them."""
    names = list(known)
    return near(word, names) or f"{what}: {', '.join(names) or 'none'}"


def near(word: str, known: Iterable[str]) -> str:
    """Remedy for a mistyped name; empty when nothing is close."""
    close = closest(word, known)
    return f"did you mean {close}?" if close else ""
