"""How commands print rows and times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from click import unstyle


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows in columns as wide as they have to be. Cells may have colours, of ``click.style``."""
    lines = [tuple(heads), *(tuple(row) for row in rows)]
    widths = [max(len(unstyle(line[column])) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell + " " * (width - len(unstyle(cell))) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def ago(time: datetime) -> str:
    """How long ago a time was, in one unit."""
    seconds = (datetime.now(UTC) - time).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return "0 s"
