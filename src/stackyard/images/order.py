"""What a build is asked for, decided, and done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from stackyard.catalogue import Catalogue
from stackyard.effects.engine import Engine
from stackyard.effects.host import Host
from stackyard.effects.lock import locked, patient
from stackyard.errors import CommandError, InputError
from stackyard.events import Event, Report
from stackyard.images import base
from stackyard.images.bake import bake
from stackyard.images.found import Found, forget_replaced, inspect
from stackyard.images.identity import Decision, decide
from stackyard.images.parts import File, Recipe
from stackyard.images.recipe import Foundation, recipe
from stackyard.images.report import Built, record

DISK_GIB = 8


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


def reference(catalogue: Catalogue, image: str, registry: str) -> str:
    """Name of an image on the engine: prefix, image, version, and the SDN when it differs by it."""
    _, definition = catalogue.image(image)
    tag = catalogue.structure.version + (f"-{catalogue.sdn}" if definition.variant else "")
    return f"{registry.rstrip('/')}/{image}:{tag}" if registry else f"{image}:{tag}"


def order(
    engine: Engine,
    catalogue: Catalogue,
    images: Sequence[str],
    *,
    registry: str,
    rebuild: bool = False,
    downloads: str = "",
) -> Order:
    """Decide what of ``images`` has to be built, with one question to the engine.

    ``rebuild`` builds all of them; ``downloads`` names caches of downloads apart from the usual ones.
    """
    foundation = base.BaseImage(catalogue.base)
    made = recipe(catalogue, Foundation(foundation.reference, foundation.inputs, uv()), cache=downloads)
    references = {image: reference(catalogue, image, registry) for image in images}
    found = inspect(engine, list(references.values()))
    decisions = []
    for image, name in references.items():
        decision = decide(made, image, name, found[name].labels if name in found else None)
        if rebuild and not decision.build:
            decision = Decision(image, name, "changed", "asked for", decision.identity)
        decisions.append(decision)
    return Order(catalogue, foundation, made, tuple(decisions), found)


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
