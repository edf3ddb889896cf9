"""What a build is asked for, decided, and done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path

from stackyard.catalogue import Catalogue
from stackyard.effects.engine import Engine
from stackyard.effects.files import write_atomically
from stackyard.effects.host import Host
from stackyard.effects.lock import locked, patient
from stackyard.errors import CommandError, InputError
from stackyard.events import Event, Report
from stackyard.images import base
from stackyard.images.bake import bake
from stackyard.images.found import Found, forget_replaced, inspect
from stackyard.images.identity import Decision, decide
from stackyard.images.mirror import complete
from stackyard.images.parts import File, Recipe
from stackyard.images.recipe import Foundation, recipe
from stackyard.images.report import Built, record
from stackyard.images.versions import Record, requests

DISK_GIB = 8
UNRECORDED = "the versions of its Debian packages are not in a record yet"


@dataclass(frozen=True)
class Order:
    """A build that is decided and not yet done."""

    catalogue: Catalogue
    base: base.BaseImage
    recipe: Recipe
    decisions: tuple[Decision, ...]
    found: dict[str, Found]

    @property
    def wanted(self) -> list[Decision]:
        """Images that have to be built."""
        return [each for each in self.decisions if each.build]


def order(
    engine: Engine,
    catalogue: Catalogue,
    images: Sequence[str],
    *,
    registry: str,
    versions: Record,
    rebuild: bool = False,
    downloads: str = "",
) -> Order:
    """Decide what of ``images`` has to be built, with one question to the engine.

    ``versions`` are those of Debian packages, as `recorded` or `completed` give them. ``rebuild`` builds all of the
    images; ``downloads`` names caches of downloads apart from the usual ones.
    """
    foundation = base.BaseImage(catalogue.base, versions.base)
    bottom = Foundation(foundation.reference, foundation.inputs, uv())
    made = recipe(catalogue, bottom, versions=versions, cache=downloads)
    references = {image: catalogue.reference(image, registry) for image in images}
    found = inspect(engine, list(references.values()))
    decisions = []
    for image, name in references.items():
        decision = decide(made, image, name, found[name].labels if name in found else None)
        if not versions.covers(requests(*catalogue.image(image))):
            decision = replace(decision, state="changed" if name in found else "new", why=UNRECORDED)
        elif rebuild and not decision.build:
            decision = replace(decision, state="changed", why="asked for")
        decisions.append(decision)
    return Order(catalogue, foundation, made, tuple(decisions), found)


def recorded(host: Host, catalogue: Catalogue) -> Record:
    """The versions of Debian packages that were recorded last, for the base of this catalogue."""
    try:
        return Record.parse(_record(host, catalogue).read_text())
    except OSError:
        return Record()


def completed(
    host: Host, catalogue: Catalogue, images: Sequence[str], report: Report, *, refresh: bool = False, keep: bool = True
) -> Record:
    """The record with the versions of all that ``images`` have; what it lacks is asked of the mirror, and kept.

    ``refresh`` asks anew, for all images of the catalogue. Raises InputError, BuildError.
    """
    wanted = list(catalogue.images) if refresh else images
    if not refresh and all(recorded(host, catalogue).covers(requests(*catalogue.image(each))) for each in wanted):
        return recorded(host, catalogue)
    with locked(host.state / "build" / "lock", "build", patient(report, "build")) if keep else nullcontext():
        before = recorded(host, catalogue)
        after = complete(host.engine, catalogue, wanted, before, report, anew=refresh, build=keep)
        if keep and after != before:
            write_atomically(_record(host, catalogue), after.text.encode(), mode=0o644)
    return after


def _record(host: Host, catalogue: Catalogue) -> Path:
    bottom = base.BaseImage(catalogue.base)
    return host.state / "build" / f"packages-{bottom.distribution.suite}-{bottom.making}.json"


@cache
def uv() -> File:
    """The uv that comes with this tool: it installs Python packages in build steps and stays out of images."""
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - found out only when it is needed

        return File(Path(find_uv_bin()), 0o755, metadata.version("uv"))
    except (ImportError, FileNotFoundError, metadata.PackageNotFoundError) as error:
        raise InputError("the Python package uv is not installed", "install the tool with its dependencies") from error


def execute(host: Host, ordered: Order, report: Report, *, no_cache: bool = False) -> list[Built]:
    """Build what has to be built; return what was. Raises InputError, BuildError."""
    wanted = ordered.wanted
    if not wanted:
        return []
    host.engine.disk(DISK_GIB, "a build")
    folder = host.state / "build"
    with locked(folder / "lock", "build", patient(report, "build")):
        for decision in wanted:
            report(Event("waiting", decision.image, decision.why))
        base.ensure(host.engine, ordered.base, report)
        progress = bake(host.engine, ordered.recipe, wanted, folder / "recipe", report, no_cache=no_cache)
        built = record(wanted, progress, inspect(host.engine, [each.reference for each in wanted]), folder)
    forget_replaced(host.engine)
    return built


def push(engine: Engine, decisions: Sequence[Decision], report: Report) -> None:
    """Push images to the registry that their names begin with. Raises CommandError at the first that fails."""
    for decision in decisions:
        begun = time.monotonic()
        lines: list[str] = []
        report(Event("started", decision.image, f"pushing {decision.reference}"))
        if engine.stream("image", "push", decision.reference, on_line=lines.append):
            said = "\n".join(lines[-5:])
            raise CommandError(f"docker image push {decision.reference} failed:\n{said}", "sign in with docker login?")
        report(Event("done", decision.image, f"pushed {decision.reference}", time.monotonic() - begun))
