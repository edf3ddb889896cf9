"""What is wrong with a site, found while it is resolved: collected, then told all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from stackyard.errors import InputError

Path = tuple[str | int, ...]
Where = Callable[[Path], str]
"""Tells file and line of a path of the site file: ``demo.yaml:12: ``."""


@dataclass
class Problems:
    """Messages, each with the path in the site file that it is about, and a remedy."""

    where: Where = field(default=lambda _path: "")
    found: list[tuple[str, str]] = field(default_factory=list)

    def add(self, path: Path, message: str, remedy: str) -> None:
        """Note one, once."""
        dotted = ".".join(str(part) for part in path)
        line = f"{self.where(path)}{dotted + ': ' if dotted else ''}{message}"
        if (line, remedy) not in self.found:
            self.found.append((line, remedy))

    def check(self) -> None:
        """Raise InputError when there are any."""
        if len(self.found) == 1:
            raise InputError(*self.found[0])
        if self.found:
            lines = [f"  {message}" + (f" ({remedy})" if remedy else "") for message, remedy in self.found]
            raise InputError("\n".join([f"{len(self.found)} problems", *lines]))
