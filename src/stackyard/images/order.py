"""What a build is asked for, decided, and done."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path

from stackyard.catalogue import Catalogue
from stackyard.effects import preflight
from stackyard.effects.process import docker
from stackyard.effects.state import state_directory
from stackyard.effects.stream import stream
from stackyard.errors import CommandError, InputError
from stackyard.events import Event, Report
from stackyard.images import base, published
from stackyard.images.bake import bake
from stackyard.images.found import Found, forget_replaced, inspect
from stackyard.images.foundations import Foundation, Foundations, for_apt
from stackyard.images.identity import Decision, Identity, decide
from stackyard.images.parts import File, Recipe
from stackyard.images.recipe import recipe
from stackyard.images.report import Built, record
from stackyard.model.site import Repository

DISK_GIB = 8


@dataclass(frozen=True)
class Order:
    """A build that is decided and not yet done."""

    catalogue: Catalogue
    bases: tuple[base.BaseImage, ...]
    foundations: Foundations
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
    catalogue: Catalogue,
    images: Sequence[str],
    *,
    registry: str,
    rebuild: bool = False,
    downloads: str = "",
    repositories: Mapping[str, Repository] | None = None,
) -> Order:
    """Decide what of ``images`` has to be built, with one question to the engine.

    ``rebuild`` builds all of them; ``downloads`` names caches of downloads apart from the usual ones;
    ``repositories`` are those of the site. Raises InputError when an image needs one that the site has not.
    """
    _have(catalogue, images, repositories or {})
    bases = {name: base.BaseImage(distribution) for name, distribution in catalogue.bases.items()}
    references = {image: reference(catalogue, image, registry) for image in images}
    found = inspect([*references.values(), *catalogue.published])
    foundations = Foundations(
        {name: Foundation(each.reference, each.inputs) for name, each in bases.items()},
        uv(),
        {name: found[name] for name in catalogue.published if name in found},
        {name: for_apt(each) for name, each in (repositories or {}).items()},
    )
    made = recipe(catalogue, foundations, cache=downloads)
    decisions = []
    for image, name in references.items():
        decision = decide(made, image, name, found[name].labels if name in found else None)
        if rebuild and not decision.build:
            decision = Decision(image, name, "changed", "asked for", decision.identity)
        decisions.append(decision)
    return Order(catalogue, tuple(bases.values()), foundations, made, tuple(decisions), found)


def _have(catalogue: Catalogue, images: Sequence[str], repositories: Mapping[str, Repository]) -> None:
    """Raise InputError when the site lacks a package repository of an image, or of the base of one."""
    for name in images:
        service, image = catalogue.images[name]
        for each in (service.below(image), image):
            if each.repository and each.repository not in repositories:
                raise InputError(
                    f"{name} takes packages from the repository {each.repository}, and the site has none of that name",
                    f"add to the site file: repositories: {{{each.repository}: {{url: …, suite: …, key: FILE}}}}",
                )


@cache
def uv() -> File:
    """The uv that comes with this tool: it installs Python packages in build steps and stays out of images."""
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - found out only when it is needed

        return File(Path(find_uv_bin()), 0o755, metadata.version("uv"))
    except (ImportError, FileNotFoundError, metadata.PackageNotFoundError) as error:
        raise InputError("the Python package uv is not installed", "install the tool with its dependencies") from error


def execute(ordered: Order, report: Report, *, no_cache: bool = False) -> list[Built]:
    """Build what has to be built; return what was. Raises InputError, BuildError."""
    wanted = ordered.wanted
    if not wanted:
        return []
    preflight.engine()
    preflight.disk(DISK_GIB, "a build")
    folder = state_directory() / "build"
    with _alone(folder, report):
        for decision in wanted:
            report(Event("waiting", decision.image, decision.why))
        ordered = _grounded(ordered, report)
        wanted = ordered.wanted
        progress = bake(ordered.recipe, wanted, folder / "recipe", report, no_cache=no_cache)
        built = record(wanted, progress, inspect([each.reference for each in wanted]), folder)
    forget_replaced()
    return built


def _grounded(ordered: Order, report: Report) -> Order:
    """The order when the engine has all that its images begin with, and with what only then is known of those."""
    needed = ordered.recipe.externals(each.image for each in ordered.wanted)
    made = [each for each in ordered.bases if each.reference in needed]
    for each in made:
        base.ensure(each, report)
    references = needed.intersection(ordered.catalogue.published)
    if not references:
        return ordered
    architecture = inspect([made[0].reference])[made[0].reference].architecture
    found = published.ensure(references, architecture, report)
    foundations = replace(ordered.foundations, published={**ordered.foundations.published, **found})
    again = recipe(ordered.catalogue, foundations, cache=ordered.recipe.cache)
    decisions = tuple(replace(each, identity=Identity(again.inputs(each.image))) for each in ordered.decisions)
    return replace(ordered, foundations=foundations, recipe=again, decisions=decisions)


@contextmanager
def _alone(folder: Path, report: Report) -> Iterator[None]:
    """One build at a time uses the folder. Raises InputError when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}",
            "run as root (sudo), or name another place in STACKYARD_STATE",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(Event("note", "build", "waits for another build to end"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def push(decisions: Sequence[Decision], report: Report) -> None:
    """Push images to the registry that their names begin with. Raises CommandError at the first that fails."""
    for decision in decisions:
        begun = time.monotonic()
        lines: list[str] = []
        report(Event("started", decision.image, f"pushing {decision.reference}"))
        if stream([docker(), "image", "push", decision.reference], lines.append):
            said = "\n".join(lines[-5:])
            raise CommandError(f"docker image push {decision.reference} failed:\n{said}", "sign in with docker login?")
        report(Event("done", decision.image, f"pushed {decision.reference}", time.monotonic() - begun))
