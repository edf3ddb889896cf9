"""What a build leaves behind to be read: a file per image, and a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stackyard.images.bake import Progress
from stackyard.images.found import Found
from stackyard.images.identity import Decision
from stackyard.table import table

MB = 1000 * 1000


@dataclass(frozen=True)
class Built:
    """An image that was built: why, and what it took. ``seconds`` are those of its own steps."""

    image: str
    reference: str
    why: str
    identity: str
    inputs: Mapping[str, str]
    seconds: float
    steps: int
    cached: int
    size: int
    layers: int


def record(decisions: Iterable[Decision], progress: Progress, found: Mapping[str, Found], folder: Path) -> list[Built]:
    """Write `<image>.json` of each image that was built and return them all."""
    built = []
    for decision in decisions:
        steps, cached, seconds = progress.steps(decision.image)
        image = found[decision.reference]
        entry = Built(
            image=decision.image,
            reference=decision.reference,
            why=decision.why,
            identity=decision.identity.value,
            inputs=dict(decision.identity.inputs),
            seconds=round(seconds, 2),
            steps=steps,
            cached=cached,
            size=image.size,
            layers=len(image.layers),
        )
        (folder / f"{decision.image}.json").write_text(json.dumps(asdict(entry), indent=1) + "\n")
        built.append(entry)
    return built


def decided(decisions: Sequence[Decision]) -> str:
    """The plan: what is built, and why."""
    wanted = [each for each in decisions if each.build]
    if not wanted:
        return nothing(len(decisions))
    rows = [("build" if each.build else "up to date", each.image, each.why if each.build else "") for each in decisions]
    summary = f"{len(wanted)} to build, {len(decisions) - len(wanted)} up to date"
    return f"{table(('', 'IMAGE', 'WHY'), rows)}\n{summary}"


def listed(built: Sequence[Built], total: int) -> str:
    """What was built, and what it took."""
    if not built:
        return nothing(total)
    rows = [
        (
            each.image,
            f"{each.size / MB:.0f} MB",
            str(each.layers),
            f"{each.seconds:.1f} s",
            f"{each.cached}/{each.steps}",
            each.why,
        )
        for each in built
    ]
    summary = f"{len(built)} built, {total - len(built)} up to date"
    return f"{table(('IMAGE', 'SIZE', 'LAYERS', 'TOOK', 'CACHED', 'WHY'), rows)}\n{summary}"


def nothing(total: int) -> str:
    """There was no work."""
    return f"nothing to do: {total} image{'' if total == 1 else 's'} up to date"
