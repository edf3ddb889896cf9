"""A figure with its bound, as the benches print it: a line of text or JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """What was measured, and the bound that it should keep."""

    name: str
    value: float
    unit: str
    bound: float

    @property
    def kept(self) -> bool:
        """Whether it is within the bound."""
        return self.value <= self.bound

    def as_text(self) -> str:
        """Name, figure, bound and their ratio in one line."""
        verdict = "" if self.kept else "   OVER"
        ratio = f"ratio {self.value / self.bound:.2f}"
        return f"{self.name:<34} {self.value:7.2f} {self.unit}   bound {self.bound:g} {self.unit}   {ratio}{verdict}"

    def as_data(self) -> dict[str, Any]:
        """The same as plain data."""
        ratio = round(self.value / self.bound, 3)
        value = round(self.value, 3)
        return {"name": self.name, "value": value, "unit": self.unit, "bound": self.bound, "ratio": ratio}


def arguments(text: str | None) -> argparse.ArgumentParser:
    """The options that all benches have."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", default="demo", metavar="NAME|FILE", help="the site, default %(default)s")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="form of what is printed")
    return parser


def show(
    output: str, figures: Sequence[Figure], lines: Sequence[str] = (), details: Mapping[str, Any] | None = None
) -> int:
    """Print ``lines`` and the figures, or ``details`` and the figures as JSON; 1 when a bound is missed, else 0."""
    if output == "json":
        print(json.dumps({"figures": [each.as_data() for each in figures], **(details or {})}, indent=2))
    else:
        print("\n".join([*lines, *(each.as_text() for each in figures)]))
    return 0 if all(each.kept for each in figures) else 1
